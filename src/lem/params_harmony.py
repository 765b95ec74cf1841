"""Section `harmony` of params.yaml: every model is trained on each task before it is tested on it.

    harmony:
      train: {epochs: 2, learning_rate: 2.0e-4}
      models: {my-model: {of: my-model}, my-4bit: {of: my-model, round_trip: 4}}
      tasks: {arc_easy: {}, my_task: {category: mathematics}}

The defaults of `train` are LM-Harmony's: of its README, and where that is silent of its code. Two things are
plainer here: the learning rate is constant, and gradients are not clipped. Questions have no worked examples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lem.errors import LemError
from lem.params_file import FILE, known, mapping, read, section

if TYPE_CHECKING:
    from lem.params import Study


@dataclass(frozen=True)
class HarmonyTraining:
    """How a model is trained on a task before it is tested: LM-Harmony's recipe."""

    epochs: int = 5
    batch_size: int = 8
    learning_rate: float = 2e-5
    optimizer: str = "adamw"
    rank: int = 8
    alpha: float = 32.0  # the adapter's product is scaled by alpha / rank
    dropout: float = 0.1
    num_layers: int | None = None  # blocks with an adapter, counted from the last; null for all
    keys: tuple[str, ...] | None = None  # modules with an adapter; null for every linear layer of a block
    mask_prompt: bool = True  # learn the answers alone, not how questions go
    max_seq_length: int = 1024  # tokens of an example; a longer one loses its beginning
    max_train: int = 50_000  # examples of a split; of a larger one so many are drawn
    max_valid: int = 1_000
    max_test: int = 10_000
    chat_template: bool = False
    eval_batch_size: int = 32
    seed: int = 0


@dataclass(frozen=True)
class HarmonyModel:
    """One model of the leaderboard: a model of the study, whole or altered."""

    name: str
    of: str  # a model under `models`; of a fine-tune with several seeds the first
    round_trip: int | None = None  # bits: its weights are quantised so and held as they then are, unpacked
    without_blocks: tuple[int, ...] = ()  # transformer blocks that are left out, counted from 0

    @property
    def is_altered(self) -> bool:
        """Whether its weights are others than those of the model it is of."""
        return self.round_trip is not None or bool(self.without_blocks)


@dataclass(frozen=True)
class HarmonyTask:
    """One task of the leaderboard: `seeds/tasks/NAME.yaml`, or one that lm-eval comes with."""

    name: str
    category: str | None = None  # as the registry of LM-Harmony's tasks says, where it knows the task
    metric: str | None = None  # likewise; else the first of the task's YAML
    filter: str | None = None
    drop_shared: bool = False  # in place of an error leave out what stands in a later split too


@dataclass(frozen=True)
class Harmony:
    """The whole section; without models or tasks there is no leaderboard of one's own."""

    train: HarmonyTraining = field(default_factory=HarmonyTraining)
    models: Mapping[str, HarmonyModel] = field(default_factory=dict)
    tasks: Mapping[str, HarmonyTask] = field(default_factory=dict)


def harmony(stated: Any) -> Harmony:  # noqa: ANN401 (YAML is anything)
    """Return section `harmony`; LemError names the key at fault."""
    content = mapping("harmony", stated or {})
    known("harmony", content, ("train", "models", "tasks"))
    return Harmony(
        read(HarmonyTraining, "harmony.train", content.get("train") or {}),
        section(HarmonyModel, "harmony.models", {"harmony.models": content.get("models")}),
        section(HarmonyTask, "harmony.tasks", {"harmony.tasks": content.get("tasks")}),
    )


def fitting(stated: Harmony, study: Study) -> None:
    """Raise LemError for a model of no model, one that is there twice, or another model's name."""
    first: dict[str, str] = {}
    for spec in study.models.values():
        first.setdefault(spec.entry, spec.name)
    for name, model in stated.models.items():
        where, of = f"{FILE}: harmony.models.{name}", first.get(model.of)
        if of is None and model.of in study.models:
            whole = f"say {study.models[model.of].entry!r}, of which the first is taken"
            raise LemError(f"{where}.of: {model.of!r} is one training seed; {whole}")
        if of is None:
            there = ", ".join(first) or "none"
            raise LemError(f"{where}.of: no model {model.of!r} under models; there are: {there}")
        taken = first.get(name) or (name if name in study.models else None)
        if taken and (model.is_altered or taken != of):
            raise LemError(f"{where}: {name!r} is a model under models, and this is another; rename it")
        again = (one for one in stated.models.values() if not one.is_altered and one.of == model.of)
        if not model.is_altered and (other := next(again)) is not model:
            raise LemError(f"{where}: {model.of!r} is there already, as {other.name!r}; take one of them out")
