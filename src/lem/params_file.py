"""How `params.yaml` is read: every key belongs to a field, every value fits its type and range.

    entry = read(Defaults, "defaults", tree.get("defaults") or {})

A key that nothing reads is an error: a misspelt setting must not be ignored in silence.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from lem.errors import LemError
from lem.layout import confined
from lem.plain_files import must_end, unfolded
from lem.prompts import Shot
from lem.records import MODES

FILE = Path("params.yaml")
DTYPES = ("float32", "float16", "bfloat16")
TUNE_TYPES = ("lora", "dora", "full")
OPTIMIZERS = ("adam", "adamw", "sgd", "adafactor", "muon")
ONE_OF = {"dtype": DTYPES, "fine_tune_type": TUNE_TYPES, "optimizer": OPTIMIZERS, "mode": MODES}
AT_LEAST_ONE = (
    *("batch_size", "first", "limit", "max_tokens", "samples", "q_bits", "q_group_size"),
    *("iters", "rank", "num_layers", "max_seq_length", "save_every", "steps_per_report", "steps_per_eval"),
    *("grad_accumulation_steps", "train", "valid", "repeats", "concurrency"),
    *("epochs", "eval_batch_size", "max_train", "max_valid", "max_test"),
)
LARGEST_SEED = 2**32 - 1  # numpy takes no larger one
TASK_COUNTS = ("shots", "seed", "numpy_seed", "torch_seed", "fewshot_seed")
ABOVE_ZERO = ("top_p", "cache_limit_gb", "limit_gb", "learning_rate", "lora_scale", "alpha")
TIMES = ("timeout", "patience")
SHARES = ("top_p",)
NOT_EMPTY = ("files", "keys", "modes", "seeds")
Q_BITS = (2, 3, 4, 5, 6, 8)  # what MLX has kernels for
SCALARS: dict[str, Any] = {"str": str, "int": int, "float": (int, float), "bool": bool}
NUMBER = re.compile(r"[-+]?[0-9]+(?:\.[0-9]*)?[eE][-+]?[0-9]+")  # 1e-5: text to YAML 1.1, a number to people

T = TypeVar("T")


def tree(file: Path) -> dict[str, Any]:
    """Return the file's top level; LemError when it is missing or no YAML mapping."""
    import yaml

    must_end(file)
    try:
        content = unfolded(yaml.safe_load(file.read_text(encoding="utf-8")), file)
    except (FileNotFoundError, IsADirectoryError) as err:
        raise LemError(f"{file}: no such file; run this in the folder of a study") from err
    except (yaml.YAMLError, UnicodeDecodeError) as err:
        raise LemError(f"{file}: not YAML: {' '.join(str(err).split())}") from err
    except (RecursionError, ValueError) as err:  # nested too deeply; a number of too many digits
        raise LemError(f"{file}: not YAML that can be read: {err}"[:300]) from err
    return mapping(str(file), content or {})


def section(cls: type[T], name: str, content: dict[str, Any]) -> dict[str, T]:
    """Return {name: entry} of a section whose entries are of one class."""
    entries = mapping(name, content.get(name) or {})
    return {key: read(cls, f"{name}.{key}", entry, name=key) for key, entry in entries.items()}


def listed(name: str, content: dict[str, Any], kind: str) -> tuple[Any, ...]:
    """Return a section that is a list of one scalar type; () when it is left out."""
    value = content.get(name)
    if value is None:
        return ()
    if isinstance(value, list):
        return _listed(name, value, f"tuple[{kind}, ...]")
    raise LemError(f"{FILE}: {name}: expected a list of {kind}, found {value!r}"[:200])


def read(cls: type[T], where: str, stated: Any, /, **given: Any) -> T:  # noqa: ANN401 (YAML is anything)
    """Return an entry as its class; `given` are fields that the file does not state by key."""
    stated = mapping(where, stated)
    if "name" in given:
        confined(given["name"], where)
    shape = {f.name: f for f in dataclasses.fields(cls) if f.name not in given}  # type: ignore[arg-type]
    keys = {"from" if name == "origin" else name: name for name in shape}
    known(where, stated, keys)
    values = {}
    for key, name in keys.items():
        required = shape[name].default is dataclasses.MISSING is shape[name].default_factory
        if required and key not in stated:
            raise LemError(f"{FILE}: {where}: '{key}' is missing")
        if key in stated:
            values[name] = cast(f"{where}.{key}", stated[key], str(shape[name].type))
    return cls(**given, **values)


def cast(where: str, value: object, hint: str) -> object:
    """Return a value as the type its field's annotation names."""
    if value is None and "None" in hint:
        return None
    if hint.startswith("Mapping[str, str]"):
        return {key: _name(f"{where}.{key}", one) for key, one in mapping(where, value).items()}
    if where.endswith(".score") and isinstance(value, str):
        value = [value]
    if hint.startswith("tuple[") and isinstance(value, list):
        return _listed(where, value, hint)
    kind = hint.split(" ")[0]
    if kind == "float" and isinstance(value, str) and NUMBER.fullmatch(value):
        value = float(value)
    scalar = SCALARS.get(kind)
    if scalar and isinstance(value, scalar) and (isinstance(value, bool) == (scalar is bool)):
        return _in_range(where, value)
    expected = f"a list of {_element(hint)}" if hint.startswith("tuple[") else kind
    raise LemError(f"{FILE}: {where}: expected {expected}, found {value!r}"[:200])


def _name(where: str, value: object) -> str:
    if isinstance(value, str):
        return value
    raise LemError(f"{FILE}: {where}: expected str, found {value!r}"[:200])


def _element(hint: str) -> str:
    return hint.removeprefix("tuple[").split(",")[0]


def _listed(where: str, value: list[Any], hint: str) -> tuple[Any, ...]:
    if hint.startswith("tuple[Shot"):
        return tuple(read(Shot, f"{where}[{i}]", shot) for i, shot in enumerate(value))
    kind = _element(hint)
    if not all(isinstance(v, SCALARS[kind]) and not isinstance(v, bool) for v in value):
        raise LemError(f"{FILE}: {where}: expected a list of {kind}, found {value!r}"[:200])
    if where.endswith(".without_blocks") and any(v < 0 for v in value):
        raise LemError(f"{FILE}: {where}: expected 0 or more, found {value!r}"[:200])
    if not value and where.rpartition(".")[2] in NOT_EMPTY:
        raise LemError(f"{FILE}: {where}: expected at least one {kind}, found an empty list")
    if where.endswith(".modes"):
        known(where, value, MODES)
    if len(set(value)) < len(value):
        raise LemError(f"{FILE}: {where}: something is there twice: {value!r}"[:200])
    return tuple(value)


def _in_range(where: str, value: Any) -> object:  # noqa: ANN401 (a scalar of its field's type)
    key = where.rpartition(".")[2]
    if isinstance(value, float) and not math.isfinite(value):
        raise LemError(f"{FILE}: {where}: expected a finite number, found {value}")
    if key in AT_LEAST_ONE and value < 1:
        raise LemError(f"{FILE}: {where}: expected 1 or more, found {value}")
    if key in (*ABOVE_ZERO, *TIMES) and value <= 0:
        raise LemError(f"{FILE}: {where}: expected more than 0, found {value}")
    if key in SHARES and value > 1:
        raise LemError(f"{FILE}: {where}: expected at most 1, found {value}")
    if key in ONE_OF and value not in ONE_OF[key]:
        raise LemError(f"{FILE}: {where}: expected one of {', '.join(ONE_OF[key])}, found {value!r}")
    if where.startswith(("tasks.", "harmony.")) and key in TASK_COUNTS and not 0 <= value <= LARGEST_SEED:
        raise LemError(f"{FILE}: {where}: expected 0 to {LARGEST_SEED}, found {value}")
    if key == "round_trip" and value not in Q_BITS:
        raise LemError(f"{FILE}: {where}: expected bits of {Q_BITS}, found {value}")
    if key == "temperature" and value < 0:
        raise LemError(f"{FILE}: {where}: expected 0 (greedy) or more, found {value}")
    if key == "dropout" and not 0 <= value < 1:
        raise LemError(f"{FILE}: {where}: expected a share below 1, found {value}")
    return value


def mapping(where: str, value: object) -> dict[str, Any]:
    """Return a value that is {name: ...}; LemError for anything else."""
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return value
    raise LemError(f"{FILE}: {where}: expected 'name: value' entries, found {value!r}"[:200])


def known(where: str, keys: Iterable[str], there: Iterable[str]) -> None:
    """Raise LemError for the first key that is none of those there are."""
    for key in keys:
        if key not in there:
            raise LemError(f"{FILE}: {where}: unknown '{key}'; known are {', '.join(there)}")
