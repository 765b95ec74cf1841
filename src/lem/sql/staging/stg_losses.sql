-- one row a loss of a training, in nats an answer token
select source, model, data, mode, split, iteration, loss, learning_rate, trained_tokens, seconds
from raw_losses
