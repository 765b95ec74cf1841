-- what a judge said when it was asked more than once: for each answer the list of its values, null where it failed
with answers as (
    select
        source, model, benchmark, mode, metric, scorer, item_id, sample, list(value order by repeat) as said
    from stg_scores
    where regime = 'direct' and filter = 'none'
    group by all
),
final as (
    select source, model, benchmark, mode, metric, scorer, list(said order by item_id, sample) as said
    from answers
    group by all
    having max(len(said)) > 1
)
select * from final
