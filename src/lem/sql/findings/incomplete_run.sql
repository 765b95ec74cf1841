-- warning: a model with fewer answers than its run wrote, or fewer items than other models have; means over them differ
select source, model, prompts, mode, format('{} of {} {}', found, expected, what) as detail
from audit_missing
