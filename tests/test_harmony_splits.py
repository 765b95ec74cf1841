"""The three splits of a task of the leaderboard: which items they hold, and that none is in two."""

import json
import shutil
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

import micro
from lem import layout, params
from lem.harmony import splits, tasks
from lem.record_files import read_jsonl
from lem.records import Item

SPLITS = ("train", "valid", "test")
CHOICES = ["the sum", "the sea", "the town"]
YAML = Path("seeds/tasks/choose.yaml")
SPLIT = ("split", "--task", "choose")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return micro.study(tmp_path_factory.mktemp("splits") / "study")


@pytest.fixture(autouse=True)
def board(built, tmp_path, monkeypatch):
    """A study with a leaderboard; no model is asked here, so there are no weights."""
    folder = shutil.copytree(built, tmp_path / "study")
    micro.harmony(folder)
    monkeypatch.chdir(folder)
    return folder


def data(split, task="choose"):
    return Path(f"seeds/tasks/{task}-{split}.jsonl")


def rows(split):
    return [json.loads(line) for line in data(split).read_text(encoding="utf-8").splitlines()]


def write(split, found):
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in found)
    data(split).write_text("".join(lines), encoding="utf-8")


def row(question, choices=CHOICES, label=0):
    return {"question": question, "choices": list(choices), "label": label}


def replace(path, old, new):
    text = Path(path).read_text(encoding="utf-8")
    assert old in text
    Path(path).write_text(text.replace(old, new, 1), encoding="utf-8")


def stated(**train):
    """State settings of harmony.train."""
    text = ", ".join(f"{key}: {value}" for key, value in train.items())
    replace("params.yaml", "  train: {", f"  train: {{{text}, ")


def entry(text, task="choose"):
    """State an entry of harmony.tasks."""
    category = {"choose": "choosing", "write": "writing"}[task]
    replace("params.yaml", f"{task}: {{category: {category}}}", f"{task}: {text}")


def questions(task="choose"):
    """Return the questions of each split, as the task is opened."""
    with tasks.opened(params.load(), task) as found:
        return {name: [d["question"] for d in one.task.eval_docs] for name, one in found.splits.parts.items()}


def about(task="choose"):
    return json.loads((layout.harmony_task(task) / "task.json").read_text(encoding="utf-8"))


def refused(lem):
    shown = lem(*SPLIT, code=1)
    assert shown.stderr.startswith("Error: ") and shown.stderr.count("\n") == 1
    assert not layout.harmony_task("choose").exists(), "half of it is written"
    return shown.stderr.removeprefix("Error: ").rstrip("\n")


def test_each_split_holds_its_own_items(lem):
    for task in ("choose", "write"):
        assert questions(task) == {split: [one["question"] for one in rows(split)] for split in SPLITS}
    assert lem(*SPLIT).output == "data/harmony/tasks/choose: train 10, valid 4, test 6; acc, none\n"


def test_what_is_written(lem):
    before = {p for p in Path().rglob("*") if p.is_file()}
    lem(*SPLIT)
    folder = layout.harmony_task("choose")
    assert {p for p in Path().rglob("*") if p.is_file()} - before == {
        folder / "items.jsonl",
        folder / "task.json",
    }
    found = list(read_jsonl(folder / "items.jsonl", Item))
    assert [(i.benchmark, i.item_id, i.question) for i in found] == [
        ("choose", str(n), one["question"]) for n, one in enumerate(rows("test"))
    ]
    told = about()
    assert (told["task"], told["version"], told["items"], told["dropped"]) == ("choose", "1", 6, 0)
    assert (told["metric"], told["filter"], told["higher_is_better"]) == ("acc", "none", True)
    assert told["category"] == "choosing"
    assert {name: one["items"] for name, one in told["splits"].items()} == {
        "train": 10,
        "valid": 4,
        "test": 6,
    }
    assert len({one["sha"] for one in told["splits"].values()}) == 3
    for file in (folder / "items.jsonl", folder / "task.json"):
        assert str(Path.cwd()) not in file.read_text(encoding="utf-8")


def test_it_is_the_same_each_time_and_says_which_split_changed(lem):
    lem(*SPLIT)
    files = sorted(layout.harmony_task("choose").iterdir())
    before, shas = [file.read_bytes() for file in files], about()["splits"]
    lem(*SPLIT)
    assert [file.read_bytes() for file in files] == before
    write("train", [*rows("train"), row("One more?")])
    lem(*SPLIT)
    assert [split for split in SPLITS if about()["splits"][split] != shas[split]] == ["train"]


# What has no training split, or not what its YAML says


def test_no_training_split(lem):
    replace(YAML, "training_split: train\n", "")
    told = "a task without one cannot be trained on: take it out of harmony.tasks in params.yaml"
    assert refused(lem) == f"{YAML}: training_split: none is stated; {told}"


def test_nothing_to_test_on(lem):
    replace(YAML, "validation_split: valid\ntest_split: test\n", "")
    said = refused(lem)
    assert said.startswith(f"{YAML}: ") and said.endswith("must have valid or test docs!")


@pytest.mark.parametrize("key", ["training_split", "validation_split", "test_split"])
def test_a_split_that_the_data_do_not_have(lem, key):
    text = YAML.read_text()
    line = next(one for one in text.splitlines() if one.startswith(key))
    YAML.write_text(text.replace(line, f"{key}: held"))
    assert refused(lem) == f"{YAML}: {key}: the task's data have no split 'held'"


def test_an_empty_file_is_named(lem):
    data("train").write_text("")
    said = refused(lem)
    assert (
        said
        == f"{YAML}: dataset_kwargs.data_files.train: {data('train')}: expected at least one row, found none"
    )


def test_a_task_that_there_is_none_of(lem):
    assert lem("split", "--task", "chose", code=1).stderr == (
        "Error: params.yaml: no task named 'chose' under harmony.tasks; did you mean choose?\n"
    )


# A task with one split that is not for training


@pytest.mark.parametrize("kept", ["validation_split: valid", "test_split: test"])
def test_of_one_held_out_split_the_test_and_a_share_of_training_for_validation(kept):
    replace(YAML, "validation_split: valid\ntest_split: test\n", f"{kept}\n")
    found = questions()
    everything = [one["question"] for one in rows("train")]
    assert found["test"] == [one["question"] for one in rows(kept.split()[1])]
    assert (len(found["train"]), len(found["valid"])) == (8, 2), "a fifth of ten"
    assert sorted(found["train"] + found["valid"]) == sorted(everything)
    for split in ("train", "valid"):
        assert found[split] == [text for text in everything if text in found[split]], "in their own order"
    assert questions() == found
    stated(seed=5)
    other = questions()
    assert other["valid"] != found["valid"] and other["test"] == found["test"]


def test_a_test_split_that_is_the_validation_split():
    replace(YAML, "test_split: test", "test_split: valid")
    found = questions()
    assert found["test"] == [one["question"] for one in rows("valid")]
    assert (len(found["train"]), len(found["valid"])) == (8, 2)
    assert not set(found["valid"]) & set(found["test"])


def test_a_test_split_that_is_the_training_split(lem):
    replace(YAML, "test_split: test", "test_split: train")
    assert "item 0 of train is item 0 of test" in refused(lem)


def test_one_training_item_is_no_two_splits(lem):
    replace(YAML, "validation_split: valid\n", "")
    write("train", rows("train")[:1])
    assert refused(lem) == f"{YAML}: training_split: one item is not enough to hold out a share of them"
    write("train", [row("One?"), row("Two?")])
    assert {name: len(texts) for name, texts in questions().items()} == {"train": 1, "valid": 1, "test": 6}


# More items than are wanted


@pytest.mark.parametrize("split", SPLITS)
def test_of_a_large_split_the_seed_draws(split):
    write(split, [row(f"Is this {split} number {n}?") for n in range(40)])
    whole = questions()
    stated(**{f"max_{split}": 7})
    found = questions()
    assert len(found[split]) == 7 and len(whole[split]) == 40
    assert found[split] == [text for text in whole[split] if text in found[split]], "in their own order"
    assert found[split] != whole[split][:7], "drawn, not the first"
    assert [found[other] == whole[other] for other in SPLITS if other != split] == [True, True]
    assert questions() == found
    stated(seed=1)
    assert questions()[split] != found[split]


def test_a_limit_is_no_more_than_there_are():
    stated(max_train=10, max_valid=5, max_test=600)
    assert {name: len(texts) for name, texts in questions().items()} == {"train": 10, "valid": 4, "test": 6}


# Items that are in two splits

SAME = {
    "itself": "What is 7 + 5, and why?",
    "another case": "what is 7 + 5, AND WHY?",
    "another punctuation": "What is 7 + 5 and why",
    "another spacing": "  What is  7 +\t5, and\u00a0why ?",
    "other quotation marks": "“What is 7 + 5, and why?”",
    "a fullwidth form": "Ｗhat is ７ ＋ ５, and why?",
}


@pytest.mark.parametrize("variant", SAME)
@pytest.mark.parametrize("one, other", combinations(SPLITS, 2))
def test_an_item_in_two_splits(lem, one, other, variant):
    write(one, [*rows(one), row(SAME["itself"])])
    write(other, [row("Something else?"), row(SAME[variant]), *rows(other)])
    here = {one: len(rows(one)) - 1, other: 1}
    said = refused(lem)
    assert said.startswith(f"{YAML}: 1 item of one split stand")
    assert f"item {here[one]} of {one} is item {here[other]} of {other} (" in said
    assert json.dumps(row(SAME["itself"]))[:60] in said
    assert said.endswith("mend the data, or say drop_shared: true for the task")


def test_every_shared_item_is_counted_and_the_first_is_told(lem):
    write("train", [*rows("test")[:3], *rows("train")])
    assert refused(lem).startswith(
        f"{YAML}: 3 items of one split stand in another too, the first: item 0 of train"
    )


APART = {
    "another sign": (row("What is 7 + 5?"), row("What is 7 - 5?")),
    "another sign, as it is printed": (row("What is 7 × 5?"), row("What is 7 ÷ 5?")),
    "a minus that is no hyphen": (row("What is 7 + 5?"), row("What is 7 − 5?")),
    "a sign of comparison": (row("Is 7 ≤ 5?"), row("Is 7 ≥ 5?")),
    "another number": (row("What is 7 + 5?"), row("What is 7 + 6?")),
    "other choices": (row("Which?"), row("Which?", ["the sum", "the sea", "the hill"])),
    "a choice more": (row("Which?"), row("Which?", [*CHOICES, "none"])),
    "accents": (row("Où est-ce?"), row("Ou est-ce?")),
}


@pytest.mark.parametrize("pair", APART)
def test_what_is_not_the_same_item(pair):
    one, other = APART[pair]
    write("train", [*rows("train"), one])
    write("test", [*rows("test"), other])
    assert one["question"] in questions()["train"]


ALIKE = {
    "choices in another order": row("Which?", [CHOICES[2], *CHOICES[:2]], 1),
    "choices in other letters": row("Which?", ["The Sum.", "the  sea", "the town"]),
    "another right answer": row("Which?", CHOICES, 2),
}


@pytest.mark.parametrize("variant", ALIKE)
def test_what_is_the_same_item_whatever_the_order_or_the_answer(lem, variant):
    write("train", [row("Which?")])
    write("test", [*rows("test"), ALIKE[variant]])
    assert "item 0 of train is item 6 of test" in refused(lem)


def test_signs_as_printed_are_signs_as_typed(lem):
    write("train", [row("What is 7 − 5 × 2?")])
    write("test", [row("What is 7 - 5 * 2?")])
    assert "item 0 of train is item 0 of test" in refused(lem)


def test_an_item_twice_in_one_split_is_no_fault(lem):
    write("train", [*rows("train"), *rows("train")])
    lem(*SPLIT)
    assert about()["splits"]["train"]["items"] == 20


def test_written_answers_are_told_apart_by_what_is_asked(lem):
    text = data("test", "write").read_text(encoding="utf-8")
    first = text.splitlines(keepends=True)[0]
    data("train", "write").write_text(
        first + data("train", "write").read_text(encoding="utf-8"), encoding="utf-8"
    )
    said = lem("split", "--task", "write", code=1).stderr
    assert "item 0 of train is item 0 of test" in said and "drop_shared: true" in said


def test_shared_items_are_dropped_from_what_comes_before_the_test(lem):
    entry("{drop_shared: true}")
    tested, chosen = rows("test")[1], rows("valid")[0]
    write("train", [tested, *rows("train"), chosen, tested])
    write("valid", [*rows("valid"), rows("test")[2]])
    found = questions()
    assert found["test"] == [one["question"] for one in rows("test")], "the test is whole"
    assert found["valid"] == [one["question"] for one in rows("valid")[:-1]]
    assert found["train"] == [one["question"] for one in rows("train")[1:-2]]
    shown = lem(*SPLIT).output
    assert shown == "data/harmony/tasks/choose: train 10, valid 4, test 6, 4 dropped as shared; acc, none\n"
    assert about()["dropped"] == 4


def test_when_everything_is_shared_nothing_is_left(lem):
    entry("{drop_shared: true}")
    write("train", rows("test"))
    assert refused(lem) == f"{YAML}: every item of its train split stands in another; nothing is left"


def test_items_are_compared_as_they_are_drawn(lem):
    """What a limit leaves out is not trained on, and spoils nothing."""
    write("train", [row(f"Is this number {n}?") for n in range(40)])
    stated(max_train=7)
    left = next(n for n in range(40) if f"Is this number {n}?" not in questions()["train"])
    write("test", [*rows("test"), row(f"Is this number {left}?")])
    lem(*SPLIT)


# The metric


def test_the_metric_is_the_first_of_the_yaml_or_the_one_that_is_stated(lem):
    entry("{metric: acc_norm}")
    assert lem(*SPLIT).output.endswith("; acc_norm, none\n")
    assert (about()["metric"], about()["category"]) == ("acc_norm", None)


def test_a_metric_that_is_not_the_tasks(lem):
    entry("{metric: mcc}")
    assert refused(lem) == f"{YAML}: metric_list: no 'mcc'; the task measures acc, acc_norm"


def test_a_filter_that_is_not_the_tasks(lem):
    entry("{filter: strict-match}")
    assert refused(lem) == f"{YAML}: filter_list: no 'strict-match'; there are: none"
    first = "  - {name: %s, filter: [{function: regex, regex_pattern: '(.)'}, {function: take_first}]}\n"
    write_yaml = Path("seeds/tasks/write.yaml")
    write_yaml.write_text(write_yaml.read_text() + first % "one" + first % "two")
    lem("split", "--task", "write")
    assert about("write")["filter"] == "stripped"
    entry("{filter: two}", "write")
    lem("split", "--task", "write")
    assert about("write")["filter"] == "two"


def test_a_task_of_the_registry_has_its_metric_and_category(lem):
    for split in SPLITS:
        data(split).rename(f"seeds/tasks/piqa-{split}.jsonl")
    text = YAML.read_text().replace("choose", "piqa")
    Path("seeds/tasks/piqa.yaml").write_text(text)
    replace("params.yaml", "choose: {category: choosing}", "piqa: {}")
    lem("split", "--task", "piqa")
    told = about("piqa")
    assert (told["metric"], told["category"]) == ("acc_norm", "physics/chemistry/biology")


# What identity is made of


def test_a_part_asks_what_the_task_asks_of_other_items():
    with tasks.opened(params.load(), "choose") as found:
        docs = rows("train")[3:5]
        one = splits.part(found.whole, docs)
        assert list(one.task.eval_docs) == docs and one.spec == found.whole.spec
        assert list(found.whole.task.eval_docs) == rows("test"), "the task itself is as it was"
        assert len(splits.identities(one)) == 2
        assert splits.identities(one) == splits.identities(found.splits.train)[3:5]


def test_a_task_whose_rows_are_made_by_a_function_has_them_made_once(lem):
    """process_docs of somebody's YAML: applied to each split, and not again to what it has made."""
    Path("seeds/tasks/made.py").write_text(
        "def made(docs):\n    return docs.map(lambda doc: {**doc, 'question': doc['question'] + '!'})\n"
    )
    replace(YAML, "output_type:", "process_docs: !function made.made\noutput_type:")
    found = questions()
    assert found == {split: [one["question"] + "!" for one in rows(split)] for split in SPLITS}
    lem(*SPLIT)
    items = read_jsonl(layout.harmony_task("choose") / "items.jsonl", Item)
    assert Counter(i.question.count("!") for i in items) == {1: 6}
