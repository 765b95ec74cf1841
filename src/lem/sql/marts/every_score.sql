-- every score, of scorers, judges and signs alike
with scores as (select * from stg_scores),
signs as (select * from answer_signs),
final as (
    select * from scores
    union all by name
    select * from signs
)
select * from final
