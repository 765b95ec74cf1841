-- what the estimates are computed from: the values of a model over a prompt set, in the items' order
with clusters as (select source, benchmark as prompts, item_id, cluster from stg_items),
item_values as (select * from item_values left join clusters using (source, prompts, item_id)),
final as (
    select
        source, model, prompts, benchmark, mode, metric, regime, filter, scorer,
        count(*) - count(value) as unscored,
        coalesce(list(value order by item_id) filter (value is not null), []) as sample_values,
        coalesce(list(cluster order by item_id) filter (value is not null), []) as clusters
    from item_values
    group by all
)
select * from final
