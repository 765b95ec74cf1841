"""Scorers of the user's own: found in the study's folder, never trusted to return a number."""

import hashlib
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from lem import layout
from lem.errors import LemError
from lem.params import BenchmarkSpec
from lem.record_files import read_jsonl, write_jsonl
from lem.records import (
    Item,
    Response,
    Score,
)
from lem.score import benchmark_result, score
from lem.scoring import own_scorers
from lem.shapes import problem

SHOUTING = """
def share_of_capitals(item, answer):
    return {"capitals": sum(c.isupper() for c in answer.response) / max(1, len(answer.response))}
"""
WHERE = "params.yaml: benchmarks.b.score"
ITEMS = [Item("b", name, "?", "gold", "0" * 64) for name in "abc"]


def answer(name: str, text: str, **more) -> Response:
    known = {"seed_id": name, "prompt": "?", "response": text, "gen_time": 1.0, "chars": len(text)}
    known |= {"mode": "naked", "model": "m", "prompts": "b", "prompt_sha": "0" * 64, "run_id": "r"}
    return Response(**{**known, **more})


ANSWERS = [answer("a", "AB"), answer("b", "aB"), answer("c", "ab")]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A study's folder; what is imported from it is forgotten behind the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(module: str, text: str) -> str:
    Path(f"{module}.py").write_text(text)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def spec(*names: str, **more) -> BenchmarkSpec:
    return BenchmarkSpec("b", "b.jsonl", prompt="question", score=names, **more)


def scores(*names: str, answers=ANSWERS, **more) -> list[Score]:
    return score(spec(*names, **more), ITEMS, answers)


def brief(rows: list[Score]) -> list[tuple]:
    return [(row.item_id, row.metric, row.value, row.error) for row in rows]


def test_a_function_of_the_studys_folder_is_a_scorer():
    version = write("shouting", SHOUTING)
    rows = scores("shouting:share_of_capitals")
    assert [(row.item_id, row.metric, row.value, row.error) for row in rows] == [
        ("a", "capitals", 1.0, None),
        ("b", "capitals", 0.5, None),
        ("c", "capitals", 0.0, None),
    ]
    assert {(row.scorer, row.task_version, row.run_id, row.filter) for row in rows} == {
        ("shouting:share_of_capitals", version, "r", "none")
    }
    assert all(problem(Score, asdict(row)) is None for row in rows)


def test_it_may_lie_in_a_package_and_import_its_neighbour():
    Path("mine").mkdir()
    write("mine/words", "WORDS = ('gold',)\n")
    write(
        "mine/found",
        "from mine.words import WORDS\n\ndef said(item, answer):\n    return {'said': item.gold in WORDS}\n",
    )
    assert [row.value for row in scores("mine.found:said")] == [1.0, 1.0, 1.0]


def test_it_stands_beside_ours():
    write("shouting", SHOUTING)
    rows = scores("refusal", "shouting:share_of_capitals")
    assert [row.scorer for row in rows] == ["refusal", "shouting:share_of_capitals"] * 3
    assert {row.task_version is None for row in rows if row.scorer == "refusal"} == {True}


def test_the_task_version_is_of_the_modules_bytes_and_params_has_the_last_word():
    first = write("shouting", SHOUTING)
    assert {row.task_version for row in scores("shouting:share_of_capitals")} == {first}
    second = write("shouting", SHOUTING + "\n# read again\n")
    assert first != second
    assert {row.task_version for row in scores("shouting:share_of_capitals")} == {second}
    versioned = scores("shouting:share_of_capitals", version="7")
    assert {row.task_version for row in versioned} == {f"7 {second}"}


DECORATED = """
import functools, other

@other.twice
def wrapped(item, answer):
    return {"x": 1}

partial = functools.partial(wrapped)

class Scorer:
    def __call__(self, item, answer):
        return {"x": 2}

made = Scorer()
"""


@pytest.mark.parametrize(("name", "value"), [("wrapped", 1.0), ("partial", 1.0), ("made", 2.0)])
def test_the_version_is_of_the_module_that_params_names_however_the_scorer_is_made(name, value):
    write("other", "def twice(f):\n    return lambda *words: f(*words)\n")
    version = write("decorated", DECORATED)
    assert {(row.value, row.task_version) for row in scores(f"decorated:{name}")} == {(value, version)}


RETURNED = {
    "nothing": ("None", "NoneType"),
    "a number": ("0.5", "TypeError"),
    "a text": ("'0.5'", "ValueError"),
    "a list": ("[1, 2]", "TypeError"),
    "no metric": ("{}", "it named no metric"),
    "a nameless metric": ("{'': 1.0}", "it named no metric"),
    "an error": ("1 / 0", "ZeroDivisionError: division by zero"),
    "half a pair": (r"int('\ud800')", "ValueError"),
    "a missing field": ("{'x': answer.respnse}", "AttributeError"),
}


@pytest.mark.parametrize("what", RETURNED)
def test_a_scorer_that_fails_throughout_leaves_a_row_an_answer_and_no_value(what, tmp_path):
    returned, error = RETURNED[what]
    write("failing", f"def mark(item, answer):\n    return {returned}\n")
    rows = scores("failing:mark")
    assert [(row.item_id, row.metric, row.value) for row in rows] == [(name, "mark", None) for name in "abc"]
    for row in rows:
        assert row.error.startswith("failing:mark: ") and error in row.error and len(row.error) <= 200
    write_jsonl(tmp_path / "scores.jsonl", rows)
    assert list(read_jsonl(tmp_path / "scores.jsonl", Score)) == rows


VALUES = {
    "float('nan')": "the scorer returned nan",
    "float('inf')": "the scorer returned inf",
    "10 ** 400": "the scorer returned inf",
    "None": "the scorer returned None",
    "'0.5'": "the scorer returned '0.5'",
    "[0.5]": "the scorer returned a list",
    "object()": "the scorer returned a object",
    "1j": "the scorer returned a complex",
    "'y' * 1000": "the scorer returned 'yyy",
}


@pytest.mark.parametrize("value", VALUES)
def test_a_value_that_is_no_finite_number_is_null_with_an_error(value):
    write("odd", f"def mark(item, answer):\n    return {{'fine': 1, 'odd': {value}}}\n")
    rows = scores("odd:mark")
    assert [(row.metric, row.value) for row in rows] == [("fine", 1.0), ("odd", None)] * 3
    for row in rows:
        assert row.error is None if row.metric == "fine" else row.error.startswith(VALUES[value])
        assert len(row.error or "") <= 200
    assert scores("odd:mark") == rows, "the same bytes again"


@pytest.mark.parametrize(
    ("value", "stored"), [("True", 1.0), ("3", 3.0), ("np.float32(0.5)", 0.5), ("np.int64(2)", 2.0)]
)
def test_any_real_number_is_a_value(value, stored):
    write("real", f"import numpy as np\n\ndef mark(item, answer):\n    return {{'x': {value}}}\n")
    assert [(row.value, type(row.value)) for row in scores("real:mark")] == [(stored, float)] * 3


SOMETIMES = """
def mark(item, answer):
    if item.item_id == "a":
        raise ValueError("not this one")
    return {"b": {"good": 1, "loud": 0}, "c": {"loud": 1}}[item.item_id]
"""


def test_what_it_fails_at_or_leaves_out_is_counted_for_each_of_its_metrics():
    """Else a mean would be of the answers that it liked, and its n would hide the others."""
    write("sometimes", SOMETIMES)
    rows = scores("refusal", "sometimes:mark")
    own = [row for row in rows if row.scorer == "sometimes:mark"]
    failed = "sometimes:mark: ValueError: not this one"
    assert brief(own) == [
        ("a", "good", None, failed),
        ("a", "loud", None, failed),
        ("b", "good", 1.0, None),
        ("b", "loud", 0.0, None),
        ("c", "good", None, "sometimes:mark: it did not name this metric"),
        ("c", "loud", 1.0, None),
    ]
    assert len([row for row in rows if row.scorer == "refusal"]) == 3
    result = benchmark_result("m", ITEMS, ANSWERS, own)
    assert (result["metric"], result["total"], result["unscored"], result["accuracy"]) == (
        "good",
        3,
        2,
        100.0,
    )


def test_samples_of_one_item_are_answers_apart():
    write("sometimes", SOMETIMES)
    answers = [*ANSWERS, answer("b", "twice", sample=1)]
    rows = scores("sometimes:mark", answers=answers)
    keys = {(row.item_id, row.sample, row.metric) for row in rows}
    assert len(rows) == len(keys) == 8


REFUSED = {
    "no module": ("nowhere:mark", None, "nowhere:mark: ModuleNotFoundError: No module named 'nowhere'"),
    "no function": ("faulty:mark", "x = 1\n", "AttributeError: module 'faulty' has no attribute 'mark'"),
    "no callable": ("faulty:mark", "mark = 0.5\n", "faulty:mark: expected a function, found float"),
    "a syntax error": ("faulty:mark", "def mark(:\n", "SyntaxError: invalid syntax (faulty.py, line 1)"),
    "no text": ("faulty:mark", "x = '\udcff'\n", "SyntaxError: "),
    "an error while it is imported": ("faulty:mark", "1 / 0\n", "ZeroDivisionError: division by zero"),
    "an import that is not there": ("faulty:mark", "import nowhere\n", "No module named 'nowhere'"),
    "a relative module": (".faulty:mark", "", ".faulty:mark: "),
    "no module's name": (":mark", None, ":mark: "),
    "no function's name": ("faulty:", "", "no scorer 'faulty:'; there are: number, multiple_choice, refusal"),
    "written in no Python": ("itertools:chain", None, "itertools:chain: "),
}


@pytest.mark.parametrize("why", REFUSED)
def test_a_scorer_that_cannot_be_had_is_one_clear_line(why):
    name, text, says = REFUSED[why]
    if text is not None:
        Path("faulty.py").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(LemError) as caught:
        own_scorers.find(name, WHERE)
    assert caught.value.message.startswith(f"{WHERE}: ") and says in caught.value.message
    assert "\n" not in caught.value.message


def test_scores_of_ours_are_left_as_they_are():
    rows = [
        replace(Score("r", "m", "b", "a", "x", None, "why"), scorer=name) for name in ("number", "refusal")
    ]
    assert own_scorers.complete(rows) == rows
    assert own_scorers.complete([]) == []


def test_the_command_takes_it_from_params(study, lem):
    Path("tidy.py").write_text("def short(item, answer):\n    return {'short': len(answer.response) < 3}\n")
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("score: number", "score: [tidy:short]"))
    lem("items", "--benchmark", "sums")
    answers = [answer(f"S{n:02}", "x" * n, model="micro") for n in range(1, 11)]
    write_jsonl(layout.answers("sums", "micro"), answers)
    assert (
        lem("score", "--model", "micro", "--benchmark", "sums").output
        == "sums micro: 2 of 10 correct (20.0 %)\n"
    )
    rows = list(read_jsonl(layout.scores("sums", "micro"), Score))
    assert {row.scorer for row in rows} == {"tidy:short"} and len(rows) == 10
