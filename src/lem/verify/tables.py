"""Every record of two runs compared, table by table, files of equal bytes at once.

found = compare(places.here(), place, tolerance=1e-3)
found.counts["responses"]["identical"]
"""

from __future__ import annotations

import filecmp
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lem import layout, rules
from lem.errors import LemError
from lem.record_files import read_json, read_jsonl
from lem.records import Record
from lem.run.plan import matches
from lem.run_log import progress
from lem.verify import pairs
from lem.verify.pairs import IDENTICAL, WRONG, Pair
from lem.verify.places import Place

IMPORTED = "imported"


Files = dict[Path, Path]
"""{path below data/: where it lies}"""


@dataclass(frozen=True)
class Terms:
    """How records are compared: how far apart numbers may be, which are wanted, what is forgiven."""

    tolerance: float
    wanted: Callable[[Record], bool]
    excuses: pairs.Excuses


@dataclass(frozen=True)
class Found:
    """What came of comparing two runs: verdicts counted by table, the pairs that fail, imports left out."""

    counts: dict[str, Counter[str]]
    wrong: list[Pair]
    alone: dict[str, str]  # import: the one place that has it

    @property
    def records(self) -> int:
        """How many records of either side there are, those of both counted once."""
        return sum(sum(of_table.values()) for of_table in self.counts.values())

    def total(self, verdict: str) -> int:
        """Return how many records got a verdict."""
        return sum(of_table[verdict] for of_table in self.counts.values())


def compare(here: Place, there: Place, tolerance: float, only: Sequence[str] = ()) -> Found:
    """Return what came of comparing every record of two places.

    only: shell patterns of model names, with or without a training seed (gemma*); records of models
    that fit none of them, and of no model, are left out.
    Raises LemError for a record file that is broken, and where a side has no record.
    """
    alone = _alone(here, there)
    files = {table: [_files(place, table, alone) for place in (here, there)] for table in rules.RECORDS}
    for place, side in ((here, 0), (there, 1)):
        if not any(of_table[side] for of_table in files.values()):
            raise LemError(f"{place.told(str(place.data))}: no records to compare (dvc pull, or dvc repro)")
    counts: dict[str, Counter[str]] = {}
    wrong: list[Pair] = []
    excuses: pairs.Excuses = {}
    with progress(sum(len(mine | theirs) for mine, theirs in files.values()), "files") as step:
        for table in ("runs", *(name for name in rules.RECORDS if name != "runs")):  # runs excuse answers
            same, found = _of_table(
                here, there, table, files[table], Terms(tolerance, _wanted(only), excuses)
            )
            counts[table] = Counter({IDENTICAL: same}) + Counter(pair.verdict for pair in found)
            wrong += [pair for pair in found if pair.verdict in WRONG]
            excuses = pairs.excused(found) if table == "runs" else excuses
            step(len(files[table][0] | files[table][1]))
    result = Found({table: counts[table] for table in rules.RECORDS}, wrong, alone)
    if not result.records:
        raise LemError(f"no records to compare: no model is called {' or '.join(only)} on either side"[:200])
    return result


def _of_table(
    here: Place, there: Place, table: str, files: list[Files], terms: Terms
) -> tuple[int, list[Pair]]:
    """Return how many records lie in files of equal bytes, and the pairs of the others."""
    mine, theirs = files
    both = mine.keys() & theirs.keys()
    same = {name for name in both if filecmp.cmp(mine[name], theirs[name], shallow=False)}
    equal = sum(map(terms.wanted, _read(here, table, mine, same)))
    left = filter(terms.wanted, _read(here, table, mine, mine.keys() - same))
    right = filter(terms.wanted, _read(there, table, theirs, theirs.keys() - same))
    return equal, list(pairs.compared(table, left, right, terms.tolerance, terms.excuses))


def _wanted(only: Sequence[str]) -> Callable[[Record], bool]:
    def wanted(record: Record) -> bool:
        name = getattr(record, "model", None) or getattr(record, "name", None)
        return not only or matches(name, only)

    return wanted


def _files(place: Place, table: str, alone: dict[str, str]) -> Files:
    """Return {path below data/: file} of a table, less imports that one side alone has."""
    found = {path.relative_to(place.data): path for path in layout.files(table, place.data)}
    return {name: path for name, path in found.items() if _import_of(name) not in alone}


def _import_of(name: Path) -> str | None:
    return name.parts[1] if name.parts[0] == IMPORTED and len(name.parts) > 2 else None


def _alone(here: Place, there: Place) -> dict[str, str]:
    """Return the imports that one place alone has, and which."""
    mine, theirs = (
        {
            name
            for table in rules.RECORDS
            for file in layout.files(table, place.data)
            if (name := _import_of(file.relative_to(place.data)))
        }
        for place in (here, there)
    )
    return dict.fromkeys(sorted(mine - theirs), here.name) | dict.fromkeys(sorted(theirs - mine), there.name)


def _read(place: Place, table: str, files: Files, names: set[Path]) -> Iterator[Record]:
    """Yield the records of some files; LemError names the file as a reader knows it."""
    cls = rules.RECORDS[table]
    try:
        for name in sorted(names):
            if name.suffix == ".json":
                yield read_json(files[name], cls)
            else:
                yield from read_jsonl(files[name], cls)
    except LemError as err:
        raise LemError(place.told(err.message)) from err
