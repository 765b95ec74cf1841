-- error: a whole answer that comes to something else than the gold answer and is marked right; the accuracy is too high
select
    source, model, prompts, mode, item_id, sample,
    format('gold {}, stored extraction {}, ours {}', gold, coalesce(extracted, 'none'), coalesce(read_extracted, 'none'))
        as detail
from audit_marks
where stated = 1 and read_value = 0 and is_whole
