-- warning: models of one prompt set that were asked in different ways: another template or kernel, or no mode in common
with runs as (
    select runs.source, runs.model, prompts, mode, kernel_sha, template, coalesce(family, '') as family
    from runs left join models on (models.source, models.name) = (runs.source, runs.model)
),
ways as (
    -- models of two families have two templates by nature; one kernel fits all
    select source, prompts, mode, 'template' as what, family, template as way, model from runs
    union
    select source, prompts, mode, 'kernel', '', kernel_sha, model from runs
),
groups as (
    select source, prompts, mode, what, family, way, string_agg(model, ', ' order by model) as models
    from ways
    group by all
),
modes as (
    select source, prompts, model, list(distinct mode order by mode) as modes from runs group by all
),
apart as (
    select distinct a.source, a.prompts, a.model, array_to_string(a.modes, ', ') as modes
    from modes as a join modes as b using (source, prompts)
    where not list_has_any(a.modes, b.modes)
),
by_modes as (
    select source, prompts, modes, string_agg(model, ', ' order by model) as models from apart group by all
)
select
    source, prompts, mode, format('{} {}s: {}', count(*), what, string_agg(models, ' | ' order by models)) as detail
from groups
group by source, prompts, mode, what, family
having count(*) > 1
union all
select
    source, prompts, null,
    'no mode in common: ' || string_agg(models || ' (' || modes || ')', ' | ' order by models, modes)
from by_modes
group by source, prompts
