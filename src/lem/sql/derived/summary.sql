-- what was asked of whom, and what came out: every estimate with its n, interval and bounds
with measurements as (select * from measurements),
models as (select source, name as model, role, coalesce(entry, name) as entry from models),
asked as (select source, entry, prompts, mode, limited from basis),
final as (
    select
        source, model, role, prompts, mode, benchmark, metric, filter, scorer, regime, n, unscored,
        value, low, high, worst, best, unit, limited
    from measurements left join models using (source, model)
    left join asked using (source, entry, prompts, mode)
)
select * from final
