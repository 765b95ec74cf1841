"""The weights of an MLX folder as numpy arrays: read one by one, written back in the type they came in.

The same values give the same bytes on every machine: no framework touches them,
and nothing is added up. safetensors' own numpy door has no bfloat16; here such a
tensor comes as float32 with the same values and is rounded as it is written.
Only weights that are to be unpacked from a quantised base go through MLX.

    weights = Tensors(weight_files(Path("data/models/smollm2-135m")))
    weights["model.norm.weight"], weights.dtype("model.norm.weight")
    save([(name, "BF16", array) for name, array in weights.items()], Path("model.safetensors"))
"""

from __future__ import annotations

import itertools
import json
import math
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lem import convert, mlx_runtime
from lem.errors import LemError
from lem.record_files import write_json

if TYPE_CHECKING:
    import numpy as np

NUMPY = {"F32": "<f4", "F16": "<f2", "BF16": "<u2", "U32": "<u4"}
"""The types that MLX stores weights in, as safetensors and as numpy name them; U32 holds quantised ones."""


class Place(NamedTuple):
    """Where a tensor lies."""

    file: Path
    dtype: str  # as safetensors names it
    shape: tuple[int, ...]
    offset: int  # bytes from the beginning of the file


class Tensors(Mapping[str, "np.ndarray"]):
    """The tensors of safetensors files by name, in order of file and name; each access reads from disk.

    quantization: the entry of `config.json` by which to unpack quantised
    weights, to float32; their scales and biases are then not listed. Raises
    LemError for a file that is cut short, or holds other types than NUMPY has.
    """

    def __init__(self, files: Sequence[Path], quantization: Mapping[str, Any] | None = None) -> None:
        self.places = {name: place for file in files for name, place in _places(file).items()}
        self.quantization = dict(quantization or {})
        scales = [name for name in self.places if self.quantization and name.endswith(".scales")]
        self.packed = {name.removesuffix("scales") + "weight" for name in scales}
        inner = {*scales, *(name.removesuffix("scales") + "biases" for name in scales)}
        self.names = [name for name in self.places if name not in inner]

    def __getitem__(self, name: str) -> np.ndarray:
        return self._unpacked(name.removesuffix(".weight")) if name in self.packed else self._read(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def dtype(self, name: str) -> str:
        """Return the type to store a tensor in: its own, or that of a quantised weight's scales."""
        return self.places[name.removesuffix("weight") + "scales" if name in self.packed else name].dtype

    def _read(self, name: str) -> np.ndarray:
        import numpy as np

        file, dtype, shape, offset = self.places[name]
        raw = np.fromfile(file, NUMPY[dtype], math.prod(shape), offset=offset).reshape(shape)
        return (raw.astype(np.uint32) << 16).view(np.float32) if dtype == "BF16" else raw

    def _unpacked(self, module: str) -> np.ndarray:
        import numpy as np

        mx = mlx_runtime.core()
        how = self.quantization | (self.quantization.get(module) or {})  # a layer may have its own
        scales, biases = (self._read(f"{module}.{part}").astype(np.float32) for part in ("scales", "biases"))
        with mx.stream(mx.cpu):
            parts = [mx.array(part) for part in (self._read(f"{module}.weight"), scales, biases)]
            return np.array(mx.dequantize(*parts, group_size=how["group_size"], bits=how["bits"]))


def _places(file: Path) -> dict[str, Place]:
    """Return {name: place}, sorted; a safetensors file is 8 bytes of length, a JSON header and the data."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "np") as opened:  # which checks header, offsets and length
            names = sorted(opened.keys())
    except SafetensorError as err:
        raise LemError(f"{file}: not a safetensors file; write it again (dvc repro)") from err
    with file.open("rb") as content:
        length = int.from_bytes(content.read(8), "little")
        header = json.loads(content.read(length))
    places = {}
    for name in names:
        dtype, shape, (start, _) = (header[name][key] for key in ("dtype", "shape", "data_offsets"))
        if dtype not in NUMPY:
            raise LemError(f"{file}: {name} is {dtype}; expected one of {', '.join(NUMPY)}")
        places[name] = Place(file, dtype, tuple(shape), 8 + length + start)
    return places


def weight_files(folder: Path) -> list[Path]:
    """Return the files that mlx-lm reads a folder's weights from, sorted; LemError when there is none."""
    if not (found := sorted(folder.glob("model*.safetensors"))):
        raise LemError(
            f"{folder}: it holds no model*.safetensors; write it again: lem convert (or dvc repro)"
        )
    return found


def quantization(folder: Path) -> dict[str, Any] | None:
    """Return how a folder's weights are quantised, or None; LemError when that cannot be undone."""
    config = json.loads((folder / "config.json").read_text())
    packed = config.get("quantization") or config.get("quantization_config")
    if packed and ("bits" not in packed or packed.get("mode", "affine") != "affine"):
        raise LemError(f"{folder}: only MLX's affine quantisation can be undone; config.json says {packed}")
    return dict(packed) if packed else None


def write(changed: Iterable[tuple[str, np.ndarray]], weights: Tensors, base: Path, folder: Path) -> None:
    """Write a folder like the base's, with changed values of its weights in files of the same names."""
    folder.mkdir()
    for file in sorted(base.iterdir()):
        if file.is_file() and file.suffix != ".safetensors" and file.name != convert.PROVENANCE:
            shutil.copyfile(file, folder / file.name)
    size = 0
    for file, group in itertools.groupby(changed, lambda pair: weights.places[pair[0]].file):
        size += save(((name, weights.dtype(name), tensor) for name, tensor in group), folder / file.name)
    if weights.quantization:
        _forget_quantization(weights, folder, size)


def _forget_quantization(weights: Tensors, folder: Path, size: int) -> None:
    """Mend config and index after dequantising."""
    config = json.loads((folder / "config.json").read_text())
    kept = {key: value for key, value in config.items() if not key.startswith("quantization")}
    write_json(folder / "config.json", kept)
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        stated = json.loads(index.read_text())
        stated["metadata"] = (stated.get("metadata") or {}) | {"total_size": size}
        stated["weight_map"] = {name: weights.places[name].file.name for name in sorted(weights)}
        write_json(index, stated)


def save(tensors: Iterable[tuple[str, str, np.ndarray]], file: Path) -> int:
    """Write (name, type, values) triples as safetensors does, which lacks bfloat16; return their bytes."""
    from safetensors import TensorSpec, serialize_file

    made = {name: (dtype, rounded(array, dtype)) for name, dtype, array in tensors}
    specs = {
        name: TensorSpec(
            dtype="bfloat16" if dtype == "BF16" else array.dtype.name,
            shape=array.shape,
            data_ptr=array.ctypes.data,
            data_len=array.nbytes,
        )
        for name, (dtype, array) in sorted(made.items())
    }
    serialize_file(specs, file, metadata={"format": "mlx"})
    file.chmod(0o644)
    return sum(array.nbytes for _, array in made.values())


def rounded(tensor: np.ndarray, dtype: str) -> np.ndarray:
    """Return a tensor as it is stored; bfloat16 as its bits, rounded half to even."""
    import numpy as np

    if dtype != "BF16":
        return np.asarray(tensor, NUMPY[dtype], order="C")
    bits = np.asarray(tensor, "<f4", order="C").view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")
