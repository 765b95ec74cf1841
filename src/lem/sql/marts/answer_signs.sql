-- the countable signs of every answer as scores, one row a sign; a given answer (multiple choice) has none
with answers as (
    select *, signs_of(response, finish_reason) as signs
    from stg_responses
    where finish_reason is distinct from 'given'
),
signs as (
    select
        source, model, prompts as benchmark, mode, seed_id as item_id, sample, run_id,
        unnest(['refusal', 'formulaic_opening', 'loop', 'cut_off', 'empty', 'first_person', 'chars']) as metric,
        unnest([
            signs.refusal, signs.formulaic_opening, signs.loop, signs.cut_off, signs.empty, signs.first_person,
            signs.chars
        ]) as value
    from answers
),
final as (
    select
        *, 'sign' as scorer, 'none' as filter, 0 as repeat, 'direct' as regime, null::varchar as extracted,
        if(value is null, 'the run does not say why its answer ended', null) as error, null::varchar as task_version
    from signs
)
select * from final
