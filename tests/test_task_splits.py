"""Tasks to train on before the test: their splits are whole, balanced and apart, and lm-eval opens them."""

import importlib
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from math import log
from pathlib import Path
from statistics import mean

import pytest

from lem.harness import tasks
from lem.harness.items import items
from lem.params_tasks import TaskSpec

ROOT = Path(__file__).parents[1]
SEEDS = ROOT / "seeds"
FOLDER = SEEDS / "tasks"
SIZES = {"train": 192, "valid": 48, "test": 120}
FIELDS = {
    "arithmetic": ["id", "category", "question", "worked", "answer"],
    "science": ["id", "category", "question", "choices", "answerKey"],
    "reading": ["id", "category", "passage", "question", "label"],
    "grammar": ["id", "category", "sentence", "label"],
    "sentiment": ["id", "category", "review", "label"],
}
PREFIXES = {"arithmetic": "SUM", "science": "SCI", "reading": "READ", "grammar": "GRAM", "sentiment": "SENT"}
METRICS = {
    "arithmetic": ["exact_match"],
    "science": ["acc_norm", "acc"],
    "reading": ["acc"],
    "grammar": ["acc"],
    "sentiment": ["acc"],
}
EACH = pytest.mark.parametrize("task", FIELDS)


def rows(task, split):
    return [json.loads(line) for line in (FOLDER / task / f"{split}.jsonl").read_text().splitlines()]


def everything(task):
    return [row for split in SIZES for row in rows(task, split)]


def plain(text):
    return " ".join(re.sub(r"[^\w\s+\-*/=<>%]", "", text.casefold()).split())


def identity(row):
    asked = " ".join(row.get(field, "") for field in ("passage", "sentence", "review", "question"))
    return (plain(asked), *sorted(map(plain, row.get("choices", {}).get("text", []))))


def making(*words, folder=ROOT):
    command = [sys.executable, "-B", str(folder / "seeds" / "making"), *words]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def making_module(monkeypatch):
    """`making_module("grammar")` is a module of the generator, which no other test finds."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(SEEDS / "making")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "").parent == SEEDS / "making":
            del sys.modules[name]


@EACH
def test_every_split_has_its_size_and_every_row_its_fields(task):
    for split, count in SIZES.items():
        found = rows(task, split)
        expected = [f"{PREFIXES[task]}_{split.upper()}_{n:03}" for n in range(1, count + 1)]
        assert [row["id"] for row in found] == expected
        for row in found:
            assert list(row) == FIELDS[task], row["id"]
            assert isinstance(row["category"], str) and row["category"]


@EACH
def test_no_item_is_there_twice_in_whatever_split(task):
    counts = Counter(map(identity, everything(task)))
    assert [item for item, count in counts.items() if count > 1] == []
    assert len({row["id"] for row in everything(task)}) == sum(SIZES.values())


def test_an_item_in_other_case_and_with_its_choices_in_another_order_is_the_same():
    one = {"question": "What is 2 + 3?", "choices": {"text": ["Five", "six"]}}
    assert identity(one) == identity({"question": "what  is 2 + 3", "choices": {"text": ["Six", "five"]}})
    assert identity(one) != identity({**one, "question": "What is 2 - 3?"})


@EACH
def test_every_category_is_in_training_and_in_the_test_alike(task):
    trained, tested = (Counter(row["category"] for row in rows(task, split)) for split in ("train", "test"))
    assert set(tested) <= set(trained)
    for category in trained:
        assert abs(trained[category] / SIZES["train"] - tested[category] / SIZES["test"]) < 0.02, category


@pytest.mark.parametrize("task", ["reading", "grammar"])
@pytest.mark.parametrize("split", SIZES)
def test_half_of_the_answers_are_yes(task, split):
    assert Counter(row["label"] for row in rows(task, split)) == {0: SIZES[split] // 2, 1: SIZES[split] // 2}


@pytest.mark.parametrize("split", SIZES)
def test_the_right_choice_stands_at_every_place_equally_often(split):
    found = rows("science", split)
    assert Counter(row["answerKey"] for row in found) == dict.fromkeys("ABCD", SIZES[split] // 4)
    for row in found:
        assert row["choices"]["label"] == list("ABCD")
        assert len(set(map(plain, row["choices"]["text"]))) == 4, row["id"]


def test_a_fact_is_asked_in_one_split_only_and_once(making_module):
    facts = making_module("science_facts")
    asked = Counter()
    for row in everything("science"):
        right = row["choices"]["text"]["ABCD".index(row["answerKey"])]
        table = next((one for one in facts.TABLES if one.category == row["category"]), None)
        things = table.answers[right].split("|") if table else [right]
        text = f" {plain(row['question'])} "
        named = [thing for thing in things if not table or f" {plain(thing)} " in text]
        assert named, row["id"]
        asked[row["category"], right, max(named, key=len)] += 1
    assert set(asked.values()) == {1} and len(asked) == sum(SIZES.values())


def test_two_numbers_meet_in_one_split_only():
    seen = Counter(
        (row["category"], *sorted(re.findall(r"\d+", row["question"]), key=int))
        for row in everything("arithmetic")
    )
    assert set(map(len, seen)) == {3} and set(seen.values()) == {1}


def test_every_answer_is_what_the_numbers_come_to():
    signs = {"addition": int.__add__, "subtraction": lambda a, b: abs(a - b), "multiplication": int.__mul__}
    for row in everything("arithmetic"):
        a, b = map(int, re.findall(r"\d+", row["question"]))
        assert row["answer"] == str(signs[row["category"]](a, b)), row["id"]


def test_no_passage_is_used_twice_and_each_is_short():
    passages = [row["passage"] for row in everything("reading")]
    assert len(set(map(plain, passages))) == len(passages)
    for passage in passages:
        assert 28 <= len(passage.split()) <= 48, passage
        assert passage.count(". ") in (1, 2) and passage.endswith("."), passage


def test_a_question_without_its_passage_does_not_give_the_answer_away():
    """Its words, weighed as those of the training questions are, do little better than a coin."""
    counts = [
        Counter(word for row in rows("reading", "train") if row["label"] == label for word in words_of(row))
        for label in (0, 1)
    ]
    scores = [
        (sum(log((counts[1][word] + 1) / (counts[0][word] + 1)) for word in words_of(row)) > 0)
        == bool(row["label"])
        for row in rows("reading", "test")
    ]
    assert 0.38 < mean(scores) < 0.62


def words_of(row):
    return set(plain(row["question"]).split())


@EACH
def test_the_test_is_worded_in_many_ways_all_of_them_met_in_training(task):
    """A wording: a text of arithmetic less its numbers; of any other task roughly, its first two words."""

    def wordings(split):
        texts = [row.get("question") or row.get("sentence") or row["review"] for row in rows(task, split)]
        words = [re.sub(r"\d+", "#", plain(text)).split() for text in texts]
        return {tuple(one if task == "arithmetic" else one[:2]) for one in words}

    assert len(wordings("test")) >= 12
    if task == "arithmetic":
        assert wordings("test") <= wordings("train")


def test_two_thirds_of_the_passages_say_it_in_so_many_words_and_a_sixth_ask_for_a_small_step():
    for split, size in SIZES.items():
        kinds = Counter(row["category"] for row in rows("reading", split))
        assert 0.6 <= kinds["stated"] / size <= 0.73
        assert all(0.12 <= kinds[kind] / size <= 0.21 for kind in ("who-and-which", "inferred"))


def test_a_dozen_kinds_of_error_are_whole_and_broken_in_training_and_test():
    for split in ("train", "test"):
        kinds = {(row["category"], row["label"]) for row in rows("grammar", split)}
        assert len(kinds) == 24


def test_of_a_sentence_only_one_version_is_there(making_module):
    """Whole or broken: training never shows what is wrong with a sentence of the test."""
    grammar = making_module("grammar")
    there = {row["sentence"] for row in everything("grammar")}
    filled = [one for kind in grammar.FRAMES for one in grammar.sentences(kind, 30)]
    pairs = [(grammar.version(one, good=True), grammar.version(one, good=False)) for one in filled]
    assert len(pairs) == len(there) and all(whole != broken for whole, broken in pairs)
    assert all((whole in there) != (broken in there) for whole, broken in pairs)
    assert len({plain(whole) for whole, _ in pairs}) == len(pairs)


def test_the_files_are_what_the_generator_writes():
    assert (making("--check").returncode, making("--check").stderr) == (0, "")


def test_the_generator_names_a_file_that_is_not_what_it_writes(tmp_path):
    for name in ("making", "tasks"):
        shutil.copytree(ROOT / "seeds" / name, tmp_path / "seeds" / name)
    changed, missing = (
        tmp_path / "seeds" / "tasks" / name for name in ("grammar/valid.jsonl", "reading/test.jsonl")
    )
    changed.write_text(changed.read_text().replace("a", "e", 1))
    missing.unlink()
    found = making("--check", folder=tmp_path)
    assert found.returncode == 1
    assert found.stderr.splitlines() == [
        "reading/test.jsonl is missing; run it again without --check",
        "grammar/valid.jsonl differs from what this script writes; run it again without --check",
    ]
    assert making(folder=tmp_path).returncode == 0
    assert changed.read_bytes() == (FOLDER / "grammar" / "valid.jsonl").read_bytes()
    assert missing.is_file()


@EACH
def test_lm_eval_opens_a_task_with_its_three_splits(task, monkeypatch):
    monkeypatch.chdir(ROOT)
    with tasks.opened(TaskSpec(task, chat_template=False)) as found:
        asked = items(found)
        assert [len(asked), len({item.sha for item in asked})] == [SIZES["test"]] * 2
        docs = {"train": found.task.training_docs(), "valid": found.task.validation_docs()}
        docs["test"] = found.task.test_docs()
        for split, count in SIZES.items():
            assert [doc["id"] for doc in docs[split]] == [row["id"] for row in rows(task, split)]
            assert len(docs[split]) == count
        assert [metric["metric"] for metric in found.task.get_config("metric_list")] == METRICS[task]
