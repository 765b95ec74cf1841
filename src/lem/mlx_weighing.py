"""The weighing side of the door to MLX: how likely a model finds answers that are given to it.

given = [continuation(loaded.tokenizer, prompt, text) for text in choices]
loglikelihoods(loaded, given)      # nats, one an answer
for batch in batches(given, 128):
    print(*weigh(loaded, given, batch))      # the same for many prompts, each read once
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from lem.mlx_runtime import PREFILL_STEP, Loaded, core, encode, prefilled, shared_prefix

LOGITS = 2**27  # numbers held at once, half a gigabyte in f32
READ = 2**13  # tokens of prompts, padding included, whose caches are held at once
VOCABULARY = 2**18  # tokens, of a model that does not say
Given = tuple[Sequence[int], Sequence[int]]
"""Token ids of a prompt and of what goes on from it, at least one each."""
Batch = list[list[int]]
"""Places of continuations that are weighed together, one list for each prompt."""


@dataclass(frozen=True)
class Weight:
    """What a model says of a continuation: nats, None where they are no number; -inf is what cannot be."""

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
        steps = logits[row : row + 1, len(prompt) - 1 : len(prompt) + len(text) - 1]
        nats = _weights(mx, steps, [text])[0].nats
        found.append(round(nats, 4) if nats is not None and math.isfinite(nats) else None)
    mx.clear_cache()
    return found


def _not_empty(given: Sequence[Given]) -> None:
    if not all(prompt and text for prompt, text in given):
        raise ValueError("a continuation of at least one token goes on from a prompt of at least one")


def _padded(rows: Sequence[Sequence[int]], width: int = 0) -> list[list[int]]:
    width = max(width, *map(len, rows))
    return [[*row, *[0] * (width - len(row))] for row in rows]


def _weights(mx: Any, logits: Any, texts: Sequence[Sequence[int]]) -> list[Weight]:  # noqa: ANN401
    """Return what logits [rows, tokens, vocabulary] say of the tokens of texts, padded on the right."""
    nats, greedy = [], []
    for row, text in enumerate(texts):
        steps, wanted = logits[row, : len(text)].astype(mx.float32), mx.array(text)
        chosen = mx.take_along_axis(steps, wanted[:, None], axis=1)[:, 0]
        nats.append((chosen - _logsumexp(mx, steps)).sum())
        greedy.append((mx.argmax(steps, axis=1) == wanted).all())
    mx.eval(nats, greedy)
    found = [float(one) for one in nats]
    return [
        Weight(None if math.isnan(one) or one == math.inf else one, bool(is_greedy))
        for one, is_greedy in zip(found, greedy, strict=True)
    ]


BLOCK = 256


def _logsumexp(mx: Any, steps: Any) -> Any:  # noqa: ANN401
    """Return the log of the sum of exponentials of each row, summed block by block.

    On a CPU MLX adds a row up number by number in f32: over 49,152 tokens that is 1.3e-4 nats too little.
    """
    short = -steps.shape[1] % BLOCK
    whole = mx.pad(steps, [(0, 0), (0, short)], constant_values=-math.inf) if short else steps
    within = mx.logsumexp(whole.reshape(whole.shape[0], -1, BLOCK), axis=2)
    return mx.logsumexp(within, axis=1)


def most_tokens(loaded: Loaded) -> int:
    """Return of how many tokens a model's logits may be held at once."""
    vocabulary = getattr(getattr(loaded.model, "args", None), "vocab_size", None)
    return max(1, LOGITS // int(vocabulary or VOCABULARY))


def batches(given: Sequence[Given], rows: int, tokens: int = READ) -> list[Batch]:
    """Return the places of `given` in batches: at most so many continuations, prompts of so many tokens.

    Prompts of one length stand together, the longest first, and continuations of
    one prompt are in one batch where it holds them. The same list gives the same
    batches, so that a killed run weighs what is missing as it would have been.
    """
    _not_empty(given)
    found: list[Batch] = []
    held = 0  # continuations in the last batch
    for group in _groups(given, rows):
        longest = len(given[found[-1][0][0]][0]) if found else 0
        if not found or held + len(group) > rows or (len(found[-1]) + 1) * longest > tokens:
            found.append([])
            held = 0
        found[-1].append(group)
        held += len(group)
    return found


def _groups(given: Sequence[Given], rows: int) -> list[list[int]]:
    """Return the places of each prompt's continuations, at most `rows` together, longest prompts first."""
    of: dict[tuple[int, ...], list[int]] = {}
    for place, (prompt, _) in enumerate(given):
        of.setdefault(tuple(prompt), []).append(place)
    longest = sorted(of, key=lambda prompt: (-len(prompt), prompt))
    return [of[prompt][i : i + rows] for prompt in longest for i in range(0, len(of[prompt]), rows)]


def weigh(
    loaded: Loaded,
    given: Sequence[Given],
    batch: Batch,
    prefix: Any = None,  # noqa: ANN401
    rows: int = 32,
    known: Container[int] = (),
) -> Iterator[tuple[int, Weight]]:
    """Yield (place, weight) of a batch's continuations.

    Each prompt is read once, less its last token, and its continuations go on from
    a copy of what was read, `rows` of about one length at a time; only their logits
    are computed. `prefix` is what `shared` returned of the whole list. Continuations
    that went through the model together are left out together, where all are `known`.
    """
    owner = {place: row for row, group in enumerate(batch) for place in group}
    passes = list(_passes(given, list(owner), rows, most_tokens(loaded)))
    missing = [places for places in passes if not all(place in known for place in places)]
    if not missing:
        return
    mx = core()
    length, cache = prefix or (0, None)
    read = _read(mx, loaded.model, [given[group[0]][0][length:-1] for group in batch], cache)
    for places in missing:
        layers = [copy.copy(layer) for layer in read]
        for layer in layers:
            layer.filter(mx.array([owner[place] for place in places]))  # a row a continuation
        tokens = _padded([[given[place][0][-1], *given[place][1][:-1]] for place in places])
        logits = loaded.model(mx.array(tokens), cache=layers)
        yield from zip(places, _weights(mx, logits, [given[place][1] for place in places]), strict=True)
        mx.clear_cache()


def _passes(given: Sequence[Given], places: list[int], rows: int, tokens: int) -> Iterator[list[int]]:
    """Yield the places of continuations that go through the model together, the shortest first."""
    together: list[int] = []
    for place in sorted(places, key=lambda place: (len(given[place][1]), place)):
        if together and (len(together) == rows or (len(together) + 1) * len(given[place][1]) > tokens):
            yield together
            together = []
        together.append(place)
    yield together


def shared(loaded: Loaded, given: Sequence[Given]) -> tuple[int, Any] | None:
    """Return (tokens, cache) of what all prompts begin with, read once; None where it is too short to pay."""
    length = shared_length(given)
    return (length, prefilled(loaded.model, list(given[0][0][:length]))) if length else None


def shared_length(given: Sequence[Given]) -> int:
    """Return how many leading tokens all prompts share, less its last; 0 where that is too short."""
    return shared_prefix([list(prompt[:-1]) for prompt, _ in given])


def _read(mx: Any, model: Any, prompts: list[Sequence[int]], cache: Any) -> list[Any]:  # noqa: ANN401
    """Return the cache, a layer each, of prompts read together behind a cache that they share."""
    from mlx_lm.models.cache import make_prompt_cache

    start = cache or make_prompt_cache(model)
    together = [layer.merge([layer] * len(prompts)) for layer in start]
    width = max(map(len, prompts))
    if not width:
        return together
    width += width % PREFILL_STEP == 1  # a cache with a window takes a lone token for one of an answer
    lengths = [len(prompt) for prompt in prompts]
    for layer in together:
        layer.prepare(lengths=lengths, right_padding=[width - length for length in lengths])
    tokens = mx.array(_padded(prompts, width))
    for at in range(0, width, PREFILL_STEP):
        model(tokens[:, at : at + PREFILL_STEP], cache=together)
        mx.eval([layer.state for layer in together])
    for layer in together:
        layer.finalize()
    return together
