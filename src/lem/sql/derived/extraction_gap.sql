-- what the reading of an answer changes: the same answers by each filter, in percent, and the gaps between them
with measurements as (select * from measurements where metric = 'exact_match' and benchmark is not null),
final as (
    select
        source, model, benchmark, mode, regime, scorer, max(n) as n,
        round(100 * max(value) filter (filter = 'flexible'), 10) as flexible,
        round(100 * max(value) filter (filter = 'strict'), 10) as strict,
        round(100 * max(value) filter (filter = 'first-after-equals'), 10) as first_after_equals,
        round(flexible - strict, 10) as strict_gap,
        round(flexible - first_after_equals, 10) as first_after_equals_gap
    from measurements
    group by all
    having flexible is not null
)
select * from final
