"""What is Gemma 3's own in a GGUF file (text only): its names, its config, its norms, its tokenizer.

Three numbers are nowhere in the file: every sixth layer attends to everything, the
others rotate with base 10,000, and queries are scaled by the head's width, but in
the largest model by the hidden width of a head. They are those of the technical
report (arXiv:2503.19786) and of llama.cpp's own reader.

    config = gguf_gemma3.config({"gemma3.attention.head_count": 4, ...})
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
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
NORMAL, CONTROL, USER_DEFINED = 1, 3, 4  # token types, GGUF specification
SPACE = "\u2581"  # what SentencePiece writes for a space
LOCAL_BASE, PATTERN = 10000.0, 6
LARGEST = 62  # layers of the 27B model


def config(meta: dict[str, Any]) -> dict[str, Any]:
    """Return config.json's own part for a Gemma 3; KeyError names metadata that is missing."""
    hidden, heads = int(meta["gemma3.embedding_length"]), int(meta["gemma3.attention.head_count"])
    layers, head = int(meta["gemma3.block_count"]), int(meta["gemma3.attention.key_length"])
    return {
        "architectures": ["Gemma3ForCausalLM"],
        "model_type": "gemma3_text",
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": int(meta["gemma3.attention.head_count_kv"]),
        "head_dim": head,
        "intermediate_size": int(meta["gemma3.feed_forward_length"]),
        "max_position_embeddings": int(meta["gemma3.context_length"]),
        "rms_norm_eps": float(meta["gemma3.attention.layer_norm_rms_epsilon"]),
        "rope_theta": float(meta["gemma3.rope.freq_base"]),
        "rope_local_base_freq": float(meta.get("gemma3.rope.freq_base_swa", LOCAL_BASE)),
        "rope_scaling": _rope_scaling(meta),
        "query_pre_attn_scalar": hidden // heads if layers == LARGEST else head,
        "sliding_window": int(meta["gemma3.attention.sliding_window"]),
        "sliding_window_pattern": int(meta.get("gemma3.attention.sliding_window_pattern", PATTERN)),
    }


def _rope_scaling(meta: dict[str, Any]) -> dict[str, Any] | None:
    kind = meta.get("gemma3.rope.scaling.type", "none")
    if kind == "none":
        return None
    if kind != "linear":
        raise LemError(f"rope scaling {kind!r} is not read yet; known: linear")
    return {"rope_type": kind, "factor": float(meta["gemma3.rope.scaling.factor"])}


def tensor(part: str, array: np.ndarray, config: dict[str, Any]) -> np.ndarray:
    """Return a tensor as Hugging Face has it: GGUF stores 1 + weight of each norm."""
    return array - np.float32(1) if part.endswith("_norm") else array


def tokenizer(meta: dict[str, Any]) -> Any:  # noqa: ANN401 (tokenizers.Tokenizer)
    """Return SentencePiece's pair merging as a `tokenizers` BPE: spaces kept, unknown characters as bytes.

    Tokens that the file calls user-defined (runs of spaces, of line ends, tags) are found before
    anything is merged, as SentencePiece does.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers

    kind, prefix = meta.get("tokenizer.ggml.model"), meta.get("tokenizer.ggml.add_space_prefix", True)
    if kind != "llama" or prefix:
        raise LemError(
            f"tokenizer {kind!r} with add_space_prefix {prefix} is not read yet; known: 'llama' without"
        )
    tokens, types = meta["tokenizer.ggml.tokens"], meta["tokenizer.ggml.token_type"]
    merges = pair_merges(tokens, types, meta["tokenizer.ggml.scores"])
    unknown = tokens[meta["tokenizer.ggml.unknown_token_id"]]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    bpe = Tokenizer(models.BPE(vocabulary, merges, unk_token=unknown, fuse_unk=True, byte_fallback=True))
    bpe.normalizer = normalizers.Replace(" ", SPACE)
    bpe.decoder = decoders.Sequence([decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()])
    bpe.add_tokens(
        [
            AddedToken(token, normalized=False, special=kind == CONTROL)
            for token, kind in zip(tokens, types, strict=True)
            if kind in (CONTROL, USER_DEFINED)
        ]
    )
    if meta.get("tokenizer.ggml.add_bos_token", True):
        bpe.post_processor = _begins_with(tokens, meta["tokenizer.ggml.bos_token_id"])
    return bpe


def pair_merges(tokens: list[str], types: list[int], scores: list[float]) -> list[tuple[str, str]]:
    """Return every way to put a normal token together from two others, the best score first.

    SentencePiece keeps no list of merges: it joins whichever two neighbours make the token of the
    highest score (Kudo and Richardson 2018). Of one token's ways the one with the lower ids comes first.
    """
    ids = {token: i for i, token in enumerate(tokens) if types[i] == NORMAL}
    ways = [
        (-scores[whole], ids[token[:cut]], ids[token[cut:]])
        for token, whole in ids.items()
        for cut in range(1, len(token))
        if token[:cut] in ids and token[cut:] in ids
    ]
    return [(tokens[left], tokens[right]) for _, left, right in sorted(ways)]


def _begins_with(tokens: list[str], bos: int) -> Any:  # noqa: ANN401
    from tokenizers.processors import TemplateProcessing

    return TemplateProcessing(
        single=f"{tokens[bos]} $A",
        pair=f"{tokens[bos]} $A {tokens[bos]}:1 $B:1",
        special_tokens=[(tokens[bos], bos)],
    )
