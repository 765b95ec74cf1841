-- warning: one text as the answer to different prompts of a run, and no refusal
with refusals as (
    select source, model, benchmark as prompts, mode, item_id as seed_id, sample
    from answer_signs
    where metric = 'refusal' and value = 1
),
texts as (
    -- a short verdict fits many prompts
    select source, model, prompts, mode, seed_id, sample, prompt, response
    from responses
    where strlen(response) >= 80 and finish_reason is distinct from 'given'
),
twice as (
    select hash(source, model, prompts, mode, response) as text from texts group by all having count(*) > 1
),
suspects as (
    select * from texts
    where hash(source, model, prompts, mode, response) in (from twice) and length(trim(response)) >= 80
),
answers as (select * from suspects anti join refusals using (source, model, prompts, mode, seed_id, sample)),
shared as (
    select source, model, prompts, mode, response, count(distinct prompt) as asked, min(seed_id) as first_item
    from answers
    group by all
    having asked > 1
)
select
    source, model, prompts, mode, seed_id as item_id, sample,
    format('the same text answers {} different prompts, {} the first', asked, first_item) as detail
from answers join shared using (source, model, prompts, mode, response)
