-- info: a wrong answer of which another number was extracted than it comes to by our reading; the mark holds
select
    source, model, prompts, mode, item_id, sample,
    format('gold {}, stored extraction {}, by our reading {}', gold, extracted, coalesce(read_extracted, 'none')) as detail
from audit_marks
where stated = 0 and read_value = 0 and is_whole
    and extracted is not null and number_of(extracted) is distinct from read_extracted
