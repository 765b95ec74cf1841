-- the declared comparisons: paired difference, interval, flips, verdict, and whether what was declared holds
with differences as (select * from differences where kind = 'declared'),
final as (
    select
        declared, holds, verdict, candidate, baseline, prompts, benchmark, mode, metric, filter, is_primary, seeds, n,
        unscored, clusters, candidate_value, baseline_value, difference, low, high, margin, unit, gained, lost, p,
        p_holm, p_equivalence, test, detectable, worst, best, seed_sd, item_variance, seed_variance, method, scorer,
        regime, source, differs, limited
    from differences
)
select * from final
