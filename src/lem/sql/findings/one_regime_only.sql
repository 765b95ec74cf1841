-- warning: a model that was scored in one regime where others were scored in both; what training does to it is unknown
with models as (
    select source, model, min(regime) as regime, min(regime) = max(regime) as is_one
    from leaderboard_cells
    group by all
),
regimes as (select source, unnest(['direct', 'train_before_test']) as regime from agreement where contains(regime, ' - '))
select
    source, model, format('{} has scores in {} and none in {}', model, models.regime, regimes.regime) as detail
from models join regimes using (source)
where is_one and regimes.regime <> models.regime
