-- error: a stated figure that does not follow from the rows of its own dump: another value, or of another number of answers
select
    source, model, benchmark as prompts, mode, document as file,
    format('{}: {} is stated as {}', place, metric, coalesce(stated::varchar, 'missing'))
        || format(' of {} answers; the {} rows there give {}', n, measured, coalesce(round(computed, 4)::varchar, 'nothing'))
        || if(unit = 'as given', '', ' ' || unit) as detail
from audit_figures
where n is not null and not (coalesce(is_close, true) and is_counted)
