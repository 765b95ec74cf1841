select * from stg_figures
