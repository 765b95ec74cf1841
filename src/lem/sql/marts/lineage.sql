-- every fine-tune with every model below it in its chain; a model that was altered is none
with recursive chain as (
    select source, entry, base as below, 1 as depth from stg_models where base is not null and role = 'fine-tuned'
    union
    select chain.source, chain.entry, models.base, depth + 1
    from chain join stg_models as models on models.source = chain.source and models.name = chain.below
    where models.base is not null and depth < 100
),
final as (
    select distinct chain.source, chain.entry, models.entry as below
    from chain join stg_models as models on models.source = chain.source and models.name = chain.below
)
select * from final
