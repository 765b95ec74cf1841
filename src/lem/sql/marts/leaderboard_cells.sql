-- one row a cell of a leaderboard: every model of a source and regime on every task there, those that are missing too.
-- Higher is better in all of them; `whole` is what 100 percent is in the cell's unit.
with stated as (
    select *, format('{} ({}, {})', said, document, place) as statement from leaderboard_as_stated
),
categories as (select source, task, min(category) as category from stated group by all),
tasks as (select distinct source, regime, task, categories.category from stated join categories using (source, task)),
models as (select distinct source, regime, model from stated),
found as (
    select
        source, regime, model, task,
        -- 90 percent and 0.9 are one value
        max(value / coalesce(whole, 1)) - min(value / coalesce(whole, 1)) > 1e-9 as is_twice,
        array_to_string(list_sort(list(distinct statement) filter (value is not null)), ' and ') as statements,
        array_to_string(list_sort(list(distinct error) filter (value is null)), ', ') as missing,
        arg_min(
            {
                value: if(higher_is_better, value, -value), unit: unit, whole: whole, stderr: stderr, n: n,
                is_beyond: is_beyond, beyond: beyond
            },
            {unknown: stderr is null, document: document, place: place}
        ) filter (value is not null) as one
    from stated
    group by all
),
judged as (
    select
        *,
        case
            when is_twice then 'stands twice: ' || statements
            when one.is_beyond then one.beyond
            when one is null then coalesce(nullif(missing, ''), 'not there')
        end as error
    from models join tasks using (source, regime) left join found using (source, regime, model, task)
),
final as (
    select
        source, regime, model, task, category, if(error is null, one.value, null) as value, one.unit, one.whole,
        if(error is null, one.stderr, null) as stderr, if(error is null, one.n, null) as n, error
    from judged
)
select * from final
