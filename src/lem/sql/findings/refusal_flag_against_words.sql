-- warning: a refusal flag that the answer's own words contradict; a refusal rate that is counted by it is off
select
    source, model, prompts, mode, item_id, sample,
    flag || if(flagged, ' is set, and the answer does not refuse in its words',
        ' is not set, and the answer refuses in its words') as detail
from audit_flags
where flagged <> refused
