-- one row a question of a benchmark
select source, benchmark, item_id, question, gold, cluster, category, sha, correct, incorrect
from raw_items
