-- what was asked of a model and is not there: fewer answers than its run wrote, or fewer items than other models have
with answers as (
    select source, run_id, count(*) as found from responses group by all
),
runs as (
    select source, model, prompts, mode, sum(responses) as expected, sum(coalesce(found, 0)) as found
    from runs left join answers using (source, run_id)
    where responses is not null
    group by all
),
asked as (
    select source, model, prompts, mode, seed_id as item_id from responses
    union
    select source, model, benchmark, mode, item_id from scores
),
counts as (select source, model, prompts, mode, count(*) as found from asked group by all),
peers as (
    select *, max(found) over (partition by source, prompts) as expected
    from counts
),
final as (
    select source, model, prompts, mode, expected, found, 'answers that its run wrote' as what
    from runs
    where found < expected
    union all
    select source, model, prompts, mode, expected, found, 'items that other models have'
    from peers
    where found < expected
)
select * from final
