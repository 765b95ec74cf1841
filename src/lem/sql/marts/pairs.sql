-- what the paired differences are computed from: two models over the same items, item by item.
-- Each item holds a list of values, one a training seed; a baseline is one model, so a list of one.
with item_values as (select * from item_values),
models as (select source, name as model, entry, role from models),
clusters as (select source, benchmark as prompts, item_id, cluster from items),
scored as (select distinct source, prompts from item_values where benchmark is not null),
wanted as (
    select
        'fine-tune' as kind, null as declared, 0 as margin, null as prompts, source, entry as candidate, below as baseline
    from lineage
    union all
    select 'declared', declared, margin, prompts, source, candidate, baseline from declared
),
-- no other row is of a pair: a million answers of one model alone are not grouped for nothing
compared as (
    select source, candidate as entry from wanted
    union
    select source, baseline from wanted
),
wrapped as (select distinct source, model, prompts from item_values where mode <> 'naked'),
relevant as (
    select item_values.*, coalesce(models.entry, model) as entry, models.role
    from item_values left join models using (source, model)
    where
        (source, coalesce(models.entry, model)) in (from compared)
        or (source, model, prompts) in (from wrapped)
),
side as (
    select
        source, entry, role, prompts, benchmark, mode, metric, regime, filter, scorer, item_id,
        list(value order by model) as seed_values, max(task_version) as task_version
    from relevant
    group by all
),
item_sets as (
    select
        source, entry, prompts, mode, metric, regime, filter, scorer, md5(string_agg(item_id, ' ' order by item_id)) as item_set
    from side
    group by all
),
by_model as (
    select
        wanted.* exclude (prompts), a.mode, a.mode as other_mode, a.prompts, a.benchmark, a.metric, a.regime, a.filter, a.scorer,
        a.item_id, a.seed_values as candidate_values, b.seed_values as baseline_values,
        if(a.task_version is distinct from b.task_version, 'task version', null) as other_task,
        mine.item_set is distinct from theirs.item_set as other_items
    from wanted
    join side as a on (a.source, a.entry) = (wanted.source, wanted.candidate)
    join side as b on
        (b.source, b.entry, b.prompts, b.mode, b.metric, b.regime, b.filter, b.scorer, b.item_id)
        = (wanted.source, wanted.baseline, a.prompts, a.mode, a.metric, a.regime, a.filter, a.scorer, a.item_id)
    join item_sets as mine on
        (mine.source, mine.entry, mine.prompts, mine.mode, mine.metric, mine.regime, mine.filter, mine.scorer)
        = (a.source, a.entry, a.prompts, a.mode, a.metric, a.regime, a.filter, a.scorer)
    join item_sets as theirs on
        (theirs.source, theirs.entry, theirs.prompts, theirs.mode, theirs.metric, theirs.regime, theirs.filter, theirs.scorer)
        = (b.source, b.entry, b.prompts, b.mode, b.metric, b.regime, b.filter, b.scorer)
    where
        (wanted.kind = 'declared' or b.role = 'baseline') and coalesce(wanted.prompts, a.prompts) = a.prompts
        -- of a benchmark, what it scores is declared on; its signs are what a prompt set has
        and (wanted.kind <> 'declared' or a.benchmark is not null or (a.source, a.prompts) not in (from scored))
),
comparable as (
    select
        by_model.* exclude (other_task, other_items), a.limited or b.limited as limited,
        nullif(concat_ws(
            ', ',
            -- an import may not say what it asked: then the scored items themselves must be the same
            if(a.items is distinct from b.items or (a.items is null and other_items), 'items', null),
            if(a.template is distinct from b.template, 'template', null),
            if(a.kernel is distinct from b.kernel, 'kernel', null),
            if(a.sampling is distinct from b.sampling, 'sampling', null),
            max(other_task) over (
                partition by kind, declared, by_model.source, candidate, baseline, by_model.prompts, by_model.mode, metric, scorer
            )
        ), '') as differs
    from by_model
    left join basis as a on
        (a.source, a.entry, a.prompts, a.mode) = (by_model.source, candidate, by_model.prompts, by_model.mode)
    left join basis as b on
        (b.source, b.entry, b.prompts, b.mode) = (by_model.source, baseline, by_model.prompts, by_model.mode)
),
by_mode as (
    select
        'mode' as kind, null as declared, 0 as margin, source, entry as candidate, entry as baseline,
        a.mode, b.mode as other_mode, prompts, a.benchmark, metric, regime, filter, scorer,
        item_id, a.seed_values as candidate_values, b.seed_values as baseline_values, null as differs, null as limited
    from side as a
    join side as b using (source, entry, prompts, metric, regime, filter, scorer, item_id)
    where a.mode <> 'naked' and b.mode = 'naked'
),
paired as (
    select * from comparable
    union all by name
    select * from by_mode
),
final as (
    select
        paired.* exclude (item_id, candidate_values, baseline_values),
        list(candidate_values order by item_id) as candidate_values,
        list(baseline_values order by item_id) as baseline_values,
        list(cluster order by item_id) as clusters
    from paired left join clusters using (source, prompts, item_id)
    group by all
)
select * from final
