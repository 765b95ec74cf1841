-- what answers without any class do to a rate of truthful ones: none of them is, or all are
with totals as (
    select
        source, model, prompts, mode, count(*) as n, count(*) filter (is_unclassified) as affected,
        100 * avg(truthful) as published, published + 100 * affected / count(*) as high
    from audit_classes
    where truthful is not null
    group by all
),
final as (
    select
        'unclassified_answer' as rule, source, model, prompts, mode, 'truthful_match' as metric, 'stored' as filter, n,
        affected, published, null::double as repaired, published as low, high, 'percent' as unit,
        'the answers without a class none truthful, or all' as how
    from totals
    where affected > 0
)
select * from final
