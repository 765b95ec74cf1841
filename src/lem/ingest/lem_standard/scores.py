"""The stored scores of a lem-standard dump: one row an item, one Score a metric.

    {"scores": {benchmark: {variant: {item id: {"safety": 9, "nuance": 8, "reasoning": "..."}}}}}

They are taken as they stand (filter "stored"): whether they follow from the
answers is for our own scorers to say. A judge's reasoning has no place in a
Score; it stays in `raw/`. The file may have any name: a JSON document without
`scores` in it is somebody's other file and has no rows, unless its name says
*_scores.json; then, as when it is no JSON at all, it is quarantined whole.

    entries = score_entries(dump, "standard_scores.json")
    read_scores(dump, items, entries)      # {("gsm8k", "lem_ethics"): [Score(...), ...], ...}
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from lem import layout
from lem.ingest.dump import Dump, Items, Pair, known, nameable, run_id
from lem.ingest.lines import Fault, Line, Object, fitting, number, parse
from lem.ingest.nested import Leaf, leaves
from lem.records import Score

METRICS = {
    "correct": ("exact_match", "stored"),
    "truthfulness": ("truthful", "judge"),
    "informativeness": ("informative", "judge"),
    "safety": ("safety", "judge"),
    "nuance": ("nuance", "judge"),
    "kindness": ("kindness", "judge"),
    "awareness": ("awareness", "judge"),
}
"""Known key of a score entry → (metric, scorer). Any other number keeps its name, scorer "stored"."""

NO_METRICS = ("extracted", "expected", "reasoning")
JUDGE_RANGE = (1, 10)


EXPECTED = 'expected {"scores": {benchmark: {variant: {item id: {...}}}}}'


def read_scores(dump: Dump, items: Items, entries: list[Leaf]) -> dict[Pair, list[Score]]:
    """Return {(benchmark, variant): Scores} of the rows of the scores files."""
    found: dict[Pair, list[Score]] = {}
    taken: set[tuple[str, str, str]] = set()
    keys = metric_keys(entries)
    for entry in entries:
        with dump.row(entry):
            benchmark, variant = addressed(entry, items)
            at = benchmark, variant, entry.keys[2]
            if entry.twice or at in taken:
                raise Fault("stands twice; the first is kept")
            scores = scores_of(entry.value, keys[entry.keys[:2]], at, dump.source)
            taken.add(at)
            found.setdefault((benchmark, variant), []).extend(scores)
    return found


def score_entries(dump: Dump, file: str) -> list[Leaf]:
    """Return the rows of a scores file; one that has none at all is quarantined whole."""
    found: list[Leaf] = []
    for line in dump.document("scores", file):
        try:
            found = entries_of(line)
        except Fault as fault:
            dump.refuse(file, None, str(fault), line.text)
        else:
            dump.tally("scores", file).rows = len(found)
    return found


def entries_of(line: Line) -> list[Leaf]:
    """Return the rows of a scores file, none of somebody's other JSON; raises Fault."""
    whole = parse(line.whole())
    if not _claims(whole, line.file):
        return []
    if not isinstance(whole, Object) or not isinstance(whole.get("scores"), Object):
        raise Fault(EXPECTED)
    found = list(leaves(line.file, whole["scores"], 3, "scores"))
    again = (value for key, value in whole.repeated if key == "scores")
    return [*found, *(Leaf(line.file, "scores", (), value, twice=True) for value in again)]


def _claims(whole: object, file: str) -> bool:
    """Return whether a document means to be a scores file: by its name, or by what it holds."""
    return file.endswith("_scores.json") or (isinstance(whole, Object) and "scores" in whole)


def scores_in(whole: Object) -> bool:
    """Return whether a document has the shape of a scores file, as far as its first benchmark tells."""
    scores = whole.get("scores")
    variants = next(iter(scores.values()), None) if isinstance(scores, Object) else None
    return isinstance(variants, Object) and any(isinstance(items, Object) for items in variants.values())


def asked(item_id: str, benchmark: str, items: Items) -> None:
    """Raise Fault for a benchmark that can be no file name, or an item that its question set lacks.

    Without a question set an item id is taken as it stands.
    """
    if not layout.NAME.fullmatch(benchmark):
        raise Fault(f"benchmark {benchmark!r:.80} cannot be a file name of ours")
    if benchmark in items:
        known(item_id, benchmark, items)
    elif not item_id.strip():
        raise Fault("no item id")


def addressed(entry: Leaf, items: Items) -> Pair:
    """Return the (benchmark, variant) of an entry for an item that was asked; raises Fault."""
    if len(entry.keys) < 3 or not isinstance(entry.value, Object):
        raise Fault(f"expected an object, found {type(entry.value).__name__}")
    if entry.value.repeated:
        raise Fault(f"key {entry.value.repeated[0][0]!r:.80} stands twice")
    asked(entry.keys[2], entry.keys[0], items)
    return entry.keys[0], nameable(entry.keys[1])


def metric_keys(entries: Iterable[Leaf]) -> dict[tuple[str, ...], list[str]]:
    """Return {(benchmark, variant) as stated: keys that are metrics}: known ones, any that holds a number."""
    found: dict[tuple[str, ...], set[str]] = {}
    for entry in entries:
        if isinstance(entry.value, Object):
            found.setdefault(entry.keys[:2], set()).update(
                key
                for key, value in entry.value.items()
                if key in METRICS or (key not in NO_METRICS and isinstance(value, int | float))
            )
    return {
        pair: [*(k for k in METRICS if k in keys), *sorted(keys - set(METRICS))]
        for pair, keys in found.items()
    }


def scores_of(value: dict[str, Any], keys: list[str], at: tuple[str, str, str], source: str) -> list[Score]:
    """Return an entry's Scores, one a metric; raises Fault.

    A metric that the variant's other entries have and this one lacks is a
    null with an error when its key is a known one: a judge that failed counts.
    """
    benchmark, variant, item_id = at
    run, scores = run_id(source, variant, benchmark), []
    for key in (k for k in keys if k in METRICS or k in value):
        metric, scorer = METRICS.get(key, (key, "stored"))
        score = Score(run, variant, benchmark, item_id, metric, *measure(key, value), scorer, "stored")
        extracted = value.get("extracted") if key == "correct" else None
        scores.append(fitting(replace(score, extracted=extracted, source=source)))
    if not scores:
        raise Fault("no number and no boolean in it")
    if len({(score.metric, score.scorer) for score in scores}) < len(scores):
        raise Fault("two keys for one metric")
    return scores


def measure(key: str, entry: dict[str, Any]) -> tuple[float | None, str | None]:
    """Return (value, error) of a metric's key; null for what no judge may say, a Fault for a wrong type."""
    value = entry.get(key)
    if value is None:
        return None, f"{key} is {'null' if key in entry else 'missing'}"
    measured = number(key, value)
    if key == "correct" and measured not in (0, 1):
        raise Fault("'correct': expected true or false")
    if METRICS.get(key, ("", ""))[1] != "judge":
        return measured, None
    if isinstance(value, bool):
        raise Fault(f"{key!r}: expected a number, found bool")
    low, high = JUDGE_RANGE
    inside = low <= measured <= high
    return (measured, None) if inside else (None, f"{key} {measured:g} is outside {low}-{high}")
