-- what the audit found, the worst first: how often, and one example of each
with findings as (select * from quality_findings),
final as (
    select
        source, model, rule, severity, count(*) as n,
        min_by(coalesce(item_id, file), (item_id, file, detail)) as example, min_by(detail, (item_id, file, detail)) as detail
    from findings
    group by source, model, rule, severity
)
select *
from final
order by array_position(['error', 'warning', 'info'], severity), rule, source, model
