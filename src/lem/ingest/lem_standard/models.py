"""What a lem-standard variant's name says of its model: role, scale, the baseline it is compared with.

    12b_lem_ethics    fine-tuned, scale 12B, base 12b_it where that one was scored too
    abliterated       baseline; a name without a scale says nothing of a base

A base is what the multi-scale table (`scale_delta`) subtracts. A dump of one
scale, with plain names, does not tell which of its models was trained on which:
their base stays null.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from lem import layout
from lem.ingest.answers import role, scaled
from lem.ingest.dump import Dump
from lem.record_files import write_json
from lem.records import Model

INSTRUCTED = re.compile(r"(?:.*[_-])?it", re.IGNORECASE)


def models(variants: Iterable[str], fine_tuned: Collection[str], source: str) -> list[Model]:
    """Return a Model a variant, the fine-tuned ones of a scale with their base."""
    names = [(name, role(name, fine_tuned), *scaled(name)) for name in variants]
    baselines = [(name, scale, rest) for name, part, scale, rest in names if part == "baseline"]
    return [
        Model(
            name,
            source=source,
            role=part,
            scale=scale,
            variant=rest,
            base=base(scale, baselines) if part == "fine-tuned" else None,
        )
        for name, part, scale, rest in names
    ]


def base(scale: str | None, baselines: Iterable[tuple[str, str | None, str]]) -> str | None:
    """Return the baseline of a scale, of several the one called *_it; null where that is not one."""
    same = [(name, rest) for name, of, rest in baselines if scale is not None and of == scale]
    if len(same) > 1:
        same = [(name, rest) for name, rest in same if INSTRUCTED.fullmatch(rest)]
    return same[0][0] if len(same) == 1 else None


def write_models(dump: Dump, variants: list[str], fine_tuned: frozenset[str]) -> None:
    """Write a Model record a variant."""
    for model in models(variants, fine_tuned, dump.source):
        write_json(dump.place(layout.model_record(model.role, model.name)), model)
