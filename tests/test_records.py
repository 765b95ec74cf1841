"""Record shapes: what is written comes back, what does not fit is named by file, line and field."""

import dataclasses
import json
import math
import signal
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lem import record_files, records, shapes
from lem.errors import LemError
from lem.records import (
    Figure,
    Item,
    Model,
    Record,
    Response,
    Score,
)

CLASSES = get_args(Record)
GOOD = {
    **{"seed_id": "P01", "prompt": "p", "response": "né\u2028\n", "gen_time": 0.5, "chars": 4},
    **{"mode": "naked", "model": "m", "prompts": "v", "prompt_sha": "0" * 64, "run_id": "r"},
}
SCALARS = {
    str: st.text(st.characters(exclude_categories=["Cs"])),
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
}


def instances(cls):
    """Return a strategy for records of a class, nulls where it allows them."""
    return st.builds(
        cls,
        **{
            name: SCALARS[scalar] | st.none() if nullable else SCALARS[scalar]
            for name, (scalar, nullable) in records.fields(cls).items()
        },
    )


@pytest.fixture(scope="module")
def scratch(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("records") / "rows.jsonl"


@settings(max_examples=50)
@given(data=st.data(), cls=st.sampled_from(CLASSES))
def test_what_is_written_comes_back(scratch, data, cls):
    rows = data.draw(st.lists(instances(cls), max_size=4))
    assert record_files.write_jsonl(scratch, rows) == len(rows)
    assert list(record_files.read_jsonl(scratch, cls)) == rows


def test_one_record_of_a_json_file_comes_back(tmp_path):
    model = Model("m", scale="135M")
    record_files.write_json(tmp_path / "model.json", model)
    assert record_files.read_json(tmp_path / "model.json", Model) == model


def test_a_line_has_the_fields_of_its_class_in_order():
    row = json.loads(record_files.dumps(Response(**GOOD, logprob=-1.5)))
    assert list(row) == [f.name for f in dataclasses.fields(Response)]


SPARSE = {
    Response: ("logprob",),
    Item: ("correct", "incorrect"),
    Figure: (
        *("error", "stderr", "n", "limited", "filter", "regime", "higher_is_better", "task_version"),
        *("settings", "category"),
    ),
    Score: (
        *("error", "filter", "extracted", "mode", "sample", "repeat", "regime", "task_version", "source"),
    ),
    **dict.fromkeys(set(CLASSES) - {Response, Item, Figure, Score}, ()),
}


@pytest.mark.parametrize("cls", CLASSES)
def test_a_sparse_field_has_a_default_at_which_it_is_left_out(cls):
    sparse = tuple(f.name for f in dataclasses.fields(cls) if f.metadata.get("sparse"))
    assert sparse == SPARSE[cls]
    for name in sparse:
        default = cls.__dataclass_fields__[name].default
        assert default is not dataclasses.MISSING
        assert default is not None or records.fields(cls)[name][1]


def test_a_score_at_its_defaults_is_short_and_reads_back_whole():
    score = Score("r", "m", "b", "i", "acc", 1.0)
    assert set(json.loads(record_files.dumps(score))) == {
        *("run_id", "model", "benchmark", "item_id", "metric", "value", "scorer")
    }
    assert Score(**json.loads(record_files.dumps(score))) == score
    other = dataclasses.replace(score, mode="sandwich", repeat=1, regime="train_before_test", filter="strict")
    assert Score(**json.loads(record_files.dumps(other))) == other
    assert json.loads(record_files.dumps(other))["regime"] == "train_before_test"


ANSWER = (
    '{"seed_id": "P01", "prompt": "p", "response": "né\u2028\\n", "gen_time": 0.5, "chars": 4, '
    f'"mode": "naked", "model": "m", "prompts": "v", "prompt_sha": "{"0" * 64}", "run_id": "r", '
    '"source": "own", "sample": 0, "tokens": null, "finish_reason": null, "batch_size": null, '
    '"reasoning": null, "reasoning_chars": null, "is_refusal": null}'
)
QUESTION = (
    f'{{"benchmark": "b", "item_id": "1", "question": "q", "gold": null, "sha": "{"0" * 64}", '
    '"source": "own", "cluster": null, "category": null}'
)


@pytest.mark.parametrize(
    ("line", "record"),
    [(ANSWER, Response(**GOOD)), (QUESTION, Item("b", "1", "q", None, "0" * 64))],
    ids=["response", "item"],
)
def test_a_record_without_sparse_values_has_the_bytes_it_had_before_there_were_any(tmp_path, line, record):
    file = tmp_path / "rows.jsonl"
    file.write_text(line + "\n")
    (read,) = record_files.read_jsonl(file, type(record))
    assert read == record
    assert record_files.dumps(record) == line
    record_files.write_jsonl(file, [read])
    assert file.read_text() == line + "\n"


def test_sparse_values_stand_last_and_come_back(tmp_path):
    answer = Response(**GOOD, finish_reason="given", logprob=0.0)
    item = Item("b", "1", "q", "a", "0" * 64, correct='["a", "b"]', incorrect='["c"]')
    assert record_files.dumps(answer).endswith(', "is_refusal": null, "logprob": 0.0}')
    assert record_files.dumps(item).endswith(', "correct": "[\\"a\\", \\"b\\"]", "incorrect": "[\\"c\\"]"}')
    for record in (answer, item):
        record_files.write_jsonl(tmp_path / "rows.jsonl", [record])
        assert list(record_files.read_jsonl(tmp_path / "rows.jsonl", type(record))) == [record]
    half = dataclasses.replace(item, correct=None)
    assert '"incorrect"' in record_files.dumps(half) and '"correct"' not in record_files.dumps(half)


def test_choices_are_the_right_answers_and_then_the_wrong():
    item = Item("b", "1", "q", "a", "0" * 64, correct='["a", "é"]', incorrect='["c"]')
    assert item.choices == [("a", True), ("é", True), ("c", False)]
    assert Item("b", "1", "q", "a", "0" * 64).choices == []


def test_a_json_file_of_one_record_keeps_every_field(tmp_path):
    record_files.write_json(tmp_path / "one.json", Response(**GOOD))
    assert json.loads((tmp_path / "one.json").read_text())["logprob"] is None


def test_a_fitting_row_has_no_problem_with_or_without_its_defaults():
    assert shapes.problem(Response, GOOD) is None
    assert shapes.problem(Response, dataclasses.asdict(Response(**GOOD))) is None


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"response": None}, "response", "is null"),
        ({"chars": "4"}, "chars", 'expected int, found "4"'),
        ({"chars": 4.0}, "chars", "expected int, found 4.0"),
        ({"chars": True}, "chars", "expected int, found true"),
        ({"gen_time": True}, "gen_time", "expected float, found true"),
        ({"gen_time": "0.5"}, "gen_time", 'expected float, found "0.5"'),
        ({"is_refusal": 0}, "is_refusal", "expected bool, found 0"),
        ({"prompt": ["p"]}, "prompt", 'expected str, found ["p"]'),
        ({"time": 0.5}, "time", "is no field of Response"),
    ],
)
def test_the_first_misfit_is_named(change, field, says):
    assert shapes.problem(Response, {**GOOD, **change}) == (field, says)


def test_missing_fields_are_wrong_only_without_a_default():
    assert "sample" not in GOOD
    for name in GOOD:
        row = {key: value for key, value in GOOD.items() if key != name}
        assert shapes.problem(Response, row) == (name, "is missing")


def test_null_and_whole_numbers_fit_where_the_class_allows_them():
    assert shapes.problem(Response, {**GOOD, "gen_time": None}) is None
    assert shapes.problem(Response, {**GOOD, "gen_time": 3}) is None


@pytest.mark.parametrize("row", [None, 3, "text", [GOOD]])
def test_a_row_is_an_object(row):
    field, says = shapes.problem(Response, row)
    assert field == "" and says.startswith("expected an object")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (json.dumps({**GOOD, "chars": "4"}).encode() + b"\n", "Response.chars expected int"),
        (json.dumps(GOOD).encode()[:-9] + b"\n", "not one line of JSON"),
        (json.dumps(GOOD).encode()[:-9], "not one line of JSON"),
        (b'{"seed_id": "\xff"}\n', "not one line of JSON"),
        (b"\n", "not one line of JSON"),
        (b"[]\n", "expected an object, found list"),
    ],
    ids=["wrong type", "broken", "torn", "not UTF-8", "empty", "array"],
)
def test_a_bad_line_is_named_by_file_line_and_field(tmp_path, line, says):
    file = tmp_path / "rows.jsonl"
    file.write_bytes(json.dumps(GOOD).encode() + b"\n" + line)
    rows = record_files.read_jsonl(file, Response)
    assert next(rows) == Response(**GOOD)
    with pytest.raises(LemError) as caught:
        next(rows)
    assert caught.value.message.startswith(f"{file}:2: ")
    assert says in caught.value.message


@pytest.mark.parametrize("content", [b'{"name": "m"', b'{"name": "\xff"}', b""])
def test_a_bad_json_file_is_named(tmp_path, content):
    file = tmp_path / "model.json"
    file.write_bytes(content)
    with pytest.raises(LemError, match=r"model\.json: not a JSON file"):
        record_files.read_json(file, Model)


def test_a_missing_file_says_which_command_writes_it(tmp_path):
    for read in (
        lambda p: list(record_files.read_jsonl(p, Item)),
        lambda p: record_files.read_json(p, Model),
    ):
        with pytest.raises(LemError, match=r"none\.json.*dvc repro"):
            read(tmp_path / "none.json")


DIES_BEFORE_RENAME = """
import os, signal, sys
from pathlib import Path
from lem import record_files
os.fsync = lambda file: os.kill(os.getpid(), signal.SIGKILL)
record_files.write_whole(Path(sys.argv[1]), "new " * 100_000)
"""


def test_the_old_file_stays_whole_when_the_writer_dies_before_the_rename(tmp_path):
    file = tmp_path / "rows.jsonl"
    record_files.write_whole(file, "old")
    died = subprocess.run([sys.executable, "-c", DIES_BEFORE_RENAME, str(file)], check=False)
    assert died.returncode == -signal.SIGKILL
    assert file.read_text() == "old"
    assert list(tmp_path.glob("*.jsonl")) == [file]


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path):
    file = tmp_path / "new folder" / "rows.jsonl"
    record_files.write_whole(file, "a much longer old text")
    record_files.write_whole(file, "neü\n")
    assert file.read_bytes() == "neü\n".encode()
    assert list(file.parent.iterdir()) == [file]


def test_whoever_reads_the_old_file_reads_it_to_its_end(tmp_path):
    file = tmp_path / "rows.jsonl"
    record_files.write_whole(file, "old")
    with file.open() as reader:
        record_files.write_whole(file, "new")
        assert (reader.read(), file.read_text()) == ("old", "new")


def test_a_record_that_cannot_be_made_leaves_the_old_file(tmp_path):
    file = tmp_path / "rows.jsonl"
    record_files.write_whole(file, "old")

    def rows():
        yield Model("m")
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        record_files.write_jsonl(file, rows())
    assert file.read_text() == "old"


WORD = st.text(max_size=5)
SETTINGS = st.dictionaries(WORD, st.none() | st.booleans() | st.integers() | WORD)


@given(SETTINGS, st.randoms(use_true_random=False))
def test_settings_have_one_sha_in_any_order(ours, random):
    keys = list(ours)
    random.shuffle(keys)
    assert record_files.settings_sha({key: ours[key] for key in keys}) == record_files.settings_sha(ours)


@given(SETTINGS, SETTINGS)
def test_other_settings_have_another_sha(one, other):
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (record_files.settings_sha(one) == record_files.settings_sha(other)) == same


def test_sha256_of_a_text_is_that_of_its_utf8_bytes():
    assert record_files.sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert record_files.sha256("né") == record_files.sha256("né".encode())


def test_fields_are_scalars_that_json_has():
    for cls in CLASSES:
        assert {scalar for scalar, _ in records.fields(cls).values()} <= set(SCALARS)
    assert records.fields(Score)["value"] == (float, True)
    assert records.fields(Score)["item_id"] == (str, False)


def test_floats_are_written_so_that_they_come_back_exactly(tmp_path):
    value = math.pi / 3e17
    record_files.write_jsonl(tmp_path / "a.jsonl", [Score("r", "m", "b", "1", "chars", value)])
    assert next(record_files.read_jsonl(tmp_path / "a.jsonl", Score)).value == value
