-- one row a loss over a training set, in nats an answer token
select source, model, data, mode, split, iteration, loss, learning_rate, trained_tokens, seconds
from raw_losses
