"""The lm-eval side of `lem compare`: the two tables of an lm-eval report, of two models or of a document.

    rows = figures(con, "their-study", ("tuned", "base"))
    print(side_by_side(rows))           # '### Aggregated metrics ...'

Figures alone show no paired difference: a task without samples of both says so.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from itertools import groupby
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from lem import derive
from lem.errors import LemError
from lem.report import harness

if TYPE_CHECKING:
    import duckdb

Row = dict[str, Any]
PUBLISHED = "published"
"""The import that holds what documents state."""
NO_SAMPLES = "A document has no samples: equal figures do not show that two models are the same."
ASKED = {
    "task_version": "task version",
    "shots": "worked examples",
    "chat_template_sha": "template",
    "task_hash": "items or prompts",
    "n": "number of items",
}
"""What figures state of how a task was asked."""

FIGURES = """
with entries as (select source, name as model, entry from models),
sides as (
    select metrics.*, entry = ? as is_candidate
    from lm_eval_metrics as metrics join entries using (source, model)
    where source = ? and entry in (?, ?)
)
select * from sides
where task = coalesce(?, task) and metric = coalesce(?, metric)
qualify bool_or(is_candidate) over (partition by task) and not bool_and(is_candidate) over (partition by task)
"""
"""The lm-eval figures of the tasks that two entries both have figures of."""


def figures(
    con: duckdb.DuckDBPyConnection,
    source: str,
    names: tuple[str, str],
    prompts: str | None = None,
    metric: str | None = None,
) -> list[Row]:
    """Return the lm-eval figures of candidate and baseline on the tasks that both have; null is any."""
    given = [names[0], source, *names, prompts, metric]
    return derive.read(con, FIGURES, given, "task, metric, filter, is_candidate, model")


def side_by_side(rows: Sequence[Row]) -> str:
    """Return the tables of an lm-eval report, the baseline first; nothing where no task was evaluated."""
    if not rows:
        return ""
    models = sorted({(row["is_candidate"], row["model"]) for row in rows})
    return harness.tables(rows, [model for _, model in models]) + "\n\n"


def unlike(rows: Sequence[Row], paired: Collection[str]) -> dict[str, str]:
    """Return {task: in what} for the tasks, but those paired, that figures say were not asked alike."""
    alone = {task: list(of) for task, of in groupby(rows, lambda row: str(row["task"])) if task not in paired}
    told = {
        task: ", ".join(word for field, word in ASKED.items() if _several(of, field))
        for task, of in alone.items()
    }
    return {task: differs for task, differs in told.items() if differs}


def _several(rows: Iterable[Row], field: str) -> bool:
    said: dict[str, set[Any]] = {}
    for row in rows:
        said.setdefault(row["model"], set()).add(row[field])
    return len(set(map(frozenset, said.values()))) > 1


def unpaired(task: str) -> str:
    """Return what to know of a task whose figures alone are there."""
    return (
        f"{task}: figures, but no samples in common, so no paired difference; "
        "lm-eval writes samples with --log_samples, import them with the results"
    )


def of_document(con: duckdb.DuckDBPyConnection, name: str) -> tuple[str, str]:
    """Return the tables of the lm-eval figures that a document states, and what to know of them.

    name: the document's file, with or without its folder and ending. Raises LemError where it is none.
    """
    there = "select distinct document from figures where source = ? and stderr is not null"
    document = _document(name, [row["document"] for row in derive.read(con, there, [PUBLISHED])])
    asked = (
        "select model, benchmark as task, metric, filter, value, error, stderr, n, limited, place "
        "from figures where (source, document) = (?, ?) and benchmark is not null and stderr is not null"
    )
    rows = sorted(derive.read(con, asked, [PUBLISHED, document]), key=_in_place)
    models = list(dict.fromkeys(row["model"] for row in rows))
    return harness.tables(rows, models, mark=False), f"{harness.limits(rows)} {NO_SAMPLES}"


def _document(name: str, there: Sequence[str]) -> str:
    paths = map(PurePosixPath, there)
    found = [name] if name in there else [str(path) for path in paths if name in (path.name, path.stem)]
    if len(found) == 1:
        return found[0]
    hint = f"there are: {', '.join(found or there)}" if there else "there is none"
    raise LemError(f"no figures with a standard error of one published document {name!r}; {hint}")


def _in_place(row: Row) -> list[Any]:
    """Return the order of a document's rows: "Aggregated metrics, row 2" stands before row 10."""
    parts = re.split(r"([0-9]{1,18})", row["place"])
    return [int(part) if at % 2 else part for at, part in enumerate(parts)]
