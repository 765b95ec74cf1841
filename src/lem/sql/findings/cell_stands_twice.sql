-- error: a cell of a leaderboard that is stated twice with different values; neither is in a ranking
select source, model, task as prompts, format('{} on {}, {}: {}', model, task, regime, error) as detail
from leaderboard_cells
where value is null and starts_with(error, 'stands twice: ')
