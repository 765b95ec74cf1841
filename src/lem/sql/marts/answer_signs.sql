-- the countable signs of every answer as scores, one row a sign; a given answer (multiple choice) has none
-- (raw_signs holds a byte an answer, in the answers' order: a bit for each sign of its text)
with answers as (
    select * from stg_responses positional join raw_signs
    where finish_reason is distinct from 'given'
),
signs as (
    select
        source, model, prompts as benchmark, mode, seed_id as item_id, sample, run_id,
        unnest(['refusal', 'formulaic_opening', 'loop', 'cut_off', 'empty', 'first_person', 'chars']) as metric,
        unnest([
            flags & 1, flags >> 1 & 1, flags >> 2 & 1,
            if(finish_reason is null, null, if(finish_reason = 'length', 1, 0)),
            flags >> 3 & 1, flags >> 4 & 1, length(response)
        ]::double[]) as value
    from answers
),
final as (
    select
        *, 'sign' as scorer, 'none' as filter, 0 as repeat, 'direct' as regime, null::varchar as extracted,
        if(value is null, 'the run does not say why its answer ended', null) as error, null::varchar as task_version
    from signs
)
select * from final
