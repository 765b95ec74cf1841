"""What a model got on a split: the figure of the task's one metric, and the score of each item.

mark = measured(lm, cell, task.splits.test, "direct", TEST)
mark.figure.value, mark.figure.stderr, mark.figure.n
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lem.errors import LemError
from lem.harness import items
from lem.harness.tasks import Opened
from lem.records import OWN, Figure, Score

if TYPE_CHECKING:
    from lem.harmony.cell import Cell

SCORER = "harmony"
TEST, VALIDATION = "test", "validation"
RESAMPLES = 1_000
"""Of the bootstrap behind a stderr that has no formula, as of mcc: after every epoch, not once."""


@dataclass(frozen=True)
class Mark:
    """One measuring of a model: on which split, when, and what it got."""

    place: str
    figure: Figure
    scores: list[Score]


def measured(lm: Any, cell: Cell, split: Opened, regime: str, place: str) -> Mark:  # noqa: ANN401
    """Return what lm-eval measures of a model on a split; stderr is lm-eval's own.

    Raises LemError where the metric is no number.
    """
    from lem.harness.results import evaluate
    from lem.ingest.lm_eval.results import is_rate

    task, document = cell.task, cell.folder.relative_to("data") / "figures.jsonl"
    weights, facts = {"pretrained": str(cell.base)}, {"run_id": cell.run_id}
    found = evaluate(lm, split, cell.name, weights, facts, RESAMPLES)
    got = found.results["results"][task.name]
    value, stderr = (_number(got.get(f"{task.metric}{kind},{task.filter}")) for kind in ("", "_stderr"))
    if value is None:
        raise LemError(
            f"{task.whole.name}: {task.metric}, {task.filter}: no number for {cell.name}; "
            f"name another metric under harmony.tasks.{task.name} in params.yaml"
        )
    figure = Figure(
        source=OWN,
        document=document.as_posix(),
        place=place,
        model=cell.name,
        benchmark=task.name,
        metric=task.metric,
        value=value,
        unit="rate" if task.metric == "mcc" or is_rate(task.metric, value) else "as given",
        stderr=stderr,
        n=len(split.task.eval_docs),
        limited=("test" if place == TEST else "valid") in task.splits.limited,
        filter=task.filter,
        regime=regime,
        higher_is_better=task.higher_is_better,
        task_version=items.version(split.task),
        category=task.category,
    )
    return Mark(place, figure, _scores(found.samples, figure, cell))


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and value == value else None


def _scores(samples: Sequence[dict[str, Any]], figure: Figure, cell: Cell) -> list[Score]:
    """Return a score an item: of the metric that counts, or of `acc` where that is of all items at once."""
    from lem.ingest.lm_eval.samples import sample_of
    from lem.ingest.lm_eval.scores import Task as Shared

    shared = Shared(OWN, cell.name, cell.task.name, figure.task_version, cell.run_id)
    every = [score for row in samples for score in sample_of(row, shared).scores]
    mine = [score for score in every if score.filter == cell.task.filter]
    counted = [s for s in mine if s.metric == figure.metric and s.error is None]
    chosen = counted or [s for s in mine if s.metric == "acc"]
    return [replace(s, regime=figure.regime, scorer=SCORER, extracted=None) for s in chosen]


def best(marks: Sequence[Mark], higher_is_better: bool) -> int:
    """Return the number of the best epoch, from 1; of equals the first."""
    values = [mark.figure.value or 0.0 for mark in marks]
    return 1 + values.index(max(values) if higher_is_better else min(values))


def told(figure: Figure) -> str:
    """Return a figure as a line of the log: `test, direct: acc 0.5833, stderr 0.0452, n = 120`."""
    spread = "" if figure.stderr is None else f", stderr {figure.stderr:.4f}"
    where = f"{figure.place}, {figure.regime}" if figure.place == TEST else figure.place
    return f"{where}: {figure.metric} {figure.value:.4f}{spread}, n = {figure.n}"
