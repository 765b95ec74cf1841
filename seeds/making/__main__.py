"""Writes the training, validation and test rows of five small tasks, below seeds/tasks.

A model is trained on a task's train.jsonl, looked at on valid.jsonl and tested once on test.jsonl, so that
a score says what a model can learn and not whether it has met the form of the question before. Everything
is drawn with fixed seeds: the same script writes the same bytes.

    python seeds/making           # write the fifteen files
    python seeds/making --check   # exit 1 if a file is not what would be written
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import arithmetic
import grammar
import reading
import science
import sentiment
from shared import SIZES, TASKS, Row, identity, shuffled

# task: what its ids start with, what makes its splits
MADE: dict[str, tuple[str, Callable[[], dict[str, list[Row]]]]] = {
    "arithmetic": ("SUM", arithmetic.splits),
    "science": ("SCI", science.splits),
    "reading": ("READ", reading.splits),
    "grammar": ("GRAM", grammar.splits),
    "sentiment": ("SENT", sentiment.splits),
}


def apart(task: str, splits: dict[str, list[Row]]) -> None:
    """Raise ValueError where an item is there twice or a split has not its size."""
    seen: set[tuple[str, ...]] = set()
    for split, rows in splits.items():
        if len(rows) != SIZES[split]:
            raise ValueError(f"{task}: {split}: expected {SIZES[split]} rows, found {len(rows)}")
        for row in rows:
            if identity(row) in seen:
                raise ValueError(f"{task}: {split}: an item that is there already: {row}")
            seen.add(identity(row))


def text_of(task: str, prefix: str, split: str, rows: list[Row]) -> str:
    """Return the lines of one file: the rows in a random order, numbered."""
    ordered = shuffled(Random(f"{task}:{split}:order"), rows)
    numbered = [{"id": f"{prefix}_{split.upper()}_{n:03d}", **row} for n, row in enumerate(ordered, start=1)]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in numbered)


def build() -> dict[Path, bytes]:
    """Return what each file holds."""
    files = {}
    for task, (prefix, splits) in MADE.items():
        made = splits()
        apart(task, made)
        for split, rows in made.items():
            files[TASKS / task / f"{split}.jsonl"] = text_of(task, prefix, split, rows).encode("ascii")
    return files


def main() -> int:
    """Write the files, or with --check compare them; the exit code."""
    parser = argparse.ArgumentParser(prog="seeds/making", description="Write the rows of five small tasks.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file would change")
    check, wanted = parser.parse_args().check, build()
    if not check:
        for path, content in wanted.items():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        return 0
    stale = [path for path, content in wanted.items() if not path.is_file() or path.read_bytes() != content]
    for path in stale:
        state = "differs from what this script writes" if path.is_file() else "is missing"
        print(f"{path.relative_to(TASKS)} {state}; run it again without --check", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
