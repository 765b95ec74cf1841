"""GGUF files read in numpy: tensors, config and tokenizer in the shapes Hugging Face and MLX expect.

Dequantising is elementwise numpy in a fixed order, so the same file gives the
same bytes on any machine.

    model = gguf_files.read(Path("model.gguf"))     # .config, .tensors, .tokenizer, .licence
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lem.errors import LemError

LLAMA_NAMES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
OUTER_NAMES = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
CONTROL = 3  # token type of special tokens, GGUF specification


@dataclass(frozen=True)
class GGUF:
    """A model as plain values: HF config, {HF name: float32 array}, tokenizer files, stated licence."""

    config: dict[str, Any]
    tensors: dict[str, np.ndarray]
    tokenizer: dict[str, Any]  # {file name: text or JSON value}
    licence: str | None


def read(path: Path) -> GGUF:
    """Return the model of a GGUF file.

    Raises LemError when it is no GGUF file, or of an architecture or a
    tensor type that nothing here reads.
    """
    from gguf import GGUFReader

    try:
        reader = GGUFReader(path)
    except (ValueError, OSError, LookupError) as err:
        raise LemError(f"{path}: not a readable GGUF file: {err}") from err
    meta = {key: field.contents() for key, field in reader.fields.items()}
    try:
        return _llama(path, meta, reader.tensors)
    except KeyError as err:
        raise LemError(f"{path}: metadata {err} is missing") from err
    except (ValueError, IndexError) as err:  # counts that do not fit, an id beyond the vocabulary
        raise LemError(f"{path}: its parts do not fit together: {err}") from err


def _llama(path: Path, meta: dict[str, Any], stored: list[Any]) -> GGUF:
    if meta["general.architecture"] != "llama":
        raise LemError(f"{path}: architecture {meta['general.architecture']!r} is not read yet; known: llama")
    config = _llama_config(meta)
    tensors = {name: array for t in stored for name, array in [_llama_tensor(path, t, config)]}
    config["tie_word_embeddings"] = "lm_head.weight" not in tensors
    return GGUF(config, tensors, _tokenizer(path, meta), meta.get("general.license"))


def _llama_config(meta: dict[str, Any]) -> dict[str, Any]:
    heads = int(meta["llama.attention.head_count"])
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": int(meta["llama.embedding_length"]),
        "num_hidden_layers": int(meta["llama.block_count"]),
        "num_attention_heads": heads,
        "num_key_value_heads": int(meta.get("llama.attention.head_count_kv", heads)),
        "intermediate_size": int(meta["llama.feed_forward_length"]),
        "max_position_embeddings": int(meta["llama.context_length"]),
        "rms_norm_eps": float(meta["llama.attention.layer_norm_rms_epsilon"]),
        "rope_theta": float(meta.get("llama.rope.freq_base", 10000.0)),
        "vocab_size": len(meta["tokenizer.ggml.tokens"]),
        "bos_token_id": meta.get("tokenizer.ggml.bos_token_id"),
        "eos_token_id": meta.get("tokenizer.ggml.eos_token_id"),
        "torch_dtype": "float32",
    }


def _llama_tensor(path: Path, tensor: Any, config: dict[str, Any]) -> tuple[str, np.ndarray]:  # noqa: ANN401
    from gguf.quants import dequantize

    try:
        array = np.ascontiguousarray(dequantize(tensor.data, tensor.tensor_type), dtype=np.float32)
    except NotImplementedError as err:
        raise LemError(
            f"{path}: {tensor.name}: type {tensor.tensor_type.name} cannot be read: {err}"
        ) from err
    if tensor.name in OUTER_NAMES:
        return OUTER_NAMES[tensor.name], array
    found = re.fullmatch(r"blk\.(\d+)\.(\w+)\.weight", tensor.name)
    if not found or found[2] not in LLAMA_NAMES:
        raise LemError(f"{path}: tensor {tensor.name} is not read yet")
    layer, part = found.groups()
    if part in ("attn_q", "attn_k"):
        heads = config["num_attention_heads" if part == "attn_q" else "num_key_value_heads"]
        array = unpermute(array, heads)
    return f"model.layers.{layer}.{LLAMA_NAMES[part]}.weight", array


def unpermute(weight: np.ndarray, heads: int) -> np.ndarray:
    """Return q or k rows in Hugging Face's order; GGUF interleaves the two rotary halves of each head.

    weight: (heads * head_dim, hidden) in GGUF order; same shape returned.
    """
    rows, columns = weight.shape
    pairs = weight.reshape(heads, rows // heads // 2, 2, columns)
    return np.ascontiguousarray(pairs.swapaxes(1, 2)).reshape(rows, columns)


def _tokenizer(path: Path, meta: dict[str, Any]) -> dict[str, Any]:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    kind = (meta.get("tokenizer.ggml.model"), meta.get("tokenizer.ggml.pre"))
    if kind != ("gpt2", "smollm"):
        raise LemError(f"{path}: tokenizer {kind} is not read yet; known: ('gpt2', 'smollm')")
    tokens, types = meta["tokenizer.ggml.tokens"], meta["tokenizer.ggml.token_type"]
    merges = [tuple(merge.split(" ")) for merge in meta["tokenizer.ggml.merges"]]
    bpe = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    digits = pre_tokenizers.Digits(individual_digits=True)
    bpe.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    bpe.decoder = decoders.ByteLevel()
    special = [t for t, kind in zip(tokens, types, strict=True) if kind == CONTROL]
    bpe.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in special])
    named = {
        key: tokens[meta[f"tokenizer.ggml.{field}_token_id"]]
        for key, field in {
            "bos_token": "bos",
            "eos_token": "eos",
            "unk_token": "unknown",
            "pad_token": "padding",
        }.items()
        if f"tokenizer.ggml.{field}_token_id" in meta
    }
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False, **named}
    template = meta.get("tokenizer.chat_template")
    files = {"tokenizer.json": bpe.to_str(pretty=False), "tokenizer_config.json": settings}
    return files | ({"chat_template.jinja": template} if template else {})
