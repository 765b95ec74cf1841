-- warning: a multiple-choice accuracy that is surely below chance; the choices may be scored the wrong way round
with choices as (
    select
        source, benchmark, coalesce(json_array_length(try_cast(correct as json)), 1) as correct_ones,
        json_array_length(try_cast(incorrect as json)) as wrong_ones
    from items
),
chances as (
    select
        source, benchmark, avg(1 / (1 + wrong_ones)) as first_chance,
        avg(correct_ones / (correct_ones + wrong_ones)) as chance
    from choices
    where wrong_ones > 0 and correct_ones > 0
    group by all
),
measured as (
    -- MC1 sets the gold answer alone against every wrong one
    select *, if(metric = 'mc1', first_chance, chance) as expected
    from measurements join chances using (source, benchmark)
    where metric in ('mc1', 'acc', 'acc_norm', 'exact_match')
)
select
    source, model, prompts, mode,
    format(
        '{} ({}, {}, {}): {:.1f} percent of {}, at most {:.1f}; guessing gives {:.1f}',
        metric, filter, scorer, regime, 100 * value, n, 100 * high, 100 * expected
    ) as detail
from measured
where high < expected
