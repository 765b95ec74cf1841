"""What makes a stage run again besides its inputs: library versions and recipe numbers.

`engine.yaml` holds both, DVC reads it as parameters, and a stage refuses to
run when it differs from what is installed. A recipe number is raised by hand
when a stage's output changes; a docstring edit raises nothing and reruns nothing.

    lem doctor --pin
"""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from lem.errors import LemError

FILE = Path("engine.yaml")

RECIPES = {
    "ingest": 3,
    "items": 1,
    "task": 1,
    "convert": 1,
    "distil": 1,
    "train": 1,
    "generate": 1,
    "weigh": 2,
    "lm-eval": 2,
    "alter": 1,
    "split": 1,
    "harmony": 1,
    "score": 3,
    "judge": 2,
    "check": 6,
    "warehouse": 7,
    "claims": 1,
    "mapping": 2,
    "report": 5,
}

SHAPED_BY: dict[str, tuple[str, ...]] = {
    "ingest": (),
    "items": (),
    "task": ("datasets", "lm-eval"),
    "convert": ("gguf", "mlx", "mlx-lm", "numpy", "safetensors", "tokenizers"),
    "distil": ("mkl", "mlx", "mlx-lm", "tokenizers", "transformers"),
    "train": ("mkl", "mlx", "mlx-lm", "numpy", "tokenizers", "transformers"),
    "generate": ("mkl", "mlx", "mlx-lm", "tokenizers", "transformers"),
    "weigh": ("mkl", "mlx", "mlx-lm", "tokenizers", "transformers"),
    "lm-eval": ("datasets", "lm-eval", "mkl", "mlx", "mlx-lm", "tokenizers", "transformers"),
    "alter": (),
    "split": ("datasets", "lm-eval"),
    "harmony": ("datasets", "lm-eval", "mkl", "mlx", "mlx-lm", "numpy", "tokenizers", "transformers"),
    "score": (),
    "judge": ("openai",),
    "check": ("duckdb", "great-expectations"),
    "warehouse": ("duckdb", "krippendorff", "numpy", "scipy", "statsmodels"),
    "claims": ("duckdb", "numpy", "scipy", "statsmodels"),
    "mapping": ("duckdb", "jinja2"),
    "report": ("altair", "duckdb", "jinja2", "numpy", "scipy", "statsmodels", "vl-convert-python"),
}
"""The libraries that shape each stage's bytes; dvc.yaml lists the same ones (a test holds them together)."""


def installed() -> dict[str, Any]:
    """Return what `engine.yaml` should hold here: {'libraries': {name: version}, 'recipes': {...}}."""
    names = sorted({name for names in SHAPED_BY.values() for name in names})
    return {"libraries": {name: _version(name) for name in names}, "recipes": dict(RECIPES)}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def pinned() -> dict[str, Any]:
    """Return `engine.yaml` as it is; LemError when it is missing or no YAML mapping."""
    import yaml

    try:
        tree = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    except FileNotFoundError as err:
        raise LemError(f"{FILE}: no such file; write it with: lem doctor --pin (beside params.yaml)") from err
    except (yaml.YAMLError, UnicodeDecodeError) as err:
        raise LemError(f"{FILE}: not YAML: {' '.join(str(err).split())}") from err
    sections = [tree.get(name) for name in ("libraries", "recipes")] if isinstance(tree, dict) else [None]
    if not all(isinstance(section, dict) for section in sections):
        raise LemError(
            f"{FILE}: expected 'libraries' and 'recipes'; delete it and write it with: lem doctor --pin"
        )
    return dict(tree)


def differences(stages: tuple[str, ...] = tuple(RECIPES)) -> list[str]:
    """Return one line for each version or recipe in which `engine.yaml` and this machine differ."""
    pin, here = pinned(), installed()
    lines = [
        f"{name}: {FILE} says {pin['libraries'].get(name)}, installed is {here['libraries'][name]}"
        for name in sorted({name for stage in stages for name in SHAPED_BY[stage]})
        if _expected_here(name) and str(pin["libraries"].get(name)) != here["libraries"][name]
    ]
    return lines + [
        f"recipe of {stage}: {FILE} says {pin['recipes'].get(stage)}, the code says {RECIPES[stage]}"
        for stage in stages
        if pin["recipes"].get(stage) != RECIPES[stage]
    ]


def _expected_here(name: str) -> bool:
    """MKL is there on Linux x86_64 only; elsewhere its pin is somebody else's."""
    return name != "mkl" or (sys.platform == "linux" and platform.machine() == "x86_64")


def require(stage: str) -> None:
    """Refuse to run a stage whose engine differs from the pinned one."""
    if found := differences((stage,)):
        raise LemError(
            f"{'; '.join(found)}. Install the pinned versions (make clean, then make repro), "
            "or accept these with: lem doctor --pin (the stages they shape run again)"
        )


def describe(stage: str) -> str:
    """Return the engine of a stage in one line: 'mlx 0.32.4, mlx-lm 0.32.2, recipe 1'."""
    libraries = installed()["libraries"]
    parts = [f"{name} {libraries[name]}" for name in SHAPED_BY[stage] if libraries[name]]
    return ", ".join([*parts, f"recipe {RECIPES[stage]}"])
