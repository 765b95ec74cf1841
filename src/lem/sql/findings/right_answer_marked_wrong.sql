-- error: a whole answer that comes to the gold answer and is marked wrong; the stated accuracy is too low by it
select
    source, model, prompts, mode, item_id, sample,
    format('gold {}, stored extraction {}, ours {}', gold, coalesce(extracted, 'none'), read_extracted) as detail
from audit_marks
where stated = 0 and read_value = 1 and is_whole
