select * from stg_models
