-- one row a measured value; null values are kept and counted as unscored downstream
select
    source, model, benchmark, mode, item_id, sample, metric, scorer, filter, repeat, regime,
    value, error, extracted, task_version, run_id
from raw_scores
