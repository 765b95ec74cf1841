"""A leaderboard's tables: who ranks where, how surely, and how far its tasks agree on the order.

They are computed from `leaderboard_cells`, for each source and regime: models tested as they are (direct),
or after training on each task's own training split (train_before_test). Whether the tasks agree more after
that training than before it is what `agreement` says, with an interval (Zhang, Dominguez-Olmedo and Hardt
2025, Train-before-Test Harmonizes Language Model Rankings).

    leaderboards.load_known(con)     # what the registry knows of each task that a figure names
    leaderboards.tables(con)         # leaderboard, leaderboard_pairs, agreement, task_agreement
    # lem sql @leaderboard; lem sql @agreement
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby
from typing import TYPE_CHECKING, Any

from lem import derive
from lem.harmony import registry

if TYPE_CHECKING:
    import duckdb

    from lem.stats.concordance import Agreement
    from lem.stats.ranks import Ranking

Row = dict[str, Any]
Matrix = list[list[float | None]]
"""Models by tasks, as shares of what 100 percent is; None for a missing cell."""

DIRECT, TRAINED = "direct", "train_before_test"
DIFFERENCE = f"{TRAINED} - {DIRECT}"
FEWEST_MODELS, FEWEST_TASKS = 3, 2
FEWEST_SHARED = 5
"""Models in both regimes, below which a difference of the regimes would be of hardly anything."""
SURE = 0.975
"""Share of the draws in which a model is above another, beyond which the two are told apart."""
SHARE_DIGITS = 6

TEXT, COUNT, NUMBER = "varchar", "bigint", "double"
SHAPES: dict[str, dict[str, str]] = {
    "leaderboard": {
        **{"source": TEXT, "regime": TEXT, "rank": COUNT, "model": TEXT, "pc1": NUMBER},
        **{"rank_low": COUNT, "rank_high": COUNT, "p_best": NUMBER, "not_told_apart": COUNT},
        **{"coverage": NUMBER, "cells": COUNT, "stderrs": COUNT, "missing": TEXT},
    },
    "leaderboard_pairs": {
        **{"source": TEXT, "regime": TEXT, "model": TEXT, "other": TEXT},
        **{"p_above": NUMBER, "told_apart": "boolean"},
    },
    "agreement": {
        **{"source": TEXT, "regime": TEXT, "models": COUNT, "tasks": COUNT, "pairs": COUNT},
        **{"tau_mean": NUMBER, "low": NUMBER, "high": NUMBER, "pc1_share": NUMBER},
        **{"method": TEXT, "note": TEXT},
    },
    "task_agreement": {
        **{"source": TEXT, "regime": TEXT, "task": TEXT, "other": TEXT},
        **{"category": TEXT, "other_category": TEXT, "models": COUNT, "tau": NUMBER},
    },
}
"""The columns of each table that is computed here, in order, with their types."""


@dataclass(frozen=True)
class Board:
    """The cells of a source in one regime; models and tasks by name."""

    source: str
    regime: str
    models: tuple[str, ...]
    tasks: tuple[str, ...]
    cells: dict[tuple[str, str], Row]

    def values(self, tasks: Sequence[str] | None = None) -> Matrix:
        """Return the values of all models on these tasks, by default on all."""
        over = self.tasks if tasks is None else tasks
        return [[share(self.cells[model, task], "value") for task in over] for model in self.models]

    def spreads(self, tasks: Sequence[str]) -> Matrix:
        """Return the standard errors of the same; None where nobody states one."""
        return [[spread(self.cells[model, task]) for task in tasks] for model in self.models]

    @property
    def scored(self) -> tuple[list[str], list[str]]:
        """The models that have a score on any task, and the tasks that any model has a score on."""
        there = [cell for cell, row in self.cells.items() if row["value"] is not None]
        return sorted({model for model, _ in there}), sorted({task for _, task in there})

    @property
    def lacking(self) -> str | None:
        """What it lacks to be ranked, None for a board that can be."""
        models, tasks = self.scored
        if len(models) < FEWEST_MODELS:
            return f"{_counted(models, 'model')} scored, {FEWEST_MODELS} are needed{_named(models)}"
        if len(tasks) < FEWEST_TASKS:
            return f"{_counted(tasks, 'task')} scored, {FEWEST_TASKS} are needed{_named(tasks)}"
        return None


def _counted(names: Sequence[str], what: str) -> str:
    return f"1 {what} is" if len(names) == 1 else f"{len(names)} {what}s are"


def _named(names: Sequence[str]) -> str:
    return f": {', '.join(names)}" if names else ""


def share(cell: Row, name: str) -> float | None:
    """Return a cell's value or stderr as a share of its whole scale; as it stands where that is unknown."""
    return None if cell[name] is None else cell[name] / (cell["whole"] or 1)


def spread(cell: Row) -> float | None:
    """Return a cell's standard error as a share of its whole scale.

    A rate of none or all has a formal error of 0, which is no certainty: there it is that of two more
    successes and two more failures (A. Agresti and B. A. Coull, "Approximate is better than exact for
    interval estimation of binomial proportions", The American Statistician 52 (1998)).
    """
    if cell["stderr"] == 0 and cell["n"] and cell["whole"] and share(cell, "value") in (0, 1):
        more = cell["n"] + 4
        rate = (2 + (cell["n"] if cell["value"] else 0)) / more
        return math.sqrt(rate * (1 - rate) / more)
    return share(cell, "stderr")


def load_known(con: duckdb.DuckDBPyConnection) -> None:
    """Create `known_tasks`: what the registry knows of each benchmark that a figure names."""
    columns = {"name": TEXT, "category": TEXT, "metric": TEXT, "higher_is_better": "boolean"}
    names = derive.read(con, "select distinct benchmark as name from raw_figures where benchmark is not null")
    found = ((row["name"], registry.known(row["name"])) for row in names)
    rows = [{**vars(task), "name": name} for name, task in found if task is not None]
    derive.create(con, "known_tasks", columns, rows)


def tables(con: duckdb.DuckDBPyConnection) -> None:
    """Create the tables of SHAPES from `leaderboard_cells`."""
    every = boards(derive.read(con, "select * from leaderboard_cells", order="source, regime"))
    rows: dict[str, list[Row]] = {table: [] for table in SHAPES}
    for board in every:
        for table, found in of_board(board).items():
            rows[table] += found
    rows["agreement"] += [difference(*pair) for pair in both_regimes(every)]
    for table, columns in SHAPES.items():
        derive.create(con, table, columns, rows[table])


def boards(cells: Sequence[Row]) -> list[Board]:
    """Return a board for each source and regime of cells that lie in that order."""
    found = []
    for (source, regime), group in groupby(cells, lambda cell: (cell["source"], cell["regime"])):
        by_name = {(cell["model"], cell["task"]): cell for cell in group}
        models, tasks = (tuple(sorted({key[place] for key in by_name})) for place in (0, 1))
        found.append(Board(source, regime, models, tasks, by_name))
    return found


def of_board(board: Board) -> dict[str, list[Row]]:
    """Return the rows of each table that a board alone gives; where it lacks something, only what."""
    from lem.stats import concordance, ranks

    if board.lacking:
        return {"agreement": [blank(board.source, board.regime, *board.scored, note=board.lacking)]}
    _, tasks = board.scored  # a task that nobody has a score on puts nobody above anybody
    ranking = ranks.ranking(board.values(tasks), board.spreads(tasks))
    agreement = concordance.agreement(board.values())
    return {
        "leaderboard": list(ranked(board, ranking)),
        "leaderboard_pairs": list(pairs(board, ranking)),
        "agreement": [agreed(board, agreement, ranking.share)],
        "task_agreement": list(task_pairs(board, agreement)),
    }


def ranked(board: Board, ranking: Ranking) -> Iterator[Row]:
    """Yield the rows of `leaderboard`; a model with a missing cell has no rank, only the interval of one."""
    for place, (model, found) in enumerate(zip(board.models, ranking.places, strict=True)):
        cells = [board.cells[model, task] for task in board.tasks]
        missing = [cell["task"] for cell in cells if cell["value"] is None]
        rivals = [other for other in range(len(board.models)) if other != place]
        yield {
            **{"source": board.source, "regime": board.regime, "model": model},
            **{"rank": found.rank, "pc1": found.pc1, "p_best": found.p_best},
            **{"rank_low": found.low, "rank_high": found.high},
            "not_told_apart": sum(not _told_apart(ranking, place, other) for other in rivals),
            "coverage": 1 - len(missing) / len(cells),
            "cells": len(cells),
            "stderrs": sum(cell["stderr"] is not None for cell in cells),
            "missing": ", ".join(missing) or None,
        }


def _told_apart(ranking: Ranking, one: int, other: int) -> bool:
    above = ranking.above
    return above is not None and max(above[one][other], above[other][one]) > SURE


def pairs(board: Board, ranking: Ranking) -> Iterator[Row]:
    """Yield the rows of `leaderboard_pairs`: of two models first the one more often above, or by name."""
    above = ranking.above or []
    for pair in combinations(range(len(above)), 2):
        model, other = pair if above[pair[0]][pair[1]] >= above[pair[1]][pair[0]] else pair[::-1]
        yield {
            **{"source": board.source, "regime": board.regime},
            **{"model": board.models[model], "other": board.models[other]},
            **{"p_above": above[model][other], "told_apart": _told_apart(ranking, model, other)},
        }


def agreed(board: Board, agreement: Agreement, pc1_share: float | None) -> Row:
    """Return a row of `agreement` from that of all the tasks of a board."""
    note = (
        None
        if agreement.mean is not None
        else "no two tasks order the same models: of each two one has no order"
    )
    return {
        **{"source": board.source, "regime": board.regime, "models": agreement.models},
        **{"tasks": len(board.tasks), "pairs": agreement.pairs, "tau_mean": agreement.mean},
        **{"low": agreement.low, "high": agreement.high, "pc1_share": pc1_share},
        **{"method": agreement.method, "note": note},
    }


def blank(source: str, regime: str, models: list[str], tasks: list[str], note: str | None) -> Row:
    """Return a row of `agreement` without a number; `note` says why there is none."""
    told = {"source": source, "regime": regime, "models": len(models), "tasks": len(tasks), "note": note}
    return {**dict.fromkeys(SHAPES["agreement"]), **told}


def task_pairs(board: Board, agreement: Agreement) -> Iterator[Row]:
    """Yield the rows of `task_agreement`: tau-b of each two tasks over the models that have both."""
    kinds = {task: cell["category"] for (_, task), cell in board.cells.items()}
    values = board.values()
    for one, two in combinations(range(len(board.tasks)), 2):
        task, other = board.tasks[one], board.tasks[two]
        yield {
            **{"source": board.source, "regime": board.regime, "task": task, "other": other},
            **{"category": kinds[task], "other_category": kinds[other]},
            "models": sum(row[one] is not None and row[two] is not None for row in values),
            "tau": agreement.taus[one][two],
        }


def both_regimes(every: Sequence[Board]) -> Iterator[tuple[Board, Board]]:
    """Yield the direct and the trained board of each source that has both."""
    by_place = {(board.source, board.regime): board for board in every}
    for (source, regime), board in by_place.items():
        if regime == DIRECT and (source, TRAINED) in by_place:
            yield board, by_place[source, TRAINED]


def difference(direct: Board, trained: Board) -> Row:
    """Return the row of `agreement` on what training adds, over the models and tasks of both regimes.

    Nothing but cells that both have is compared, so that the same is compared with the same.
    """
    from lem.stats import concordance

    models, tasks = shared(direct, trained)
    note = _few(models, "model", FEWEST_SHARED) or _few(tasks, "task", FEWEST_TASKS)
    empty = blank(direct.source, DIFFERENCE, models, tasks, note)
    if note:
        return empty
    before, after = both(direct, trained, models, tasks)
    found = concordance.difference(before, after)
    if found.value is None:
        return {**empty, "note": "no two tasks order the same models in both regimes"}
    return {
        **empty,
        **{"tau_mean": found.value, "low": found.low, "high": found.high, "method": found.method},
        **{"pairs": pairs_of_both(before, after), "pc1_share": share_gained(before, after)},
    }


def _few(names: Sequence[str], what: str, needed: int) -> str | None:
    if len(names) >= needed:
        return None
    return f"{_counted(names, what)} in both regimes, {needed} are needed{_named(names)}"


def shared(direct: Board, trained: Board) -> tuple[list[str], list[str]]:
    """Return the models and tasks of both boards; a model must have two tasks in both, if there are two."""
    tasks = sorted({*direct.tasks} & {*trained.tasks})
    needed = min(FEWEST_TASKS, len(tasks))
    models = sorted({*direct.models} & {*trained.models})
    return [m for m in models if sum(_in_both(direct, trained, m, task) for task in tasks) >= needed], tasks


def _in_both(direct: Board, trained: Board, model: str, task: str) -> bool:
    return all(board.cells[model, task]["value"] is not None for board in (direct, trained))


def both(direct: Board, trained: Board, models: Sequence[str], tasks: Sequence[str]) -> tuple[Matrix, Matrix]:
    """Return the values of both boards, None in both where either has none."""
    one, other = (
        [
            [share(board.cells[m, t], "value") if _in_both(direct, trained, m, t) else None for t in tasks]
            for m in models
        ]
        for board in (direct, trained)
    )
    return one, other


def pairs_of_both(before: Matrix, after: Matrix) -> int:
    """Return the number of task pairs with a tau in both."""
    from lem.stats import concordance

    one, other = (concordance.agreement(values, resamples=1).taus for values in (before, after))
    places = combinations(range(len(one)), 2)
    return sum(one[i][j] is not None and other[i][j] is not None for i, j in places)


def share_gained(before: Matrix, after: Matrix) -> float | None:
    """Return the first component's share of the variance after less before; None where either has none."""
    from lem.stats import principal

    one, other = (principal.pc1(values).share for values in (before, after))
    return None if one is None or other is None else round(other - one, SHARE_DIGITS) + 0.0  # no -0.0
