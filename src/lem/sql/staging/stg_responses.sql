-- one row an answer, as its file states it
select
    source, model, prompts, mode, seed_id, sample,
    run_id, prompt, prompt_sha, response, chars, tokens, finish_reason,
    gen_time, batch_size, reasoning, reasoning_chars, is_refusal, logprob
from raw_responses
