"""The summary of a validation dump: figures by benchmark and model, named by their keys. Pure.

    {"gsm8k": {"base": 4.0, "lem": 0.0, "delta": -4.0}, "speed": {"gsm8k_base": 1.3, "gsm8k_lem": 2.9}}

A key's words are a model, which the file's own keys or the benchmark files tell,
and a metric; a key that is a model alone is the share of right answers in percent.

    read(document, "benchmarks/summary.json", "their-study", {"base", "lem"}, {"gsm8k"}).figures
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from lem.ingest.lem_validation.names import BASE, parts
from lem.ingest.lines import Fault, Object, number
from lem.records import Figure

METRICS = {
    "": "exact_match",
    "accuracy": "exact_match",
    "truthful": "truthful_match",
    "untruthful": "untruthful_match",
    "refusal": "refusal_flag",
}
PERCENT = frozenset(METRICS.values())
SPEED = ("speed", "time", "times", "avg_time", "latency")
DELTA = "delta"
NO_MODELS = (DELTA, "n", "total", "count", "difference")


@dataclass
class Summary:
    """The figures of a summary, and where numbers stand in it that tell no model."""

    figures: list[Figure] = field(default_factory=list)
    unplaced: list[str] = field(default_factory=list)


def read(
    whole: Object, file: str, source: str, models: Collection[str], benchmarks: Collection[str]
) -> Summary:
    """Return the figures of a summary; `models` and `benchmarks` are those that other files name.

    A difference without a metric of its own is of the metric before it. Raises Fault.
    """
    found = Summary()
    known = {*benchmarks, *(key for key in whole if key not in SPEED)}
    for group, below in whole.items():
        rows = list(_leaves(below, ()))
        names = _models([keys for keys, _ in rows], models)
        before: list[str] = []
        for keys, value in rows:
            place = ".".join((group, *keys))
            model, words = _words(keys, names)
            if DELTA in words:
                model, words = _tuned(names), [word for word in words if word != DELTA] or before
                about = _difference(*_about(group, words, known))
            else:
                about = _about(group, words, known)
                before = words
            if model is None or not about[1].strip():
                found.unplaced.append(place)
                continue
            said, error = (None, f"{place} is null") if value is None else (number(place, value), None)
            found.figures.append(Figure(source, file, place, model, *about[:2], said, about[2], error))
    if len({figure.place for figure in found.figures}) < len(found.figures):
        raise Fault("two numbers stand at places of one name")
    return found


def _leaves(value: object, keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield (keys, number or null) of what stands below a group; a text is no figure."""
    if isinstance(value, Object):
        if value.repeated:
            raise Fault(f"key {value.repeated[0][0]!r:.80} stands twice")
        for key, below in value.items():
            yield from _leaves(below, (*keys, key))
    elif value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        yield keys, value


def _models(rows: Collection[tuple[str, ...]], models: Collection[str]) -> set[str]:
    """Return the words of a group's keys that are models: "base" and the known ones.

    Where no other file names a fine-tuned one, it is what takes the place of "base" in a key.
    """
    spelled = {tuple(word for key in keys for word in parts(key)) for keys in rows}
    found = {word for row in spelled for word in row if word == BASE or word in models}
    if set(models) <= {BASE}:
        for row in spelled:
            places = [at for at in range(len(row)) if (*row[:at], BASE, *row[at + 1 :]) in spelled]
            found |= {row[at] for at in places if row[at] not in NO_MODELS}
    return found


def _words(keys: tuple[str, ...], names: Collection[str]) -> tuple[str | None, list[str]]:
    """Return (model or None, the other words) of a row's keys."""
    words = [word for key in keys for word in parts(key)]
    model = next((word for word in (*words[:1], *words[::-1]) if word in names), None)
    if model is not None:
        words.remove(model)
    return model, words


def _tuned(names: Collection[str]) -> str | None:
    """Return the model that a difference is of: the only one besides the base."""
    others = [name for name in names if name != BASE]
    return others[0] if len(others) == 1 else None


def _about(group: str, words: list[str], known: Collection[str]) -> tuple[str | None, str, str]:
    """Return (benchmark, metric, unit) of a figure: null for a benchmark that its keys do not tell."""
    joined = "_".join(words)
    if group in SPEED:
        return _spelled_out(joined, known) or None, "gen_time", "seconds"
    metric = METRICS.get(joined, joined)
    return group, metric, "percent" if metric in PERCENT else "as given"


def _difference(benchmark: str | None, metric: str, unit: str) -> tuple[str | None, str, str]:
    """Return (benchmark, metric, unit) of the difference of two figures."""
    return benchmark, f"{metric}_{DELTA}", "points" if unit == "percent" else unit


def _spelled_out(short: str, known: Collection[str]) -> str:
    """Return the only known benchmark whose letters, in order, a short name is made of; else the name."""

    def shortens(name: str) -> bool:
        letters = iter(name.lower())
        return short[:1] == name[:1].lower() and all(letter in letters for letter in short)

    fits = [name for name in known if shortens(name)]
    return short if short in known or len(fits) != 1 else fits[0]
