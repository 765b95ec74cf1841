"""GGUF files read in numpy: tensors, config and tokenizer in the shapes Hugging Face and MLX expect.

Dequantising is elementwise numpy in a fixed order, so the same file gives the
same bytes on any machine. What differs from one architecture to the next lies
in a module of its own: its names, its config, its tensors, its tokenizer.

    model = gguf_files.read(Path("model.gguf"))     # .config, .tensors, .tokenizer, .licence
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lem import gguf_gemma3, gguf_llama
from lem.errors import LemError
from lem.time_limit import within

ARCHITECTURES = {"gemma3": gguf_gemma3, "llama": gguf_llama}
"""Each has NAMES, config(meta), tensor(part, array, config) and tokenizer(meta)."""
OUTER_NAMES = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
SECONDS = 120.0  # for the metadata, which take some; a list may promise more than any file has
NAMED_TOKENS = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}


@dataclass(frozen=True)
class GGUF:
    """A model as plain values: HF config, {HF name: float32 array}, tokenizer files, stated licence."""

    config: dict[str, Any]
    tensors: dict[str, np.ndarray]
    tokenizer: dict[str, Any]  # {file name: text or JSON value}
    licence: str | None


def read(path: Path) -> GGUF:
    """Return the model of a GGUF file.

    Raises LemError when it is no GGUF file, or of an architecture, a
    tokenizer or a tensor type that nothing here reads.
    """
    from gguf import GGUFReader

    try:
        with within(SECONDS):
            reader = GGUFReader(path)
    except (ValueError, OSError, LookupError, OverflowError, MemoryError, RecursionError) as err:
        raise LemError(f"{path}: not a readable GGUF file: {err or type(err).__name__}"[:300]) from err
    try:
        return _model({key: field.contents() for key, field in reader.fields.items()}, reader.tensors)
    except LemError as err:
        raise LemError(f"{path}: {err.message}") from err
    except KeyError as err:
        raise LemError(f"{path}: metadata {err} is missing") from err
    except (ValueError, IndexError, TypeError) as err:  # counts that do not fit, an id beyond the vocabulary
        raise LemError(f"{path}: its parts do not fit together: {err}") from err


def _model(meta: dict[str, Any], stored: list[Any]) -> GGUF:
    kind = meta["general.architecture"]
    if kind not in ARCHITECTURES:
        raise LemError(f"architecture {kind!r} is not read yet; known: {', '.join(ARCHITECTURES)}")
    architecture = ARCHITECTURES[kind]
    config = architecture.config(meta) | _shared_config(meta)
    tensors = {}
    for tensor in stored:
        part, name = _name(tensor.name, architecture.NAMES)
        tensors[name] = architecture.tensor(part, _dequantised(tensor), config)
    config["tie_word_embeddings"] = "lm_head.weight" not in tensors
    return GGUF(config, tensors, _tokenizer(meta, architecture.tokenizer(meta)), meta.get("general.license"))


def _shared_config(meta: dict[str, Any]) -> dict[str, Any]:
    return {
        "vocab_size": len(meta["tokenizer.ggml.tokens"]),
        "bos_token_id": meta.get("tokenizer.ggml.bos_token_id"),
        "eos_token_id": meta.get("tokenizer.ggml.eos_token_id"),
        "torch_dtype": "float32",
    }


def _name(stored: str, names: dict[str, str]) -> tuple[str, str]:
    """Return a tensor's part, as GGUF calls it, and its whole Hugging Face name."""
    if stored in OUTER_NAMES:
        return stored.removesuffix(".weight"), OUTER_NAMES[stored]
    found = re.fullmatch(r"blk\.(\d+)\.(\w+)\.weight", stored)
    if not found or found[2] not in names:
        raise LemError(f"tensor {stored} is not read yet")
    return found[2], f"model.layers.{found[1]}.{names[found[2]]}.weight"


def _dequantised(tensor: Any) -> np.ndarray:  # noqa: ANN401
    from gguf.quants import dequantize

    try:
        return np.ascontiguousarray(dequantize(tensor.data, tensor.tensor_type), dtype=np.float32)
    except NotImplementedError as err:
        raise LemError(f"{tensor.name}: type {tensor.tensor_type.name} cannot be read: {err}") from err


def _tokenizer(meta: dict[str, Any], built: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return the tokenizer's files: itself, the tokens with a name, the chat template where there is one."""
    ids = {key: meta.get(f"tokenizer.ggml.{field}_token_id") for key, field in NAMED_TOKENS.items()}
    tokens = meta["tokenizer.ggml.tokens"]
    named = {key: tokens[i] for key, i in ids.items() if i is not None}
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False, **named}
    template = meta.get("tokenizer.chat_template")
    files = {"tokenizer.json": built.to_str(pretty=False), "tokenizer_config.json": settings}
    return files | ({"chat_template.jinja": template} if template else {})
