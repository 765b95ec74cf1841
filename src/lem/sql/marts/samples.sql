-- what the estimates are computed from: all values of one group in a list, in the items' order
with scored as (
    select
        source, model, benchmark as prompts, benchmark, mode, metric, regime, filter, scorer,
        item_id, sample, repeat, value
    from stg_scores
),
signs as (
    select
        source, model, prompts, mode, seed_id as item_id, sample,
        unnest(['chars', 'cut_off']) as metric,
        unnest([chars::double, (finish_reason = 'length')::int::double]) as value
    from stg_responses
),
values_of as (
    select * from scored
    union all by name
    select *, null as benchmark, 'direct' as regime, 'none' as filter, 'sign' as scorer, 0 as repeat
    from signs
),
final as (
    select
        source, model, prompts, benchmark, mode, metric, regime, filter, scorer,
        count(*) - count(value) as unscored,
        coalesce(list(value order by item_id, sample, repeat) filter (value is not null), []) as sample_values
    from values_of
    group by all
)
select * from final
