"""How likely a model finds given answers: one by one, in batches, behind what their prompts share."""

import json
import math
import random
import shutil
from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

import micro
from lem import mlx_runtime, mlx_weighing
from lem.mlx_runtime import PREFILL_STEP, SHORTEST_PREFIX
from lem.mlx_weighing import batches, loglikelihoods, seam, shared, weigh
from lem.prompts import Kernel, messages, render

KERNEL = Kernel(micro.KERNEL.strip(), micro.SIGNATURE.strip())


@pytest.fixture(scope="module")
def loaded(micro_folder):
    return mlx_runtime.load(micro_folder)


def tokens_of(loaded, question):
    """Return the token ids of a question as the micro model is sent it."""
    return mlx_runtime.encode(loaded.tokenizer, render(loaded.tokenizer, messages("naked", KERNEL, question)))


def alone(loaded, prompt, text):
    """Return the log-probability of a continuation by the shortest code there is: one sequence, float64."""
    mx = mlx_runtime.core()
    logits = np.array(loaded.model(mx.array([prompt + text]))[0], np.float64)
    steps = logits[len(prompt) - 1 : len(prompt) + len(text) - 1]
    top = steps.max(axis=1, keepdims=True)
    logprobs = steps - top - np.log(np.exp(steps - top).sum(axis=1, keepdims=True))
    return float(logprobs[np.arange(len(text)), text].sum())


GIVEN = (
    "Yes.",
    micro.SENTENCES[0],
    "12",
    "Was wäre wenn? 你好 🙂",
    "No",
    "No, not at all.",
    "\n\n",
    "x" * 300,
)


@pytest.fixture(scope="module", params=["chat", "plain"])
def asked_of(request, tmp_path_factory):
    """A model, and two of its rendered prompts: with a chat template and without."""
    folder = micro.build(tmp_path_factory.mktemp("m") / "m", template=request.param == "chat")
    found = mlx_runtime.load(folder)
    turns = [messages(mode, KERNEL, micro.QUESTIONS[1]) for mode in ("naked", "sandwich")]
    return found, [render(found.tokenizer, turn) for turn in turns]


def test_the_log_probability_of_a_given_answer(asked_of):
    loaded, texts = asked_of
    for text in texts:
        asked = [mlx_weighing.continuation(loaded.tokenizer, text, one) for one in GIVEN]
        found = loglikelihoods(loaded, asked)
        assert found == pytest.approx([alone(loaded, *one) for one in asked], abs=2e-3, rel=1e-5)
        assert all(one < 0 for one in found)
        assert len(set(found)) == len(GIVEN)


def test_padding_changes_nothing(asked_of):
    loaded, texts = asked_of
    asked = [mlx_weighing.continuation(loaded.tokenizer, text, one) for text in texts for one in GIVEN]
    whole = loglikelihoods(loaded, asked)
    apart = [loglikelihoods(loaded, [one])[0] for one in asked]
    assert whole == pytest.approx(apart, abs=2e-3, rel=1e-5)
    assert loglikelihoods(loaded, asked) == whole
    backwards = loglikelihoods(loaded, asked[::-1])
    assert backwards[::-1] == pytest.approx(whole, abs=2e-3, rel=1e-5)


def test_the_probabilities_of_all_next_tokens_sum_to_one(loaded):
    prompt = tokens_of(loaded, "Why?")
    found = loglikelihoods(loaded, [(prompt, [token]) for token in range(micro.VOCABULARY)])
    assert np.exp(np.array(found)).sum() == pytest.approx(1, abs=1e-4)
    assert int(np.argmax(found)) == int(
        mlx_runtime.core().argmax(loaded.model(mlx_runtime.core().array([prompt]))[0, -1])
    )


def test_a_longer_answer_is_as_likely_as_its_parts_in_turn(loaded):
    prompt = tokens_of(loaded, "Why?")
    text = loaded.tokenizer.encode("If you are sure, say why.", add_special_tokens=False)
    parts = [(prompt + text[:n], text[n : n + 1]) for n in range(len(text))]
    whole = loglikelihoods(loaded, [(prompt, text)])[0]
    assert sum(loglikelihoods(loaded, parts)) == pytest.approx(whole, abs=2e-3)


@pytest.fixture(scope="module")
def overflowing(micro_folder, tmp_path_factory):
    """A micro model with a weight that is no number."""
    folder = tmp_path_factory.mktemp("overflow") / "m"
    shutil.copytree(micro_folder, folder)
    tensors = load_file(folder / "model.safetensors")
    tensors["lm_head.weight"][7] = np.nan
    save_file(tensors, folder / "model.safetensors", {"format": "mlx"})
    return mlx_runtime.load(folder)


def test_weights_that_overflow_weigh_nothing(overflowing):
    """A log-probability that is no number is none: never a value, never a NaN in a file."""
    assert loglikelihoods(overflowing, [([1, 2], [3]), ([1, 2], [7])]) == [None, None]


@pytest.mark.parametrize("one", [([], [3]), ([3], [])])
def test_a_continuation_goes_on_from_something(loaded, one):
    with pytest.raises(ValueError, match="at least one"):
        loglikelihoods(loaded, [([1], [2]), one])


def test_prompt_and_continuation_are_the_whole_as_it_is_read(asked_of):
    loaded, texts = asked_of
    for text in texts:
        before = mlx_runtime.encode(loaded.tokenizer, text)
        for one in GIVEN:
            prompt, more = mlx_weighing.continuation(loaded.tokenizer, text, one)
            assert prompt + more == mlx_runtime.encode(loaded.tokenizer, text + one)
            assert prompt == before[: len(prompt)] and more
            assert loaded.tokenizer.decode(more).endswith(one)


def test_a_token_that_reaches_across_the_seam_is_the_texts(loaded):
    tokenizer = loaded.tokenizer
    head, tail = "What is the ans", "wer is"
    before, whole = (mlx_runtime.encode(tokenizer, text) for text in (head, head + tail))
    prompt, text = mlx_weighing.continuation(tokenizer, head, tail)
    assert whole[: len(before)] != before, "else nothing reaches across"
    assert prompt == before[: len(prompt)] and len(prompt) < len(before)
    assert (tokenizer.decode(prompt), tokenizer.decode(text)) == ("What is the", " answer is")
    assert prompt + text == whole


# In batches: each prompt is read once, and its continuations go on from what was read.


@pytest.fixture(scope="module")
def windowed(micro_folder, tmp_path_factory):
    """A micro Gemma 3, one of whose two layers sees eight tokens back and no further."""
    folder = tmp_path_factory.mktemp("gemma3") / "m"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(micro.gemma3_config()))
    save_file(micro.gemma3_weights(), folder / "model.safetensors", {"format": "mlx"})
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(micro_folder / name, folder / name)
    return mlx_runtime.load(folder)


def drawn(dice, length):
    return [dice.randrange(3, micro.VOCABULARY) for _ in range(length)]


def pairs(dice, count, prompt=(1, 40), text=(1, 20)):
    return [(drawn(dice, dice.randint(*prompt)), drawn(dice, dice.randint(*text))) for _ in range(count)]


def behind(dice, count, text):
    """Return pairs whose prompts begin with the same forty tokens."""
    same = drawn(dice, SHORTEST_PREFIX + 8)
    return [(same + prompt, more) for prompt, more in pairs(dice, count, (1, 30), text)]


def chosen(dice):
    """Return four continuations each of eight prompts, in no order."""
    asked = [(prompt, drawn(dice, dice.randint(1, 12))) for prompt, _ in pairs(dice, 8) for _ in range(4)]
    dice.shuffle(asked)
    return asked


def stepwise(dice):
    """Return prompts about one and two steps of reading long, read together with one of a single token."""
    lengths = [1, *(step * PREFILL_STEP + n for step in (1, 2) for n in range(4))]
    return [(drawn(dice, length), drawn(dice, 3)) for length in lengths]


SORTS = {
    "mixed lengths": lambda dice: pairs(dice, 20),
    "prompts of one token": lambda dice: pairs(dice, 9, prompt=(1, 1)),
    "prompts of one and two tokens": lambda dice: pairs(dice, 12, prompt=(1, 2)),
    "continuations of one token": lambda dice: pairs(dice, 12, text=(1, 1)),
    "one token each": lambda dice: pairs(dice, 6, prompt=(1, 1), text=(1, 1)),
    "longer than the window": lambda dice: pairs(dice, 6, prompt=(9, 30), text=(9, 30)),
    "a common beginning": lambda dice: behind(dice, 14, (1, 12)),
    "a common beginning, one token": lambda dice: behind(dice, 14, (1, 1)),
    "four answers a prompt": chosen,
    "the same twice": lambda dice: pairs(dice, 3) * 2,
    "steps of reading": stepwise,
}


def weighed(loaded, asked, rows, prefix=None, tokens=10**6):
    """Return the weights of all continuations in their own order."""
    found = {}
    for batch in batches(asked, rows, tokens):
        found |= dict(weigh(loaded, asked, batch, prefix, rows=3))
    return [found[place] for place in range(len(asked))]


NATS = {"loaded": 5e-4, "windowed": 1e-4}
"""What f32 leaves between two ways to the same sum: the output matrix of the Llama is ten times as large."""


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("model", NATS)
def test_in_batches_as_one_by_one(request, model, sort):
    loaded = request.getfixturevalue(model)
    asked = SORTS[sort](random.Random(sort))
    alone = [loglikelihoods(loaded, [one])[0] for one in asked]
    prefix = shared(loaded, asked)
    assert (prefix is not None) == sort.startswith("a common beginning")
    for rows in (1, 4, 32):
        for begun in [None, prefix] if prefix else [None]:
            found = [weight.nats for weight in weighed(loaded, asked, rows, begun)]
            assert found == pytest.approx(alone, abs=NATS[model], rel=1e-6), f"{rows} rows, {begun=}"


def test_what_is_weighed_does_not_change_what_is_shared(loaded):
    asked = behind(random.Random(1), 6, (1, 5))
    prefix = shared(loaded, asked)
    assert prefix[0] >= SHORTEST_PREFIX
    first = weighed(loaded, asked, 2, prefix)
    assert weighed(loaded, asked, 2, prefix) == first, "a batch has written into the cache of the prefix"


def test_the_same_batch_weighs_the_same_to_the_bit(loaded):
    asked = pairs(random.Random(2), 12)
    once, batch = weighed(loaded, asked, 5), batches(asked, 5, 10**6)[1]
    again = dict(weigh(loaded, asked, batch, rows=3))
    assert again == {place: once[place] for place in again}
    assert sorted(again) == sorted(place for group in batch for place in group)


def test_what_is_known_is_left_out_and_the_rest_is_the_same_to_the_bit(loaded):
    asked = pairs(random.Random(3), 12)
    (batch,) = batches(asked, 12)
    whole = list(weigh(loaded, asked, batch, rows=3))
    for kept in range(13):
        known = dict(whole[:kept])
        rest = list(weigh(loaded, asked, batch, rows=3, known=known))
        assert rest == whole[kept - kept % 3 :], "passes are weighed whole, in their order"


@pytest.mark.parametrize("model", ["loaded", "windowed"])
def test_greedy_is_what_the_model_says_itself_and_nothing_else(request, model):
    loaded = request.getfixturevalue(model)
    dice, most = random.Random(3), 10
    prompts = [drawn(dice, dice.randint(1, 30)) for _ in range(8)]
    said = []
    for prompt in prompts:
        text = list(prompt)
        for _ in range(dice.randint(1, most)):
            logits = loaded.model(mlx_runtime.core().array([text]))[0, -1]
            text.append(int(np.array(logits).argmax()))
        said.append(text[len(prompt) :])
    own = list(zip(prompts, said, strict=True))
    other = [(prompt, [*text[:-1], (text[-1] + 1) % micro.VOCABULARY]) for prompt, text in own]
    first = [(prompt, [(text[0] + 1) % micro.VOCABULARY, *text[1:]]) for prompt, text in own]
    found = weighed(loaded, [*own, *other, *first], 5)
    assert [weight.is_greedy for weight in found] == [True] * 8 + [False] * 16
    assert all(a.nats > b.nats for a, b in zip(found[:8], found[8:16], strict=True))


def test_in_batches_too_weights_that_overflow_weigh_nothing(overflowing):
    found = weighed(overflowing, [([1, 2], [3]), ([1, 2], [7]), ([5], [7])], 2)
    assert [weight.nats for weight in found] == [None] * 3


short = st.lists(st.integers(0, 2), min_size=1, max_size=3)
asked_lists = st.lists(st.tuples(short, st.lists(st.integers(0, 9), min_size=1, max_size=9)), max_size=40)


@given(asked_lists, st.integers(1, 9), st.integers(1, 60))
@example([([1], [1] * 9)] * 5, 4, 10)
def test_batches(asked, rows, tokens):
    found = batches(asked, rows, tokens)
    groups = [group for batch in found for group in batch]
    assert Counter(place for group in groups for place in group) == Counter(range(len(asked)))
    for batch in found:
        places = [place for group in batch for place in group]
        assert len(places) <= rows
        width = max(len(asked[place][0]) for place in places)
        assert len(batch) * width <= tokens or len(batch) == 1, "more than one prompt, and too many tokens"
    assert all(len({tuple(asked[place][0]) for place in group}) == 1 for group in groups)
    lengths = [len(asked[group[0]][0]) for group in groups]
    assert lengths == sorted(lengths, reverse=True), "what is read together is not of like length"
    assert batches(list(asked), rows, tokens) == found


def test_one_prompts_continuations_are_in_one_batch_where_it_holds_them():
    asked = [([n], [1]) for n in (1, 2, 3) for _ in range(4)]
    assert batches(asked, 8, 10**6) == [[[0, 1, 2, 3], [4, 5, 6, 7]], [[8, 9, 10, 11]]]
    assert batches(asked, 6, 10**6) == [[[0, 1, 2, 3]], [[4, 5, 6, 7]], [[8, 9, 10, 11]]]
    assert batches(asked[:4], 3, 10**6) == [[[0, 1, 2]], [[3]]]
    assert batches([], 3, 10) == []


@pytest.mark.parametrize("one", [([], [3]), ([3], [])])
def test_nothing_is_batched_that_is_no_continuation(one):
    with pytest.raises(ValueError, match="at least one"):
        batches([([1], [2]), one], 4, 100)


def test_as_many_tokens_at_once_as_half_a_gigabyte_of_logits(loaded):
    assert mlx_weighing.most_tokens(loaded) * micro.VOCABULARY <= 2**27
    assert (mlx_weighing.most_tokens(loaded) + 1) * micro.VOCABULARY > 2**27


@pytest.mark.parametrize("vocabulary", [1, 255, 256, 257, 49_152])
def test_the_sum_of_exponentials_of_a_large_vocabulary(vocabulary):
    """Summed number by number in f32 it is 1e-4 nats too little, more than two engines may differ by."""
    mx = mlx_runtime.core()
    logits = np.random.default_rng(4).normal(10, 3, (5, vocabulary)).astype(np.float32)
    logits[1:3] = [[-50.0], [12.5]]  # all alike, where an error of one sign adds up
    exact = logits.astype(np.float64)
    top = exact.max(axis=1)
    exact = top + np.log(np.exp(exact - top[:, None]).sum(axis=1))
    assert np.array(mlx_weighing._logsumexp(mx, mx.array(logits))) == pytest.approx(exact, abs=1e-5)


def test_the_sum_of_exponentials_of_what_is_no_number_is_none():
    mx = mlx_runtime.core()
    found = mlx_weighing._logsumexp(mx, mx.array([[0.0, math.nan], [0.0, -math.inf], [0.0, math.inf]]))
    assert math.isnan(found[0]) and float(found[1]) == 0 and math.isinf(found[2])


LETTERS = {"ab": 1, "a": 2, "b": 3, "c": 4}


def spelt(text):
    """Read a text by the longest pieces of LETTERS, the way a tokenizer takes two letters for one token."""
    ids, at = [], 0
    while at < len(text):
        piece = next(piece for piece in LETTERS if text.startswith(piece, at))
        ids.append(LETTERS[piece])
        at += len(piece)
    return ids


@pytest.mark.parametrize(
    ("prompt", "text", "expected"),
    [
        ("c", "a", ([4], [2])),
        ("ca", "c", ([4, 2], [4])),
        ("ca", "b", ([4], [1])),  # one token reaches across
        ("a", "bc", ([], [1, 4])),  # and nothing is left of the prompt
        ("", "ab", ([], [1])),
        ("ab", "", ([1], [])),
    ],
)
def test_the_seam_of_a_prompt_and_its_continuation(prompt, text, expected):
    assert seam(spelt, prompt, text) == expected
