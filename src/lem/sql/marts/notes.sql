select * from stg_notes
