-- what faulty answers do to a mean: the length of the answers and, where they are scored, the accuracy, without them
with faulty as (
    select 'cut_off_answer' as rule, source, model, prompts, mode, item_id, sample from audit_cut
    union all
    select 'loop', source, model, benchmark, mode, item_id, sample from answer_signs where metric = 'loop' and value = 1
    union all
    select 'response_is_reasoning', source, model, prompts, mode, seed_id, sample
    from responses
    where response = reasoning and trim(response) <> ''
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
        count(faulty.item_id) as affected, avg(value) as published, avg(value) filter (faulty.item_id is null) as repaired
    from affected
    join measured using (source, model, prompts, mode)
    left join faulty on
        (faulty.rule, faulty.source, faulty.model, faulty.prompts, faulty.mode, faulty.item_id, faulty.sample)
        = (affected.rule, measured.source, measured.model, measured.prompts, measured.mode, measured.item_id, measured.sample)
    group by all
),
final as (
    select
        rule, source, model, prompts, mode, metric, filter, n, affected, published, repaired, null::double as low,
        null::double as high, unit, if(repaired is null, 'no other answer is left', 'the mean without the affected answers') as how
    from totals
    where affected > 0
)
select * from final
