-- what `compare:` of params.yaml declares, in its order; prompts null is every benchmark and prompt set
select place, 'own' as source, text as declared, candidate, baseline, margin, "on" as prompts
from raw_declared
