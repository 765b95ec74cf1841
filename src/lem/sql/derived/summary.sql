-- what was asked of whom, and what came out: every estimate with its n and interval
with measurements as (select * from measurements),
models as (select source, name as model, role from models),
final as (
    select
        source, model, role, prompts, mode, benchmark, metric, filter, n, unscored,
        value, low, high, unit
    from measurements left join models using (source, model)
)
select * from final
