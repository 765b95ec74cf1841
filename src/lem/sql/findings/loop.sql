-- warning: an answer that says the same over and over; its length says nothing of what it tells
select
    source, model, benchmark as prompts, mode, item_id, sample, 'the answer says the same over and over' as detail
from answer_signs
where metric = 'loop' and value = 1
