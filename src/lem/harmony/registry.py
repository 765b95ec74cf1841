"""The 24 benchmarks of LM-Harmony: lm-eval's task behind each column, and the one metric that counts.

A leaderboard says "ARC-Easy", lm-eval says "arc_easy" and reports two metrics for it. Which task and which
metric a published number is about is written down once, in tasks.yaml beside this module.

    known("ARC-Easy").metric     # 'acc_norm'
    known("nq-open").name        # 'nq_open'
    len(tasks())                 # 24
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True)
class Registered:
    """One benchmark: its task in lm-eval, its column on the leaderboard, and the metric that counts."""

    name: str  # lm-eval's task
    title: str  # the leaderboard's column
    category: str
    metric: str  # as lm-eval names it
    filter: str  # the reading of an answer: one of the task's filter_list, or "none"
    higher_is_better: bool
    training_split: str | None  # as the task's YAML says; None where nothing can be trained on


@cache
def tasks() -> dict[str, Registered]:
    """Return the 24 benchmarks by lm-eval's name, in the document's order.

    Source: Zhang, Dominguez-Olmedo and Hardt 2025, Train-before-Test Harmonizes Language Model Rankings.
    """
    import yaml

    text = resources.files(__package__).joinpath("tasks.yaml").read_text(encoding="utf-8")
    return {name: Registered(name=name, **entry) for name, entry in yaml.safe_load(text).items()}


def known(name: str) -> Registered | None:
    """Return the benchmark of a name, None where it is none of the 24.

    name: lm-eval's or the leaderboard's, in any case, with or without its - and _.
    """
    return _by_plain_name().get(_plain(name))


@cache
def _by_plain_name() -> dict[str, Registered]:
    return {_plain(name): task for task in tasks().values() for name in (task.name, task.title)}


def _plain(name: str) -> str:
    return name.casefold().replace("-", "").replace("_", "")
