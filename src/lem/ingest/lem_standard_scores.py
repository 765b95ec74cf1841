"""The stored scores of a lem-standard dump: one row an item, one Score a metric.

    {"scores": {benchmark: {variant: {item id: {"safety": 9, "nuance": 8, "reasoning": "..."}}}}}

They are taken as they stand (filter "stored"): whether they follow from the
answers is for our own scorers to say. A judge's reasoning has no place in a
Score; it stays in `raw/`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from lem.ingest.dump import Dump, Items, Pair, known, nameable, run_id
from lem.ingest.lines import Fault, Line, Object, as_text, decode, fitting, number, parse
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


@dataclass(frozen=True)
class Entry:
    """One row of a scores file: the keys that lead to it and what stands there."""

    file: str
    keys: tuple[str, ...]  # benchmark, variant, item id; fewer when no object stands in their place
    value: Any
    twice: bool  # stands below a key that was there before

    number = None

    @property
    def text(self) -> str:
        """The entry as JSON, below its keys."""
        value = self.value
        for key in reversed(self.keys):
            value = {key: value}
        return as_text({"scores": value})


def read_scores(dump: Dump, items: Items, entries: list[Entry]) -> dict[Pair, list[Score]]:
    """Return {(benchmark, variant): Scores} of the rows of the scores files."""
    found: dict[Pair, list[Score]] = {}
    taken: set[tuple[str, ...]] = set()
    keys = metric_keys(entries)
    for entry in entries:
        with dump.row(entry):
            benchmark, variant = addressed(entry, items)
            if entry.twice or entry.keys in taken:
                raise Fault("stands twice; the first is kept")
            scores = scores_of(entry.value, keys[benchmark, variant], entry.keys, dump.source)
            taken.add(entry.keys)
            found.setdefault((benchmark, variant), []).extend(scores)
    return found


def score_entries(dump: Dump, file: str) -> list[Entry]:
    """Return the rows of a scores file; one that has none at all is quarantined whole."""
    raw = (dump.root / "raw" / file).read_bytes()
    tally = dump.tally("scores", file)
    try:
        whole = parse(decode(raw))
        if not isinstance(whole, Object) or not isinstance(whole.get("scores"), Object):
            raise Fault('expected {"scores": {benchmark: {variant: {item id: {...}}}}}')
    except Fault as fault:
        tally.rows = 1
        dump.refuse(file, None, str(fault), Line(file, None, raw, len(raw)).text)
        return []
    found = [Entry(file, *leaf) for leaf in _leaves(whole["scores"])]
    found += [Entry(file, (), value, True) for key, value in whole.repeated if key == "scores"]
    tally.rows = len(found)
    return found


def _leaves(value: object, keys: tuple[str, ...] = (), twice: bool = False) -> Iterator[tuple[Any, ...]]:
    if len(keys) == 3 or not isinstance(value, Object):
        yield keys, value, twice
        return
    for key, below in value.items():
        yield from _leaves(below, (*keys, key), twice)
    for key, below in value.repeated:
        yield from _leaves(below, (*keys, key), True)


def addressed(entry: Entry, items: Items) -> Pair:
    """Return the (benchmark, variant) of an entry for a known item; raises Fault."""
    if len(entry.keys) < 3 or not isinstance(entry.value, Object):
        raise Fault(f"expected an object, found {type(entry.value).__name__}")
    if entry.value.repeated:
        raise Fault(f"key {entry.value.repeated[0][0]!r:.80} stands twice")
    known(entry.keys[2], entry.keys[0], items)
    return entry.keys[0], nameable(entry.keys[1])


def metric_keys(entries: Iterable[Entry]) -> dict[tuple[str, ...], list[str]]:
    """Return {(benchmark, variant): keys that are metrics}: known ones and any that holds a number."""
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


def scores_of(value: dict[str, Any], keys: list[str], at: tuple[str, ...], source: str) -> list[Score]:
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
