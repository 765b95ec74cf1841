-- every score with what it was about: question, gold, cluster, category
with scores as (select * from every_score),
items as (select source, benchmark, item_id, gold, cluster, category from stg_items),
final as (
    select scores.*, items.gold, items.cluster, items.category
    from scores left join items using (source, benchmark, item_id)
)
select * from final
