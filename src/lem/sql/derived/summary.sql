-- what was asked of whom, and what came out: every estimate with its n, interval and bounds
with measurements as (select * from measurements),
models as (select source, name as model, role from models),
final as (
    select
        source, model, role, prompts, mode, benchmark, metric, filter, scorer, regime, n, unscored,
        value, low, high, worst, best, unit
    from measurements left join models using (source, model)
)
select * from final
