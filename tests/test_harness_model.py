"""The model as lm-eval asks it: what it weighs and writes, what is too long, what is kept."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import micro
from lem import convert, mlx_runtime, mlx_weighing, sources
from lem.errors import LemError
from lem.harness.model import Answers, Model
from lem.journal import Journal


class Asked(SimpleNamespace):
    """A request as lm-eval makes it."""

    def __init__(self, *args):
        super().__init__(args=args, idx=0)


@pytest.fixture
def model(micro_folder, tmp_path):
    """`model(folder)` is a Model with a journal of its own."""
    held = []

    def made(folder=None, **config):
        folder = folder or micro_folder
        if config:
            copy = tmp_path / f"m{len(held)}"
            shutil.copytree(folder, copy)
            stated = json.loads((copy / "config.json").read_text())
            (copy / "config.json").write_text(json.dumps(stated | config))
            folder = copy
        held.append(Journal(tmp_path / f"j{len(held)}.jsonl"))
        return Model(mlx_runtime.load(folder), Answers(held[-1].__enter__(), "weights"), batch_size=4)

    yield made
    for one in held:
        one.__exit__(None, None, None)


def alone(lm, prompt, text):
    return mlx_weighing.loglikelihoods(lm.loaded, [(prompt, text)])[0]


def close(nats):
    return pytest.approx(nats, rel=1e-6, abs=1e-3)


def test_a_rolling_likelihood_is_the_sum_over_windows(model):
    """Windows that share no token to predict, each behind the last token of the one before."""
    text = " ".join(micro.SENTENCES)
    lm = model(max_position_embeddings=16)
    ids = lm.loaded.tokenizer.encode(text, add_special_tokens=False)
    assert len(ids) > 3 * 16 and len(ids) % 16
    windows = [([lm.start, *ids][at], ids[at : at + 16]) for at in range(0, len(ids), 16)]
    *whole, (_, rest) = windows
    expected = sum(alone(lm, [before], some) for before, some in whole)
    # the last window is as long as the others: it reads again what stands before the rest
    begin = len(ids) - len(rest)
    expected += alone(lm, ids[len(ids) - 16 - 1 : begin], rest)
    found = lm.loglikelihood_rolling([Asked(text), Asked("")])
    assert found[0] == close(expected)
    assert found[1] == 0, "no text is certain"
    short = model()
    assert short.loglikelihood_rolling([Asked(text)]) == [close(alone(short, [short.start], ids))]


def test_what_is_too_long_loses_its_beginning_and_it_is_counted(model):
    lm = model(max_position_embeddings=16)
    long = " ".join(micro.SENTENCES[:3])
    prompt, rest = mlx_weighing.seam(lm.encoded, long, " the sum")
    ((nats, _),) = lm.loglikelihood([Asked(long, " the sum")])
    assert nats == close(alone(lm, prompt[-(17 - len(rest)) :], rest))
    assert lm.cut == [len(prompt) + len(rest)]
    with pytest.raises(LemError, match=r"a task's text has \d+ tokens, the model reads at most 16"):
        lm.loglikelihood([Asked("a", long)])
    (text,) = lm.generate_until([Asked(long, {"until": [], "max_gen_toks": 4})])
    ids = lm.encoded(long)
    (done,) = mlx_runtime.generate(lm.loaded, [ids[-12:]], mlx_runtime.Sampling(max_tokens=4))
    assert text == done.text
    assert lm.cut[-1] == len(ids)


def test_blanks_at_the_end_of_a_context_belong_to_what_follows(model):
    lm = model()
    for blank in (" ", "\n", " \n "):
        asked = [Asked(f"Question: why{blank}", "the sum"), Asked("Question: why", f"{blank}the sum")]
        spaced, plain = lm.loglikelihood(asked)
        assert spaced == plain, "the same text, and the blanks weighed on one side alone"
    ((nats, _),) = lm.loglikelihood([Asked("", "the sum")])
    assert nats == close(alone(lm, [lm.start], lm.encoded("the sum")))
    with pytest.raises(LemError, match="how likely no token at all is"):
        lm.loglikelihood([Asked("Why?", "")])


def test_a_beginning_of_text_is_read_once_and_never_weighed(model, tmp_path):
    """Gemma's tokenizer begins a text with <bos>: what goes on from nothing goes on from one."""
    gguf = micro.gemma3_gguf(tmp_path / "gemma3.gguf")
    convert.convert(sources.resolve(str(gguf)), tmp_path / "gemma3")
    lm = model(tmp_path / "gemma3")
    plain = lm.loaded.tokenizer.encode("the sum", add_special_tokens=False)
    assert lm.encoded("the sum") == [lm.start, *plain], "else nothing is tried here"
    asked = [Asked("", "the sum"), Asked("The answer is", " the sum"), Asked("", "<bos>the sum")]
    none, some, marked = (nats for nats, _ in lm.loglikelihood(asked))
    assert none == marked == close(alone(lm, [lm.start], plain))
    prompt, text = mlx_weighing.seam(lm.encoded, "The answer is", " the sum")
    assert prompt.count(lm.start) == 1
    assert some == close(alone(lm, prompt, text))


def test_answers_are_kept_by_the_very_request(model):
    lm = model()
    asked = [Asked(f"Question: {text}", " the sum") for text in micro.QUESTIONS]
    first = lm.loglikelihood(asked)
    assert (lm.asked, lm.kept) == (12, 0)
    assert lm.loglikelihood(asked) == first
    assert (lm.asked, lm.kept) == (12, 12)
    settings = {"until": ["\n"], "max_gen_toks": 4}
    told = [Asked(f"Question: {text}", settings) for text in micro.QUESTIONS[:3]]
    texts = lm.generate_until(told)
    assert lm.generate_until(told) == texts
    assert (lm.asked, lm.kept) == (15, 15)
    longer = [Asked(one.args[0], {**settings, "max_gen_toks": 6}) for one in told]
    lm.generate_until(longer)
    assert (lm.asked, lm.kept) == (18, 15)


def test_settings_that_no_one_understands_are_refused(model):
    with pytest.raises(LemError, match="top_k: expected one of until, do_sample"):
        model().generate_until([Asked("Why?", {"until": [], "top_k": 3})])


def test_what_was_read_with_an_answer_is_part_of_its_key(model):
    """Sixteen contexts with a common beginning, then the same and sixteen others: nothing is taken over."""
    begun = f"{micro.SENTENCES[0]} {micro.SENTENCES[1]}"
    long = [Asked(f"{begun} {text}", " the sum") for text in micro.QUESTIONS]
    whole = [*long, *(Asked(text, " the sum") for text in micro.QUESTIONS)]
    lm = model()
    lm.loglikelihood(long)
    assert lm.asked == len(long)
    assert lm.loglikelihood(whole) == model().loglikelihood(whole)


def test_a_model_without_numbers_scores_nothing(model, micro_folder, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(micro_folder, broken)
    tensors = load_file(broken / "model.safetensors")
    tensors["lm_head.weight"][:] = np.nan
    save_file(tensors, broken / "model.safetensors", {"format": "mlx"})
    with pytest.raises(LemError, match="the model: its log-probabilities are no numbers"):
        model(broken).loglikelihood([Asked("The answer is", " the sum")])
