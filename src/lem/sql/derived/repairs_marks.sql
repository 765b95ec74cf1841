-- what wrong marks do to an accuracy: as stated, and by our reading of every whole answer; those that their storage cut
-- all wrong or all right, others that stop in the middle as marked
with marks as (
    select
        *, stored_chars is not null as is_cut, if(is_whole, coalesce(read_value, stated), stated) as read_as,
        stated = 0 and read_value = 1 and is_whole as is_marked_wrong,
        stated = 1 and read_value = 0 and is_whole as is_marked_right
    from audit_marks
),
totals as (
    select
        source, model, prompts, mode, count(*) as n, 100 * avg(stated) as published,
        count(*) filter (is_marked_wrong) as marked_wrong, count(*) filter (is_marked_right) as marked_right,
        count(*) filter (is_cut) as cut,
        100 * coalesce(sum(read_as) filter (not is_cut), 0) / count(*) as low, low + 100 * cut / count(*) as high
    from marks
    group by all
),
faults as (
    unpivot totals
    on marked_wrong as right_answer_marked_wrong, marked_right as wrong_answer_marked_right, cut as score_of_cut_text
    into name rule value affected
),
final as (
    select
        rule, source, model, prompts, mode, 'exact_match' as metric, 'stored' as filter, n, affected, published,
        if(low = high, low, null) as repaired, low, high, 'percent' as unit,
        if(low = high, 'whole answers by our reading of them, others as marked',
            'whole answers by our reading of them; those with a cut text all wrong, or all right') as how
    from faults
    where affected > 0
)
select * from final
