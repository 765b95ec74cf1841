"""Weights are read as they lie and written as they were, bfloat16 too; a broken file is one clear line."""

import re

import numpy as np
import pytest
from safetensors.numpy import save_file

from lem import mlx_runtime, tensors
from lem.errors import LemError
from lem.tensors import Tensors


@pytest.fixture
def file(tmp_path):
    """A small file of weights, as safetensors itself writes it."""
    values = {"b": np.ones((2, 3), np.float16), "a": np.arange(4, dtype=np.uint32), "c": np.float32([2])}
    save_file(values, tmp_path / "model.safetensors", {"format": "mlx"})
    return tmp_path / "model.safetensors"


def quantised(folder):
    """Write two layers, one of them quantised, with half scales; return what MLX unpacks it to."""
    mx = mlx_runtime.core()
    values = mx.array(np.random.default_rng(1).standard_normal((8, 64)).astype(np.float16))
    weight, scales, biases = (np.array(part) for part in mx.quantize(values, 32, 4))
    stored = {"up.weight": weight, "up.scales": scales, "up.biases": biases}
    save_file({**stored, "norm.weight": np.ones(8, np.float16)}, folder / "model.safetensors")
    exact = [mx.array(part.astype(np.float32)) for part in (scales, biases)]
    return np.array(mx.dequantize(mx.array(weight), *exact, 32, 4))


def test_every_bfloat16_is_read_and_written_as_it_was(tmp_path):
    bits = np.arange(2**16, dtype="<u2")
    values = (bits.astype(np.uint32) << 16).view(np.float32)
    assert tensors.save([("a", "BF16", values)], tmp_path / "x") == bits.nbytes
    assert (tmp_path / "x").read_bytes().endswith(bits.tobytes())
    read = Tensors([tmp_path / "x"])
    assert (read["a"].dtype, read.dtype("a")) == (np.float32, "BF16")
    assert read["a"].tobytes() == values.tobytes()


def test_bfloat16_is_rounded_as_mlx_rounds():
    mx = mlx_runtime.core()
    values = np.random.default_rng(0).standard_normal(10_000).astype(np.float32)
    values[:4] = [1 + 2**-8, 1 + 3 * 2**-8, 3.4e38, -0.0]  # two ties, an overflow
    theirs = np.array(mx.array(values).astype(mx.bfloat16).view(mx.uint16))
    assert np.array_equal(tensors.rounded(values, "BF16"), theirs)


def test_it_writes_what_safetensors_writes(file, tmp_path):
    read = Tensors([file])
    assert list(read) == ["a", "b", "c"] and len(read) == 3
    assert {name: read.dtype(name) for name in read} == {"a": "U32", "b": "F16", "c": "F32"}
    turned = {name: np.asfortranarray(array) for name, array in read.items()}
    size = tensors.save([(name, read.dtype(name), turned[name]) for name in "cba"], tmp_path / "ours")
    assert (tmp_path / "ours").read_bytes() == file.read_bytes()
    assert size == sum(array.nbytes for array in turned.values())
    assert (tmp_path / "ours").stat().st_mode & 0o777 == 0o644


def test_shapes_with_nothing_in_them_and_without_axes_stay(tmp_path):
    stored = {"empty": np.zeros((0, 3), np.float32), "scalar": np.array(2, np.float32)}
    tensors.save([(name, "F32", array) for name, array in stored.items()], tmp_path / "x")
    read = Tensors([tmp_path / "x"])
    assert {name: array.shape for name, array in read.items()} == {"empty": (0, 3), "scalar": ()}
    assert read["scalar"] == 2


def test_several_files_are_one_mapping_in_their_order(tmp_path):
    for part, name in ((1, "z"), (2, "a")):
        save_file({name: np.full(2, part, np.float32)}, tmp_path / f"model-{part}.safetensors")
    save_file({"other": np.ones(2, np.float32)}, tmp_path / "consolidated.safetensors")
    read = Tensors(tensors.weight_files(tmp_path))
    assert [(name, array.tolist()) for name, array in read.items()] == [("z", [1, 1]), ("a", [2, 2])]
    assert [place.file.name for place in read.places.values()] == [
        "model-1.safetensors",
        "model-2.safetensors",
    ]


def test_quantised_weights_come_unpacked_and_in_the_type_of_their_scales(tmp_path):
    theirs = quantised(tmp_path)
    files = tensors.weight_files(tmp_path)
    read = Tensors(files, {"group_size": 32, "bits": 4})
    assert list(read) == ["norm.weight", "up.weight"] and len(read) == 2
    assert np.array_equal(read["up.weight"], theirs) and read["up.weight"].dtype == np.float32
    assert (read.dtype("up.weight"), read.dtype("norm.weight")) == ("F16", "F16")
    own = Tensors(files, {"group_size": 64, "bits": 8, "up": {"group_size": 32, "bits": 4}})
    assert np.array_equal(own["up.weight"], theirs)
    assert len(Tensors(files)) == 4 and Tensors(files)["up.weight"].dtype == np.uint32


@pytest.mark.parametrize("cut", [0, 4, 20, -3], ids=["empty", "no length", "half a header", "half the data"])
def test_a_file_cut_short_is_named(file, cut):
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(LemError, match=re.escape(f"{file}: not a safetensors file; write it again")):
        Tensors([file])


def test_a_type_that_mlx_has_no_weights_in_is_named(tmp_path):
    save_file({"x": np.ones(3)}, tmp_path / "model.safetensors")
    with pytest.raises(LemError, match="x is F64; expected one of F32, F16, BF16, U32"):
        Tensors([tmp_path / "model.safetensors"])


def test_a_folder_without_weights_is_named(tmp_path):
    with pytest.raises(LemError, match="it holds no model"):
        tensors.weight_files(tmp_path)
