"""Which files of lm-evaluation-harness are of one evaluation, and how its model is named.

    <folder>/results_<time>.json, <folder>/samples_<task>_<time>.jsonl      one call of lm_eval

A samples file belongs to the results of the same folder and time, else to the
only results there. Its model is the last part of `pretrained=` (an adapter's
before its base's, as lm_eval itself names it). Two evaluations of one model on
one task would share their keys: the later one, by folder and time, gets another name.

    evaluations = paired(documents, ["out/samples_piqa_2026-02-15T04-48-00.777972.jsonl"], "top")
    for evaluation, name in distinct(evaluations, dump):
        print(evaluation.results.file, name)
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from lem import layout
from lem.ingest.dump import Dump
from lem.ingest.lines import Object

STAMP = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}[-:][0-9]{2}[-:][0-9]{2}(?:\.[0-9]+)?"
STAMPED = re.compile(rf".*_({STAMP})\.json", re.DOTALL)
SAMPLES = re.compile(rf"samples_(.+?)(?:_({STAMP}))?\.jsonl", re.DOTALL)
WEIGHTS = ("peft", "delta", "pretrained", "model", "path", "engine")
"""What model_args call the weights, in the order in which lm_eval looks for a name."""

NAME_LENGTH = 80


@dataclass(frozen=True)
class Results:
    """One results file that could be parsed."""

    file: str
    whole: Object

    def part(self, name: str) -> dict[str, Any]:
        """Return the object below a top-level key, {} where there is none."""
        found = self.whole.get(name)
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class Samples:
    """One samples file: its task and time as its name states them."""

    file: str
    task: str
    stamp: str


@dataclass
class Evaluation:
    """One call of lm_eval: its results file, where there is one, and its samples files."""

    folder: str
    stamp: str
    base: str  # the model's name before it is told apart from others
    results: Results | None = None
    samples: list[Samples] = field(default_factory=list)

    @property
    def tasks(self) -> set[str]:
        """The tasks that it states figures or samples of."""
        stated = self.results.part("results") if self.results else {}
        return {*stated, *(samples.task for samples in self.samples)}

    @property
    def file(self) -> str:
        """The file that a note about it names."""
        return self.results.file if self.results else self.samples[0].file


def paired(documents: Iterable[Results], files: Iterable[str], top: str) -> list[Evaluation]:
    """Return the evaluations, sorted; `top` names the model where neither results nor a folder do."""
    found: dict[tuple[str, str], Evaluation] = {}
    for results in documents:
        path = PurePosixPath(results.file)
        stamp = match[1] if (match := STAMPED.fullmatch(path.name)) else path.stem
        key = _folder(path), path.name if (_folder(path), stamp) in found else stamp
        found[key] = Evaluation(*key, _model(results, path.parent.name, top), results)
    for file in files:
        path, match = PurePosixPath(file), SAMPLES.fullmatch(PurePosixPath(file).name)
        if match is None:
            continue
        samples = Samples(file, match[1], match[2] or "")
        key = _folder(path), samples.stamp
        there = [each for (folder, _), each in found.items() if folder == key[0] and each.results]
        if key not in found and len(there) == 1:
            there[0].samples.append(samples)
        else:
            base = _first_name([path.parent.name, top])
            found.setdefault(key, Evaluation(*key, base)).samples.append(samples)
    return sorted(found.values(), key=lambda each: (each.folder, each.base, each.stamp))


def _folder(path: PurePosixPath) -> str:
    return "" if path.parent == PurePosixPath() else path.parent.as_posix()


def weights(results: Results) -> dict[str, str]:
    """Return what model_args state of the weights, {"pretrained": "models/gpt-oss-120b"}, by WEIGHTS."""
    stated = results.part("config").get("model_args")
    if isinstance(stated, str):
        pairs = (part.partition("=") for part in stated.split(","))
        stated = {key.strip(): value.strip() for key, _, value in reversed(list(pairs))}
    found = stated if isinstance(stated, dict) else {}
    return {key: found[key] for key in WEIGHTS if isinstance(found.get(key), str) and found[key]}


def _model(results: Results, folder: str, top: str) -> str:
    config, whole = results.part("config"), results.whole
    said = [config.get("model_name"), whole.get("model_name"), whole.get("model_name_sanitized")]
    return _first_name([*weights(results).values(), *said, folder, top, config.get("model")])


def _first_name(candidates: Iterable[object]) -> str:
    names = (made_nameable(text) for text in candidates if isinstance(text, str))
    return next((name for name in names if name), "unnamed")


def made_nameable(text: str) -> str:
    """Return the last part of a path as a name of ours, "" where nothing of it can be one."""
    last = re.split(r"[/\\]+", text.strip().rstrip("/\\"))[-1]
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", last)
    return re.sub(r"^[^A-Za-z0-9]+", "", plain)[:NAME_LENGTH]


def distinct(evaluations: Sequence[Evaluation], dump: Dump) -> Iterator[tuple[Evaluation, str]]:
    """Yield each evaluation with a model name under which no other one states the same task.

    A name that had to be told apart is noted. Evaluations in one folder keep one
    name as far as they can.
    """
    taken: dict[str, dict[str, str]] = {}  # name, task: the file that has it
    seen: dict[str, set[str]] = {}  # base: the parts of the folders it was seen in
    for (folder, base), grouped in itertools.groupby(evaluations, lambda each: (each.folder, each.base)):
        group, parts = list(grouped), PurePosixPath(folder).parts
        new = [part for part in reversed(parts) if part not in seen.get(base, ())]
        name = _free(base, new, set().union(*(each.tasks for each in group)), taken)
        seen.setdefault(base, set()).update(parts)
        for each in group:
            own = _free(name, [each.stamp], each.tasks, taken)
            if own != base:
                _note(dump, each, own, taken)
            taken.setdefault(own, {}).update(dict.fromkeys(each.tasks, each.file))
            yield each, own


def _free(base: str, parts: Iterable[str], tasks: set[str], taken: dict[str, dict[str, str]]) -> str:
    """Return the first of base, base__part, base__2, ... under which none of the tasks is taken."""
    endings = (f"__{made_nameable(part)}" for part in parts if made_nameable(part))
    numbered = (f"__{number}" for number in itertools.count(2))
    for ending in itertools.chain([""], endings, numbered):
        name = base + ending
        if not layout.NAME.fullmatch(name):
            name = base[: NAME_LENGTH - len(ending)] + ending if len(ending) < NAME_LENGTH // 2 else ""
        if name and not tasks & taken.get(name, {}).keys():
            return name
    raise AssertionError("numbers do not end")


def _note(dump: Dump, each: Evaluation, name: str, taken: dict[str, dict[str, str]]) -> None:
    earlier = next(
        (file for task, file in sorted(taken.get(each.base, {}).items()) if task in each.tasks),
        "another evaluation",
    )
    detail = f"model {each.base} is in {earlier} too; what this evaluation says is under the name {name}"
    dump.note("same_model_twice", "info", each.file, None, detail, model=name)
