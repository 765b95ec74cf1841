-- one value an item: several samples or repeats of it are averaged, they are not independent.
-- A sign is of an answer to any prompt set; `benchmark` is null there, since no benchmark scored it.
with scores as (select * from stg_scores),
final as (
    select
        source, model, benchmark as prompts, if(scorer = 'sign', null, benchmark) as benchmark, mode, metric, regime,
        filter, scorer, item_id, max(task_version) as task_version, avg(value) as value
    from scores
    group by all
)
select * from final
