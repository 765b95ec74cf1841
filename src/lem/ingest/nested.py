"""Rows that are the leaves of a nested JSON object: the keys that lead to one are its identity.

    for leaf in leaves("scores.json", whole["scores"], depth=3, under="scores"):
        benchmark, variant, item_id = leaf.keys

Strict as a JSONL reader is: what stands below a repeated key is a leaf too, marked `twice`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lem.ingest.lines import Object, as_text


@dataclass(frozen=True)
class Leaf:
    """One row of a nested object: where it stands and what stands there."""

    file: str
    under: str  # the outermost key, that all leaves share; "" for none
    keys: tuple[str, ...]  # fewer than the depth when no object stands in their place
    value: Any
    twice: bool  # stands below a key that was there before

    number = None

    @property
    def text(self) -> str:
        """The row as JSON, below its keys."""
        value = self.value
        for key in reversed((self.under, *self.keys) if self.under else self.keys):
            value = {key: value}
        return as_text(value)


def leaves(file: str, whole: object, depth: int, under: str = "") -> Iterator[Leaf]:
    """Yield what stands `depth` keys deep, or sooner where no object does."""
    for keys, value, twice in _below(whole, (), depth, False):
        yield Leaf(file, under, keys, value, twice)


def _below(
    value: object, keys: tuple[str, ...], depth: int, twice: bool
) -> Iterator[tuple[tuple[str, ...], object, bool]]:
    if depth == 0 or not isinstance(value, Object):
        yield keys, value, twice
        return
    for key, inner in value.items():
        yield from _below(inner, (*keys, key), depth - 1, twice)
    for key, inner in value.repeated:
        yield from _below(inner, (*keys, key), depth - 1, True)
