"""What failed in a run, as data: each cell that is missing for it is a note with the error, hence a finding.

A cell is a hole in the tables until its stage succeeds, and the hole says why. The notes lie in
`data/logs/failed/`, a file for each stage that failed, which goes when that stage has ended well.

    failures.write("convert@gone", "params.yaml: ...", [("gone", "gsm8k", "naked")])
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from lem import beat, layout
from lem.record_files import write_jsonl
from lem.records import OWN, Note

RULE = "failed_cell"
FOLDER = layout.DATA / "logs" / "failed"
Cell = tuple[str | None, str | None, str]


def file_of(stage: str) -> Path:
    """Return the file of a stage's notes."""
    return FOLDER / f"{stage.replace('/', '.').replace(':', '.')}.jsonl"


def write(stage: str, error: str, cells: Iterable[Cell]) -> None:
    """Write a note for each cell (model, prompts, mode) that is missing because a stage failed."""
    rows = [
        Note(
            source=OWN,
            rule=RULE,
            severity="error",
            file=f"{stage} {mode}",
            line=None,
            detail=f"{stage} failed: {error}",
            model=model,
            prompts=prompts,
        )
        for model, prompts, mode in dict.fromkeys(cells)
    ]
    write_jsonl(file_of(stage), rows)


def forget(stages: Iterable[str]) -> None:
    """Remove the notes of stages that have ended well."""
    for stage in stages:
        file_of(stage).unlink(missing_ok=True)
    if FOLDER.is_dir() and not any(FOLDER.iterdir()):
        FOLDER.rmdir()


def forget_all_but(stages: Iterable[str]) -> None:
    """Remove the notes of stages that are in no pipeline any more."""
    kept = {file_of(stage) for stage in stages}
    for file in set(FOLDER.glob("*.jsonl")) - kept:
        file.unlink()
    forget([])


def ended_well() -> None:
    """Remove the notes of the stage as whose command this process has run, if it did."""
    if stage := os.environ.get(beat.STAGE):
        forget([stage])
