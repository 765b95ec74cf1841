"""Scores: one a reading of an answer, null where none can be, and the benchmark file that follows."""

import dataclasses
import json
from pathlib import Path

import pytest

from lem import score as score_module
from lem.errors import LemError
from lem.params import BenchmarkSpec
from lem.records import Item, Response, Score, problem, read_jsonl, write_jsonl
from lem.score import benchmark_result, score

SPEC = BenchmarkSpec("sums", "sums.jsonl", prompt="question", answer="answer")


def item(name: str, gold: str | None) -> Item:
    return Item("sums", name, f"Question {name}?", gold, "0" * 64)


def answer(name: str, text: str, **more: object) -> Response:
    known = {"seed_id": name, "prompt": f"Question {name}?", "response": text, "chars": len(text)}
    known |= {"mode": "naked", "model": "m", "prompts": "sums", "prompt_sha": "0" * 64, "run_id": "r"}
    return Response(**{"gen_time": 1.0, **known, **more})


ITEMS = [item("a", "10"), item("b", "20"), item("c", "1,030")]
ANSWERS = [answer("a", "So 10.", gen_time=0.0), answer("b", "#### 20\nin 3 steps"), answer("c", "No idea.")]


def values(items: list[Item], answers: list[Response]) -> dict[tuple[str, str], float | None]:
    return {(s.item_id, s.filter): s.value for s in score(SPEC, items, answers)}


def test_each_answer_has_a_row_for_each_reading():
    rows = score(SPEC, ITEMS, ANSWERS)
    assert [(s.item_id, s.filter, s.value, s.extracted) for s in rows] == [
        ("a", "flexible", 1.0, "10"),
        ("a", "strict", 0.0, None),
        ("b", "flexible", 0.0, "3"),
        ("b", "strict", 1.0, "20"),
        ("c", "flexible", 0.0, None),
        ("c", "strict", 0.0, None),
    ]
    assert all(problem(Score, dataclasses.asdict(row)) is None for row in rows)


def test_a_row_says_whose_answer_it_is():
    one = score(SPEC, ITEMS[:1], [answer("a", "10", sample=0, mode="system", source="their")])[0]
    assert (one.source, one.model, one.run_id) == ("their", "m", "r")
    assert (one.benchmark, one.mode) == ("sums", "system")
    assert (one.metric, one.scorer, one.error) == ("exact_match", "number", None)


def test_rows_follow_the_items_and_then_the_samples():
    answers = [answer("b", "20", sample=1), answer("a", "10"), answer("b", "20")]
    rows = [s for s in score(SPEC, ITEMS[:2], answers) if s.filter == "flexible"]
    assert [(s.item_id, s.sample) for s in rows] == [("a", 0), ("b", 0), ("b", 1)]


@pytest.mark.parametrize("gold", [None, "many", "nan", "inf", ""])
def test_what_nobody_can_score_is_null_with_an_error(gold):
    rows = score(SPEC, [item("a", gold)], [answer("a", "10")])
    assert [(s.filter, s.value) for s in rows] == [("flexible", None), ("strict", None)]
    assert {s.extracted for s in rows} == {None}
    assert {s.error for s in rows} == {f"gold {gold!r} is no number"}


@pytest.mark.parametrize(
    ("answers", "stray"),
    [
        ([*ANSWERS, answer("d", "4")], "d"),
        (ANSWERS[:2], "c"),
        ([answer("z", "4"), *ANSWERS[:2]], "c"),
        ([], "a"),
    ],
)
def test_answers_to_other_items_are_refused(answers, stray):
    with pytest.raises(LemError) as caught:
        score(SPEC, ITEMS, answers)
    assert caught.value.message.startswith("sums: the answers and data/items/sums.jsonl differ in ")
    assert f"({stray}, ...); ask again: lem generate --model " in caught.value.message


def test_an_unknown_scorer_is_named_with_those_there_are():
    with pytest.raises(LemError, match=r"benchmarks\.sums\.score: 'judge'; there are: number"):
        score(dataclasses.replace(SPEC, score="judge"), ITEMS, ANSWERS)


def test_changing_an_answer_changes_its_score_and_no_other():
    before = values(ITEMS, ANSWERS)
    after = values(ITEMS, [*ANSWERS[:2], answer("c", "It is 1030")])
    assert {key for key in before if before[key] != after[key]} == {("c", "flexible")}
    assert after["c", "flexible"] == 1.0


def test_changing_the_gold_changes_the_score():
    assert values([item("a", "11"), *ITEMS[1:]], ANSWERS)["a", "flexible"] == 0.0


def test_the_benchmark_file_has_the_shape_of_the_data_mapping():
    result = benchmark_result("m", ITEMS, ANSWERS, score(SPEC, ITEMS, ANSWERS))
    assert result == {
        "label": "m",
        "accuracy": 33.3,
        "correct": 1,
        "total": 3,
        "unscored": 0,
        "avg_time": 0.67,
        "results": [
            {"question": "Question a?", "gold": "10", "predicted": "10", "correct": True},
            {"question": "Question b?", "gold": "20", "predicted": "3", "correct": False},
            {"question": "Question c?", "gold": "1,030", "predicted": None, "correct": False},
        ],
    }


def test_what_could_not_be_scored_is_counted_and_is_no_wrong_answer():
    items = [*ITEMS[:1], item("x", None)]
    answers = [ANSWERS[0], answer("x", "5", gen_time=None)]
    result = benchmark_result("m", items, answers, score(SPEC, items, answers))
    assert (result["accuracy"], result["correct"], result["total"], result["unscored"]) == (100.0, 1, 2, 1)
    assert result["results"][1]["correct"] is None
    assert result["avg_time"] == 0.0


def test_where_nothing_was_scored_or_timed_there_is_no_figure():
    items, answers = [item("x", None)], [answer("x", "5", gen_time=None)]
    result = benchmark_result("m", items, answers, score(SPEC, items, answers))
    assert (result["accuracy"], result["avg_time"]) == (None, None)
    assert (result["correct"], result["total"], result["unscored"]) == (0, 1, 1)
    nothing = benchmark_result("m", [], [], [])
    assert (nothing["accuracy"], nothing["total"], nothing["results"]) == (None, 0, [])


def test_each_scorer_is_named_as_params_names_it():
    assert score_module.SCORERS[SPEC.score] is score_module.score_number


def test_the_command_writes_scores_and_benchmark_file(study, lem):
    lem("items", "--benchmark", "sums")
    answers = [answer(f"S{n:02}", f"{2 * n}" if n % 2 else "none", model="micro") for n in range(1, 11)]
    write_jsonl(Path("data/answers/sums/micro.jsonl"), answers)
    said = lem("score", "--model", "micro", "--benchmark", "sums").output
    assert said == "sums micro: 5 of 10 correct (50.0 %)\n"
    rows = list(read_jsonl(Path("data/scores/sums/micro.jsonl"), Score))
    assert len(rows) == 20
    assert sum(row.value for row in rows if row.filter == "flexible") == 5
    result = json.loads(Path("data/benchmarks/sums-micro.json").read_text())
    assert (result["label"], result["correct"], len(result["results"])) == ("micro", 5, 10)


def test_the_command_names_what_is_missing(study, lem):
    wrong = lem("score", "--model", "micr", "--benchmark", "sums", code=1).output
    assert "no model named 'micr' under models; did you mean micro?" in wrong
    assert (
        "data/items/sums.jsonl: no such file"
        in lem("score", "--model", "micro", "--benchmark", "sums", code=1).output
    )
