"""The scores in a row of a samples file: one a metric, as lm-evaluation-harness measured it.

list(scores_of({"metrics": ["acc"], "acc": 1.0}, "3", "none", False, task))
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lem.ingest.lines import Fault, number
from lem.records import Score

SCORER = "lm-eval"
MODE = "naked"
FIELDS = (
    *("doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics"),
    *("doc_hash", "prompt_hash", "target_hash", "task", "task_name"),
)
"""The columns of a row that are no metric."""


@dataclass(frozen=True)
class Task:
    """What every row of a samples file shares."""

    source: str
    model: str
    name: str
    version: str | None
    run_id: str


def scores_of(
    row: dict[str, Any], item_id: str, reading: str, generated: bool, task: Task
) -> Iterator[Score]:
    """Yield a Score a metric; one that is no finite number is null with an error. Raises Fault."""
    for name in metrics_of(row):
        value, error = measured(name, row)
        yield Score(
            run_id=task.run_id,
            model=task.model,
            benchmark=task.name,
            item_id=item_id,
            metric=name,
            value=value,
            error=error,
            scorer=SCORER,
            filter=reading,
            extracted=_extracted(row) if generated else None,
            mode=MODE,
            task_version=task.version,
            source=task.source,
        )


def metrics_of(row: dict[str, Any]) -> list[str]:
    """Return the names of a row's metrics: those it lists, else every other column; raises Fault."""
    names = row.get("metrics")
    if names is None:
        return [key for key in row if key not in FIELDS]
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise Fault("metrics: expected a list of names")
    if strange := next((name for name in names if name in FIELDS), None):
        raise Fault(f"metrics: {strange!r} is no metric")
    return list(dict.fromkeys(names))


def measured(name: str, row: dict[str, Any]) -> tuple[float | None, str | None]:
    """Return (value, error) of a metric's column."""
    value = row.get(name)
    if value is None:
        return None, f"{name} is {'null' if name in row else 'missing'}"
    try:
        return number(name, value), None
    except Fault as fault:
        return None, str(fault)


def _extracted(row: dict[str, Any]) -> str | None:
    value = row.get("filtered_resps")
    while isinstance(value, list) and value:
        value = value[0]
    return value if isinstance(value, str) else None
