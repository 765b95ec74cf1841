-- warning: a question that stands twice in a benchmark, but for case and white space; n is smaller than it seems
with questions as (
    select
        source, benchmark as prompts, item_id, correct, incorrect,
        md5(lower(trim(regexp_replace(question, '\s+', ' ', 'g')))) as asked
    from items
    where trim(question) <> ''
)
select
    source, prompts, item_id,
    format(
        'asked more than once: {}',
        string_agg(item_id, ', ' order by item_id) over (partition by source, prompts, asked, correct, incorrect)
    ) as detail
from questions
qualify count(*) over (partition by source, prompts, asked, correct, incorrect) > 1
