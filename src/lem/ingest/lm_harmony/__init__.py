"""LM-Harmony's results: scores of models before and after training on each task, or its leaderboard.

    scores.json    {"train_before_test": {task: {model: score}}, "direct_eval": {...},
                    "train_before_test_stderr": {task: {model: stderr}}, "direct_eval_stderr": {...}}
    README.md      a Markdown table: a column of models, Rank, PC1, and a column a task, in percent

A row is one cell that should hold a score. A cell that says it is missing
(empty, -, N/A, null, NaN) is a figure without a value; a cell that holds
anything else but a number is quarantined. The table itself is read by
`lem.ingest.lm_harmony.table`.

    lem ingest lm-harmony ~/lm-harmony/README.md
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from lem.ingest.documents import counted, decimal, enters, named_like, write_figures
from lem.ingest.dump import Dump, Kind
from lem.ingest.lines import Fault, Object, fitting, number, parse
from lem.ingest.lm_harmony.table import cells
from lem.ingest.nested import Leaf, leaves
from lem.ingest.peek import beginning, json_object
from lem.params_imports import ImportSpec
from lem.records import Figure

REGIMES = {"train_before_test": "train_before_test", "direct_eval": "direct"}
STDERRS = {f"{key}_stderr": key for key in REGIMES}
AGGREGATES: dict[str, tuple[str, str | None]] = {"rank": ("rank", None), "pc1": ("pc1", None)}
MISSING = ("", "-", "–", "—", "n/a", "null", "nan")
MARKDOWN = (".md", ".markdown")

Key = tuple[str, str | None, str, str]  # model, benchmark, metric, regime


def reads(file: str) -> bool:
    """Return whether this kind looks at a file: any JSON, any Markdown that is not hidden."""
    return named_like(file, ".json", *MARKDOWN)


def knows(path: Path, files: Sequence[str]) -> bool:
    """Return whether a dump has scores by regime, or a leaderboard in Markdown."""
    for file in filter(reads, files):
        if file.lower().endswith(MARKDOWN):
            text = beginning(path, file).decode("utf-8", "replace")
            if next(cells(file, text), None) is not None:
                return True
        elif any(isinstance(value, Object) for value in map(json_object(path, file).get, REGIMES)):
            return True
    return False


def convert(dump: Dump, spec: ImportSpec) -> None:
    """Write the figures of each file below `dump.root`."""
    for file in dump.files:
        read = table_figures if file.lower().endswith(MARKDOWN) else json_figures
        for line in dump.document("scores", file):
            try:
                rows = read(dump, file, line.whole())
            except Fault as fault:  # nothing in it can be told apart: one row, the whole file
                dump.refuse(file, None, str(fault), line.text)
            else:
                write_figures(dump, file, rows)


def table_figures(dump: Dump, file: str, text: str) -> list[Figure]:
    """Return the figures of the leaderboards in a Markdown text."""
    dump.tallies[file].rows = 0
    kept: dict[Key, Figure] = {}
    for cell in cells(file, text):
        with counted(dump, cell):
            if cell.fault:
                raise Fault(cell.fault)
            metric, benchmark = AGGREGATES.get(cell.column.lower(), ("score", cell.column))
            unit = "percent" if benchmark is not None else "as given"
            value, error = scored(cell.value, decimal)
            keep(
                Figure(
                    *(dump.source, file, cell.place, cell.model, benchmark, metric, value, unit, error),
                    regime="train_before_test",
                ),
                kept,
            )
    return list(kept.values())


def json_figures(dump: Dump, file: str, text: str) -> list[Figure]:
    """Return the figures of a JSON document of scores by regime; a document of another kind has no rows.

    A key that is none of the four, a stderr without a score and a stderr that
    is no number are rows of their own, and quarantined. Raises Fault for what is not JSON.
    """
    whole = parse(text)
    dump.tallies[file].rows = 0
    if not isinstance(whole, Object) or not {*REGIMES, *STDERRS} & set(whole):
        return []
    found = list(leaves(file, whole, 3))
    stderrs = read_stderrs(dump, found)
    kept: dict[Key, Figure] = {}
    for leaf in found:
        if leaf.keys[0] in STDERRS:
            continue
        with counted(dump, leaf):
            if leaf.keys[0] not in REGIMES:
                raise Fault(f"key {leaf.keys[0]!r:.80} is none of {', '.join((*REGIMES, *STDERRS))}")
            key, task, model = addressed(leaf)
            value, error = scored(leaf.value, no_number)
            keep(
                Figure(
                    *(dump.source, file, f"{key}.{task}", model, task, "score", value),
                    error=error,
                    stderr=stderrs.get(leaf.keys),
                    regime=REGIMES[key],
                ),
                kept,
            )
    return list(kept.values())


def read_stderrs(dump: Dump, found: Sequence[Leaf]) -> dict[tuple[str, ...], float | None]:
    """Return {keys of a score: its stderr}; quarantines those that cannot be one."""
    scores = {leaf.keys for leaf in found}
    stderrs: dict[tuple[str, ...], float | None] = {}
    for leaf in found:
        of = (STDERRS.get(leaf.keys[0], ""), *leaf.keys[1:])
        if not of[0]:
            continue
        try:
            addressed(leaf)
            if of not in scores:
                raise Fault("a stderr of a score that is not there")
            value, _ = scored(leaf.value, no_number)
            if value is not None and value < 0:
                raise Fault(f"a stderr of {value:g}; none is below 0")
            stderrs[of] = value
        except Fault as fault:
            dump.tallies[leaf.file].rows += 1
            dump.refuse(leaf.file, None, str(fault), leaf.text)
    return stderrs


def addressed(leaf: Leaf) -> tuple[str, str, str]:
    """Return the (key, task, model) of a leaf that stands at the full depth, once; raises Fault."""
    if len(leaf.keys) < 3:
        raise Fault(f"expected an object, found {type(leaf.value).__name__}")
    if leaf.twice:
        raise Fault("stands twice; the first is kept")
    key, task, model = leaf.keys
    return key, task, model


def scored(cell: object, number_of: Callable[[str], float]) -> tuple[float | None, str | None]:
    """Return (value, error) of a cell: null for one that says it is missing; raises Fault for no number.

    `number_of` reads a text: in a table every number is one, in JSON none is.
    """
    if cell is None or cell != cell:
        return None, f"stated as {'null' if cell is None else 'NaN'}"
    if isinstance(cell, str):
        if cell.strip().lower() in MISSING:
            return None, f"stated as {cell!r}" if cell.strip() else "not stated"
        return number_of(cell), None
    if isinstance(cell, bool):
        raise Fault("expected a number, found bool")
    return number("score", cell), None


def no_number(text: str) -> NoReturn:
    """Raise Fault: a text in the place of a JSON number."""
    raise Fault(f"expected a number, found the text {text!r:.80}")


def keep(figure: Figure, kept: dict[Key, Figure]) -> None:
    """Add a figure to those of its document; raises Fault for a nameless or repeated one."""
    if not figure.model.strip():
        raise Fault("no model")
    if figure.benchmark is not None and not figure.benchmark.strip():
        raise Fault("no task: the column has no title")
    key = figure.model, figure.benchmark, figure.metric, figure.regime
    if key in kept:
        raise Fault(f"model {figure.model!r:.80}, {figure.benchmark or figure.metric!r:.80} stand twice")
    kept[key] = fitting(figure)


KIND = Kind(
    expects="a JSON of {train_before_test: {task: {model: score}}, direct_eval: ...} "
    "or a Markdown table with a column of models, Rank and PC1",
    reads=reads,
    keeps=reads,
    convert=convert,
    knows=knows,
    enters=enters,
)
