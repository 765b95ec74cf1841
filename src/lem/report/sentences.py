"""The report's sentences: what was declared and came of it, what was learned, what was dropped. Pure.

    declared(wanted, rows, tuned)   # '- **a > b** (safety, naked, p): 8.74 -> 8.58, paired difference ...'

Rows are those of the report's queries, and what is returned is Markdown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import groupby
from typing import Any

from lem.records import OWN
from lem.report import paired
from lem.report.words import Row, count, direction, label, number, rank, size, text, unit_of

VERDICTS = ("better", "worse", "equivalent", "inconclusive", "refused")
OTHER = ("better", "worse", "higher", "lower", "equivalent", "inconclusive", "refused")
WAYS = {True: "higher is better", False: "lower is better", None: "neither way is better"}
SAID = {
    "yes": "what was declared holds",
    "no": "what was declared does not hold",
    "open": "what was declared is open",
}


# What was declared


def tally(wanted: Sequence[Row], rows: Sequence[Row]) -> str | None:
    """Return how many rows of declared comparisons came out how; None for no row."""
    if not rows:
        return None
    said = f"{count(len(rows), 'row')} of {count(len(wanted), 'declared comparison')}"
    if without := len({row["declared"] for row in wanted} - {row["declared"] for row in rows}):
        said += f", {without} of them not measured yet"
    told = []
    for words, what, primary in ((VERDICTS, "primary", True), (OTHER, "other", False)):
        verdicts = Counter(row["verdict"] for row in rows if row["is_primary"] is primary)
        counts = ", ".join(f"{verdicts[word]} {word}" for word in words if verdicts[word])
        told += [f"{verdicts.total()} {what} ({counts})"] if verdicts else []
    tests = sum(row["p_holm"] is not None for row in rows)
    return f"{said}: {' and '.join(told)}; {count(tests, 'test')} in one family."


def declared(wanted: Iterable[Row], rows: Sequence[Row], tuned: Collection[str]) -> str:
    """Return a line for each declared comparison, in the order declared: its row, or a count and its rows."""
    found: dict[str, list[Row]] = {}
    for row in sorted(rows, key=_urgency):
        found.setdefault(row["declared"], []).append(row)
    return "\n".join(_declared(one, found.get(one["declared"], []), tuned) for one in wanted)


def _declared(one: Row, rows: Sequence[Row], tuned: Collection[str]) -> str:
    name = f"- **{text(one['declared'])}**"
    if not rows:
        on = "" if one["prompts"] is None else f" on {text(one['prompts'])}"
        return f"{name} is not measured yet: no rows of both{on}."
    told = list(dict.fromkeys(sentence(row, row["candidate"] in tuned) for row in rows))
    if len(told) == 1:
        return f"{name} {told[0]}"
    return "\n".join([f"{name}: {outcome(rows)}", *(f"  - {line}" for line in told)])


def _urgency(row: Row) -> tuple[Any, ...]:
    """Return a sort key: what a verdict is about first, and of that what was decided either way."""
    undecided = row["verdict"] == "inconclusive" and row["holds"] == "open"
    return not row["is_primary"], undecided, row["prompts"], *rank(row)


def outcome(rows: Sequence[Row]) -> str:
    """Return in how many of the primary rows what was declared holds."""
    held = Counter(row["holds"] for row in rows if row["is_primary"])
    others = len(rows) - held.total()
    beside = f"; {count(others, 'other row')}, of other readings or metrics" if others else ""
    if held.total() == 1:
        return f"{SAID[min(held)]}{beside}."
    if not held:
        return f"{count(others, 'row')}, none of a metric with a better direction."
    primary = f"{held['yes']} of {count(held.total(), 'primary row')}"
    return f"holds in {primary}, not in {held['no']}, open in {held['open']}{beside}."


def sentence(row: Row, is_tuned: bool) -> str:
    """Return a declared comparison's row as a sentence, less its name."""
    if row["differs"]:
        return f"({paired.refusal(row)})"
    better = direction(row)
    what = "" if better else f"; {WAYS[better]}"
    if not row["declared"].endswith(f" on {row['prompts']}"):
        what = f", {text(row['prompts'])}{what}"
    sides = " -> ".join(_value(row, side) for side in ("baseline_value", "candidate_value"))
    holds = f"; {SAID[row['holds']]}" if row["is_primary"] else ""
    return f"({label(row)}{what}): {sides}, {paired.difference(row, is_tuned)}: {paired.verdict(row)}{holds}."


def _value(row: Row, side: str) -> str:
    return number(row[side], row["unit"]) + ("" if row[side] is None else unit_of(row).value)


def ways(rows: Iterable[Row]) -> str:
    """Return which way is better, for each metric there is: 'exact_match: higher is better; chars: ...'."""
    found = {row["metric"]: direction(row) for row in sorted(rows, key=rank)}
    return "; ".join(f"{text(metric)}: {WAYS[way]}" for metric, way in found.items())


# What the fine-tunes learned


def learning(losses: Sequence[Row], tuned: Iterable[str]) -> str:
    """Return a sentence for each fine-tune, one without losses too."""
    names = dict.fromkeys([*tuned, *(row["model"] for row in losses)])
    told = ((name, learned([row for row in losses if row["model"] == name])) for name in names)
    return "\n".join(f"- **{text(name)}**: {said}" for name, said in told)


def learned(rows: Sequence[Row]) -> str:
    """Return what the losses of one training say."""
    if not rows:
        return "no losses were recorded."
    ordered = sorted(rows, key=lambda row: row["iteration"])
    valid, train = ([row for row in ordered if row["split"] == split] for split in ("valid", "train"))
    tokens = max((row["trained_tokens"] for row in rows if row["trained_tokens"] is not None), default=None)
    over = count(ordered[-1]["iteration"], "iteration")
    over += " (answer tokens not recorded)" if tokens is None else f" and {count(tokens, 'answer token')}"
    return f"{_curve('validation', valid)}, {_curve('training', train)}, over {over}.{_risen(valid)}"


def _curve(name: str, rows: Sequence[Row]) -> str:
    if not rows:
        return f"no {name} loss"
    first, last = rows[0], rows[-1]
    if len(rows) == 1:
        return f"{name} loss {first['loss']:.3f} (at iteration {first['iteration']:,} only)"
    where = f"iterations {first['iteration']:,} and {last['iteration']:,}"
    return f"{name} loss {first['loss']:.3f} -> {last['loss']:.3f} ({where})"


def _risen(valid: Sequence[Row]) -> str:
    """Return where the validation loss was lowest, if that was not at the end."""
    lowest = min(valid, key=lambda row: row["loss"], default=None)
    if lowest is None or f"{lowest['loss']:.3f}" == f"{valid[-1]['loss']:.3f}":
        return ""
    least, where = f"{lowest['loss']:.3f}", f"{lowest['iteration']:,}"
    return f" The validation loss rose at the end: its minimum, {least}, was at iteration {where}."


def kept(rows: Iterable[Row]) -> str:
    """Return a sentence for each fine-tune: how far it came from naked to what the kernel does."""
    return "\n".join(f"- **{text(row['model'])}**: {_share(row)}" for row in rows)


def _share(row: Row) -> str:
    before, after, goal = row["before"], row["after"], row["under_kernel"]
    said = f"asked without the kernel, loss {before:.3f} before training and {after:.3f} after; "
    said += f"its base under the kernel ({text(row['mode'])}) has {goal:.3f}. "
    if goal >= before:
        return said + "The kernel makes the base no better at them: there was nothing of it to keep."
    if after >= before:
        return said + "The training brought it no nearer to that."
    way = f"{number(100 * (before - after) / (before - goal), 'percent')} % of the way there"
    way = way if after > goal else "as far as the kernel does, or further"
    return f"{said}The training brought it {way}; how much of that is mere manner, a loss does not say."


# What the multi-scale tables cannot say


def scale_notes(rows: Sequence[Row]) -> list[str]:
    """Return in words what the multi-scale table cannot say."""
    notes = []
    if len(known := _scales(rows)) == 1:
        notes.append(f"There is one scale only, {known[0]}: nothing here says what size changes.")
    if any(row["scale"] is None for row in rows):
        notes.append("A scale shown as - was not stated.")
    for source in sorted({row["source"] for row in rows} - {OWN}):
        theirs = _scales([row for row in rows if row["source"] == source])
        which = f" (scale {', '.join(theirs)})" if theirs else ""
        notes.append(f"Source {text(source)}{which} was imported: its answers and scores were not made here.")
    if len(known) > 1 and not _sized(rows):
        notes.append("No family has two scales: family, variant and training differ along with size.")
    if rows:
        several = any(row["seeds"] > 1 for row in rows)
        seeds = "the seed sd beside it is, where there are several seeds" if several else "one seed each"
        notes.append(f"An interval is about other items, not about another training ({seeds}).")
    return notes


def _sized(rows: Iterable[Row]) -> bool:
    """Return whether some family is there at two scales; what was not stated is neither."""
    found = {(row["family"], row["scale"]) for row in rows if row["family"] and row["scale"]}
    families = [family for family, _ in found]
    return any(families.count(family) > 1 for family in families)


def _scales(rows: Iterable[Row]) -> list[str]:
    found = {row["scale"] for row in rows if row["scale"]}
    return [text(scale) for scale in sorted(found, key=lambda scale: (size(scale), scale))]


# What was dropped in distillation


def distilled(rows: Iterable[Row]) -> str:
    """Return a sentence for each training set."""
    return "\n".join(
        f"- **{text(name)}**: {_kept(list(group))}"
        for name, group in groupby(rows, lambda row: row["training set"])
    )


def _kept(rows: Sequence[Row]) -> str:
    answers: Counter[str] = Counter()
    for row in rows:
        answers[row["outcome"]] += row["answers"]
    trimmed, chars = (sum(row[name] for row in rows) for name in ("trimmed", "characters trimmed"))
    return (
        f"{count(answers.total(), 'answer')}: {answers['train']:,} kept to train on, {answers['valid']:,} to "
        f"validate, {answers['dropped']:,} dropped; {trimmed:,} of the kept were trimmed, "
        f"by {count(chars, 'character')} in all."
    )
