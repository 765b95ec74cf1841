-- warning: an item that was put to different models in different words; their answers are to different questions
with varied as (
    -- most items have one wording, and only the others are told apart by model
    select source, prompts, mode, seed_id
    from responses
    group by all
    having min(prompt) <> max(prompt)
),
asked as (
    select source, prompts, mode, seed_id, model, min(prompt) as prompt
    from responses semi join varied using (source, prompts, mode, seed_id)
    group by all
),
wordings as (
    select source, prompts, mode, seed_id, prompt, string_agg(model, ', ' order by model) as models
    from asked
    group by all
)
select
    source, prompts, mode, seed_id as item_id,
    format('{} wordings: {}', count(*), string_agg(models, ' | ' order by models)) as detail
from wordings
group by all
having count(*) > 1
