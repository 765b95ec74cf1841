"""The models of a leaderboard: a model of the study, whole, after a round trip through fewer bits, or pruned.

model = study.harmony_model("smollm2-135m-4bit")
loaded = load(study, model)      # in memory: an altered model has no weights on disk
described(study, model)["weights_sha"]
"""

from __future__ import annotations

from typing import Any

from lem import adapters, convert, layout, mlx_runtime
from lem.errors import LemError
from lem.mlx_runtime import Loaded
from lem.params import Study
from lem.params_harmony import HarmonyModel
from lem.record_files import read_json, settings_sha
from lem.records import Model

GROUP = 64
"""Weights that share a scale and a bias, as mlx_lm.convert has it."""
SMALLEST = 2  # blocks that must be left


def name_of(study: Study, model: HarmonyModel) -> str:
    """Return the name that records carry: a whole model goes by its own."""
    return model.name if model.is_altered else study.model(model.of).name


def described(study: Study, model: HarmonyModel) -> dict[str, Any]:
    """Return what the weights are: hashes of base and adapter, what is altered, and a hash over it all."""
    spec = study.model(model.of)
    folder, adapter = study.weights(spec)
    about = {
        "model": name_of(study, model),
        "of": spec.name,
        "base_weights_sha": convert.weights_sha(folder),
        "adapter_sha": adapters.adapter_sha(adapter) if adapter else None,
        "round_trip": model.round_trip,
        "group_size": GROUP if model.round_trip else None,
        "without_blocks": sorted(model.without_blocks),
    }
    shaping = {key: value for key, value in about.items() if key not in ("model", "of")}
    return {**about, "weights_sha": settings_sha(shaping)}


def record(study: Study, model: HarmonyModel) -> Model:
    """Return the record of an altered model; of a whole one the study has it already."""
    spec, about = study.model(model.of), described(study, model)
    card = read_json(layout.model_record(spec.role, spec.entry, spec.seed), Model)
    cut = f"without blocks {' '.join(map(str, about['without_blocks']))}" if model.without_blocks else ""
    bits = f"{model.round_trip} bits and back" if model.round_trip else ""
    return Model(
        name=model.name,
        role="baseline",
        family=spec.family or card.family,
        variant=", ".join(part for part in (spec.variant or card.variant, bits, cut) if part),
        base=spec.name,
        origin=card.origin,
        licence=card.licence,
        dtype=card.dtype,
        quantization=f"{model.round_trip} bits, group {GROUP}, held in {card.dtype}" if bits else None,
        weights_sha=about["weights_sha"],
        adapter_sha=about["adapter_sha"],
    )


def load(study: Study, model: HarmonyModel) -> Loaded:
    """Return a model of the leaderboard, ready to be asked or trained; LemError where it cannot be had."""
    folder, adapter = study.weights(study.model(model.of))
    loaded = mlx_runtime.load(folder, adapter, study.memory)
    if adapter:
        _fuse(loaded.model)
    if model.without_blocks:
        _prune(loaded.model, model)
    if model.round_trip:
        _round_trip(loaded.model, model.round_trip)
    mlx_runtime.core().eval(loaded.model.parameters())
    loaded.model.eval()
    return loaded


def _fuse(network: Any) -> None:  # noqa: ANN401
    """Fold an adapter into the weights in memory: the adapter to come is put on whole matrices."""
    from mlx.utils import tree_unflatten

    fused = [(name, part.fuse()) for name, part in network.named_modules() if hasattr(part, "fuse")]
    network.update_modules(tree_unflatten(fused))


def _round_trip(network: Any, bits: int) -> None:  # noqa: ANN401
    """Quantise every matrix and take it back: what the bits cannot hold is lost, the products stay fast."""
    from mlx import nn
    from mlx_lm.utils import dequantize_model

    dequantize_model(network)  # one that is quantised already
    nn.quantize(network, group_size=GROUP, bits=bits, class_predicate=_divides)
    dequantize_model(network)


def _divides(_: str, part: Any) -> bool:  # noqa: ANN401
    """Return whether a part's matrix is quantised: it can be, and is whole groups wide, as in mlx-lm."""
    return hasattr(part, "to_quantized") and part.weight.shape[-1] % GROUP == 0


def _prune(network: Any, model: HarmonyModel) -> None:  # noqa: ANN401
    """Take transformer blocks out of a model, as depth pruning does, without healing."""
    where = f"harmony.models.{model.name}.without_blocks"
    inner: Any = getattr(network, "model", None)
    blocks = getattr(inner, "layers", None)
    if not isinstance(blocks, list) or _differ(network, blocks):
        raise LemError(f"params.yaml: {where}: the blocks of a {type(network).__module__} are not all alike")
    if unknown := [place for place in model.without_blocks if place >= len(blocks)]:
        raise LemError(f"params.yaml: {where}: no block {unknown[0]}; {model.of} has {len(blocks)}, from 0")
    kept = [block for place, block in enumerate(blocks) if place not in model.without_blocks]
    if len(kept) < SMALLEST:
        raise LemError(f"params.yaml: {where}: {len(kept)} blocks are left, at least {SMALLEST} must be")
    inner.layers = kept
    network.args.num_hidden_layers = len(kept)


def _differ(network: Any, blocks: list[Any]) -> bool:  # noqa: ANN401
    """Return whether a block's place decides what it does, as where every sixth one sees the whole text."""
    sliding = any(getattr(block, "use_sliding", False) for block in blocks)
    return (
        sliding
        or len({type(block) for block in blocks}) > 1
        or hasattr(network.args, "sliding_window_pattern")
    )
