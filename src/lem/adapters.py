"""What an adapter folder says of itself: LoRA settings, the base it fits, the hash that names it.

    adapter_sha(Path("data/models/smollm2-135m-lek/s0"))

The folder is mlx-lm's: `adapters.safetensors` and `adapter_config.json`. The
config also carries what the adapter was trained on, and no path of a machine.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lem.errors import LemError
from lem.params_file import TUNE_TYPES
from lem.record_files import file_sha, settings_sha

WEIGHTS = "adapters.safetensors"
CONFIG = "adapter_config.json"
SHAPING = ("fine_tune_type", "num_layers", "lora_parameters")
"""What decides, beside the weights, what a model with this adapter answers."""


def config(folder: Path) -> dict[str, Any]:
    """Return the adapter's config; LemError when it is missing or not what mlx-lm loads by."""
    file = folder / CONFIG
    try:
        found = json.loads(file.read_bytes())
    except FileNotFoundError as err:
        raise LemError(f"{file}: no such file; it is written by: lem train (or dvc repro)") from err
    except ValueError as err:
        raise LemError(f"{file}: not JSON: {err}; train it again: lem train") from err
    if not isinstance(found, dict):
        raise LemError(f"{file}: expected an object with {', '.join(SHAPING)}; train it again: lem train")
    if wrong := _misfit(found):
        raise LemError(f"{file}: {wrong}; train it again: lem train")
    return found


def _misfit(found: dict[str, Any]) -> str | None:
    """Return what keeps mlx-lm from loading by a config, or None for a whole one."""
    kind, layers, lora = (found.get(key) for key in SHAPING)
    if kind not in TUNE_TYPES:
        return f"fine_tune_type: expected one of {', '.join(TUNE_TYPES)}, found {kind!r}"
    if not isinstance(layers, int) or isinstance(layers, bool):
        return f"num_layers: expected int, found {layers!r}"
    if kind != "full" and not (isinstance(lora, dict) and {"rank", "scale", "dropout"} <= lora.keys()):
        return f"lora_parameters: expected rank, scale and dropout, found {lora!r}"[:200]
    return None


def adapter_sha(folder: Path) -> str:
    """Return the sha256 over an adapter's weights and the settings that shape its answers."""
    settings = config(folder)
    shaping = {key: settings.get(key) for key in SHAPING}
    return settings_sha({**shaping, "weights": file_sha(folder / WEIGHTS)})


def must_fit(folder: Path, base: Path) -> None:
    """Raise LemError when an adapter was trained on other weights than a base folder holds."""
    trained_on = config(folder).get("base_weights_sha")
    provenance = base / "provenance.json"
    here = json.loads(provenance.read_text())["weights_sha"] if provenance.is_file() else None
    if trained_on and here and trained_on != here:
        raise LemError(
            f"{folder}: trained on weights {trained_on[:12]}, but {base} holds {here[:12]}; "
            "train it again: lem train (or dvc repro)"
        )
