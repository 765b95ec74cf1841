-- what was asked of whom, and what came out: every estimate with its n, interval and bounds
with models as (select source, name as model, role, entry from models),
measured as (
    select measurements.*, role, coalesce(entry, model) as entry
    from measurements left join models using (source, model)
),
asked as (select source, entry, prompts, mode, limited from basis),
final as (
    select
        source, model, role, prompts, mode, benchmark, metric, filter, scorer, regime, n, unscored,
        value, low, high, worst, best, unit, limited
    from measured left join asked using (source, entry, prompts, mode)
)
select * from final
