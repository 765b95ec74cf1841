-- what the wrapping alone does: each mode minus naked, the same prompts to the same model
with differences as (select * from differences where kind = 'mode'),
final as (
    select
        source, candidate as model, prompts, benchmark, mode, other_mode, metric, filter, seeds, n, unscored,
        candidate_value as mode_value, baseline_value as other_value, difference, low, high, gained, lost, p,
        detectable, worst, best, seed_sd, unit, verdict, method, scorer, regime
    from differences
)
select * from final
