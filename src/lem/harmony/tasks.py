"""A task of the leaderboard: lm-eval's task in three splits, and the one metric that counts.

with opened(study, "arithmetic") as found:
    found.splits.test.task, found.metric, found.higher_is_better
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lem.errors import LemError
from lem.harmony import registry, splits
from lem.harmony.splits import Splits
from lem.harness import items
from lem.harness import tasks as harness
from lem.harness.tasks import Opened
from lem.params import Study
from lem.params_harmony import HarmonyTask
from lem.params_tasks import TaskSpec
from lem.records import Item


@dataclass(frozen=True)
class Task:
    """A task of the leaderboard, opened."""

    spec: HarmonyTask
    whole: Opened
    splits: Splits
    metric: str
    filter: str
    higher_is_better: bool
    category: str | None

    @property
    def name(self) -> str:
        """The task's name."""
        return self.spec.name


@contextlib.contextmanager
def opened(study: Study, name: str) -> Iterator[Task]:
    """Yield a task of the leaderboard, its data read anew.

    Raises LemError for whatever is wrong with its YAML, its splits or its metric.
    """
    spec, settings = study.harmony_task(name), study.harmony.train
    how = TaskSpec(  # no worked examples: one might be of the split that is asked
        name, settings.chat_template, shots=0, batch_size=settings.eval_batch_size, seed=settings.seed
    )
    with harness.opened(how) as found:
        metric, better = _metric(found, spec)
        known = registry.known(name)
        category = spec.category or (known.category if known else None)
        reading = _filter(found, spec)
        apart = splits.of(found, settings, spec.drop_shared)
        yield Task(spec, found, apart, metric, reading, better, category)


def _metric(found: Opened, spec: HarmonyTask) -> tuple[str, bool]:
    """Return the metric that counts and whether more of it is better."""
    better = {str(name): bool(up) for name, up in found.task.higher_is_better().items()}
    known = registry.known(spec.name)
    chosen = spec.metric or (known.metric if known else next(iter(better), ""))
    if chosen not in better:
        there = ", ".join(better) or "nothing"
        raise LemError(f"{found.name}: metric_list: no {chosen!r}; the task measures {there}")
    return chosen, better[chosen]


def _filter(found: Opened, spec: HarmonyTask) -> str:
    """Return the reading of an answer that counts."""
    stated = [one["name"] for one in found.task.get_config("filter_list") or ()] or ["none"]
    known = registry.known(spec.name)
    chosen = spec.filter or (known.filter if known else stated[0])
    if chosen not in stated:
        raise LemError(f"{found.name}: filter_list: no {chosen!r}; there are: {', '.join(stated)}")
    return str(chosen)


def described(task: Task, rows: list[Item]) -> dict[str, Any]:
    """Return what a cell of the leaderboard depends on of its task: configuration, splits, metric."""
    return {
        **items.described(task.whole, rows),
        "splits": splits.described(task.splits),
        "dropped": task.splits.dropped,
        "metric": task.metric,
        "filter": task.filter,
        "higher_is_better": task.higher_is_better,
        "category": task.category,
    }
