-- the mark that a dump states of an answer beside our reading of the same text. A text is whole where nobody cut it:
-- neither its run nor its storage, nor, where the run does not say why it ended, does it stop in the middle.
-- Asked of marks that our reading does not confirm as right; false elsewhere.
with stored as (
    select *
    from scores
    where metric = 'exact_match' and filter = 'stored' and regime = 'direct' and repeat = 0 and value in (0, 1)
    qualify row_number() over (partition by source, model, benchmark, mode, item_id, sample order by scorer) = 1
),
ours as (
    select source, model, benchmark, mode, item_id, sample, value, extracted
    from scores
    where metric = 'exact_match' and filter = 'flexible' and scorer = 'number' and regime = 'direct' and repeat = 0
),
cut as (
    select source, model, prompts as benchmark, mode, item_id, sample, stored_chars from audit_cut
),
compared as (
    select
        stored.*, ours.value as read_value, ours.extracted as read_extracted, cut.stored_chars,
        ours.value is not null and not (stored.value = 1 and ours.value = 1) as is_asked
    from stored
    left join ours using (source, model, benchmark, mode, item_id, sample)
    left join cut using (source, model, benchmark, mode, item_id, sample)
),
texts as (
    select
        source, model, prompts as benchmark, mode, seed_id as item_id, sample,
        if(finish_reason is null, not ends_in_the_middle(response), finish_reason <> 'length') as is_ended
    from responses semi join (from compared where is_asked) as compared on
        (compared.source, compared.model, compared.benchmark, compared.mode, compared.item_id, compared.sample)
        = (responses.source, responses.model, responses.prompts, responses.mode, responses.seed_id, responses.sample)
),
final as (
    select
        source, model, benchmark as prompts, mode, item_id, sample, gold, value as stated, extracted, read_value,
        read_extracted, stored_chars, coalesce(is_ended, false) and stored_chars is null as is_whole
    from compared left join texts using (source, model, benchmark, mode, item_id, sample)
)
select * from final
