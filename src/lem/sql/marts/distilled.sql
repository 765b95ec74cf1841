select * from stg_distilled
