"""Records of two runs held against each other: which pair, and whether they say the same.

A record's key is its table's (lem.rules.KEYS); a run goes by what was asked of whom, so
that the same question under other settings is one pair and not two strangers. Pure.

    pairs.verdict("responses", mine, theirs, tolerance=1e-3).verdict
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest

from lem import rules
from lem.records import Record, Run

IDENTICAL = "identical"
TIMES = "other times"
NEAR = "within tolerance"
DIFFERENT = "different"
ONLY_HERE = "missing there"
ONLY_THERE = "missing here"
VERDICTS = (IDENTICAL, TIMES, NEAR, DIFFERENT, ONLY_HERE, ONLY_THERE)
"""Identical; the same but for when and how fast; numbers a little apart; anything else; on one side only."""
WRONG = (DIFFERENT, ONLY_HERE, ONLY_THERE)

CLOCK = {
    "responses": {"gen_time", "batch_size"},
    "runs": {
        *("started", "wall_seconds", "asked", "tokens", "tokens_per_second", "git_revision"),
        "responses_sha",  # over the times too; the answers are compared one by one
    },
    "losses": {"seconds"},
}
"""Fields that say when and how fast, not what."""
FLOATS = {
    "responses": {"logprob"},
    "scores": {"value"},
    "losses": {"loss"},
    "figures": {"value", "stderr"},
}
"""Numbers that may be a little apart: nats, and what is computed from them."""
DERIVED = ("run_id", "settings_sha")
"""Hashes of a run's other fields."""
SHAPING_PROMPT = {"template", "kernel_sha", "shots", "mode"}
FIRST = ("response", "reasoning", "value", "extracted", "loss", "logprob")
"""Fields that say most of why two records differ."""

Key = tuple[object, ...]
Excuses = Mapping[tuple[str, str], frozenset[str]]
"""{(run here, run there): fields of their answers that differ since the runs do}."""


@dataclass(frozen=True)
class Pair:
    """One record of both runs, or of one alone, and what came of comparing; `fields` differ."""

    table: str
    key: Key
    verdict: str
    fields: tuple[str, ...] = ()
    here: Record | None = None
    there: Record | None = None


def key_of(table: str, record: Record) -> Key:
    """Return what names a record in its table."""
    names = ("source", "model", "prompts", "mode") if table == "runs" else rules.KEYS[table]
    return tuple(getattr(record, name) for name in names)


def paired(
    table: str, here: Iterable[Record], there: Iterable[Record]
) -> Iterator[tuple[Key, Record | None, Record | None]]:
    """Yield (key, record here, record there), in the order of here, None where a side has none.

    Of several with one key the equal ones are pairs, then runs of one id, then the others in their order.
    """
    mine, theirs = _by_key(table, here), _by_key(table, there)
    for key, left in mine.items():
        right = theirs.pop(key, [])
        for alike in (operator.eq, _same_run):
            for one in list(left):
                if match := next((other for other in right if alike(one, other)), None):
                    left.remove(one)
                    right.remove(match)
                    yield key, one, match
        yield from ((key, one, other) for one, other in zip_longest(left, right))
    yield from ((key, None, other) for key, right in theirs.items() for other in right)


def _same_run(one: Record, other: Record) -> bool:
    return isinstance(one, Run) and isinstance(other, Run) and one.run_id == other.run_id


def _by_key(table: str, records: Iterable[Record]) -> dict[Key, list[Record]]:
    found: dict[Key, list[Record]] = {}
    for record in records:
        found.setdefault(key_of(table, record), []).append(record)
    return found


def compared(
    table: str,
    here: Iterable[Record],
    there: Iterable[Record],
    tolerance: float,
    excuses: Excuses | None = None,
) -> Iterator[Pair]:
    """Yield a pair with its verdict for each record of either side."""
    for key, mine, theirs in paired(table, here, there):
        if mine is None or theirs is None:
            yield Pair(table, key, ONLY_HERE if theirs is None else ONLY_THERE, (), mine, theirs)
        else:
            found, fields = verdict(table, mine, theirs, tolerance, excuses)
            yield Pair(table, key, found, fields, mine, theirs)


def verdict(
    table: str, mine: Record, theirs: Record, tolerance: float, excuses: Excuses | None = None
) -> tuple[str, tuple[str, ...]]:
    """Return the verdict on two records of one key and the fields it rests on, the telling ones first.

    tolerance: how far apart (nats) the numbers of FLOATS may be.
    """
    left, right = vars(mine), vars(theirs)
    differing = [name for name in left if not _equal(left[name], right[name])]
    runs = str(left.get("run_id")), str(right.get("run_id"))
    let_be = CLOCK.get(table, set()) | ((excuses or {}).get(runs, frozenset()) if table != "runs" else set())
    rest = [name for name in differing if name not in let_be]
    floats = FLOATS.get(table, set())
    far = [n for n in rest if n not in floats or not _near(left[n], right[n], tolerance)]
    if far:
        return DIFFERENT, _telling(table, far)
    return (NEAR if rest else TIMES if differing else IDENTICAL), tuple(rest or differing)


def _equal(one: object, other: object) -> bool:
    both_nan = isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other)
    return both_nan or one == other


def _near(one: object, other: object, tolerance: float) -> bool:
    numbers = isinstance(one, int | float) and isinstance(other, int | float)
    return numbers and abs(float(one) - float(other)) <= tolerance  # type: ignore[arg-type]


def _telling(table: str, fields: list[str]) -> tuple[str, ...]:
    """Return the differing fields, hashes of the others last, or left out where the others say it all."""
    own = [name for name in fields if name not in DERIVED] if table == "runs" else fields
    order = {name: at for at, name in enumerate(FIRST)}
    return tuple(sorted(own or fields, key=lambda name: order.get(name, len(order))))


def excused(runs: Iterable[Pair]) -> dict[tuple[str, str], frozenset[str]]:
    """Return what the answers of paired runs are forgiven: the run's id, and the hash of the prompt as sent.

    The latter only where the runs say why, in their template, kernel or worked examples.
    """
    found = {}
    for pair in runs:
        if pair.here is not None and pair.there is not None and pair.verdict == DIFFERENT:
            ids = str(vars(pair.here)["run_id"]), str(vars(pair.there)["run_id"])
            sent = {"prompt_sha"} if SHAPING_PROMPT & set(pair.fields) else set()
            found[ids] = frozenset({"run_id", *sent})
    return found
