"""The weighing side of the door to MLX: how likely a model finds answers that are given to it.

given = [continuation(loaded.tokenizer, prompt, text) for text in choices]
loglikelihoods(loaded, given)      # nats, one an answer
for batch in batches(given, 32, most_tokens(loaded)):
    print(weigh(loaded, given, batch))      # the same for many prompts, each read once
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from lem.mlx_runtime import PREFILL_STEP, Loaded, core, encode, prefilled, shared_prefix

LOGITS = 2**27  # numbers held at once, half a gigabyte in f32
VOCABULARY = 2**18  # tokens, of a model that does not say
Given = tuple[Sequence[int], Sequence[int]]
"""Token ids of a prompt and of what goes on from it, at least one each."""
Batch = list[list[int]]
"""Places of continuations that are weighed together, one list for each prompt."""


@dataclass(frozen=True)
class Weight:
    """What a model says of a continuation: nats, None where they are not finite."""

    nats: float | None
    is_greedy: bool  # whether the model would have gone on so itself, the likeliest token each time


def continuation(tokenizer: Any, prompt: str, text: str) -> tuple[list[int], list[int]]:  # noqa: ANN401
    """Return the token ids of a rendered prompt and of the text that goes on from it."""
    return seam(partial(encode, tokenizer), prompt, text)


def seam(encoded: Callable[[str], list[int]], prompt: str, text: str) -> tuple[list[int], list[int]]:
    """Return the token ids of a prompt and of the text that goes on from it.

    Both are read off the whole, since a token may reach across the seam: it is the text's then.
    """
    before, whole = encoded(prompt), encoded(prompt + text)
    at = next((i for i, (a, b) in enumerate(zip(before, whole, strict=False)) if a != b), len(before))
    return whole[:at], whole[at:]


def loglikelihoods(loaded: Loaded, given: Sequence[Given]) -> list[float | None]:
    """Return the log-probability, in nats, of each continuation: the sum over its tokens, one batch for all.

    given: (token ids of the prompt, token ids of the continuation), padded on the
    right, where causal attention never looks. Rounded to 1e-4, a float32's worth;
    None where it is no finite number, as of weights that overflow.
    """
    _not_empty(given)
    mx = core()
    rows = [[*prompt, *text] for prompt, text in given]
    logits = loaded.model(mx.array(_padded(rows)))
    found: list[float | None] = []
    for row, (prompt, text) in enumerate(given):
        steps = logits[row, len(prompt) - 1 : len(prompt) + len(text) - 1]
        nats = _weight(mx, steps, text).nats
        found.append(None if nats is None else round(nats, 4))
    mx.clear_cache()
    return found


def _not_empty(given: Sequence[Given]) -> None:
    if not all(prompt and text for prompt, text in given):
        raise ValueError("a continuation of at least one token goes on from a prompt of at least one")


def _padded(rows: Sequence[Sequence[int]]) -> list[list[int]]:
    width = max(map(len, rows))
    return [[*row, *[0] * (width - len(row))] for row in rows]


def _weight(mx: Any, steps: Any, text: Sequence[int]) -> Weight:  # noqa: ANN401
    """Return what logits [tokens, vocabulary] say of a text's tokens."""
    steps, wanted = steps.astype(mx.float32), mx.array(text)
    chosen = mx.take_along_axis(steps, wanted[:, None], axis=1)[:, 0]
    total = (chosen - _logsumexp(mx, steps)).sum()
    greedy = (mx.argmax(steps, axis=1) == wanted).all()
    nats = float(total)
    return Weight(nats if math.isfinite(nats) else None, bool(greedy))


BLOCK = 256


def _logsumexp(mx: Any, steps: Any) -> Any:  # noqa: ANN401
    """Return the log of the sum of exponentials of each row, summed block by block.

    On a CPU MLX adds a row up number by number in f32: over 49,152 tokens that is 1.3e-4 nats too little.
    """
    blocks = mx.pad(steps, [(0, 0), (0, -steps.shape[1] % BLOCK)], constant_values=-math.inf)
    within = mx.logsumexp(blocks.reshape(steps.shape[0], -1, BLOCK), axis=2)
    return mx.logsumexp(within, axis=1)


def most_tokens(loaded: Loaded) -> int:
    """Return of how many tokens a model's logits may be held at once."""
    vocabulary = getattr(getattr(loaded.model, "args", None), "vocab_size", None)
    return max(1, LOGITS // int(vocabulary or VOCABULARY))


def batches(given: Sequence[Given], rows: int, tokens: int) -> list[Batch]:
    """Return the places of `given` in batches of at most so many continuations and tokens of them.

    Prompts of one length stand together, the longest first, and continuations of
    one prompt are in one batch where it holds them. The same list gives the same
    batches, so that a killed run weighs what is missing as it would have been.
    """
    _not_empty(given)
    found: list[Batch] = []
    held = width = 0  # continuations in the last batch, and tokens of its longest
    for group in _groups(given, rows):
        widest = max(len(given[place][1]) for place in group)
        if not found or held + len(group) > rows or (held + len(group)) * max(width, widest) > tokens:
            found.append([])
            held = width = 0
        found[-1].append(group)
        held, width = held + len(group), max(width, widest)
    return found


def _groups(given: Sequence[Given], rows: int) -> list[list[int]]:
    """Return the places of each prompt's continuations, at most `rows` together, longest prompts first."""
    of: dict[tuple[int, ...], list[int]] = {}
    for place, (prompt, _) in enumerate(given):
        of.setdefault(tuple(prompt), []).append(place)
    longest = sorted(of, key=lambda prompt: (-len(prompt), prompt))
    return [of[prompt][i : i + rows] for prompt in longest for i in range(0, len(of[prompt]), rows)]


def weigh(loaded: Loaded, given: Sequence[Given], batch: Batch, prefix: Any = None) -> list[Weight]:  # noqa: ANN401
    """Return the weights of a batch's continuations, in the order of its places.

    Each prompt is read once, less its last token, and its continuations go on from
    a copy of what was read; only their logits are computed. `prefix` is what
    `shared` returned of the whole list.
    """
    mx = core()
    length, cache = prefix or (0, None)
    prompts = [given[group[0]][0] for group in batch]
    read = _read(mx, loaded.model, [prompt[length:-1] for prompt in prompts], cache)
    each = [kept for kept, group in zip(read, batch, strict=True) for _ in group]
    places = [place for group in batch for place in group]
    rows = [[given[place][0][-1], *given[place][1][:-1]] for place in places]
    logits = loaded.model(mx.array(_padded(rows)), cache=_merged(each))
    found = [
        _weight(mx, logits[row, : len(given[place][1])], given[place][1]) for row, place in enumerate(places)
    ]
    mx.clear_cache()
    return found


def shared(loaded: Loaded, given: Sequence[Given]) -> tuple[int, Any] | None:
    """Return (tokens, cache) of what all prompts begin with, read once; None where it is too short to pay."""
    prompts = [list(prompt[:-1]) for prompt, _ in given]
    length = shared_prefix(prompts)
    return (length, prefilled(loaded.model, prompts[0][:length])) if length else None


def _read(mx: Any, model: Any, prompts: list[Sequence[int]], cache: Any) -> list[Any]:  # noqa: ANN401
    """Return the caches of prompts read together behind a cache they share, one list of layers a prompt."""
    from mlx_lm.models.cache import make_prompt_cache

    start = cache or make_prompt_cache(model)
    width = max(map(len, prompts))
    if not width:
        return [start] * len(prompts)
    together = _merged([start] * len(prompts))
    lengths = [len(prompt) for prompt in prompts]
    for layer in together:
        layer.prepare(lengths=lengths, right_padding=[width - length for length in lengths])
    tokens = mx.array(_padded(prompts))
    for at in range(0, width, PREFILL_STEP):
        model(tokens[:, at : at + PREFILL_STEP], cache=together)
        mx.eval([layer.state for layer in together])
    for layer in together:
        layer.finalize()
    return [[layer.extract(row) for layer in together] for row in range(len(prompts))]


def _merged(caches: Sequence[Sequence[Any]]) -> list[Any]:
    """Return one batch's cache of each layer from the caches of its rows, which stay as they are."""
    return [layers[0].merge(layers) for layers in zip(*caches, strict=True)]
