-- stated figures that do not follow from the rows: computed again, or bounded where they are of more
-- answers than there are rows; where nobody says of how many they are, the rows may be an excerpt
with figures as (
    select *, greatest(n - measured, 0) as missing
    from audit_figures
    where n is not null and not (coalesce(is_close, true) and is_counted)
),
bounded as (
    select
        *, missing > 0 as is_short, is_mean and most <= 1 and metric <> 'gen_time' as is_rate,
        case when not is_short then computed when is_rate then total / n end as low,
        case when not is_short then computed when is_rate then (total + missing * factor) / n end as high
    from figures
),
final as (
    select
        'figure_against_rows' as rule, source, model, benchmark as prompts, mode, metric, filter, greatest(n, measured) as n,
        abs(n - measured) as affected, stated as published, if(is_short, null, computed) as repaired,
        low, high, unit,
        format('{}, {}: ', document, place) || case
            when not is_short then format('computed from the {} rows', measured)
            when is_rate then format('{} of {} answers have no row: all wrong, or all right', missing, n)
            else format('{} of {} answers have no row; those that do give {}', missing, n, round(computed, 4))
        end as how
    from bounded
    -- where two documents state it, the one that is further off
    qualify row_number() over (
        partition by source, model, benchmark, mode, metric, filter
        order by abs(stated - computed) desc nulls last, document, place, regime
    ) = 1
)
select * from final
