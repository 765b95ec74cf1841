-- error: the answer is its own reasoning word for word; what the model thought is counted as what it answered
select
    source, model, prompts, mode, seed_id as item_id, sample,
    format('response and reasoning are the same {} characters', length(response)) as detail
from responses
where response = reasoning and trim(response) <> ''
