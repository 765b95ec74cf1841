"""Where two texts part: the first differing token, or character where no tokenizer is to be had.

parting("The cat sat.", "The cat ran.", tokens)      # 'token 2: "sat." here, "ran." there'
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lem import layout, params
from lem.errors import LemError
from lem.screen import visible

Encode = Callable[[str], Sequence[int]]
BEFORE, AFTER = 20, 40  # characters of an excerpt on either side of where texts part


def parting(here: str, there: str, encode: Encode | None, names: tuple[str, str] = ("here", "there")) -> str:
    """Return where two different texts part, counted from 0, with an excerpt of both; `names` tells them."""
    at = first_difference(here, there)
    where = f"character {at}"
    if encode:
        where = f"token {first_difference(encode(here), encode(there))}"
    return f"{where}: {_excerpt(here, at)} {names[0]}, {_excerpt(there, at)} {names[1]}"


def first_difference(one: Sequence[object], other: Sequence[object]) -> int:
    """Return the first place at which two sequences differ; the shorter one's length where it goes on."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _excerpt(text: str, at: int) -> str:
    start, end = max(0, at - BEFORE), at + AFTER
    shown = visible(json.dumps(text[start:end], ensure_ascii=False))
    return f"{'...' if start else ''}{shown}{'...' if end < len(text) else ''}"


def encoder(model: str) -> Encode | None:
    """Return what turns text into a model's tokens; None where its folder or its entry is not here."""
    try:
        study = params.load()
        spec = study.model(model)
    except LemError:
        return None
    return _encoder(layout.model(study.root(spec).name))


def _encoder(folder: Path) -> Encode | None:
    if not (folder / "config.json").is_file():
        return None
    from lem import mlx_runtime

    return tokens_by(mlx_runtime.load_tokenizer(folder))


def tokens_by(tokenizer: Any) -> Encode:  # noqa: ANN401 (mlx_lm's TokenizerWrapper)
    """Return what turns text into a tokenizer's tokens, none of its own in front."""
    return lambda text: list(tokenizer.encode(text, add_special_tokens=False))
