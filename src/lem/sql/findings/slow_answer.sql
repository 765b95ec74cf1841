-- warning: an answer that took far longer than the others of its run, in seconds and for its length; a mean time is off
select
    source, model, prompts, mode, item_id, sample, file || ':' || line as file,
    format('{:.1f} seconds for {} characters, where the median is {:.1f}', seconds, chars, middle) as detail
from audit_times
where is_slow
