-- one row a model variant and published metric: rates in percent, judged scores in points
with models as (select source, name as model, entry from models),
asked as (select source, entry, prompts as benchmark, mode, limited from basis),
measured as (
    select
        measurements.*,
        coalesce(entry, model) as entry,
        if(metric = 'exact_match', benchmark, metric) as published_metric,
        if(unit = 'rate', 100, 1) as factor
    from measurements left join models using (source, model)
    where benchmark is not null
),
final as (
    select
        source, model, published_metric as metric, benchmark, mode, regime, filter, scorer, n,
        round(value * factor, 10) as value,
        round(low * factor, 10) as low,
        round(high * factor, 10) as high,
        unscored, round(worst * factor, 10) as worst, round(best * factor, 10) as best,
        if(unit = 'rate', 'percent', unit) as unit,
        limited
    from measured left join asked using (source, entry, benchmark, mode)
)
select * from final
