-- what lm-evaluation-harness states in its results files, ours and others': a figure a task, metric and filter
with figures as (
    select *, try_cast(settings as json) as stated from stg_figures where stated is not null
),
final as (
    select
        source, model, benchmark as task, metric, filter, value, stderr, n, limited, unit, error, higher_is_better,
        task_version, stated->>'n-shot' as shots, stated->>'task_hash' as task_hash,
        stated->>'chat_template_sha' as chat_template_sha, stated->>'lm_eval_version' as lm_eval_version,
        stated->>'model' as backend, stated->>'model_args' as model_args, stated->>'batch_size' as batch_size,
        nullif(
            concat_ws(
                '/', coalesce(stated->>'random_seed', '-'), coalesce(stated->>'numpy_seed', '-'),
                coalesce(stated->>'torch_seed', '-'), coalesce(stated->>'fewshot_seed', '-')
            ),
            '-/-/-/-'
        ) as seeds,
        stated->>'git_hash' as git_hash, document, place
    from figures
)
select * from final
