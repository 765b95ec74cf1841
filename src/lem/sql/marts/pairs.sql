-- what the paired differences are computed from: two models over the same items, item by item.
-- Each item holds a list of values, one a training seed; a baseline is one model, so a list of one.
with item_values as (select * from item_values),
models as (select source, name as model, entry, role from stg_models),
side as (
    select
        source, coalesce(models.entry, model) as entry, models.role, prompts, benchmark, mode, metric, regime,
        filter, scorer, item_id, list(value order by model) as seed_values
    from item_values left join models using (source, model)
    group by all
),
wanted as (
    select
        'fine-tune' as kind, null as declared, 0 as margin, null as prompts, source, entry as candidate, below as baseline
    from lineage
    union all
    select 'declared', text, margin, "on", 'own', candidate, baseline from raw_declared
),
by_model as (
    select
        wanted.* exclude (prompts), a.mode, a.mode as other_mode, a.prompts, a.benchmark, a.metric, a.regime, a.filter, a.scorer,
        a.item_id, a.seed_values as candidate_values, b.seed_values as baseline_values
    from wanted
    join side as a on (a.source, a.entry) = (wanted.source, wanted.candidate)
    join side as b on
        (b.source, b.entry, b.prompts, b.mode, b.metric, b.regime, b.filter, b.scorer, b.item_id)
        = (wanted.source, wanted.baseline, a.prompts, a.mode, a.metric, a.regime, a.filter, a.scorer, a.item_id)
    where (wanted.kind = 'declared' or b.role = 'baseline') and coalesce(wanted.prompts, a.prompts) = a.prompts
),
by_mode as (
    select
        'mode' as kind, null as declared, 0 as margin, source, entry as candidate, entry as baseline,
        a.mode, b.mode as other_mode, prompts, a.benchmark, metric, regime, filter, scorer,
        item_id, a.seed_values as candidate_values, b.seed_values as baseline_values
    from side as a
    join side as b using (source, entry, prompts, metric, regime, filter, scorer, item_id)
    where a.mode <> 'naked' and b.mode = 'naked'
),
paired as (
    select * from by_model
    union all by name
    select * from by_mode
),
final as (
    select
        * exclude (item_id, candidate_values, baseline_values),
        list(candidate_values order by item_id) as candidate_values,
        list(baseline_values order by item_id) as baseline_values
    from paired
    group by all
)
select * from final
