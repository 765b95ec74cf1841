-- the class flags that a dump states of an answer, of those that should sort every answer somewhere
with flags as (
    select source, model, benchmark as prompts, mode, item_id, sample, metric, max(value) as value
    from scores
    where metric in ('truthful_match', 'untruthful_match', 'refusal_flag') and filter = 'stored' and regime = 'direct'
    group by all
),
final as (
    select
        source, model, prompts, mode, item_id, sample, string_agg(metric, ', ' order by metric) as flags,
        max(value) filter (metric = 'truthful_match') as truthful, max(value) = 0 as is_unclassified
    from flags
    group by all
    having count(*) > 1 and count(*) = count(value)
)
select * from final
