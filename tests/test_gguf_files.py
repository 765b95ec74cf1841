"""GGUF files written with llama.cpp's own writer are read back as the Hugging Face model they came from."""

import json
from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter
from gguf.quants import quantize
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

import micro
from lem import gguf_files
from lem.errors import LemError

F32, Q8_0, Q4_1 = GGMLQuantizationType.F32, GGMLQuantizationType.Q8_0, GGMLQuantizationType.Q4_1
SMOLLM = {"embed": Q8_0, "proj": Q4_1, "norm": F32, "lm_head": Q8_0}
"""The types of the published SmolLM2 file, by a part of the tensor's name."""
PLAIN = dict.fromkeys(SMOLLM, F32)
INNER = {theirs: ours for ours, theirs in gguf_files.LLAMA_NAMES.items()}
OUTER = {theirs: ours for ours, theirs in gguf_files.OUTER_NAMES.items()}


def permute(weight, heads):
    """llama.cpp, convert_hf_to_gguf.py, LlamaModel.permute."""
    rows = weight.shape[0]
    return (
        weight.reshape(heads, 2, rows // heads // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)
    )


def small_gguf(
    path: Path, types=SMOLLM, architecture="llama", leave_out=(), tied=False, pre="smollm"
) -> Path:
    """Write the micro model as a GGUF file and return its path."""
    out = GGUFWriter(path, architecture)
    settings = {
        "embedding_length": micro.HIDDEN,
        "block_count": micro.LAYERS,
        "feed_forward_length": micro.FFN,
        "context_length": 2048,
        "head_count": micro.HEADS,
        "head_count_kv": micro.KV_HEADS,
        "layer_norm_rms_eps": 1e-5,
        "rope_freq_base": 10000.0,
    }
    for name, value in settings.items():
        if name not in leave_out:
            getattr(out, f"add_{name}")(value)
    out.add_license("cc0-1.0")
    bpe = json.loads(micro.tokenizer().to_str())
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre(pre)
    out.add_token_list(list(bpe["model"]["vocab"]))
    out.add_token_types([3 if token in micro.SPECIAL else 1 for token in bpe["model"]["vocab"]])
    out.add_token_merges([" ".join(pair) for pair in bpe["model"]["merges"]])
    out.add_bos_token_id(0)
    out.add_eos_token_id(micro.END)
    out.add_chat_template(micro.TEMPLATE)
    for name, array in micro.weights().items():
        if not (tied and name == "lm_head.weight"):
            kind = next(kind for part, kind in types.items() if part in name)
            out.add_tensor(their_name(name), quantize(their_rows(name, array), kind), raw_dtype=kind)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()
    return path


def their_name(name):
    if name in OUTER:
        return OUTER[name]
    _, _, layer, *part, _ = name.split(".")
    return f"blk.{layer}.{INNER['.'.join(part)]}.weight"


def their_rows(name, array):
    heads = {"q_proj": micro.HEADS, "k_proj": micro.KV_HEADS}.get(name.split(".")[-2])
    return permute(array, heads) if heads else array


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return small_gguf(tmp_path_factory.mktemp("gguf") / "plain.gguf", PLAIN)


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    return small_gguf(tmp_path_factory.mktemp("gguf") / "packed.gguf")


@given(st.integers(1, 8), st.integers(1, 16), st.integers(1, 5))
def test_unpermute_undoes_llama_cpps_permutation(heads, half, columns):
    weight = np.arange(heads * 2 * half * columns, dtype=np.float32).reshape(-1, columns)
    assert np.array_equal(gguf_files.unpermute(permute(weight, heads), heads), weight)


def test_permutation_is_not_the_identity():
    weight = np.arange(micro.HIDDEN * 2).reshape(micro.HIDDEN, 2)
    assert not np.array_equal(permute(weight, micro.HEADS), weight)


def test_unquantised_tensors_come_back_to_the_bit(plain):
    read, written = gguf_files.read(plain).tensors, micro.weights()
    assert set(read) == set(written)
    assert all(np.array_equal(read[name], written[name]) for name in written)
    assert {a.dtype for a in read.values()} == {np.dtype(np.float32)}


def test_config_is_the_one_the_model_was_written_with(plain):
    config = gguf_files.read(plain).config
    assert config.pop("rms_norm_eps") == pytest.approx(1e-5)  # GGUF keeps it in 32 bits
    assert config == {k: v for k, v in micro.config().items() if k != "rms_norm_eps"}


def test_defaults_of_the_format(tmp_path):
    out = small_gguf(tmp_path / "m.gguf", tied=True, leave_out=("rope_freq_base",))
    config = gguf_files.read(out).config
    assert config["tie_word_embeddings"] is True
    assert config["rope_theta"] == 10000.0


@pytest.mark.parametrize(("part", "step"), [("embed", 1 / 127), ("proj", 1 / 15)])
def test_dequantised_tensors_are_within_half_a_step(packed, part, step):
    """Q8_0 has 127 steps to the largest of 32 values, Q4_1 has 15 between the least and the largest."""
    read, written = gguf_files.read(packed).tensors, micro.weights()
    for name in (n for n in written if part in n):
        blocks = written[name].reshape(-1, 32)
        span = np.abs(blocks).max(1) if part == "embed" else np.ptp(blocks, axis=1)
        off = np.abs(read[name].reshape(-1, 32) - blocks).max(1)
        assert (off <= span * step * 0.51 + 1e-3 * span).all()
        assert off.max() > 0, "nothing was quantised"


def test_two_reads_give_the_same_bytes(packed):
    first, second = gguf_files.read(packed), gguf_files.read(packed)
    assert {n: a.tobytes() for n, a in first.tensors.items()} == {
        n: a.tobytes() for n, a in second.tensors.items()
    }
    assert (first.config, first.tokenizer) == (second.config, second.tokenizer)


TEXTS = [
    *micro.QUESTIONS,
    *micro.SENTENCES,
    micro.KERNEL,
    "<|im_start|>user\n12 + 345<|im_end|>\n",
    "  a\t\x00é",
]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_tokenizer_reads_as_the_original(packed, text):
    read = Tokenizer.from_str(gguf_files.read(packed).tokenizer["tokenizer.json"])
    ids = micro.tokenizer().encode(text).ids
    assert read.encode(text).ids == ids
    assert read.decode(ids, skip_special_tokens=False) == text


def test_tokenizer_settings_template_and_licence(packed):
    model = gguf_files.read(packed)
    settings = model.tokenizer["tokenizer_config.json"]
    assert settings["eos_token"] == "<|im_end|>"
    assert settings["bos_token"] == "<|endoftext|>"
    assert "pad_token" not in settings, "the file names none"
    assert model.tokenizer["chat_template.jinja"] == micro.TEMPLATE
    assert model.licence == "cc0-1.0"


def fails(path, match):
    with pytest.raises(LemError, match=match) as caught:
        gguf_files.read(path)
    assert caught.value.message.startswith(f"{path}: ")
    assert "\n" not in caught.value.message


def test_another_architecture_is_named(tmp_path):
    out = small_gguf(tmp_path / "m.gguf", architecture="falcon")
    fails(out, "architecture 'falcon' is not read yet; known: llama")


def test_another_tokenizer_is_named(tmp_path):
    fails(small_gguf(tmp_path / "m.gguf", pre="llama-bpe"), "tokenizer .*llama-bpe.* is not read yet")


def test_missing_metadata_is_named(tmp_path):
    out = small_gguf(tmp_path / "m.gguf", leave_out=("head_count",))
    fails(out, r"metadata 'llama\.attention\.head_count' is missing")


def test_a_tensor_that_nothing_here_knows_is_named(tmp_path, monkeypatch):
    """Biases and rope factors change what a model says; dropping them in silence would be wrong."""
    monkeypatch.setitem(OUTER, "model.norm.weight", "blk.0.attn_q.bias")
    fails(small_gguf(tmp_path / "m.gguf"), r"tensor blk\.0\.attn_q\.bias is not read yet")


def test_a_tensor_type_without_dequantiser_is_named(tmp_path, plain):
    name = b"blk.0.attn_q.weight"
    whole = bytearray(plain.read_bytes())
    place = whole.index(name) + len(name) + 4 + 2 * 8
    assert whole[place : place + 4] == F32.to_bytes(4, "little")
    whole[place : place + 4] = GGMLQuantizationType.I8.to_bytes(4, "little")
    out = tmp_path / "m.gguf"
    out.write_bytes(whole)
    fails(out, r"blk\.0\.attn_q\.weight: type I8 cannot be read")


def test_not_a_gguf(tmp_path):
    out = tmp_path / "m.gguf"
    for content in (b"", b"x", b"GGUF", b"version https://git-lfs.github.com/spec/v1\n", bytes(1000)):
        out.write_bytes(content)
        fails(out, "not a readable GGUF file")


def test_truncated_anywhere(tmp_path, packed):
    whole, out = packed.read_bytes(), tmp_path / "m.gguf"
    data_begins = int(GGUFReader(packed).data_offset)
    cuts = [*range(0, data_begins, 397), *range(data_begins, len(whole), 7919), len(whole) - 1]
    for cut in cuts:
        out.write_bytes(whole[:cut])
        fails(out, "not a readable GGUF file")
