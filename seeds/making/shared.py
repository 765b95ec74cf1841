"""What the four task makers share: sizes, drawing that stays reproducible, dealing into splits, identity.

Every row of a task is made once and dealt to one split, so nothing is in two of them.

    deal("grammar", [agreement, word_order])["train"]     # of either kind, as many as fall to training
"""

import re
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any, TypeVar

SIZES = {"train": 192, "valid": 48, "test": 120}
TOTAL = sum(SIZES.values())
TASKS = Path(__file__).resolve().parents[1] / "tasks"

SHE = {"he": "she", "He": "She", "his": "her", "him": "her"}
HE = {"he": "he", "He": "He", "his": "his", "him": "him"}
WOMEN = "Anna|Bella|Clara|Dora|Emma|Grace|Hana|Iris|Lily|Maria|Nora|Rosa|Sara|Zoe|Julia|Paula|Wanda|Elena"
MEN = "Adam|Ben|Carl|David|Eric|Felix|Hugo|Ivan|Jack|Leo|Mark|Omar|Paul|Tom|Simon|Victor|Luis|Peter"
PRONOUNS = {name: words for names, words in ((WOMEN, SHE), (MEN, HE)) for name in names.split("|")}
NAMES = list(PRONOUNS)

Row = dict[str, Any]
Item = TypeVar("Item")


def pick(rng: Random, low: int, high: int) -> int:
    """Return a whole number from `low` to `high`; of Random, only random() promises to stay reproducible."""
    return low + int(rng.random() * (high - low + 1))


def shuffled(rng: Random, found: Sequence[Item]) -> list[Item]:
    """Return the same items in a random order."""
    order = sorted(range(len(found)), key=[rng.random() for _ in found].__getitem__)
    return [found[place] for place in order]


def deal(task: str, groups: Sequence[Sequence[Item]]) -> dict[str, list[Item]]:
    """Return every item in one split: of each group, in a random order, as many as fall to the split."""
    made = [item for place, group in enumerate(groups) for item in shuffled(Random(f"{task}:{place}"), group)]
    if len(made) != TOTAL:
        raise ValueError(f"{task}: expected {TOTAL} items to deal, found {len(made)}")
    dealt: dict[str, list[Item]] = {split: [] for split in SIZES}
    for place, item in enumerate(made, start=1):
        free = [split for split in SIZES if len(dealt[split]) < SIZES[split]]
        owed = {split: SIZES[split] * place / TOTAL - len(dealt[split]) for split in free}
        dealt[max(free, key=owed.__getitem__)].append(item)
    return dealt


def capital(text: str) -> str:
    """Return a text whose first letter is a capital; the rest is left alone."""
    return text[:1].upper() + text[1:]


def plain(text: str) -> str:
    """Return a text as two writings of it are compared: no case, no punctuation, single spaces."""
    return " ".join(re.sub(r"[^\w\s+\-*/=<>%]", "", text.casefold()).split())


def identity(row: Row) -> tuple[str, ...]:
    """Return what makes two rows the same item: what is asked, with the choices in any order."""
    asked = plain(
        " ".join(row[field] for field in ("passage", "sentence", "review", "question") if field in row)
    )
    return (asked, *sorted(map(plain, row.get("choices", {}).get("text", ()))))
