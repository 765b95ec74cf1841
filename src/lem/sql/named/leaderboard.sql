-- who ranks where before and after training, between which ranks that can be, and which scores are missing
with leaderboard as (select * from leaderboard),
final as (
    select
        source, regime, rank, model, round(pc1, 2) as pc1, rank_low, rank_high, round(p_best, 3) as p_best, not_told_apart,
        round(coverage, 3) as coverage, cells, stderrs, missing
    from leaderboard
)
select *
from final
order by source <> 'own', source, regime, rank, rank_low, rank_high, model
