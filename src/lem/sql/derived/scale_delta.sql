-- the multi-scale table: fine-tuned minus baseline for each family and scale, on the same items
with differences as (select *, candidate as entry from differences where kind = 'fine-tune'),
models as (select distinct source, entry, family, scale, variant from models where role = 'fine-tuned'),
final as (
    select
        source, family, scale, variant, candidate as fine_tuned, baseline, prompts, benchmark, mode, metric, filter,
        seeds, n, unscored, clusters, candidate_value, baseline_value, difference, low, high, gained, lost, p,
        detectable, worst, best, seed_sd, item_variance, seed_variance, unit, verdict, method, scorer, regime, differs, limited
    from differences left join models using (source, entry)
)
select * from final
