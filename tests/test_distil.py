"""`lem distil`: what is asked, which answers are kept and why not the others, what is held out."""

import contextlib
import dataclasses
import itertools
import json
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

import micro
from lem import distil, layout, mlx_runtime, params, training_data
from lem.cli import main
from lem.errors import LemError
from lem.prompts import Kernel
from lem.record_files import (
    read_json,
    read_jsonl,
    sha256,
    write_jsonl,
)
from lem.records import (
    Distilled,
    Loss,
    Response,
    Run,
)

DISTIL = ("distil", "--set", "lek")
ANSWERS = Path("data/baseline/micro/lek-sandwich.jsonl")
RUN = Path("data/logs/micro-lek-sandwich.json")
TRAIN, VALID = Path("data/training/lek/train.jsonl"), Path("data/training/lek/valid.jsonl")
ROWS = Path("data/distilled/lek/answers.jsonl")
KERNEL = Kernel(micro.KERNEL.strip(), micro.SIGNATURE.strip())
REFUSAL = "I'm sorry, but I can't help with that."
LOOP = "The road runs on to town. " * 4
QUOTE = "Yes: protect the one who is weaker and do NOT ask what it is worth."


@pytest.fixture
def ready(study, lem):
    """A study whose model is converted."""
    lem("convert", "--model", "micro")
    return study


def settings(**changed):
    tree = yaml.safe_load(Path("params.yaml").read_text())
    tree["distil"]["lek"] |= changed
    Path("params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))


def conversations(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def answer(seed, text, sample=0, prompt=None, reason="stop"):
    asked = prompt or f"What is {seed}?"
    return Response(
        seed,
        asked,
        text,
        1.0,
        len(text),
        "sandwich",
        "m",
        "lek",
        "0" * 64,
        "r",
        sample=sample,
        finish_reason=reason,
    )


def spec(train=1, valid=1, name="lek"):
    return params.DistilSpec(name, "micro", (), "sandwich", train=train, valid=valid)


def good(seeds=5, samples=3):
    """Return answers that are all good, each another."""
    return [answer(f"P{n}", f"Number {n} has answer {s}.", s) for n in range(seeds) for s in range(samples)]


def splits(rows):
    return {(row.seed_id, row.sample): row.split for row in rows}


def reasons(*answers):
    rows = distil.select(spec(), [*good(2, 1), *answers], KERNEL)[1]
    return [row.dropped for row in rows[2:]]


DROPPED = {
    "refusal": answer("A", REFUSAL),
    "loop": answer("A", LOOP),
    "quotes the kernel": answer("A", QUOTE),
    "no whole sentence": answer("A", "It is so that the", reason="length"),
}


@pytest.mark.parametrize("reason", DROPPED)
def test_an_answer_is_dropped_for_a_reason_that_is_kept(reason):
    assert reasons(DROPPED[reason]) == [reason]


def test_an_empty_answer_and_one_of_white_space_hold_no_sentence():
    assert reasons(answer("A", ""), answer("A", " \n", 1)) == ["no whole sentence"] * 2


def test_the_closing_line_of_the_kernel_is_a_quote_too():
    kernel = Kernel("Short.", "Answer by the seven axioms that stand above this line.")
    rows = distil.select(spec(), [*good(2, 1), answer("A", f"{kernel.signature} So I do.")], kernel)[1]
    assert rows[2].dropped == "quotes the kernel"


def test_seven_words_of_the_kernel_are_no_quote_and_without_one_nothing_is():
    seven, eight = "Ask before you act on what belongs here.", "Ask before you act on what belongs to me."
    assert distil.sift([answer("A", seven), answer("B", eight)], KERNEL)[1] == {("B", 0): "quotes the kernel"}
    assert distil.sift([answer("B", eight)], None)[1] == {}


def test_the_same_answer_twice_to_a_prompt_is_kept_once():
    twice = answer("A", "So it is."), answer("A", " So it is. ", 1), answer("B", "So it is.")
    kept, dropped = distil.sift(list(twice), KERNEL)
    assert list(kept) == [("A", 0), ("B", 0)]
    assert dropped == {("A", 1): "same as another sample"}


def test_an_answer_that_was_cut_off_is_trimmed_and_one_that_ended_is_not():
    cut, whole = "It costs 3.50, e.g. at noon. And th", "One. Two without a stop"
    kept, _ = distil.sift([answer("A", cut, reason="length"), answer("B", whole)], KERNEL)
    assert list(kept.values()) == ["It costs 3.50, e.g. at noon.", whole]


def test_what_is_trimmed_is_judged_as_it_will_be_learned():
    cut = answer("A", "The river runs. " + QUOTE.removesuffix("."), reason="length")
    assert distil.sift([cut], KERNEL)[0] == {("A", 0): "The river runs."}
    same = answer("A", "The river runs.", 1)
    assert distil.sift([cut, same], KERNEL)[1] == {("A", 1): "same as another sample"}


def test_no_prompt_is_in_both_splits_and_first_samples_come_first():
    kept, rows = distil.select(spec(train=4, valid=4), good(6, 3), KERNEL)
    found = splits(rows)
    prompts = {split: {seed for (seed, _), s in found.items() if s == split} for split in ("train", "valid")}
    assert Counter(found.values()) == {"train": 4, "valid": 4, None: 10}
    assert not prompts["train"] & prompts["valid"]
    assert len(prompts["valid"]) == 2 and len(prompts["train"]) == 4
    assert {sample for (_, sample), split in found.items() if split == "train"} == {0}
    assert set(kept) == {key for key, split in found.items() if split}


def test_two_seeds_that_ask_the_same_are_one_prompt():
    """Else the same prompt might be in both splits, which `lem train` refuses."""
    answers = [
        answer(f"P{n}{twin}", f"Answer {n} of {twin}.", prompt=text)
        for n in range(8)
        for twin, text in (("a", f"What is {n}?"), ("b", f"what is {n}"))
    ]
    _, rows = distil.select(spec(train=8, valid=3), answers, KERNEL)
    found = splits(rows)
    prompts = {s: {seed[:2] for (seed, _), split in found.items() if split == s} for s in ("train", "valid")}
    assert not prompts["train"] & prompts["valid"]
    twins = [answer("A", "So it is.", prompt="Why?"), answer("B", "So it is.", prompt="why")]
    assert distil.sift(twins, KERNEL)[1] == {("B", 0): "same as another sample"}


def test_the_choice_depends_on_ids_and_the_sets_name_alone():
    first = distil.select(spec(train=6, valid=3), good(), KERNEL)
    assert distil.select(spec(train=6, valid=3), good(), KERNEL) == first
    reworded = [dataclasses.replace(a, response=a.response.replace("has", "had")) for a in good()]
    assert splits(distil.select(spec(train=6, valid=3), reworded, KERNEL)[1]) == splits(first[1])
    held_out = {
        tuple(
            seed
            for (seed, _), split in splits(distil.select(spec(valid=3, name=name), good(), KERNEL)[1]).items()
            if split == "valid"
        )
        for name in ("lek", "kel", "third", "fourth")
    }
    assert len(held_out) > 1


def test_a_prompt_that_is_dropped_whole_leaves_the_others_where_they_were():
    everything = distil.select(spec(train=6, valid=3), good(), KERNEL)[1]
    lost = next(row.seed_id for row in everything if row.split == "train")
    fewer = [dataclasses.replace(a, response=REFUSAL) if a.seed_id == lost else a for a in good()]
    rows = distil.select(spec(train=6, valid=3), fewer, KERNEL)[1]
    held_out = [{row.seed_id for row in found if row.split == "valid"} for found in (everything, rows)]
    assert held_out[0] == held_out[1]
    assert [row.dropped for row in rows if row.seed_id == lost] == ["refusal"] * 3


def test_each_answer_has_a_record():
    answers = [*good(4, 2), answer("R", REFUSAL), answer("C", "It is. And th", reason="length")]
    kept, rows = distil.select(spec(train=5, valid=2), answers, KERNEL)
    assert [(row.seed_id, row.sample) for row in rows] == [(a.seed_id, a.sample) for a in answers]
    assert all((row.split is None) != (row.dropped is None) for row in rows)
    assert [row.chars for row in rows] == [len(a.response) for a in answers]
    for row in rows:
        assert row.kept_chars == (len(kept[row.seed_id, row.sample]) if row.split else 0)
    assert rows[-2] == Distilled("lek", "R", 0, None, "refusal", len(REFUSAL), 0)


def test_too_few_are_counted_in_one_clear_line():
    answers = [*good(3, 2), answer("R", REFUSAL)]
    for train, valid in ((5, 2), (1, 7)):
        with pytest.raises(LemError) as caught:
            distil.select(spec(train=train, valid=valid), answers, KERNEL)
        said = caught.value.message
        assert said.startswith("distil.lek: 6 of 7 answers are good, ") and "\n" not in said
        assert f"for {train} to train on" in said and f"for {valid} to validate" in said
        assert said.endswith("raise samples, add prompts or ask for fewer")
    distil.select(spec(train=4, valid=2), answers, KERNEL)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A study whose training set is distilled, and what was shown; nobody writes there."""
    folder = micro.study(tmp_path_factory.mktemp("distilled") / "study")
    with contextlib.chdir(folder):
        CliRunner().invoke(main, ["convert", "--model", "micro"])
        done = CliRunner().invoke(main, DISTIL)
    assert done.exit_code == 0, done.output
    return folder, done.output


@pytest.fixture
def distilled(whole, tmp_path, monkeypatch):
    """A copy of it, which is also the working folder."""
    shutil.copytree(whole[0], tmp_path / "study")
    monkeypatch.chdir(tmp_path / "study")


def test_the_model_is_asked_under_the_kernel(distilled):
    run, answers = read_json(RUN, Run), list(read_jsonl(ANSWERS, Response))
    assert (run.mode, run.samples, run.temperature, run.top_p) == ("sandwich", 4, 1.5, 0.95)
    assert (run.max_tokens, run.responses) == (64, 40) and run.kernel_sha
    keys = [(a.seed_id, a.sample) for a in answers]
    assert keys[:5] == [*(("P41_MICRO", n) for n in range(4)), ("P42_MICRO", 0)]
    assert len({a.response for a in answers}) > 30, "drawn at a temperature"


def test_its_answers_are_filed_without_the_kernel(distilled):
    by_id = {f"{a.seed_id}#{a.sample}": a for a in read_jsonl(ANSWERS, Response)}
    for file, size in ((TRAIN, 8), (VALID, 2)):
        assert len(conversations(file)) == size
        for entry in conversations(file):
            asked = by_id[entry["id"]]
            user, assistant = entry["messages"]
            assert user == {"role": "user", "content": asked.prompt}
            assert assistant["role"] == "assistant" and asked.response.startswith(assistant["content"])
        assert not any(line in file.read_text() for line in micro.KERNEL.splitlines())
    training_data.must_be_apart(training_data.read(TRAIN.parent), {})


def test_every_answer_is_accounted_for(distilled, whole):
    rows, answers = list(read_jsonl(ROWS, Distilled)), list(read_jsonl(ANSWERS, Response))
    assert [(r.seed_id, r.sample) for r in rows] == [(a.seed_id, a.sample) for a in answers]
    counts = Counter(r.split or f"dropped: {r.dropped}" for r in rows)
    assert (counts["train"], counts["valid"]) == (8, 2)
    last = whole[1].splitlines()[-1]
    assert last.startswith("data/training/lek: 8 train, 2 valid, ")
    assert all(f"{n} {what}" in last for what, n in counts.items())


def test_a_second_run_asks_nothing_and_writes_the_same_bytes(distilled, lem, monkeypatch):
    before = {file: file.read_bytes() for file in (ANSWERS, RUN, TRAIN, VALID, ROWS)}
    for file in (TRAIN, VALID, ROWS):
        file.unlink()
    monkeypatch.setattr(mlx_runtime, "generate", lambda *a, **k: pytest.fail("the model was asked"))
    assert "All 40 answers hold, nothing to ask" in lem(*DISTIL).output
    assert {file: file.read_bytes() for file in before} == before


def test_interrupted_it_goes_on_and_too_few_good_answers_keep_what_was_asked(ready, lem, monkeypatch, whole):
    generate = mlx_runtime.generate

    def broken(*args):
        yield from itertools.islice(generate(*args), 9)
        raise KeyboardInterrupt

    monkeypatch.setattr(mlx_runtime, "generate", broken)
    settings(train=38)
    lem(*DISTIL, code=1)
    monkeypatch.setattr(mlx_runtime, "generate", generate)
    shown = lem(*DISTIL, code=1)
    assert "Keeping 9 answers, 31 to ask" in shown.stdout
    assert re.fullmatch(
        r"Error: distil\.lek: \d+ of 40 answers are good, \d+ for 38 to train on and \d+ for 2 to validate; "
        r"raise samples, add prompts or ask for fewer\n",
        shown.stderr,
    )
    assert not TRAIN.exists() and not VALID.exists() and not ROWS.exists()
    assert len(list(read_jsonl(ANSWERS, Response))) == 40
    settings(train=8)
    monkeypatch.setattr(mlx_runtime, "generate", lambda *a, **k: pytest.fail("the model was asked"))
    assert "8 train, 2 valid" in lem(*DISTIL).output
    for file in (TRAIN, VALID, ROWS):
        assert file.read_bytes() == (whole[0] / file).read_bytes(), "as if nothing had happened"


class Scripted:
    """Stands where Asking does: the first prompts get these answers, the others a good one each."""

    texts = (REFUSAL, LOOP, "Say so.", "Say so.", QUOTE, "It is. And th", "No end of th", "")

    def __init__(self, study, spec, prompts, mode, settings):
        self.file = layout.responses(spec.role, spec.name, prompts.name, mode)
        self.files, self.samples = prompts.files, settings.samples

    def run(self):
        seeds = [seed for file in self.files for seed in json.loads(Path(file).read_text())]
        rows, texts = [], iter(self.texts)
        for seed in seeds:
            for sample in range(self.samples):
                text = next(texts, f"{seed['id']} says {sample}.")
                reason = "length" if text.endswith("th") else "stop"
                rows.append(answer(seed["id"], text, sample, seed["prompt"], reason))
        write_jsonl(self.file, rows)


def test_the_counts_are_told_in_order(ready, lem, monkeypatch):
    monkeypatch.setattr(distil, "Asking", Scripted)
    settings(train=30, valid=2, samples=4)
    assert lem(*DISTIL).output.splitlines()[-1] + "\n" == (
        "data/training/lek: 30 train, 2 valid, 1 dropped: loop, 2 dropped: no whole sentence, "
        "1 dropped: quotes the kernel, 1 dropped: refusal, 1 dropped: same as another sample, "
        "2 dropped: surplus; 1 trimmed to their last whole sentence\n"
    )
    assert "It is." in [
        entry["messages"][1]["content"] for entry in conversations(TRAIN) + conversations(VALID)
    ]


def test_what_is_distilled_can_be_trained_on(distilled, lem):
    lem("train", "--model", "micro-lek")
    assert layout.adapter("micro-lek", 0).is_dir()


ERRORS = {
    "an unknown set": (lambda: None, "leck", "no training set named 'leck' under distil; did you mean lek?"),
    "no kernel": (
        lambda: Path("kernel/lek-1-kernel.txt").unlink(),
        "lek",
        "kernel/lek-1-kernel.txt: no such file",
    ),
    "no seeds": (lambda: Path("seeds/P61-P80.json").unlink(), "lek", "seeds/P61-P80.json: no such file"),
    "an unknown model": (lambda: settings(model="micron"), "lek", "distil.lek.model: no baseline 'micron'"),
    "not converted": (
        lambda: Path("data/models/micro").rename("elsewhere"),
        "lek",
        "data/models/micro/config.json: no such file; it is written by: lem convert",
    ),
}


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_is_one_clear_line_before_any_compute(ready, lem, monkeypatch, error):
    breaks, name, expected = ERRORS[error]
    breaks()
    monkeypatch.setattr(mlx_runtime, "load", lambda *a, **k: pytest.fail("the model was loaded"))
    shown = lem("distil", "--set", name, code=1)
    assert expected in shown.stderr and shown.stderr.count("\n") == 1
    assert not ANSWERS.exists() and not TRAIN.exists()


def test_shingles_are_runs_of_eight_words_without_case_and_marks():
    assert distil.shingles("One two three, four five six seven") == set()
    assert distil.shingles("One two three, four -- five SIX seven eight!") == {
        "one two three four five six seven eight"
    }
    assert len(distil.shingles("a b c d e f g h i j")) == 3


def test_held_out_prompts_are_picked_by_the_hash_of_their_id():
    """Written down once more, so that a change of the choice is a change of this test."""
    order = sorted((f"P{n}" for n in range(5)), key=lambda seed: sha256(f"lek {seed}"))
    rows = distil.select(spec(train=6, valid=3), good(), KERNEL)[1]
    assert {row.seed_id for row in rows if row.split == "valid"} == {order[0]}


def test_the_base_is_heard_with_the_kernel_and_without(distilled):
    """What a fine-tune can keep is the way from the one loss to the other."""
    naked, under = read_jsonl(layout.distil_losses("lek"), Loss)
    assert [(loss.mode, loss.split, loss.iteration) for loss in (naked, under)] == [
        ("naked", "valid", 0),
        ("sandwich", "valid", 0),
    ]
    assert naked.model == under.model == "micro" and naked.data == under.data == "data/training/lek"
    assert naked.loss > under.loss > 0, "the answers were drawn under the kernel"


def test_a_training_starts_from_the_loss_that_distilling_found(distilled, lem):
    lem("train", "--model", "micro-lek")
    first = next(read_jsonl(layout.training_log("micro-lek", 0, "jsonl"), Loss))
    naked = next(read_jsonl(layout.distil_losses("lek"), Loss))
    assert (first.iteration, first.split) == (0, "valid")
    assert first.loss == pytest.approx(naked.loss, rel=1e-5)


@pytest.mark.parametrize("few", [{"train": 39}, {"train": 9, "samples": 1}, {"train": 9, "temperature": 0.0}])
def test_a_set_that_no_answers_could_fill_is_refused_before_any_is_asked(ready, lem, monkeypatch, few):
    monkeypatch.setattr(mlx_runtime, "load", lambda *a, **k: pytest.fail("the model was loaded"))
    settings(**few)
    shown = lem(*DISTIL, code=1)
    assert "are fewer than" in shown.stderr and "raise samples" in shown.stderr
