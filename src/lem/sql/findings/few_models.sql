-- warning: a ranking of so few models that its order may be chance
with few as (select source from agreement where contains(regime, ' - ') and models < 5)
select
    source,
    format(
        '{} models are ranked, {}; of fewer than 5 the order may be chance: {}', count(*), regime,
        string_agg(model, ', ' order by model)
    ) as detail
from leaderboard
-- that too few are in both regimes has its own line
where source not in (from few)
group by source, regime
having count(*) < 5
