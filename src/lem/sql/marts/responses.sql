-- every answer with the role of the model that gave it
with responses as (select * from stg_responses),
models as (select source, name as model, role from stg_models),
final as (
    select responses.*, models.role
    from responses left join models using (source, model)
)
select * from final
