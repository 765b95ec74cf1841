-- error: the answer is its own reasoning, but for white space; what the model thought is counted as what it answered
select
    source, model, prompts, mode, item_id, sample,
    format('response and reasoning are the same {} characters, but for white space', chars) as detail
from audit_copies
