"""Prompt sets and benchmarks read from their files, as prompts to ask and items to score.

prompts = questions.prompts(params.load().prompt_set("validation"))
items = questions.items("gsm8k")
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from lem import engine, layout, params, question_files
from lem.errors import LemError
from lem.params import BenchmarkSpec, PromptSpec
from lem.prompts import Kernel, Prompt
from lem.record_files import read_jsonl, sha256, write_jsonl
from lem.records import Item

KERNEL = Path("kernel/lek-1-kernel.txt")
SIGNATURE = Path("kernel/signature.txt")


def kernel() -> Kernel:
    """Return the study's kernel and signature; LemError where a file is missing."""
    return Kernel(question_files.content(KERNEL).strip(), question_files.content(SIGNATURE).strip())


def prompts(spec: PromptSpec | BenchmarkSpec) -> list[Prompt]:
    """Return the prompts of a set in order, each id once and each text non-empty."""
    if isinstance(spec, BenchmarkSpec):
        return [Prompt(item.item_id, item.question) for item in items(spec.name)]
    found: dict[str, Prompt] = {}
    for file in spec.files:
        for place, entry in question_files.seeds(Path(file)):
            prompt = Prompt(*(question_files.text(place, entry, name) for name in ("id", "prompt")))
            if prompt.id in found:
                raise LemError(f"{place}.id: {prompt.id} is there twice; each id names one prompt")
            found[prompt.id] = prompt
    return list(found.values())[: spec.first]


def choices(spec: PromptSpec | BenchmarkSpec) -> dict[str, list[str]]:
    """Return {item id: its given answers, gold first} of a multiple-choice benchmark; {} for any other."""
    if not (isinstance(spec, BenchmarkSpec) and spec.is_choice):
        return {}
    found = {item.item_id: [text for text, _ in item.choices] for item in items(spec.name)}
    if bare := [name for name, texts in found.items() if not texts]:
        again = f"write them again: lem items --benchmark {spec.name}"
        raise LemError(f"{layout.items(spec.name)}: {bare[0]} has no answers to choose from; {again}")
    return found


def items(benchmark: str) -> list[Item]:
    """Return the item records of a benchmark; LemError when `lem items` has not written them."""
    return list(read_jsonl(layout.items(benchmark), Item))


@click.command()
@click.option("--benchmark", required=True, help="A benchmark of params.yaml.")
@click.option("--fetch", is_flag=True, help="First get its file from its `hub:` entry, at that revision.")
def command(benchmark: str, fetch: bool) -> None:
    """Write the item records of a benchmark from its question file: JSON Lines, CSV or Parquet.

    \b
    Example:
        lem items --benchmark gsm8k
        lem items --benchmark real-gsm8k --fetch
    """
    engine.require("items")
    spec = params.load().benchmark(benchmark)
    if fetch:
        click.echo(
            f"{spec.file}: {question_files.fetch(spec.hub, Path(spec.file), f'benchmarks.{benchmark}')}"
        )
    rows = read_items(spec)
    write_jsonl(layout.items(benchmark), rows)
    click.echo(f"{layout.items(benchmark)}: {len(rows)} items")


def read_items(spec: BenchmarkSpec) -> list[Item]:
    """Return the items of a question file in order, as many as the benchmark's limit allows.

    Raises LemError naming file, line and field of the first line that is no item.
    """
    found: dict[str, Item] = {}
    for number, (place, entry) in enumerate(question_files.rows(Path(spec.file)), 1):
        item_id = question_files.text(place, entry, spec.id) if spec.id else str(number)
        gold = question_files.text(place, entry, spec.answer) if spec.answer else None
        correct, incorrect = _choices(place, entry, spec, gold)
        item = Item(
            benchmark=spec.name,
            item_id=item_id,
            question=question_files.text(place, entry, spec.prompt),
            gold=gold,
            sha=_sha(entry),
            cluster=question_files.text(place, entry, spec.cluster) if spec.cluster else None,
            category=question_files.text(place, entry, spec.category) if spec.category else None,
            correct=correct,
            incorrect=incorrect,
        )
        if item.item_id in found:
            raise LemError(f"{place}.{spec.id}: {item.item_id} is there twice; each id names one item")
        found[item.item_id] = item
    if not found:
        raise LemError(f"{spec.file}: no items; expected a question a line (JSONL) or row (CSV, Parquet)")
    return list(found.values())[: spec.limit]


def _sha(entry: object) -> str:
    """Return the sha256 of all fields, read or not; half a surrogate pair is let be in one not read."""
    text = json.dumps(entry, sort_keys=True, ensure_ascii=False, default=str)
    return sha256(text.encode("utf-8", "surrogatepass"))


def _choices(
    place: str, entry: object, spec: BenchmarkSpec, gold: str | None
) -> tuple[str | None, str | None]:
    """Return the right answers, gold first, and the wrong ones, as JSON lists; None for an open question."""
    if spec.correct is None or spec.incorrect is None:
        return None, None
    right, wrong = (question_files.texts(place, entry, name) for name in (spec.correct, spec.incorrect))
    right = list(dict.fromkeys([*([gold] if gold else []), *right]))
    if both := set(right) & set(wrong):
        raise LemError(f"{place}.{spec.incorrect}: {min(both)!r} is a right answer too"[:300])
    first, second = (json.dumps(side, ensure_ascii=False) for side in (right, wrong))
    return first, second
