-- one row a fault of a file or a run, as an import saw it
select source, rule, severity, file, line, detail, model, prompts, item_id
from raw_notes
