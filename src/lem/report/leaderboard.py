"""The leaderboards in words and tables: ranks, how sure they are, what training before a test changes. Pure.

    parts(found)        # [{"source": "own", "said": "- **direct**: 5 models on 4 tasks; ...", ...}]

Rows are those of the report's queries, and what is returned is Markdown. Where a source has both
regimes a cell reads `before -> after`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby

from lem.leaderboards import DIFFERENCE, DIRECT, TRAINED
from lem.records import OWN
from lem.report.tables import Key, counted, delta, grid, ordered, table
from lem.report.words import Row, count, noted, number, span, text

REGIMES = (DIRECT, TRAINED)
NEEDED = ("boards", "board_ranks", "board_cells", "board_notes", "board_categories")
MANY_MODELS, MANY_TASKS = 30, 8
"""Beyond either, somebody else's leaderboard is shown without its scores."""
SHOWN, NOTES = 20, 8
MANY_ENOUGH = 10
"""Models, below which a bootstrap over them is said to be too sure."""
TAU = "tau-b"


def parts(found: Mapping[str, list[Row]]) -> list[dict[str, str | None]]:
    """Return for each source with a leaderboard what the template puts in its places, each Markdown."""
    sources = dict.fromkeys(row["source"] for row in found["boards"])
    return [_part(one, {name: _where(found[name], source=one) for name in NEEDED}) for one in sources]


def _where(rows: Iterable[Row], **wanted: str) -> list[Row]:
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def _part(source: str, found: Mapping[str, list[Row]]) -> dict[str, str | None]:
    models, tasks = _models(found["board_ranks"]), by_category(found["board_cells"])
    big = source != OWN and (len(models) > MANY_MODELS or len(tasks) > MANY_TASKS)
    cells = [] if big else found["board_cells"]
    shown = models[:SHOWN] if big else models
    return {
        "source": text(source),
        "said": said(found["boards"], found["board_ranks"]),
        "notes": notes(found["board_notes"]),
        "ranks": ranks(found["board_ranks"], cells, shown),
        "shown": _shown(len(shown), len(models), len(tasks)) if big and models else None,
        "categories": categories(found["board_categories"]),
    }


def _shown(shown: int, models: int, tasks: int) -> str:
    which = f"The first {shown} of {models} models" if shown < models else f"All {count(models, 'model')}"
    return (
        f"{which}, without their scores on {count(tasks, 'task')}; "
        "`lem sql @leaderboard` has all ranks, and the queries below have all of it."
    )


def _models(ranked: Sequence[Row]) -> list[str]:
    """Return the models in the order of their ranks, those after training where there are any."""
    return list(
        dict.fromkeys(row["model"] for regime in REGIMES[::-1] for row in _where(ranked, regime=regime))
    )


def by_category(cells: Iterable[Row]) -> list[str]:
    """Return the tasks by category and name; those of no category are last."""
    found = {row["task"]: (row["category"] is None, row["category"], row["task"]) for row in cells}
    return sorted(found, key=lambda task: found[task])


# In words


def said(boards: Sequence[Row], ranked: Sequence[Row]) -> str:
    """Return a line for each regime of a source, and one on what training changes."""
    by_regime = {row["regime"]: row for row in boards}
    lines = [board(by_regime[name], _where(ranked, regime=name)) for name in REGIMES if name in by_regime]
    if DIFFERENCE in by_regime:
        lines.append(change(by_regime))
    return "\n".join(f"- {line}" for line in lines)


def board(row: Row, ranked: Sequence[Row]) -> str:
    """Return what a leaderboard says and what of it may be chance."""
    name = f"**{text(row['regime'])}**"
    if not ranked:
        return f"{name}: no ranking; {text(row['note'])}."
    told = [f"{count(row['models'], 'model')} on {count(row['tasks'], 'task')}"]
    told += [_apart(row["untold"], row["compared"])] if row["compared"] else []
    told += _silent(ranked)
    return f"{name}: {'; '.join([*told, _first(ranked)])}. {_agreement(row)}"


def _apart(untold: int, pairs: int) -> str:
    of = f"of the {count(pairs, 'pair')} of models"
    if not untold:
        return f"each {of} is told apart"
    if untold == pairs:
        return f"none {of} is told apart: the whole order may be chance"
    are, their = ("is", "its") if untold == 1 else ("are", "their")
    return f"{untold:,} {of} {are} not told apart: {their} order may be chance"


def _silent(ranked: Sequence[Row]) -> list[str]:
    """Return how many scores state no standard error, whose noise is in no interval then."""
    known = sum(round(row["coverage"] * row["cells"]) for row in ranked)
    silent = known - sum(row["stderrs"] for row in ranked)
    if not silent:
        return []
    who = "no score states" if silent == known else f"{silent:,} of {count(known, 'score')} state no"
    error = "a standard error" if silent == known else "standard error"
    return [f"{who} {error}: that noise is in no interval"]


def _first(ranked: Sequence[Row]) -> str:
    """Return which model is first and in how many draws; beside it one that is so in more of them."""
    leaders = [row for row in ranked if row["rank"] == 1]
    if not leaders:
        return "no model has a rank"
    names, shares = (" and ".join(map(how, leaders)) for how in (_name, _share))
    said = f"first {'is' if len(leaders) == 1 else 'are'} {names}, in {shares} of the draws"
    often = max(ranked, key=lambda row: row["p_best"])
    more = often["p_best"] > max(row["p_best"] for row in leaders)
    return f"{said} ({_name(often)} in {_share(often)})" if more else said


def _name(row: Row) -> str:
    return f"**{text(row['model'])}**"


def _share(row: Row) -> str:
    return f"{_percent(row['p_best'])} %"


def _agreement(row: Row) -> str:
    """Return how far the tasks of a leaderboard agree, and what its first component tells."""
    share = None if row["pc1_share"] is None else f"PC1 tells {_percent(row['pc1_share'])} % of the variance"
    if row["tau_mean"] is None:
        mean = f"There is no mean tau: {text(row['note'])}"
        return f"{mean}; {share}." if share else f"{mean}."
    over = count(row["pairs"], "pair")
    mean = f"The mean tau over {over} of tasks is {_tau(row['tau_mean'])} ({_interval(row)})"
    return f"{mean}, and {share}." if share else f"{mean}."


def change(boards: Mapping[str, Row]) -> str:
    """Return what training changes: mean tau before and after, and the paired difference of the two."""
    row = boards[DIFFERENCE]
    if row["tau_mean"] is None:
        return f"**What training changes** is not told: {text(row['note'])}."
    before, after = (_tau(boards[name]["tau_mean"]) for name in REGIMES)
    over = f"the cells of both ({count(row['models'], 'model')}, {count(row['tasks'], 'task')})"
    size = f"{_tau(row['tau_mean'], sign=True)} ({_interval(row, sign=True)})"
    return (
        f"**What training changes**: the mean tau is {before} before and {after} after; paired, over {over}, "
        f"the difference is {size}: {_verdict(row)}.{_gained(row['pc1_share'])}{_few(row['models'])}"
    )


def _few(models: int) -> str:
    if models >= MANY_ENOUGH:
        return ""
    told = f"Resampling {count(models, 'model')} gives too short an interval"
    return f" {told}, and models made of each other are no sample of models."


def _gained(share: float | None) -> str:
    if share is None:
        return ""
    points = number(100 * share, "points", sign=True)
    return f" PC1's share of the variance changes by {points} points."


def _verdict(row: Row) -> str:
    """Return whether a difference is told apart from none: its interval leaves zero out."""
    if row["low"] is None or row["high"] is None or row["low"] <= 0 <= row["high"]:
        return "not told apart from none"
    return f"told apart from none, the tasks agree {'more' if row['low'] > 0 else 'less'} after it"


def _tau(value: float | None, sign: bool = False) -> str:
    return "none" if value is None else number(value, TAU, sign)


def _interval(row: Row, sign: bool = False) -> str:
    found = span({**row, "unit": TAU}, sign)
    return f"95 % {found}" if found else "no interval"


def _percent(share: float) -> str:
    return number(100 * share, "percent")


def notes(rows: Iterable[Row]) -> str | None:
    """Return what the audit found in a source's leaderboards, some of each kind; None for nothing."""
    lines = []
    for rule, group in groupby(rows, lambda row: row["rule"]):
        found = [text(row["detail"]) for row in group]
        lines += [f"- {detail}." for detail in found[:NOTES]]
        lines += [f"- {len(found) - NOTES:,} more of rule {text(rule)}."] if len(found) > NOTES else []
    return "\n".join(lines) or None


# As tables


COLUMNS: dict[str, Callable[[Row, int], str]] = {
    "PC1": lambda row, _: "-" if row["pc1"] is None else f"{row['pc1']:,.2f}",
    "ranks (95 %)": lambda row, _: (
        "-" if row["rank_low"] is None else f"{row['rank_low']}-{row['rank_high']}"
    ),
    "first in % of the draws": lambda row, _: _percent(row["p_best"]),
    "not told apart from": lambda row, models: f"{row['not_told_apart']} of {models - 1}",
    "tasks scored": lambda row, _: f"{round(row['coverage'] * row['cells'])} of {row['cells']}",
}
"""The columns behind a model's name: from its row and the number of models there."""


def ranks(ranked: Sequence[Row], cells: Iterable[Row], models: Sequence[str]) -> str | None:
    """Return the table of these models, with a column for each task that `cells` has; None for no rank."""
    if not ranked:
        return None
    by_regime = [_where(ranked, regime=name) for name in REGIMES]
    sides = [({row["model"]: row for row in rows}, len(rows)) for rows in by_regime if rows]
    cells = list(cells)
    scores = {(row["regime"], row["model"], row["task"]): score(row) for row in cells}
    regimes = [rows[0]["regime"] for rows in by_regime if rows]
    tasks = by_category(cells)
    lines = []
    for model in models:
        told = [_both([_told(how, side.get(model), n) for side, n in sides]) for how in COLUMNS.values()]
        rank = _both([_told(lambda row, _: text(row["rank"]), side.get(model), n) for side, n in sides])
        marks = [_both([scores.get((regime, model, task), "-") for regime in regimes]) for task in tasks]
        lines.append([rank, text(model), *told, *marks])
    return table(["rank", "model", *COLUMNS, *(_head(task, cells) for task in tasks)], lines)


def _told(how: Callable[[Row, int], str], row: Row | None, models: int) -> str:
    return "-" if row is None else how(row, models)


def _both(told: Sequence[str]) -> str:
    """Return `before -> after`, or the one that there is."""
    return " -> ".join(told)


def score(row: Row) -> str:
    """Return a score with its standard error: '45.2 ± 4.5'; 'missing' where there is none."""
    if row["value"] is None:
        return "missing"
    shown = number(row["value"], "percent")
    return shown if row["stderr"] is None else f"{shown} ± {number(row['stderr'], 'percent')}"


def _head(task: str, cells: Iterable[Row]) -> str:
    units = dict.fromkeys(row["unit"] for row in cells if row["task"] == task and row["value"] is not None)
    return ", ".join([text(task), *map(text, units)])


def categories(rows: Sequence[Row]) -> str | None:
    """Return mean tau within each category and with the others; None where there is nothing to compare."""
    named = {row["category"] for row in rows} - {None}
    if len(named) < 2 or not any(row["pairs_within"] for row in rows):
        return None
    head = ["category", "mean tau within (pairs)", "mean tau with other categories (pairs)"]
    regimes = [name for name in REGIMES if _where(rows, regime=name)]
    lines = []
    for name in [None, *sorted(named)]:
        found = [_where(_where(rows, regime=regime), category=name) for regime in regimes]
        told = (_both([_mean(side, where) for side in found]) for where in ("within", "between"))
        lines.append(["every category" if name is None else text(name), *told])
    return table(head, lines)


def _mean(rows: Sequence[Row], where: str) -> str:
    if not rows or not rows[0][f"pairs_{where}"]:
        return "-"
    return f"{_tau(rows[0][f'tau_{where}'])} ({rows[0][f'pairs_{where}']:,})"


# What training on a task changed


def trained(found: Mapping[str, list[Row]]) -> dict[str, str | None] | None:
    """Return a sentence and a table of our own paired differences, after less before; None for no row."""
    rows = found["trained"]
    if not rows:
        return None
    models = ordered((row["model"] for row in rows), _models(_where(found["board_ranks"], source=OWN)))
    return {"said": tally(rows), "table": noted(differences(rows, models))}


def tally(rows: Sequence[Row]) -> str:
    """Return how many of the differences lie above and below zero with their whole interval."""
    known = [row for row in rows if row["low"] is not None and row["high"] is not None]
    above, below = sum(row["low"] > 0 for row in known), sum(row["high"] < 0 for row in known)
    have = "has its" if above == 1 else "have their"
    return f"Of {count(len(rows), 'difference')}, {above} {have} interval above zero, {below} below it."


def differences(rows: Sequence[Row], models: Sequence[str]) -> str:
    """Return the table of models and tasks; n is in a task's head where all its cells have the same."""
    sizes: dict[str, set[str]] = {}
    for row in rows:
        sizes.setdefault(_task(row), set()).add(counted(row))
    cells: dict[tuple[Key, str], list[str]] = {}
    for row in rows:
        n, alike = f"n = {counted(row)}", len(sizes[_task(row)]) == 1
        name, told = (f"{_task(row)} ({n})", delta(row)) if alike else (_task(row), f"{delta(row)}, {n}")
        cells.setdefault(((row["model"],), name), []).append(told)
    return grid(["model"], ((model,) for model in models), cells)


def _task(row: Row) -> str:
    return f"{text(row['task'])} {text(row['metric'])}, {text(row['unit'])}"
