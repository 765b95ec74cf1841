select * from stg_quarantined
