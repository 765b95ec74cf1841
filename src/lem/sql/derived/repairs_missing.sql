-- what missing items do to a rate: had each of them been 0, or 1
with missing as (
    select source, model, prompts, mode, max(expected) as expected
    from audit_missing
    where what = 'items that other models have'
    group by all
),
rates as (
    select *
    from measurements
    where unit = 'rate' and benchmark is not null and regime = 'direct' and filter in ('none', 'flexible', 'stored')
    qualify row_number() over (partition by source, model, prompts, mode, metric, filter order by scorer) = 1
),
final as (
    select
        'incomplete_run' as rule, source, model, prompts, mode, metric, filter, expected as n,
        greatest(expected - n, 0) as affected, 100 * value as published, null::double as repaired,
        100 * value * n / expected as low, 100 * (value * n + affected) / expected as high, 'percent' as unit,
        'the missing items all 0, or all 1' as how
    from rates join missing using (source, model, prompts, mode)
    where n > 0 and n <= expected
)
select * from final
