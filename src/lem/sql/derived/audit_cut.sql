-- answers that were cut: by the token limit, as the run says, or by whoever stored them. Nobody says the latter;
-- it shows in several answers of exactly the greatest length that stop in the middle. A dump has one such limit,
-- so the answers of its other models that reach it and stop in the middle were cut there too.
with answers as (
    select source, model, prompts, mode, seed_id as item_id, sample, response, length(response) as chars, finish_reason
    from responses
    where finish_reason is distinct from 'given'
),
groups as (
    select source, model, prompts, mode, max(chars) as chars, count(*) as answers
    from answers
    group by all
),
longest as (
    select answers.* exclude (finish_reason), groups.answers, ends_in_the_middle(response) as is_open
    from answers join groups using (source, model, prompts, mode, chars)
),
limits as (
    select source, model, prompts, mode, chars, answers, count(*) as alike
    from longest
    group by all
    -- of two or three answers two alike are most; of more, three and one in twenty: two may be chance
    having (count(*) filter (is_open) >= 3 and 20 * count(*) >= answers)
        or (count(*) filter (is_open) = 2 and answers <= 3)
),
reached as (
    select answers.*, limits.alike, limits.answers
    from answers
    join (select distinct source, chars from limits) as known using (source, chars)
    left join limits using (source, model, prompts, mode, chars)
),
stored as (
    select * from reached where alike is not null or ends_in_the_middle(response)
),
final as (
    select
        source, model, prompts, mode, item_id, sample, answers.finish_reason = 'length' as by_limit,
        stored.chars as stored_chars, stored.alike, stored.answers
    from answers left join stored using (source, model, prompts, mode, item_id, sample)
    where answers.finish_reason = 'length' or stored.chars is not null
)
select * from final
