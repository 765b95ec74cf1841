"""Scorers of the user's own: `score: module:function` in params.yaml, a module of the study's folder.

    # shouting.py
    def share_of_capitals(item, answer):
        return {"capitals": sum(c.isupper() for c in answer.response) / max(1, len(answer.response))}

    # params.yaml: benchmarks.my-set.score: [shouting:share_of_capitals]

It is called once an answer with an Item and a Response (lem.records) and returns {metric: value},
null where it cannot say. Whatever it leaves out, or fails at, is null with an error for each metric that
it gives elsewhere, so that no answer is missing from a mean unseen.
DVC does not see the module: raise the benchmark's `version:` when it changes.
"""

from __future__ import annotations

import hashlib
import importlib
import itertools
import math
import numbers
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lem.errors import LemError
from lem.records import Item, Response, Score
from lem.scoring.scorers import SCORERS, Scorer, scored

Function = Callable[[Item, Response], Mapping[str, float | None]]
NO_METRIC = ""
"""The metric of an answer of which a scorer said nothing at all, until `complete` names it."""


def find(name: str, where: str) -> Scorer:
    """Return a scorer of ours by its name, or of the user's by `module:function`.

    Raises LemError naming the ones there are, or why the module cannot be imported.
    """
    if name in SCORERS:
        return SCORERS[name]
    module, _, function = name.partition(":")
    if not function:
        own = "or your own as module:function, a module in the study's folder"
        raise LemError(f"{where}: no scorer {name!r}; there are: {', '.join(SCORERS)}, {own}")
    return _scorer(*_imported(module, function, where), name)


def _imported(module: str, function: str, where: str) -> tuple[Function, str]:
    """Return the function, and the version of its module: the beginning of its bytes' sha256."""
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    importlib.invalidate_caches()
    try:
        source = importlib.import_module(module)
        found = getattr(source, function)
        version = hashlib.sha256(Path(str(source.__file__)).read_bytes()).hexdigest()[:12]
    except Exception as err:  # a stranger's module may raise anything while it is imported
        reason = " ".join(f"{type(err).__name__}: {err}".split())
        raise LemError(f"{where}: {module}:{function}: {reason}"[:300]) from err
    if not callable(found):
        raise LemError(f"{where}: {module}:{function}: expected a function, found {type(found).__name__}")
    return found, version


def _scorer(function: Function, version: str, name: str) -> Scorer:
    def score(item: Item, answers: Sequence[Response]) -> list[Score]:
        return [row for answer in answers for row in _rows(function, name, version, item, answer)]

    return score


def _rows(function: Function, name: str, version: str, item: Item, answer: Response) -> list[Score]:
    more: dict[str, Any] = {"scorer": name, "task_version": version}
    try:
        values = {str(metric): value for metric, value in dict(function(item, answer)).items()}
    except Exception as err:  # a stranger's function may raise anything; the row stays, without a value
        error = _text(f"{name}: {type(err).__name__}: {err}")
        return [scored(item, answer, NO_METRIC, None, error=error, **more)]
    rows = [scored(item, answer, metric, *_measured(one), **more) for metric, one in values.items() if metric]
    return rows or [scored(item, answer, NO_METRIC, None, error=f"{name}: it named no metric", **more)]


def _measured(value: object) -> tuple[float | None, str | None]:
    """Return (value, error): a finite number, or null and why."""
    if not isinstance(value, numbers.Real):
        shown = repr(value) if isinstance(value, str | None) else f"a {type(value).__name__}"
        return None, _text(f"the scorer returned {shown}")
    try:
        found = float(value)
    except OverflowError:  # an integer beyond the largest double
        found = math.inf
    return (found, None) if math.isfinite(found) else (None, f"the scorer returned {found}")


def _text(error: str) -> str:
    """Return an error as a file of ours can hold it: short, and no half of a surrogate pair in it."""
    return error[:200].encode("utf-8", "replace").decode()


def complete(rows: Iterable[Score]) -> list[Score]:
    """Return scores in which each own scorer has a row for each of its metrics and every answer.

    Its metrics are those it named for any answer, in the order they came up; where it named
    none at all, the one that failed throughout is called by the function's name.
    """
    rows = list(rows)
    metrics: dict[str, dict[str, None]] = {row.scorer: {} for row in rows if row.scorer not in SCORERS}
    for row in rows:
        if row.scorer in metrics and row.metric != NO_METRIC:
            metrics[row.scorer][row.metric] = None
    groups = itertools.groupby(rows, lambda row: (row.scorer, row.item_id, row.mode, row.sample))
    return [row for (scorer, *_), group in groups for row in _of_each(list(group), metrics.get(scorer))]


def _of_each(rows: list[Score], metrics: Iterable[str] | None) -> list[Score]:
    if metrics is None:
        return rows
    first, said = rows[0], {row.metric: row for row in rows}
    names = list(metrics) or [first.scorer.partition(":")[2]]
    error = first.error if first.metric == NO_METRIC else f"{first.scorer}: it did not name this metric"
    return [said.get(name) or replace(first, metric=name, value=None, error=error) for name in names]
