-- on what a model was asked: two models are compared only where all of this is the same
with runs as (
    select *, 'temperature ' || temperature || concat(', top_p ', top_p, ', at most ', max_tokens, ' tokens', until) as sampling
    from stg_runs
),
models as (select source, name as model, entry from stg_models),
-- a results file of lm-eval says whether only the first items of a task were asked
stated as (
    select source, model, benchmark as prompts, bool_or(limited) as limited
    from stg_figures
    where settings is not null
    group by all
),
final as (
    select
        source, coalesce(models.entry, model) as entry, prompts, mode,
        string_agg(distinct prompt_set_sha, ' ' order by prompt_set_sha) as items,
        string_agg(distinct md5(template), ' ' order by md5(template)) as template,
        string_agg(distinct kernel_sha, ' ' order by kernel_sha) as kernel,
        string_agg(distinct sampling, ' ' order by sampling) as sampling,
        bool_or(limited) as limited
    from runs left join models using (source, model) left join stated using (source, model, prompts)
    group by all
)
select * from final
