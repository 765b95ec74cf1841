select * from stg_log_entries
