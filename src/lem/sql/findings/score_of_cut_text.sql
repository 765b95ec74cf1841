-- warning: a mark of an answer whose stored text is cut; from what is stored nobody can check it
select
    source, model, prompts, mode, item_id, sample,
    format('marked {}, of a text that is stored up to {} characters only', if(stated = 1, 'right', 'wrong'), stored_chars)
        as detail
from audit_marks
where stored_chars is not null
