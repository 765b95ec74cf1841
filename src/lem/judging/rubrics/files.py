"""Rubric files held against their shape: file and field of the first thing that does not fit.

tree = read_tree("seeds/rubrics/tone.yaml", FOLDER, ["safety"])
tree["criteria"]["warmth"]["anchors"][10]
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lem.errors import LemError

LOWEST, HIGHEST = 1, 10
ANCHORS = (1, 4, 7, 10)
METRIC = re.compile(r"[a-z][a-z0-9_]{0,39}")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
KNOWN = ("name", "version", "task", "known", "criteria", "examples")
OF_EXAMPLE = ("question", "right", "wrong", "answer", "scores", "reason")


def read_tree(name: str, folder: Path, there: list[str]) -> dict[str, Any]:
    """Return a rubric file's content, checked.

    name: of a rubric in `folder`, or a path that ends in .yaml. Raises LemError.
    """
    import yaml

    own = name.endswith(".yaml")
    if not own and name not in there:
        raise LemError(
            f"params.yaml: judge.rubrics: no rubric {name!r}; there are: {', '.join(there)}, "
            "or the path of your own, which ends in .yaml"
        )
    file = Path(name) if own else folder / f"{name}.yaml"
    try:
        tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError) as err:
        raise LemError(f"{file}: no such file; params.yaml names it under judge.rubrics") from err
    except (yaml.YAMLError, UnicodeDecodeError) as err:
        raise LemError(f"{file}: not YAML: {' '.join(str(err).split())}") from err
    check(str(file), tree)
    return dict(tree)


def check(file: str, tree: object) -> None:
    """Raise LemError naming file and field of the first thing that makes `tree` no rubric."""
    top = _keys(f"{file}: the file", tree, KNOWN, needed=("name", "version", "task", "criteria"))
    if not isinstance(top["name"], str) or not NAME.fullmatch(top["name"]):
        raise LemError(f"{file}: name: expected 1-80 of A-Z a-z 0-9 . _ -, found {top['name']!r}"[:200])
    if not _whole(top["version"]) or top["version"] < 1:
        raise LemError(f"{file}: version: expected a whole number from 1, found {top['version']!r}"[:200])
    _text(f"{file}: task", top["task"])
    if not isinstance(top.get("known", False), bool):
        raise LemError(f"{file}: known: expected true or false, found {top['known']!r}"[:200])
    metrics = _criteria(f"{file}: criteria", top["criteria"])
    examples = top.get("examples", [])
    if not isinstance(examples, list):
        raise LemError(f"{file}: examples: expected a list, found {examples!r}"[:200])
    for place, example in enumerate(examples):
        _example(f"{file}: examples[{place}]", example, metrics)


def _criteria(where: str, criteria: object) -> list[str]:
    if not isinstance(criteria, dict) or not criteria:
        raise LemError(f"{where}: expected 'metric: {{asks, anchors}}' entries, found {criteria!r}"[:200])
    for metric, entry in criteria.items():
        if not isinstance(metric, str) or not METRIC.fullmatch(metric) or metric == "reason":
            found = f"{metric!r} ('reason' is taken)" if metric == "reason" else repr(metric)
            raise LemError(f"{where}: expected a metric's name in a-z 0-9 _, found {found}"[:200])
        one = _keys(f"{where}.{metric}", entry, ("asks", "anchors"), needed=("asks", "anchors"))
        _text(f"{where}.{metric}.asks", one["asks"])
        anchors = _keys(f"{where}.{metric}.anchors", one["anchors"], ANCHORS, needed=ANCHORS)
        for anchor in ANCHORS:
            _text(f"{where}.{metric}.anchors.{anchor}", anchors[anchor])
    return list(criteria)


def _example(where: str, entry: object, metrics: list[str]) -> None:
    example = _keys(where, entry, OF_EXAMPLE, needed=("question", "answer", "scores"))
    for name in ("question", "answer", "reason"):
        _text(f"{where}.{name}", example.get(name, "none"))
    for side in ("right", "wrong"):
        if not isinstance(example.get(side, []), list):
            raise LemError(f"{where}.{side}: expected a list of texts, found {example[side]!r}"[:200])
        for place, text in enumerate(example.get(side, [])):
            _text(f"{where}.{side}[{place}]", text)
    scores = _keys(f"{where}.scores", example["scores"], metrics, needed=metrics)
    for metric, score in scores.items():
        if not _whole(score) or not LOWEST <= score <= HIGHEST:
            wanted = f"a whole number from {LOWEST} to {HIGHEST}"
            raise LemError(f"{where}.scores.{metric}: expected {wanted}, found {score!r}"[:200])


def _keys(where: str, entry: object, known: Iterable[Any], needed: Iterable[Any]) -> dict[Any, Any]:
    if not isinstance(entry, dict):
        raise LemError(f"{where}: expected 'name: value' entries, found {entry!r}"[:200])
    known = list(known)
    for key in entry:
        if key not in known or isinstance(key, bool):
            raise LemError(f"{where}: unknown {key!r}; known are {', '.join(map(str, known))}"[:300])
    for key in needed:
        if key not in entry:
            raise LemError(f"{where}: {key!r} is missing")
    return entry


def _text(where: str, value: object) -> None:
    if not isinstance(value, str) or not value.strip():
        raise LemError(f"{where}: expected a text, found {value!r}"[:200])


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
