-- what disputed marks do to an accuracy. A mark is disputed where our reading of the text comes to another one. Repaired:
-- whole answers by our reading, others as marked; with a text that its storage cut there is no such number. The bounds
-- hold for any choice between the mark and our reading, and for texts that were cut all wrong or all right.
with marks as (
    select
        *, stored_chars is not null as is_cut, coalesce(read_value, stated) as ours,
        if(is_whole, ours, stated) as read_as, is_whole and ours > stated as is_marked_wrong,
        is_whole and ours < stated as is_marked_right
    from audit_marks
),
totals as (
    select
        source, model, prompts, mode, count(*) as n, 100 * avg(stated) as published,
        count(*) filter (is_marked_wrong) as marked_wrong, count(*) filter (is_marked_right) as marked_right,
        count(*) filter (is_cut) as cut, if(cut = 0, 100 * avg(read_as), null) as repaired,
        100 * avg(if(is_cut, 0, least(stated, ours))) as low, 100 * avg(if(is_cut, 1, greatest(stated, ours))) as high
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
        repaired, low, high, 'percent' as unit,
        if(repaired is null, 'answers whose text is cut all wrong, or all right; every other as marked, or by our reading',
            'whole answers by our reading, others as marked; bounds: every answer as marked, or by our reading') as how
    from faults
    where affected > 0
)
select * from final
