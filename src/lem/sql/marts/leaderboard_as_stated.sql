-- every score that a leaderboard can be made of, as it is stated: our own cells after lem harmony, and others' tables.
-- `lowest` and `whole` are the ends of its scale; that of a source which states no unit is told by its values.
with tasks as (select * from known_tasks),
stated as (
    select
        source, regime, model, benchmark as task, coalesce(figures.category, tasks.category) as category, value, unit,
        stderr, n, error, coalesce(figures.higher_is_better, tasks.higher_is_better, true) as higher_is_better,
        coalesce(if(figures.metric = 'score', tasks.metric, figures.metric) = 'mcc', false) as is_mcc, document, place
    from stg_figures as figures left join tasks on tasks.name = figures.benchmark
    where
        benchmark is not null and regime in ('direct', 'train_before_test')
        and (figures.metric = 'score' or (document like 'harmony/results/%' and place = 'test'))
),
scales as (
    select source, if(median(abs(value)) <= 1, 1, 100) as theirs
    from stated
    where unit = 'as given' and value is not null
    group by source
),
scaled as (
    select
        stated.*,
        case unit when 'percent' then 100 when 'rate' then 1 when 'as given' then theirs end::double as whole,
        if(is_mcc, -whole, 0) as lowest
    from stated left join scales using (source)
),
final as (
    select
        * exclude (is_mcc),
        -- a number as it was written, and 60.0 as 60
        regexp_replace(value::varchar, '[.]0$', '') as said, coalesce(value not between lowest and whole, false) as is_beyond,
        format('{} is out of range {:g}-{:g}', said, lowest, whole) as beyond
    from scaled
)
select * from final
