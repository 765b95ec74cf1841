"""What a task's generation_kwargs come to: how its answers are drawn, and where they end.

sampling({"until": ["Question:"], "max_gen_toks": 96}, batch_size=32)   # greedy, 96 tokens at most
"""

from __future__ import annotations

from typing import Any

from lem.errors import LemError
from lem.mlx_runtime import Sampling

MAX_TOKENS = 256
"""Tokens an answer may have where a task does not say: lm-eval's own number."""
KINDS: dict[str, tuple[str, Any]] = {
    "until": ("a text or a list of texts", (str, list)),
    "do_sample": ("true or false", bool),
    "temperature": ("0 (greedy) or more", (int, float)),
    "top_p": ("more than 0 and at most 1", (int, float)),
    "max_gen_toks": ("1 or more", int),
}
"""What is understood, and what it must be; anything else would be asked for in vain."""


def sampling(stated: dict[str, Any], batch_size: int) -> Sampling:
    """Return a task's generation_kwargs as the runtime's settings.

    A task that draws without a temperature draws at 1, as transformers does. Raises
    LemError for a key or a value that is not understood.
    """
    for key, value in stated.items():
        if key not in KINDS:
            raise LemError(f"{key}: expected one of {', '.join(KINDS)}")
        if value is not None and not _fits(key, value):
            raise LemError(f"{key}: expected {KINDS[key][0]}, found {value!r}"[:200])
    known = {key: value for key, value in stated.items() if value is not None}
    until, asked = known.get("until", ()), float(known.get("temperature", 0))
    drawn = known.get("do_sample", asked > 0)
    return Sampling(
        max_tokens=known.get("max_gen_toks", MAX_TOKENS),
        temperature=(asked or 1.0) if drawn else 0.0,
        top_p=float(known.get("top_p", 1.0)),
        batch_size=batch_size,
        until=(until,) if isinstance(until, str) else tuple(text for text in until if text),
    )


def _fits(key: str, value: Any) -> bool:  # noqa: ANN401 (YAML is anything)
    if not isinstance(value, KINDS[key][1]) or (isinstance(value, bool) and key != "do_sample"):
        return False
    if key == "until":
        return all(isinstance(text, str) for text in value)
    low = {"temperature": value >= 0, "top_p": 0 < value <= 1, "max_gen_toks": value >= 1}
    return bool(low.get(key, True))
