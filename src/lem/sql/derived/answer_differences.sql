-- two models' answers side by side, one by one: how many are the same, and how far their log-probabilities are apart.
-- A given answer is the same where its log-probability is, to the last bit; a written one where its text is.
-- Unknown are given answers of which a side has no finite log-probability: they are neither.
with wanted as (
    select source, entry as candidate, below as baseline from lineage
    union
    select source, candidate, baseline from declared
),
models as (select source, name as model, entry, seed from models),
asked as (
    select source, candidate as entry from wanted
    union
    select source, baseline from wanted
),
answers as (
    select
        responses.source, coalesce(models.entry, model) as entry, models.seed, prompts, mode, seed_id, sample, prompt_sha,
        response, logprob, finish_reason is not distinct from 'given' as given
    from stg_responses as responses left join models using (source, model)
    where (responses.source, coalesce(models.entry, model)) in (from asked)
),
paired as (
    select
        wanted.source, candidate, baseline, prompts, mode, given, seed_id as item_id, sample,
        if(given, a.logprob = b.logprob, a.response = b.response) as is_same, abs(a.logprob - b.logprob) as apart
    from wanted
    join answers as a on (a.source, a.entry) = (wanted.source, candidate)
    join answers as b using (prompts, mode, given, seed_id, sample, prompt_sha)
    where
        (b.source, b.entry) = (wanted.source, baseline) and (not given or a.response = b.response)
        and (a.seed = b.seed or a.seed is null or b.seed is null)
),
final as (
    select
        source, candidate, baseline, prompts, mode, given, count(*) as answers, count(*) filter (is_same) as same,
        count(*) filter (given and apart is null) as unknown,
        max({apart: apart, item_id: item_id, sample: sample}) filter (apart is not null) as furthest
    from paired
    group by all
)
select
    * exclude (furthest), furthest.apart as largest, if(furthest.apart > 0, furthest.item_id, null) as item_id,
    if(furthest.apart > 0, furthest.sample, null) as sample
from final
