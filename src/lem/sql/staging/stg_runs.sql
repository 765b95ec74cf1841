-- one row a call of a model over a prompt set
select
    source, run_id, model, prompts, mode, prompt_set_sha, kernel_sha, template, shots, weights_sha, adapter_sha,
    temperature, top_p, max_tokens, samples, batch_size, seed, engine, device, blas, settings_sha, until,
    started, wall_seconds, responses, asked, responses_sha, tokens, tokens_per_second, git_revision
from raw_runs
