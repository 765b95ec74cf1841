"""The weighing side of the door to MLX: how likely a model finds answers that are given to it.

given = [continuation(loaded.tokenizer, prompt, text) for text in choices]
loglikelihoods(loaded, given)      # nats, one an answer
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lem.mlx_runtime import Loaded, core, encode


def continuation(tokenizer: Any, prompt: str, text: str) -> tuple[list[int], list[int]]:  # noqa: ANN401
    """Return the token ids of a rendered prompt and of the text that goes on from it.

    Both are read off the whole, since a token may reach across the seam: it is the text's then.
    """
    before, whole = encode(tokenizer, prompt), encode(tokenizer, prompt + text)
    seam = next((i for i, (a, b) in enumerate(zip(before, whole, strict=False)) if a != b), len(before))
    return whole[:seam], whole[seam:]


def loglikelihoods(loaded: Loaded, given: Sequence[tuple[list[int], list[int]]]) -> list[float | None]:
    """Return the log-probability, in nats, of each continuation: the sum over its tokens, one batch for all.

    given: (token ids of the prompt, token ids of the continuation), padded on the
    right, where causal attention never looks. Rounded to 1e-4, a float32's worth;
    None where it is no finite number, as of weights that overflow.
    """
    if not all(prompt and text for prompt, text in given):
        raise ValueError("a continuation of at least one token goes on from a prompt of at least one")
    mx = core()
    rows = [prompt + text for prompt, text in given]
    width = max(map(len, rows))
    logits = loaded.model(mx.array([row + [0] * (width - len(row)) for row in rows]))
    found: list[float | None] = []
    for row, (prompt, text) in enumerate(given):
        steps = logits[row, len(prompt) - 1 : len(prompt) + len(text) - 1].astype(mx.float32)
        chosen = mx.take_along_axis(steps, mx.array(text)[:, None], axis=1)[:, 0]
        total = float((chosen - mx.logsumexp(steps, axis=1)).sum())
        found.append(round(total, 4) if math.isfinite(total) else None)
    mx.clear_cache()
    return found
