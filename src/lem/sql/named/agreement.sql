-- how far the tasks agree in the order of the models (mean tau-b), before training, after it, and by how much more
with agreement as (select * from agreement),
final as (
    select
        source, regime, models, tasks, pairs, round(tau_mean, 3) as tau_mean, round(low, 3) as low, round(high, 3) as high,
        round(pc1_share, 3) as pc1_share, method, note
    from agreement
)
select *
from final
order by source <> 'own', source, regime
