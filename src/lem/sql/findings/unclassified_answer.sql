-- warning: an answer that every stated class flag leaves out: neither truthful nor not, nor a refusal; rates over it say little
select source, model, prompts, mode, item_id, sample, flags || ': none is set' as detail
from audit_classes
where is_unclassified
