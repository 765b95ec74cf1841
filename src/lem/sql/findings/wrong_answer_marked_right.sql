-- error: a whole answer that does not come to the gold answer by our reading, and is marked right; the accuracy may be too high
select
    source, model, prompts, mode, item_id, sample,
    format(
        'gold {}, stored extraction {}, by our reading {}', gold, coalesce(extracted, 'none'),
        coalesce(read_extracted, 'none')
    ) as detail
from audit_marks
where stated = 1 and read_value = 0 and is_whole
