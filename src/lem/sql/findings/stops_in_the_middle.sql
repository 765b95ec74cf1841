-- info: a long answer whose last sentence does not end, and nobody says why it ended
with cut as (select source, model, prompts, mode, item_id as seed_id, sample from audit_cut),
open_ones as (
    select
        source, model, prompts, mode, seed_id, sample, response,
        regexp_extract(right(response, 2000), '([^\n]*)\s*$', 1) as last_line
    from responses
    where
        finish_reason is null and length(response) >= 200
        -- most answers close with a stop, and only the others are read
        and regexp_matches(right(response, 20), '[a-z,(\[-]\s*$') and contains(response, '. ')
)
select
    source, model, prompts, mode, seed_id as item_id, sample,
    format('{} characters, the last of them: {}', length(response), right(response, 20)) as detail
from open_ones
where
    regexp_matches(last_line, '^\s*(\S+\s+){5}\S')
    -- list items and their like: bullets, numbers, headings, quotes, table rows, indented code
    and not regexp_matches(last_line, '^(\s*([-*+•–—◦▪‣]|#{1,6}|\(?[0-9]+[.):]|\(?[a-zA-Z][.)])\s|\s*[>|]|\t| {4})')
    -- links and code; what says that it is the answer ends as its writer wished
    and not regexp_matches(last_line, '://|www[.]|\]\(|[`|{}<>=\\;]|\w\(\)|(?i:\banswer\b)')
    -- a short line below a short line is verse, an address or a list without marks
    and not regexp_matches(right(response, 200), '(^|\n)[^\n]{1,60}\n[^\n]{1,60}\s*$')
    and regexp_matches(response, '[.][)"''”’*_]* +["''“‘(*_]*[A-Z]')
    -- an odd number of fences: the end is code
    and (length(response) - length(replace(response, '```', ''))) % 6 = 0
    and (source, model, prompts, mode, seed_id, sample) not in (from cut)
