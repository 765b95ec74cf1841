-- warning: a stated figure that the rows there do not give, and nobody says of how many answers it is; they may be an excerpt
select
    source, model, benchmark as prompts, mode, document as file,
    format(
        '{}: {} is stated as {}, of how many answers nobody says; the {} rows there give {}', place, metric,
        coalesce(stated::varchar, 'missing'), measured, coalesce(round(computed, 4)::varchar, 'nothing')
    ) || if(unit = 'as given', '', ' ' || unit) as detail
from audit_figures
where n is null and not coalesce(is_close, true)
