"""`lem signs`: the countable signs of every answer, our own and imported ones, as score records.

One file for each response file, at the same path below `data/signs`. They follow from the answers
at any time, so DVC keeps them out of its store. Given answers (multiple choice) have none.

    lem signs
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from lem import engine, layout
from lem.records import Response, Score, read_jsonl, write_jsonl
from lem.run_log import progress
from lem.scoring import signs

SCORER = "sign"


@click.command()
def command() -> None:
    """Read the countable signs off every answer: refusal, loop, cut off, first person, length, ...

    \b
    Example:
        lem signs && lem warehouse && lem sql "select * from summary"
    """
    engine.require("signs")
    folder = layout.DATA / "signs"
    aside = folder.with_name(f".signs.{os.getpid()}")
    shutil.rmtree(aside, ignore_errors=True)
    files = layout.files("responses")
    rows = 0
    try:
        with progress(len(files), "files") as step:
            for file in files:
                rows += _write(file, aside)
                step(1)
        aside.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)  # of a file that is no response file, nothing stays
    click.echo(f"{folder}: {rows:,} signs of the answers in {len(files)} files")


def _write(file: Path, folder: Path) -> int:
    scores = list(of(read_jsonl(file, Response)))
    if not scores:
        return 0
    return write_jsonl(folder / layout.signs(file).relative_to(layout.DATA / "signs"), scores)


def of(responses: Iterable[Response]) -> Iterator[Score]:
    """Yield the signs of answers as scores, in the order of `signs.readings`; given answers have none.

    A sign that cannot be told (whether a foreign answer was cut off) is null with an error.
    """
    for answer in responses:
        if answer.finish_reason == "given":
            continue
        for metric, value in signs.readings(answer.response, answer.finish_reason).items():
            yield Score(
                run_id=answer.run_id,
                model=answer.model,
                benchmark=answer.prompts,
                item_id=answer.seed_id,
                metric=metric,
                value=value,
                error=None if value is not None else "the run does not say why its answer ended",
                scorer=SCORER,
                mode=answer.mode,
                sample=answer.sample,
                source=answer.source,
            )
