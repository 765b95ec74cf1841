"""What is Llama's own in a GGUF file: its names, its config, the permuted q and k, a byte-level tokenizer.

config = gguf_llama.config({"llama.attention.head_count": 9, ...})
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lem.errors import LemError

NAMES = {
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
CONTROL = 3  # token type of special tokens, GGUF specification


def config(meta: dict[str, Any]) -> dict[str, Any]:
    """Return config.json's own part for a Llama; KeyError names metadata that is missing."""
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
    }


def tensor(part: str, array: np.ndarray, config: dict[str, Any]) -> np.ndarray:
    """Return a tensor as Hugging Face has it."""
    if part in ("attn_q", "attn_k"):
        return unpermute(array, config["num_attention_heads" if part == "attn_q" else "num_key_value_heads"])
    return array


def unpermute(weight: np.ndarray, heads: int) -> np.ndarray:
    """Return q or k rows in Hugging Face's order; GGUF interleaves the two rotary halves of each head.

    weight: (heads * head_dim, hidden) in GGUF order; same shape returned.
    """
    rows, columns = weight.shape
    pairs = weight.reshape(heads, rows // heads // 2, 2, columns)
    return np.ascontiguousarray(pairs.swapaxes(1, 2)).reshape(rows, columns)


def tokenizer(meta: dict[str, Any]) -> Any:  # noqa: ANN401 (tokenizers.Tokenizer)
    """Return SmolLM's tokenizer: digits one by one, then byte-level pairs merged in the stored order."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    kind = (meta.get("tokenizer.ggml.model"), meta.get("tokenizer.ggml.pre"))
    if kind != ("gpt2", "smollm"):
        raise LemError(f"tokenizer {kind} is not read yet; known: ('gpt2', 'smollm')")
    tokens, types = meta["tokenizer.ggml.tokens"], meta["tokenizer.ggml.token_type"]
    merges = [tuple(merge.split(" ")) for merge in meta["tokenizer.ggml.merges"]]
    bpe = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    digits = pre_tokenizers.Digits(individual_digits=True)
    bpe.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    bpe.decoder = decoders.ByteLevel()
    special = [t for t, kind in zip(tokens, types, strict=True) if kind == CONTROL]
    bpe.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in special])
    return bpe
