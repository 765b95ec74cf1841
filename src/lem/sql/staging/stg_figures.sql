-- one row a number that somebody states of many answers
select source, document, place, model, benchmark, metric, value, unit, error, stderr, n, limited, filter, regime, higher_is_better, task_version, settings, category
from raw_figures
