"""What the file names of a validation dump tell of a model: its name, role, scale and base. Pure.

answers_of("tuned-1b-unsigned.excerpt.jsonl")   # ('tuned-1b', 'unsigned')
role("their-base", ())                          # 'baseline'
scale("Their-27B-v5b")                          # '27B'; v5b is a version, no scale
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping

from lem import layout

EXCERPT = r"(?:\.excerpt)?"
NAME = layout.NAME.pattern
ANSWERS = re.compile(rf"({NAME})-(unsigned|signed){EXCERPT}\.jsonl", re.IGNORECASE)
LOG = re.compile(rf"({NAME})\.log")
BENCHMARK = re.compile(rf"benchmarks/({NAME})\.json")
SCALE = re.compile(r"(?:[0-9]+x)?[0-9]+(?:\.[0-9]+)?[bm]")
BASE = "base"


def answers_of(file: str) -> tuple[str, str] | None:
    """Return (model, "unsigned" or "signed") of a file of answers; None for any other name."""
    match = ANSWERS.fullmatch(file)
    return (match[1], match[2].lower()) if match else None


def logged_model(stem: str) -> str:
    """Return the model that a log's name tells: what stands before "-validation", else all of it."""
    return re.sub(r"(?i)(?<=.)[-_]validation$", "", stem.removesuffix(".excerpt"))


def parts(name: str) -> list[str]:
    """Return the words of a name, in lower case."""
    return [part for part in re.split(r"[-_]", name.lower()) if part]


def role(name: str, fine_tuned: Container[str]) -> str:
    """Return a model's role: exactly the names in `fine_tuned`, or by the word "base" when there are none."""
    tuned = name in fine_tuned if fine_tuned else BASE not in parts(name)
    return "fine-tuned" if tuned else "baseline"


def scale(name: str) -> str | None:
    """Return the number of parameters that a word of a name states, in upper case; None where none does."""
    return next((part.upper() for part in parts(name) if SCALE.fullmatch(part)), None)


def base_of(name: str, scales: Mapping[str, str | None], baselines: Iterable[str]) -> str | None:
    """Return the baseline that a fine-tuned model is to be compared with; None where that is not plain.

    It has the fine-tune's name with "base" for one word of it (the closest
    tie), or is the only baseline of the same scale.
    """
    known = list(baselines)
    words = parts(name)
    shorter = [words[:at] + words[at + 1 :] for at in range(len(words))] if len(words) > 1 else []
    alike = [b for b in known if [part for part in parts(b) if part != BASE] in shorter]
    same = [b for b in known if scales.get(name) and scales.get(b) == scales[name]]
    return next((found[0] for found in (alike, same) if len(found) == 1), None)
