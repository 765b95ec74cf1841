-- error: a score beyond the ends of its scale; it is in no ranking
select
    source, model, task as prompts, document as file, format('{} of {}, {}: {}', model, task, regime, beyond) as detail
from leaderboard_as_stated
where is_beyond
