-- what the estimates are computed from: one value an item, in the items' order.
-- Several samples or repeats of an item are averaged first: they are not independent.
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
items as (
    select * exclude (value), avg(value) as value
    from values_of
    group by all
),
final as (
    select
        source, model, prompts, benchmark, mode, metric, regime, filter, scorer,
        count(*) - count(value) as unscored,
        coalesce(list(value order by item_id) filter (value is not null), []) as sample_values
    from items
    group by all
)
select * from final
