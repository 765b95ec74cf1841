-- what the estimates are computed from: the values of a model over a prompt set, in the items' order
with final as (
    select
        source, model, prompts, benchmark, mode, metric, regime, filter, scorer,
        count(*) - count(value) as unscored,
        coalesce(list(value order by item_id) filter (value is not null), []) as sample_values
    from item_values
    group by all
)
select * from final
