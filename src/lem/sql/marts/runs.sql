select * from stg_runs
