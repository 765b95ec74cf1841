-- one value an item: several samples or repeats of it are averaged, they are not independent
with scored as (
    select
        source, model, benchmark as prompts, benchmark, mode, metric, regime, filter, scorer, item_id, value
    from stg_scores
),
signs as (
    select
        source, model, prompts, mode, seed_id as item_id,
        unnest(['chars', 'cut_off']) as metric,
        unnest([chars::double, (finish_reason = 'length')::int::double]) as value
    from stg_responses
),
values_of as (
    select * from scored
    union all by name
    select *, null as benchmark, 'direct' as regime, 'none' as filter, 'sign' as scorer
    from signs
),
final as (
    select * exclude (value), avg(value) as value
    from values_of
    group by all
)
select * from final
