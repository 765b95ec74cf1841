-- error: a whole answer that comes to the gold answer by our reading, and is marked wrong; the stated accuracy may be too low
select
    source, model, prompts, mode, item_id, sample,
    format('gold {}, stored extraction {}, by our reading {}', gold, coalesce(extracted, 'none'), read_extracted) as detail
from audit_marks
where stated = 0 and read_value = 1 and is_whole
