"""The three splits of a task: what is learned from, what the best epoch is chosen on, what is tested once.

    with tasks.opened(spec) as found:
        splits = of(found, study.harmony.train, drop_shared=False)
        splits.train.task.eval_docs      # lm-eval's own task, its items those of one split

Where lm-eval's YAML has one held-out split only, that is the test, and a share of the
training split is held out in its place, as LM-Harmony does.
"""

from __future__ import annotations

import copy
import json
import random
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lem.errors import LemError
from lem.harness.items import requests
from lem.harness.tasks import Opened, told
from lem.params_harmony import HarmonyTraining
from lem.record_files import settings_sha, sha256

SPLIT = "of_this_split"
HELD_OUT = 0.2
"""The share of a training split that is held out for validation where there is none, as in LM-Harmony."""
UNSAID = re.compile(r"[^\w+\-*/=<>%≤≥≠]+")
"""What normalising takes for a blank; signs of arithmetic are what tells two sums apart."""
SIGNS = str.maketrans("−×÷", "-*/")
"""Signs of arithmetic as they are printed, and as they are typed."""
Doc = dict[str, Any]


@dataclass(frozen=True)
class Splits:
    """The splits of a task, each the task with other items, and how many examples were dropped as shared."""

    train: Opened
    valid: Opened
    test: Opened
    dropped: int = 0
    limited: frozenset[str] = frozenset()  # those of which only a draw is used

    @property
    def parts(self) -> dict[str, Opened]:
        """Each split by its name."""
        return {"train": self.train, "valid": self.valid, "test": self.test}


def of(found: Opened, settings: HarmonyTraining, drop_shared: bool = False) -> Splits:
    """Return a task's splits; LemError where it has no training split, or where two share an item.

    Of a split that is larger than the settings' limit so many items are drawn, by their seed.
    """
    docs = _docs(found, settings)
    limits = {"train": settings.max_train, "valid": settings.max_valid, "test": settings.max_test}
    drawn = {name: _drawn(docs[name], limits[name], f"{settings.seed} {name}") for name in limits}
    limited = frozenset(name for name, some in drawn.items() if len(some) < len(docs[name]))
    parts = {name: part(found, some) for name, some in drawn.items()}
    keys = {name: identities(one) for name, one in parts.items()}
    shared = list(_shared(keys))
    if shared and not drop_shared:
        raise LemError(_told(found, drawn, shared))
    out = {name: {place for split, place, _, _ in shared if split == name} for name in parts}
    if not shared:
        return Splits(parts["train"], parts["valid"], parts["test"], 0, limited)
    kept = {name: [d for at, d in enumerate(some) if at not in out[name]] for name, some in drawn.items()}
    if empty := next((name for name, some in kept.items() if not some), None):
        raise LemError(f"{found.name}: every item of its {empty} split stands in another; nothing is left")
    train, valid, test = (part(found, kept[name]) for name in ("train", "valid", "test"))
    return Splits(train, valid, test, len(shared), limited)


def _docs(found: Opened, settings: HarmonyTraining) -> dict[str, list[Doc]]:
    """Return every item of each split, as the YAML names them."""
    task = found.task
    if not task.has_training_docs():
        raise LemError(
            f"{found.name}: training_split: none is stated; a task without one cannot be trained on: "
            "take it out of harmony.tasks in params.yaml"
        )
    with told(found):
        train = list(task.training_docs())
        apart_from_test = task.config.validation_split != task.config.test_split  # one may name the other's
        held = [list(task.validation_docs())] if task.has_validation_docs() and apart_from_test else []
        held += [list(task.test_docs())] if task.has_test_docs() else []
    if not held or not train:
        what = "an item in its training split" if held else "validation_split or test_split, to test on"
        raise LemError(f"{found.name}: expected {what}, found none")
    if len(held) == 1 and len(train) == 1:
        raise LemError(f"{found.name}: training_split: one item is not enough to hold out a share of them")
    if len(held) == 1:
        share = _drawn(
            list(range(len(train))), max(1, int(HELD_OUT * len(train))), f"{settings.seed} held out"
        )
        apart = set(share)
        held.insert(0, [train[place] for place in share])
        train = [doc for place, doc in enumerate(train) if place not in apart]
    return {"train": train, "valid": held[0], "test": held[1]}


def _drawn(docs: Sequence[Any], most: int, seed: str) -> list[Any]:
    """Return at most so many, drawn by a seed, in their own order."""
    if len(docs) <= most:
        return list(docs)
    return [docs[place] for place in sorted(random.Random(seed).sample(range(len(docs)), most))]


def part(found: Opened, docs: Sequence[Doc]) -> Opened:
    """Return a task whose items are these; what it asks of them is the same."""
    task = copy.copy(found.task)
    task.dataset = {**dict(task.dataset), SPLIT: list(docs)}
    task._config = replace(task.config, test_split=SPLIT, process_docs=None)
    task._instances = None
    return replace(found, task=task)


def identities(one: Opened) -> list[str]:
    """Return what each item asks and offers, less what normalising takes away: equal ones are one item."""
    bare = copy.copy(one.task)
    bare._config = replace(one.task.config, num_fewshot=0)
    asked: dict[int, set[str]] = {}
    for request in requests(replace(one, task=bare)):
        asked.setdefault(request.doc_id, set()).add(_plain(f"{request.args[0]} {_offer(request)}"))
    return [sha256(" | ".join(sorted(texts))) for texts in asked.values()]


def _offer(request: Any) -> str:  # noqa: ANN401 (lm-eval's)
    """Return the answer that a request gives to be weighed; of one to be written there is none."""
    return str(request.args[1]) if len(request.args) > 1 and isinstance(request.args[1], str) else ""


def _plain(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text).casefold().translate(SIGNS)
    return " ".join(UNSAID.sub(" ", plain).split())


def _shared(keys: dict[str, list[str]]) -> Iterable[tuple[str, int, str, int]]:
    """Yield (split, place, other split, place there) of what stands in a later split too."""
    later: dict[str, tuple[str, int]] = {}
    for name in ("test", "valid", "train"):
        mine: dict[str, tuple[str, int]] = {}
        for place, key in enumerate(keys[name]):
            if key in later:
                yield name, place, *later[key]
            mine.setdefault(key, (name, place))
        later = mine | later


def _told(found: Opened, docs: dict[str, list[Doc]], shared: list[tuple[str, int, str, int]]) -> str:
    split, place, other, there = shared[0]
    items = "item" if len(shared) == 1 else "items"
    return (
        f"{found.name}: {len(shared)} {items} of one split stand in another too, the first: item {place} of "
        f"{split} is item {there} of {other} ({json.dumps(docs[split][place], ensure_ascii=False):.120}); "
        "what is trained on cannot be tested: mend the data, or say drop_shared: true for the task"
    )


def described(splits: Splits) -> dict[str, Any]:
    """Return how many items each split has, and the hash over them in order."""
    return {
        name: {"items": len(docs), "sha": settings_sha({"docs": [sha256(json.dumps(doc)) for doc in docs]})}
        for name, one in splits.parts.items()
        for docs in [list(one.task.eval_docs)]
    }
