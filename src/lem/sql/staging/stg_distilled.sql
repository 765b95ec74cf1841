-- one row an answer that a training set was drawn from
select source, name, seed_id, sample, split, dropped, chars, kept_chars
from raw_distilled
