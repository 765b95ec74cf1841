-- warning: a long answer that stops in the middle of a sentence, and nobody says why it ended: it was cut off, or ran into a limit
with cut as (select source, model, prompts, mode, item_id as seed_id, sample from audit_cut)
select
    source, model, prompts, mode, seed_id as item_id, sample,
    format('{} characters, the last of them: {}', length(response), right(response, 20)) as detail
from responses
where
    finish_reason is null and length(response) >= 200
    -- most answers close with a stop: only the others are read
    and not regexp_matches(right(response, 20), '[.!?…]["''”’»)\]}*_`]*\s*$')
    and ends_in_the_middle(response)
    and (source, model, prompts, mode, seed_id, sample) not in (from cut)
