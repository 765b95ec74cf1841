-- one row an answer that a run's log tells of
select source, file, line, model, prompts, mode, seed_id, place, announced, chars, seconds, preview
from raw_log_entries
