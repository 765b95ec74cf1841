"""`lem fuse`: a fine-tune's base and adapter become one plain folder, to publish or to run elsewhere.

The fold is elementwise numpy in float64, rank by rank: no BLAS and no numpy
reduction, whose order of adding differs from CPU to CPU. So one base and one
adapter give the same bytes anywhere. The folder is put in place only after it
has given the texts of the validation set the log-probabilities that base and
adapter give them. With --dequantize MLX unpacks the weights first; those bytes
are not promised to be equal between families of CPUs.

    lem fuse --model smollm2-135m-lek
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lem import adapters, convert, layout, mlx_runtime, params, tensors, training_data
from lem.errors import LemError
from lem.prompts import render
from lem.record_files import folder_aside, take_place, write_json
from lem.sources import Source

if TYPE_CHECKING:
    import numpy as np

TOLERANCE = {"F32": 2e-3, "F16": 0.02, "BF16": 0.2}
"""Largest difference of a token's log-probability in nats, by the type the folded weights are stored in.

Measured on SmolLM2-135M with sixteen layers adapted (which moved a token by up
to 0.9): 6e-5 in float32, 7e-3 in float16, 8e-2 in bfloat16. The tests' micro
model, whose logits lie far apart, reaches 8e-4 in float32.
"""
TEXTS, LONGEST = 8, 512  # texts of the check, and how many tokens of each
PLAIN = (
    "Say what is so, and say how sure you are of it.",
    "Nine boats carry four people each. How many people is that? It is 36.",
    "Whoever asks before acting may still be told no, and a no is an answer.",
    "def mean(values):\n    return sum(values) / len(values)\n",
)
"""What is asked where the training data is not there."""
PARTS = {"lora": {"lora_a", "lora_b"}, "dora": {"lora_a", "lora_b", "m"}, "full": {"full"}}
T = TypeVar("T")


@click.command()
@click.option("--model", "name", required=True, help="A model under models.fine-tuned in params.yaml.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write [default: data/fused/NAME].")
@click.option("--dequantize", is_flag=True, help="Unpack a quantised base to the type of its scales.")
def command(name: str, out: Path | None, dequantize: bool) -> None:
    """Fold a fine-tune's adapter into its base: one folder to publish.

    \b
    Example:
        lem fuse --model smollm2-135m-lek
        lem fuse --model smollm2-135m-lek.s1 --out publish/lek
    """
    study = params.load()
    spec = study.model(name)
    folder = out or layout.fused(spec.name)
    provenance, found = fuse(study, spec, folder, dequantize)
    click.echo(
        f"{folder}: {provenance['bytes'] / 2**20:.0f} MiB, weights {provenance['weights_sha'][:12]}, "
        f"log-probabilities within {found.difference:.1e} of base + adapter over {found.tokens:,} tokens "
        f"(tolerance {found.tolerance:.0e})"
    )


@dataclass(frozen=True)
class Check:
    """How far the fused folder is from base and adapter, in nats, over so many tokens."""

    difference: float
    tokens: int
    tolerance: float


def fuse(
    study: params.Study, spec: params.ModelSpec, folder: Path, dequantize: bool = False
) -> tuple[dict[str, Any], Check]:
    """Write the fused folder whole or not at all; return its provenance and what the check found.

    Raises LemError when there is nothing to fuse, a part is missing, `folder`
    holds something else, or the folder does not answer as base and adapter do.
    """
    base, adapter = study.weights(spec)
    if adapter is None:
        raise LemError(f"{spec.name} is a baseline: it has no adapter to fold in; publish {base} as it is")
    made_from = {"base": base.name, "base_weights_sha": convert.weights_sha(base)}
    made_from |= {"adapter_sha": adapters.adapter_sha(adapter)}
    licence = json.loads((base / convert.PROVENANCE).read_text()).get("licence") or study.root(spec).licence
    adapters.must_fit(adapter, base)
    if (quantization := tensors.quantization(base)) and not dequantize:
        raise LemError(f"{base}: its weights are quantised; add --dequantize to fold into unpacked ones")
    _refuse_occupied(folder, spec.name)
    weights = tensors.Tensors(tensors.weight_files(base), quantization)
    folded = fold(weights, tensors.Tensors([adapter / adapters.WEIGHTS]), adapters.config(adapter))
    texts = _texts(base, spec.data)
    with folder_aside(folder) as scratch:
        done = scratch / "done"
        tensors.write(_shown(folded, len(weights), "fold"), weights, base, done)
        tolerance = max(TOLERANCE.get(weights.dtype(name), 0) for name in weights)
        found = check((base, adapter), done, texts, tolerance, study.memory)
        provenance = describe(done, spec.name, licence, bool(quantization)) | made_from
        write_json(done / convert.PROVENANCE, provenance)
        take_place(done, folder)
    return provenance, found


def fold(
    base: Mapping[str, np.ndarray], adapter: Mapping[str, np.ndarray], settings: Mapping[str, Any]
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield every tensor of the base in its order, with what the adapter adds to it, in the base's type.

    settings: `adapter_config.json`. The formulas are those of `fuse` in
    mlx_lm/tuner/lora.py and dora.py: W + scale * (A B)^T, its rows scaled to
    the norm m in DoRA (arXiv:2106.09685, arXiv:2402.09353); a "full" fine-tune
    replaces. Raises LemError naming a tensor that fits nowhere, before any is folded.
    """
    kind = settings.get("fine_tune_type", "lora")
    if kind not in PARTS:
        raise LemError(f"adapter_config.json: fine_tune_type {kind!r}: expected one of {', '.join(PARTS)}")
    scale = 0.0 if kind == "full" else (settings.get("lora_parameters") or {}).get("scale")
    if not isinstance(scale, int | float):
        raise LemError(f"adapter_config.json: lora_parameters.scale: expected a number, found {scale!r}")
    changes = _changes(set(base), adapter, kind)
    return ((name, _changed(name, tensor, changes.get(name), scale)) for name, tensor in base.items())


def _changes(
    names: Collection[str], adapter: Mapping[str, np.ndarray], kind: str
) -> dict[str, dict[str, np.ndarray]]:
    """Return {name of a tensor of the base: what the adapter has for it, by its last name}."""
    changes: dict[str, dict[str, np.ndarray]] = {}
    for name, tensor in adapter.items():
        module, _, part = name.rpartition(".")
        target, part = (name, "full") if kind == "full" else (f"{module}.weight", part)
        if target not in names or part not in PARTS[kind]:
            raise LemError(
                f"{name}: the base has no place for this tensor of a {kind} adapter; train it again"
            )
        changes.setdefault(target, {})[part] = tensor
    for target, parts in changes.items():
        if missing := PARTS[kind] - set(parts):
            module = target.removesuffix(".weight")
            raise LemError(f"{module}.{min(missing)}: the adapter lacks this tensor; train it again")
    return changes


def _changed(name: str, weight: np.ndarray, parts: dict[str, np.ndarray] | None, scale: float) -> np.ndarray:
    """Return a tensor of the base as the adapter makes it, rounded once to the base's type."""
    import numpy as np

    if not parts:
        return weight
    made = parts["full"] if "full" in parts else _adapted(name, weight, parts, scale)
    if made.shape != weight.shape:
        raise _misfit(name, weight, parts)
    with np.errstate(all="ignore"):
        made = made.astype(weight.dtype)
    if not np.isfinite(made).all():
        raise LemError(f"{name}: folded, it holds values that are no finite {weight.dtype}")
    return made


def _adapted(name: str, weight: np.ndarray, parts: dict[str, np.ndarray], scale: float) -> np.ndarray:
    """Return a weight with its LoRA or DoRA parts folded in, in float64.

    One rank after the other, in elementwise steps, which round alike on every
    CPU; what float64 rounds on the way is far below what the base's type keeps.
    """
    import numpy as np

    rows, columns = _factors(name, weight, parts)
    made = weight.astype(np.float64)
    for rank in range(len(columns)):
        made += (scale * rows[:, rank])[:, None] * columns[rank]
    if "m" in parts:
        with np.errstate(all="ignore"):
            made *= (parts["m"].astype(np.float64) / _row_norms(made))[:, None]
    return made


def _factors(name: str, weight: np.ndarray, parts: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return what to multiply, (rows, rank) and (rank, columns), of a linear layer or of an embedding."""
    a, b = parts["lora_a"].astype("float64"), parts["lora_b"].astype("float64")
    m_fits = "m" not in parts or parts["m"].shape == weight.shape[:1]
    if a.ndim == b.ndim == weight.ndim == 2 and a.shape[1] == b.shape[0] and m_fits:
        if weight.shape == (b.shape[1], a.shape[0]):
            return b.T, a.T
        if weight.shape == (a.shape[0], b.shape[1]):
            return a, b
    raise _misfit(name, weight, parts)


def _misfit(name: str, weight: np.ndarray, parts: dict[str, np.ndarray]) -> LemError:
    shapes = ", ".join(f"{part} {array.shape}" for part, array in sorted(parts.items()))
    return LemError(f"{name}: the adapter's {shapes} do not fit the base's {weight.shape}; train it again")


def _row_norms(weight: np.ndarray) -> np.ndarray:
    """Return the length of each row, added up column by column."""
    import numpy as np

    total = np.zeros(len(weight))
    for column in weight.T.copy():
        total += column * column
    return np.sqrt(total)


def describe(folder: Path, name: str, licence: str | None, dequantized: bool) -> dict[str, Any]:
    """Return the provenance of a fused folder, with the libraries that shape its bytes."""
    libraries = ("numpy", "safetensors", "mlx") if dequantized else ("numpy", "safetensors")
    engine = ", ".join(f"{library} {version(library)}" for library in libraries)
    return convert.describe(folder, Source(f"fused:{name}", folder), licence) | {"engine": engine}


def check(
    parts: tuple[Path, Path], fused: Path, texts: list[str], tolerance: float, memory: params.Memory
) -> Check:
    """Return how far the fused folder is from base and adapter; LemError where that is too far."""
    import numpy as np

    before, after = (
        np.concatenate([*_shown(log_probabilities(folder, adapter, texts, memory), len(texts), "check")])
        for folder, adapter in (parts, (fused, None))
    )
    difference, tokens = float(abs(before - after).max()), len(after)
    if not difference <= tolerance:  # so that a NaN, which max() hands on, is caught too
        more = "; a base converted to float32 loses less" if tolerance > TOLERANCE["F32"] else ""
        raise LemError(
            f"{parts[1]}: folded, a token's log-probability differs by {difference:.1e} from that of base + "
            f"adapter (tolerance {tolerance:.0e}, {tokens:,} tokens); nothing was written{more}"
        )
    return Check(difference, tokens, tolerance)


def log_probabilities(
    folder: Path, adapter: Path | None, texts: Sequence[str], memory: params.Memory
) -> Iterator[np.ndarray]:
    """Yield for each text the log-probability (nats) of each token but the first, given those before it.

    Computed in float32 whatever the weights are stored in: what differs is
    then the weights' rounding, not that of the activations.
    """
    import numpy as np

    mx = mlx_runtime.core()
    loaded = mlx_runtime.load(folder, adapter, memory)
    loaded.model.set_dtype(mx.float32)
    for text in texts:
        tokens = mx.array(mlx_runtime.encode(loaded.tokenizer, text)[:LONGEST])
        logits = loaded.model(tokens[None])[0, :-1]
        said = mx.take_along_axis(logits, tokens[1:, None], axis=-1)[:, 0]
        yield np.array(said - mx.logsumexp(logits, axis=-1))
        mx.clear_cache()


def _texts(base: Path, data: str | None) -> list[str]:
    """Return the first of the validation set as they are trained on, or PLAIN where that is not there."""
    if not data or not Path(data).is_dir():
        return list(PLAIN)
    examples = training_data.read(Path(data))["valid"][:TEXTS]
    tokenizer = mlx_runtime.load_tokenizer(base)
    return [render(tokenizer, list(example.turns)) + example.answer for example in examples]


def _refuse_occupied(folder: Path, name: str) -> None:
    """Refuse what DVC keeps, and to replace anything but an earlier fuse of the same model."""
    place, free = folder.resolve(), layout.fused(name).parent
    tracked = any(place.is_relative_to(kept.resolve()) for kept in (layout.DATA, layout.REPORTS))
    if tracked and free.resolve() not in place.parents:
        raise LemError(f"{folder}: what lies there is DVC's; write below {free} or outside data and reports")
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    try:
        ours = json.loads((folder / convert.PROVENANCE).read_bytes())["origin"] == f"fused:{name}"
    except (OSError, ValueError, KeyError, TypeError):
        ours = False
    if not ours:
        raise LemError(f"{folder}: is there and is not fused:{name}; remove it, or write to another folder")


def _shown(things: Iterable[T], total: int, what: str) -> Iterable[T]:
    """Yield things one by one, with a bar on a terminal."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(things, what, total, console=console, transient=True, disable=not console.is_terminal)
