-- warning: one text as the answer to different prompts, and no refusal; an answer was probably stored in another's place
with refusals as (
    select source, model, benchmark as prompts, mode, item_id as seed_id, sample
    from answer_signs
    where metric = 'refusal' and value = 1
),
texts as (
    select source, model, prompts, mode, seed_id, sample, prompt, md5(response) as text
    from responses
    where length(trim(response)) >= 40 and finish_reason is distinct from 'given'
),
answers as (select * from texts anti join refusals using (source, model, prompts, mode, seed_id, sample)),
shared as (
    select source, model, prompts, mode, text, count(distinct prompt) as asked, min(seed_id) as first_item
    from answers
    group by all
    having asked > 1
)
select
    source, model, prompts, mode, seed_id as item_id, sample,
    format('the same text answers {} different prompts, {} the first', asked, first_item) as detail
from answers join shared using (source, model, prompts, mode, text)
