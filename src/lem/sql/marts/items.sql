select * from stg_items
