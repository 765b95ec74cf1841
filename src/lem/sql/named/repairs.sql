-- what each fault does to a published number: as it is stated, without the fault, or between which bounds it lies
with repairs as (select * from repairs),
final as (
    select
        source, model, prompts, mode, rule, metric, filter, affected, n, round(published, 2) as published,
        round(repaired, 2) as repaired, round(low, 2) as low, round(high, 2) as high, unit, how
    from repairs
)
select *
from final
order by rule, source, model, prompts, mode, metric, filter
