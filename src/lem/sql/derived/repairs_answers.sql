-- what faulty answers do to a mean: the length of the answers without them. Accuracy: cut answers all wrong, or all right;
-- without loops it would be another number only because a model that fails loops, so there is none.
with faulty as (
    select 'cut_off_answer' as rule, source, model, prompts, mode, item_id, sample from audit_cut
    union all
    select 'loop', source, model, benchmark, mode, item_id, sample from answer_signs where metric = 'loop' and value = 1
    union all
    select 'response_is_reasoning', source, model, prompts, mode, item_id, sample from audit_copies
),
affected as (select distinct rule, source, model, prompts, mode from faulty),
measured as (
    select source, model, benchmark as prompts, mode, item_id, sample, 'chars' as metric, filter, value, 'characters' as unit
    from answer_signs
    where metric = 'chars'
    union all
    select source, model, benchmark, mode, item_id, sample, metric, filter, 100 * avg(value), 'percent'
    from scores
    where metric = 'exact_match' and filter in ('stored', 'flexible') and regime = 'direct' and value is not null
    group by all
),
totals as (
    select
        affected.rule, measured.source, measured.model, measured.prompts, measured.mode, metric, filter, unit, count(*) as n,
        count(faulty.item_id) as affected, avg(value) as published, avg(value) filter (faulty.item_id is null) as others,
        avg(if(faulty.item_id is null, value, 0)) as all_wrong, avg(if(faulty.item_id is null, value, 100)) as all_right
    from affected
    join measured using (source, model, prompts, mode)
    left join faulty on
        (faulty.rule, faulty.source, faulty.model, faulty.prompts, faulty.mode, faulty.item_id, faulty.sample)
        = (affected.rule, measured.source, measured.model, measured.prompts, measured.mode, measured.item_id, measured.sample)
    where metric = 'chars' or affected.rule = 'cut_off_answer'
    group by all
),
final as (
    select
        rule, source, model, prompts, mode, metric, filter, n, affected, published,
        if(metric = 'chars', others, null) as repaired, if(metric = 'chars', null, all_wrong) as low,
        if(metric = 'chars', null, all_right) as high, unit,
        case
            when metric <> 'chars' then 'the cut answers all wrong, or all right'
            when others is null then 'no other answer is left'
            else 'the mean without the affected answers'
        end as how
    from totals
    where affected > 0
)
select * from final
