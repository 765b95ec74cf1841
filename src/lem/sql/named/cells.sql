-- every cell of this study: what came out, or why nothing did
with measured as (
    select
        model, prompts, mode, metric, filter, scorer, n, unscored,
        round(value, 4) as value, round(low, 4) as low, round(high, 4) as high
    from summary
    where source = 'own' and regime = 'direct' and scorer <> 'harmony'
),
reasons as (
    select model, benchmark as prompts, mode, metric, scorer, mode(error) as error
    from scores
    where source = 'own' and value is null
    group by all
),
failed as (
    select
        model, prompts, split_part(file, ' ', 2) as mode, file like 'judge%' as judges, min(detail) as error
    from notes
    where source = 'own' and rule = 'failed_cell'
    group by all
),
final as (
    select measured.*, coalesce(failed.error || ' (these are the rows of an earlier run)', if(n = 0 and scorer <> 'sign', reasons.error, null)) as hole
    from measured
    left join reasons using (model, prompts, mode, metric, scorer)
    left join (from failed where not judges) as failed using (model, prompts, mode)
    union all by name
    select model, prompts, mode, error as hole
    from failed
    where judges or (model, prompts, mode) not in (select (model, prompts, mode) from measured)
)
select *
from final
order by prompts, mode, metric, filter, scorer, model
