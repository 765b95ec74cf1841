"""Prompt sets and benchmarks read from their files, as prompts to ask and items to score.

prompts = questions.prompts(params.load().prompt_set("validation"))
items = questions.items("gsm8k")
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from lem import engine, layout, params
from lem.errors import LemError
from lem.params import BenchmarkSpec, PromptSpec
from lem.prompts import Kernel, Prompt
from lem.records import Item, read_jsonl, sha256, write_jsonl

KERNEL = Path("kernel/lek-1-kernel.txt")
SIGNATURE = Path("kernel/signature.txt")


def kernel() -> Kernel:
    """Return the study's kernel and signature; LemError where a file is missing."""
    return Kernel(_text(KERNEL).strip(), _text(SIGNATURE).strip())


def prompts(spec: PromptSpec | BenchmarkSpec) -> list[Prompt]:
    """Return the prompts of a set in order, each id once and each text non-empty."""
    if isinstance(spec, BenchmarkSpec):
        return [Prompt(item.item_id, item.question) for item in items(spec.name)]
    found: dict[str, Prompt] = {}
    for file in spec.files:
        for place, entry in _seeds(Path(file)):
            prompt = Prompt(_string(place, entry, "id"), _string(place, entry, "prompt"))
            if prompt.id in found:
                raise LemError(f"{place}.id: {prompt.id} is there twice; each id names one prompt")
            found[prompt.id] = prompt
    return list(found.values())[: spec.first]


def items(benchmark: str) -> list[Item]:
    """Return the item records of a benchmark; LemError when `lem items` has not written them."""
    return list(read_jsonl(layout.items(benchmark), Item))


@click.command()
@click.option("--benchmark", required=True, help="A benchmark of params.yaml.")
def command(benchmark: str) -> None:
    """Write the item records of a benchmark from its question file.

    \b
    Example:
        lem items --benchmark gsm8k
    """
    engine.require("items")
    rows = read_items(params.load().benchmark(benchmark))
    write_jsonl(layout.items(benchmark), rows)
    click.echo(f"{layout.items(benchmark)}: {len(rows)} items")


def read_items(spec: BenchmarkSpec) -> list[Item]:
    """Return the items of a question file in order, as many as the benchmark's limit allows.

    Raises LemError naming file, line and field of the first line that is no item.
    """
    found: dict[str, Item] = {}
    for place, entry in _jsonl(Path(spec.file)):
        item = Item(
            benchmark=spec.name,
            item_id=_string(place, entry, spec.id),
            question=_string(place, entry, spec.prompt),
            gold=_string(place, entry, spec.answer) if spec.answer else None,
            sha=sha256(json.dumps(entry, sort_keys=True, ensure_ascii=False)),
            cluster=_string(place, entry, spec.cluster) if spec.cluster else None,
            category=_string(place, entry, spec.category) if spec.category else None,
        )
        if item.item_id in found:
            raise LemError(f"{place}.{spec.id}: {item.item_id} is there twice; each id names one item")
        found[item.item_id] = item
    if not found:
        raise LemError(f"{spec.file}: no items; expected one JSON object a line")
    return list(found.values())[: spec.limit]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as err:
        raise LemError(f"{path}: no such file") from err
    except UnicodeDecodeError as err:
        raise LemError(f"{path}: not UTF-8: {err}") from err


def _seeds(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        entries = json.loads(_text(path))
    except ValueError as err:
        raise LemError(f"{path}: not JSON: {err}") from err
    if not isinstance(entries, list):
        raise LemError(f"{path}: expected an array of {{id, domain, prompt}} objects")
    for number, entry in enumerate(entries):
        yield f"{path}: [{number}]", entry


def _jsonl(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(_text(path).split("\n"), 1):
        if line:
            try:
                yield f"{path}:{number}: ", json.loads(line)
            except ValueError as err:
                raise LemError(f"{path}:{number}: not one line of JSON: {err}") from err


def _string(place: str, entry: object, field: str) -> str:
    """Return a field as text; a number is one too, as its file writes it."""
    if not isinstance(entry, dict) or field not in entry:
        there = ", ".join(map(str, entry)) if isinstance(entry, dict) else type(entry).__name__
        raise LemError(f"{place}.{field}: is missing; the fields are: {there}"[:300])
    value = entry[field]
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        raise LemError(f"{place}.{field}: expected a non-empty string, found {value!r}")
    if any("\ud800" <= char <= "\udfff" for char in value):
        raise LemError(
            f"{place}.{field}: half a surrogate pair, which no text file can hold: {value!r}"[:200]
        )
    return value
