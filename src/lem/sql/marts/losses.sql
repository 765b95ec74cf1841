select * from stg_losses
