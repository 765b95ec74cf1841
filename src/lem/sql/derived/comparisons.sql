-- the declared comparisons: paired difference, interval, verdict, and whether what was declared holds
with differences as (select * from differences where kind = 'declared'),
final as (
    select
        declared, holds, verdict, candidate, baseline, prompts, benchmark, mode, metric, filter, seeds, n, unscored,
        candidate_value, baseline_value, difference, low, high, seed_sd, unit, method, scorer, regime, source
    from differences
)
select * from final
