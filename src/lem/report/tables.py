"""The report's tables, models by what was measured; and the rows of its plots, in the same order. Pure.

    matrix(rows, order, bold)       # '| model | gsm8k, flexible, % (n = 150) | ...'

Rows are those of the report's queries, and what is returned is Markdown.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from lem.records import MODES, OWN
from lem.report.words import Row, label, number, rank, size, span, text, within

Key = tuple[Any, ...]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table of cells that are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def listing(rows: Sequence[Row]) -> str | None:
    """Return rows as they are as a table; None for no row."""
    return table(list(rows[0]), [[text(value) for value in row.values()] for row in rows]) if rows else None


def rounded(rows: Sequence[Row]) -> str | None:
    """Return rows as a table, every fraction with one decimal; None for no row."""
    shown = [{k: f"{v:.1f}" if isinstance(v, float) else v for k, v in row.items()} for row in rows]
    return listing(shown)


def grid(head: Sequence[str], keys: Iterable[Key], cells: Mapping[tuple[Key, str], Sequence[str]]) -> str:
    """Return a table of a row a key and a column a name: cells[key, name], "-" where there is none."""
    names = list(dict.fromkeys(name for _, name in cells))
    rows = ([*map(text, key), *("; ".join(cells.get((key, name), ["-"])) for name in names)] for key in keys)
    return table([*head, *names], rows)


# The order of models


def model_order(models: Iterable[Row]) -> list[str]:
    """Return the names of our own models, baselines first, a fine-tune's seeds in their order."""
    own = [model for model in models if model["source"] == OWN]
    key = {row["model"]: (row["role"] != "baseline", row["entry"], row["seed"] or 0) for row in own}
    return sorted(key, key=lambda name: (*key[name], name))


def ordered(found: Iterable[str], order: Sequence[str]) -> list[str]:
    """Return the names that were found, each once: known ones in their order, then the others."""
    there = set(found)
    return [name for name in order if name in there] + sorted(there - set(order))


# Models by what was measured


def better(found: Mapping[str, list[Row]]) -> set[Key]:
    """Return the cells of our own models that a declared comparison calls better, and none worse.

    Primary ones only: any other reading or metric is in no family of tests.
    """
    verdicts: dict[Key, set[str]] = {}
    for row in (row for row in found["comparisons"] if row["is_primary"]):
        for model in found["models"]:
            if model["source"] == OWN and row["candidate"] == model["entry"]:
                verdicts.setdefault((model["model"], *_cell(row)), set()).add(row["verdict"])
    return {key for key, said in verdicts.items() if "better" in said and "worse" not in said}


def _cell(row: Row) -> Key:
    """Return what a cell is of; exact_match goes by its benchmark's name where it is published."""
    metric = row["prompts"] if row["metric"] == "exact_match" else row["metric"]
    return row["prompts"], row["mode"], metric, row["filter"], row["scorer"], row["regime"]


def column(row: Row, shown: Callable[[object], str] = text) -> str:
    """Return the head of a benchmark's column: 'gsm8k, flexible', 'dna safety, sandwich'."""
    name = label(row, row["mode"] != MODES[0], shown)
    return name if row["metric"] == row["prompts"] else f"{shown(row['prompts'])} {name}"


def by_prompts(row: Row) -> Key:
    """Return the sort key of every table."""
    return row["prompts"], *rank(row)


def matrix(rows: Iterable[Row], order: Sequence[str], bold: Collection[Key]) -> str | None:
    """Return the table of models (rows) and benchmarks (columns); None for no row."""
    found = sorted(rows, key=by_prompts)
    return pivot(found, column, order, bold) if found else None


def signs(rows: Iterable[Row], order: Sequence[str], bold: Collection[Key]) -> str:
    """Return a table for each prompt set: models (rows), signs of their answers by mode (columns)."""
    return "\n\n".join(
        f"Prompts **{text(prompts)}**:\n\n{pivot(list(group), label, order, bold)}"
        for prompts, group in groupby(sorted(rows, key=by_prompts), key=lambda row: row["prompts"])
    )


def pivot(
    rows: Sequence[Row], head: Callable[[Row], str], order: Sequence[str], bold: Collection[Key]
) -> str:
    """Return a table of models and estimates; n is in a column's head where all its cells have the same."""
    sizes: dict[str, set[int]] = {}
    for row in rows:
        sizes.setdefault(head(row), set()).add(row["n"])
    cells: dict[tuple[Key, str], list[str]] = {}
    for row in rows:
        alike = len(sizes[head(row)]) == 1
        unit = "%" if row["unit"] == "percent" else text(row["unit"])
        name = f"{head(row)}, {unit}" + (f" (n = {row['n']:,})" if alike else "")
        told = estimate(row, (row["model"], *_cell(row)) in bold, not alike)
        cells.setdefault(((row["model"],), name), []).append(told)
    models = ordered((row["model"] for row in rows), order)
    return grid(["model"], ((model,) for model in models), cells)


def estimate(row: Row, bold: bool = False, n: bool = False) -> str:
    """Return a cell: '44.0 (36.3-52.0)', with what was unscored and, where asked, n."""
    if row["value"] is None:
        return f"unscored (n = 0 of {row['unscored']:,}{_within(row)})"
    shown = number(row["value"], row["unit"])
    shown = f"**{shown}**" if bold else shown
    shown += f" ({interval})" if (interval := span(row)) else ""
    shown += f", n = {row['n']:,}" if n else ""
    shown += ", limited" if row.get("limited") else ""
    if not row["unscored"]:
        return shown
    return f"{shown}, unscored {row['unscored']:,} of {row['n'] + row['unscored']:,}{_within(row)}"


def _within(row: Row) -> str:
    """Return the bounds that a value has whatever the unscored items would have got."""
    if row.get("worst") is None or row.get("best") is None:
        return ""
    return f": within {number(row['worst'], row['unit'])}-{number(row['best'], row['unit'])}"


# Differences


def delta(row: Row) -> str:
    """Return a difference with its interval: '-17.5 (-30.1 to -4.9)', '0.0 (no interval)'."""
    if row["difference"] is None:
        return "unscored"
    shown = number(row["difference"], row["unit"], sign=True)
    return f"{shown} ({span(row, sign=True) or 'no interval'})"


def counted(row: Row) -> str:
    """Return n, and what was unscored where anything was."""
    return f"{row['n']:,}" + (f" ({row['unscored']:,} unscored)" if row["unscored"] else "")


def mode_table(rows: Sequence[Row], tuned: Collection[str]) -> str | None:
    """Return the table of each mode minus naked."""
    if not rows:
        return None
    head = ["prompts", "metric", "model", "mode", "naked", "in the mode", "difference (95 %)", "unit", "n",
            "training seeds", "verdict"]  # fmt: skip
    body = []
    for row in sorted(rows, key=lambda row: (*by_prompts(row), row["model"] in tuned, row["model"])):
        sides = [number(row[side], row["unit"]) for side in ("other_value", "mode_value")]
        seeds = _seeds(row) if row["model"] in tuned else "-"
        name = [text(row["prompts"]), label(row, mode=False), text(row["model"]), text(row["mode"])]
        body.append([*name, *sides, delta(row), text(row["unit"]), counted(row), seeds, row["verdict"]])
    return table(head, body)


def _seeds(row: Row) -> str:
    sd = "" if row["seed_sd"] is None else f" (sd {number(row['seed_sd'], row['unit'])})"
    return f"{row['seeds']}{sd}"


def scales(rows: Iterable[Row]) -> str:
    """Return a table for each prompt set, its rows from every source."""
    rows = sorted(rows, key=lambda row: (row["prompts"], *rank(row)))
    return "\n\n".join(
        f"Prompts **{text(prompts)}**:\n\n{_scales(group)}"
        for prompts, group in groupby(rows, key=lambda row: row["prompts"])
    )


def _scales(rows: Iterable[Row]) -> str:
    """Return a table of fine-tunes by family and scale (rows) and metrics (columns)."""
    cells: dict[tuple[Key, str], list[str]] = {}
    for row in rows:
        who = tuple(row[name] for name in ("family", "scale", "fine_tuned", "baseline", "seeds", "source"))
        sd = "" if row["seed_sd"] is None else f", seed sd {number(row['seed_sd'], row['unit'])}"
        told = f"{delta(row)}, n = {counted(row)}{sd}, {row['verdict']}"
        told = f"not compared: they differ in {row['differs']}" if row["differs"] else told
        cells.setdefault((who, f"{label(row)}, {text(row['unit'])}"), []).append(told)
    found = dict.fromkeys(who for who, _ in cells)
    keys = sorted(found, key=lambda who: (str(who[0]), size(who[1]), *map(str, who)))
    return grid(["family", "scale", "fine-tune", "minus", "training seeds", "source"], keys, cells)


# The rows of the plots


def accuracy_points(found: Mapping[str, list[Row]]) -> list[Row]:
    """Return the rows of the accuracy plot: benchmark rates, panels and models in the table's order."""
    roles = {row["model"]: row["role"] for row in found["models"] if row["source"] == OWN}
    order = ordered((row["model"] for row in found["benchmarks"]), model_order(found["models"]))
    rates = [row for row in found["benchmarks"] if row["unit"] == "percent"]
    return [
        {**_drawn(row, "value"), "panel": column(row, str), "role": roles.get(row["model"], "-")}
        for row in sorted(rates, key=lambda row: (*by_prompts(row), order.index(row["model"])))
    ]


def mode_points(rows: Iterable[Row]) -> list[Row]:
    """Return the rows of the modes plot: differences of rates."""
    rates = [row for row in rows if row["unit"] == "points"]
    return [
        {**_drawn(row, "mode", "difference"), "panel": f"{row['prompts']}: {label(row, False, str)}"}
        for row in sorted(rates, key=by_prompts)
    ]


def _drawn(row: Row, *more: str) -> Row:
    return {"model": row["model"], **{name: row[name] for name in more}, **within(row)}
