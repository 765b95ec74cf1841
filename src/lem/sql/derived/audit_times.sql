-- every answer with the seconds it took alone, and whether that is far beyond the others of its run: above the third
-- quartile by three times the interquartile range in seconds and in seconds a character, and twice the median at least.
-- J. W. Tukey, "Exploratory data analysis" (1977), chapter 2: what lies beyond the outer fence is far out.
with timed as (
    select
        source, model, prompts, mode, seed_id as item_id, sample, null::varchar as file, null::bigint as line,
        gen_time as seconds, length(response) as chars
    from responses
    where gen_time is not null and coalesce(batch_size, 1) = 1 and finish_reason is distinct from 'given'
    union all
    select source, model, prompts, mode, seed_id, null, file, line, seconds, chars
    from log_entries
    where seconds is not null and chars is not null
),
rated as (select *, seconds / greatest(chars, 1) as pace from timed),
spread as (
    select
        source, model, prompts, mode, file, count(*) as answers, median(seconds) as middle,
        quantile_cont(seconds, [0.25, 0.75]) as quartiles, quantile_cont(pace, [0.25, 0.75]) as paces
    from rated
    group by all
),
final as (
    select
        rated.* exclude (pace), spread.middle,
        spread.answers >= 8 and seconds >= 2 * middle
            and seconds > quartiles[2] + 3 * (quartiles[2] - quartiles[1])
            and pace > paces[2] + 3 * (paces[2] - paces[1]) as is_slow
    from rated
    join spread on
        (spread.source, spread.model, spread.prompts, spread.mode) = (rated.source, rated.model, rated.prompts, rated.mode)
        and spread.file is not distinct from rated.file
)
select * from final
