-- each stated figure beside what the rows of the same source, model and benchmark give, in the figure's own unit.
-- Stated and computed agree where they differ by no more than the rounding of the digits on both sides.
with aliases(metric, row_metric) as (
    values
        ('accuracy', 'exact_match'), ('refusal_rate', 'refusal_flag'), ('truthful_rate', 'truthful_match'),
        ('untruthful_rate', 'untruthful_match'), ('avg_time', 'gen_time')
),
printed as (
    select
        *, replace(model, '/', '__') as row_model,
        if(contains(value::varchar, 'e'), 0, length(regexp_extract(value::varchar, '^-?[0-9]+[.]([0-9]*[1-9])$', 1))) as digits
    from figures
    where
        benchmark is not null and (value is not null or n is not null)
        -- a perplexity, say, is no mean of what the rows hold
        and coalesce(try_cast(settings as json)->>'aggregation', 'mean') = 'mean' and metric <> 'mcc'
        -- what lem harmony measures between the epochs is of other items than the rows
        and not (document like 'harmony/results/%' and place <> 'test')
),
stated as (
    -- 34 in a column with 33.5 is 34.0: all figures of a document and metric are printed alike.
    -- A figure that does not say of how many answers it is is of as many as its dump says elsewhere.
    select
        * replace (coalesce(n, max(n) over same, max(if(metric = 'answers', try_cast(value as bigint), null)) over same) as n),
        if(contains(value::varchar, 'e'), 0, 0.5 * pow(10, -max(digits) over (partition by source, document, metric, unit)))
            as rounding
    from printed
    window same as (partition by source, model, benchmark, regime)
),
scored as (
    select
        source, model, benchmark, mode, metric, regime, filter, scorer, count(*) as answers, count(value) as measured,
        sum(value) as total, avg(value) as value, max(value) as most, 0::double as rounding, true as is_mean
    from item_values
    where scorer <> 'sign' and source in (select source from figures)
    group by all
),
timed as (
    select
        source, model, prompts as benchmark, mode, 'gen_time' as metric, 'direct' as regime, null::varchar as filter,
        'own' as scorer, count(*) as answers, count(gen_time) as measured, sum(gen_time) as total, avg(gen_time) as value,
        max(gen_time) as most, true as is_mean,
        0.5 * pow(10, -max(length(regexp_extract(gen_time::varchar, '[.]([0-9]*[1-9])$', 1)))) as rounding
    from responses
    where finish_reason is distinct from 'given' and source in (select source from figures)
    group by all
),
counted as (
    select
        source, model, prompts as benchmark, mode, 'answers' as metric, 'direct' as regime, null::varchar as filter,
        'own' as scorer, count(distinct item_id) as answers, answers as measured, answers::double as total,
        answers::double as value, answers::double as most, 0::double as rounding, false as is_mean
    from item_values
    where source in (select source from figures)
    group by all
),
right_ones as (
    select * replace ('correct_answers' as metric, null::varchar as filter, total as value, false as is_mean)
    from scored
    where metric = 'exact_match' and filter = 'stored'
),
measured as (
    from scored
    union all by name
    from timed
    union all by name
    from counted
    union all by name
    from right_ones
),
matched as (
    select
        stated.source, stated.document, stated.place, stated.model, stated.benchmark, stated.metric, stated.filter, stated.regime,
        stated.unit, stated.value as stated, stated.n, measured.mode, measured.answers, measured.measured, measured.most,
        measured.is_mean,
        -- a rate of 0-1 that is stated above 1 is in percent, whether or not somebody says so
        if(stated.unit = 'percent' or (stated.unit <> 'rate' and measured.is_mean and most <= 1 and stated.value > 1), 100, 1)
            as factor,
        measured.value * factor as computed, measured.total * factor as total,
        abs(stated.value - computed)
            <= stated.rounding + measured.rounding * factor + 1e-9 * greatest(1, abs(stated.value)) as is_close,
        stated.n is null or stated.n in (measured.answers, measured.measured) as is_counted
    from stated
    left join aliases on aliases.metric = stated.metric
    join measured on
        measured.source = stated.source and measured.model = stated.row_model and measured.benchmark = stated.benchmark
        and measured.metric in (stated.metric, aliases.row_metric) and measured.regime = stated.regime
        and (
            measured.filter is null or measured.filter = stated.filter
            or (stated.filter = 'none' and measured.filter = 'stored')
        )
),
final as (
    -- of several modes the one that comes nearest
    select *
    from matched
    qualify row_number() over (
        partition by source, document, place, model, benchmark, metric, filter, regime
        order by
            (coalesce(is_close, true) and is_counted) desc, is_close desc nulls last, is_counted desc,
            abs(stated - computed) nulls last, mode, measured
    ) = 1
)
select * from final
