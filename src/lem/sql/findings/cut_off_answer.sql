-- warning: an answer that stops because its run or its storage had a limit; what it would have come to is unknown
select
    source, model, prompts, mode, item_id, sample,
    case
        when stored_chars is null then 'the model was stopped at its token limit'
        when alike is null then format('stored up to {} characters, where other answers of this dump are cut', stored_chars)
        else format('stored up to {} characters, as {} of {} answers are', stored_chars, alike, answers)
    end as detail
from audit_cut
