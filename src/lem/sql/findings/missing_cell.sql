-- warning: a model without a score on a task of its leaderboard; it has no rank, and the others' are less sure
with stated as (
    select source, regime, model, task from leaderboard_as_stated where value is not null
)
select source, model, task as prompts, format('{} has no score on {}, {}: {}', model, task, regime, error) as detail
from leaderboard_cells
where
    value is null and (source, regime) in (select source, regime from leaderboard)
    and (source, regime, model, task) not in (from stated)
