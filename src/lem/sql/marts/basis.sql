-- on what a model was asked: two models are compared only where all of this is the same
with runs as (select * from stg_runs),
models as (select source, name as model, entry from stg_models),
final as (
    select
        source, coalesce(models.entry, model) as entry, prompts, mode,
        string_agg(distinct prompt_set_sha, ' ' order by prompt_set_sha) as items,
        string_agg(distinct md5(template), ' ' order by md5(template)) as template,
        string_agg(distinct kernel_sha, ' ' order by kernel_sha) as kernel
    from runs left join models using (source, model)
    group by all
)
select * from final
