-- one value an item: several samples or repeats of it are averaged, they are not independent; where one of
-- them could not be scored the item could not.
-- A sign is of an answer to any prompt set; `benchmark` is null there, since no benchmark scored it.
with scores as (select * from every_score),
final as (
    select
        source, model, benchmark as prompts, if(scorer = 'sign', null, benchmark) as benchmark, mode, metric, regime,
        filter, scorer, item_id, max(task_version) as task_version, if(count(*) = count(value), avg(value), null) as value
    from scores
    group by all
)
select * from final
