-- answers that are their own reasoning, but for white space
with beside as (
    select
        source, model, prompts, mode, seed_id as item_id, sample, response, reasoning,
        trim(response, e' \t\r\n') as answer, trim(reasoning, e' \t\r\n') as thought
    from responses
    where reasoning is not null and finish_reason is distinct from 'given'
),
alike as (
    -- only texts with the same ends are folded
    select *
    from beside
    where answer <> '' and left(answer, 1) = left(thought, 1) and right(answer, 1) = right(thought, 1)
),
final as (
    select source, model, prompts, mode, item_id, sample, length(response) as chars
    from alike
    where regexp_replace(answer, '[\s\p{Z}]+', ' ', 'g') = regexp_replace(thought, '[\s\p{Z}]+', ' ', 'g')
)
select * from final
