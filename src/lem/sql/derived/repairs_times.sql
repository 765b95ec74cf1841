-- what slow answers do to a mean time: with them and without; filter log is by what the run's log says
with times as (select *, if(file is null, 'none', 'log') as filter from audit_times),
totals as (
    select
        source, model, prompts, mode, filter, count(*) as n, count(*) filter (is_slow) as affected,
        avg(seconds) as published, avg(seconds) filter (not is_slow) as repaired
    from times
    group by all
),
final as (
    select
        'slow_answer' as rule, source, model, prompts, mode, 'gen_time' as metric, filter, n, affected, published, repaired,
        null::double as low, null::double as high, 'seconds' as unit, 'the mean without the slow answers' as how
    from totals
    where affected > 0
)
select * from final
