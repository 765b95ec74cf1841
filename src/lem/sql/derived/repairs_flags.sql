-- what refusal flags do to a refusal rate: as flagged, and as the answers' own words say
with totals as (
    select
        source, model, prompts, mode, filter, count(*) as n, count(*) filter (flagged <> refused) as affected,
        100 * avg(flagged::int) as published, 100 * avg(refused::int) as repaired
    from audit_flags
    group by all
),
final as (
    select
        'refusal_flag_against_words' as rule, source, model, prompts, mode, 'refusal_rate' as metric, filter, n, affected,
        published, repaired, repaired as low, repaired as high, 'percent' as unit,
        'by the words of each answer instead of its flag' as how
    from totals
    where affected > 0
)
select * from final
