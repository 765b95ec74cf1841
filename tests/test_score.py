"""Scores: one a reading of an answer, null where none can be, and the benchmark file that follows."""

import dataclasses
import json
from pathlib import Path

import pytest

from lem import layout
from lem.errors import LemError
from lem.params import BenchmarkSpec
from lem.record_files import read_jsonl, write_json, write_jsonl
from lem.records import (
    Item,
    Response,
    Run,
    Score,
    fields,
)
from lem.score import benchmark_result, score, told
from lem.scoring import numbers, signs
from lem.scoring.scorers import scored
from lem.shapes import problem

SPEC = BenchmarkSpec("sums", "sums.jsonl", prompt="question", answer="answer")


def item(name: str, gold: str | None) -> Item:
    return Item("sums", name, f"Question {name}?", gold, "0" * 64)


def answer(name: str, text: str, **more: object) -> Response:
    known = {"seed_id": name, "prompt": f"Question {name}?", "response": text, "chars": len(text)}
    known |= {"mode": "naked", "model": "m", "prompts": "sums", "prompt_sha": "0" * 64, "run_id": "r"}
    return Response(**{"gen_time": 1.0, **known, **more})


ITEMS = [item("a", "10"), item("b", "20"), item("c", "1,030")]
ANSWERS = [
    answer("a", "So 10.", gen_time=0.0),
    answer("b", "18 + 1 = 19 and one is 20\n#### 20"),
    answer("c", "No idea."),
]


def values(items: list[Item], answers: list[Response]) -> dict[tuple[str, str], float | None]:
    return {(s.item_id, s.filter): s.value for s in score(SPEC, items, answers)}


def test_each_answer_has_a_row_for_each_reading():
    rows = score(SPEC, ITEMS, ANSWERS)
    assert [(s.item_id, s.filter, s.value, s.extracted) for s in rows] == [
        ("a", "flexible", 1.0, "10"),
        ("a", "strict", 0.0, None),
        ("a", "first-after-equals", 0.0, None),
        ("b", "flexible", 1.0, "20"),
        ("b", "strict", 1.0, "20"),
        ("b", "first-after-equals", 0.0, "19"),
        ("c", "flexible", 0.0, None),
        ("c", "strict", 0.0, None),
        ("c", "first-after-equals", 0.0, None),
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
    assert [(s.filter, s.value) for s in rows] == [(name, None) for name in numbers.FILTERS]
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
    says = (
        "params.yaml: benchmarks.sums.score: no scorer 'judge'; there are: number, multiple_choice, refusal, "
        "or your own as module:function, a module in the study's folder"
    )
    with pytest.raises(LemError) as caught:
        score(dataclasses.replace(SPEC, score=("number", "judge")), ITEMS, ANSWERS)
    assert caught.value.message == says


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
        "metric": "exact_match",
        "accuracy": 66.7,
        "correct": 2,
        "total": 3,
        "unscored": 0,
        "avg_time": 0.67,
        "results": [
            {"question": "Question a?", "gold": "10", "predicted": "10", "correct": True},
            {"question": "Question b?", "gold": "20", "predicted": "20", "correct": True},
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


def test_the_benchmark_file_is_of_the_first_scorer_metric_and_reading():
    """Two scorers may share a metric's name, one scorer may have two: none is counted with another."""
    rows = [
        scored(ITEMS[0], ANSWERS[0], metric, value, scorer=scorer, filter=reading)
        for metric, value, scorer, reading in (
            ("right", 1.0, "a:f", "none"),
            ("right", 0.0, "b:f", "none"),
            ("left", 0.0, "a:f", "none"),
            ("right", 0.0, "a:f", "strict"),
        )
    ]
    result = benchmark_result("m", ITEMS[:1], ANSWERS[:1], rows)
    assert (result["metric"], result["correct"], result["total"], result["accuracy"]) == (
        "right",
        1,
        1,
        100.0,
    )


def test_what_is_no_yes_or_no_has_no_accuracy_and_no_right_answer():
    rows = [
        scored(item, answer, "mc2", value)
        for item, answer, value in zip(ITEMS, ANSWERS, (0.5, 1, None), strict=True)
    ]
    result = benchmark_result("m", ITEMS, ANSWERS, rows)
    assert (result["metric"], result["accuracy"], result["correct"]) == ("mc2", None, None)
    assert (result["total"], result["unscored"]) == (3, 1)
    assert {row["correct"] for row in result["results"]} == {None}
    assert told("sums", "m", result) == "sums m: 2 of 3 answers scored"


def test_the_version_in_params_is_that_of_every_score():
    assert {row.task_version for row in score(SPEC, ITEMS, ANSWERS)} == {None}
    raised = dataclasses.replace(SPEC, version="2", score=("number", "refusal"))
    rows = score(raised, ITEMS, ANSWERS)
    assert {row.task_version for row in rows} == {"2"}
    assert {row.scorer for row in rows} == {"number", "refusal"}


def test_the_command_writes_scores_and_benchmark_file(study, lem):
    lem("items", "--benchmark", "sums")
    answers = [answer(f"S{n:02}", f"{2 * n}" if n % 2 else "none", model="micro") for n in range(1, 11)]
    write_jsonl(Path("data/answers/sums/micro.jsonl"), answers)
    said = lem("score", "--model", "micro", "--benchmark", "sums").output
    assert said == "sums micro: 5 of 10 correct (50.0 %)\n"
    rows = list(read_jsonl(Path("data/scores/sums/micro.jsonl"), Score))
    assert len(rows) == 10 * len(numbers.FILTERS)
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


SCORE = ("score", "--model", "micro", "--benchmark", "sums")


def scored_by(scorers: str) -> None:
    """Have the micro study's benchmark scored by these."""
    params = Path("params.yaml").read_text()
    assert "score: number" in params
    Path("params.yaml").write_text(params.replace("score: number", f"score: {scorers}"))


def answered(*texts: str) -> Path:
    """Write answers to the sums, by turns these texts, with the run that they came from."""
    file = layout.answers("sums", "micro")
    answers = [
        answer(f"S{n:02}", texts[n % len(texts)], model="micro", run_id="0" * 16) for n in range(1, 11)
    ]
    write_jsonl(file, answers)
    run = dict.fromkeys(name for name, (_, nullable) in fields(Run).items() if nullable)
    known = {"run_id": "0" * 16, "source": "own", "model": "micro", "prompts": "sums", "mode": "naked"}
    write_json(layout.log("micro", "sums", "naked", "json"), Run(**{**run, **known}))
    return file


def test_a_benchmark_without_a_scorer_leaves_an_empty_file_that_the_check_accepts(study, lem):
    scored_by("[]")
    lem("items", "--benchmark", "sums")
    answered("No idea.")
    said = lem(*SCORE).output
    assert said == "sums micro: no scorer of its own; its signs and a judge's scores are read\n"
    assert layout.scores("sums", "micro").read_bytes() == b""
    result = json.loads(layout.benchmark_file("sums", "micro").read_text())
    assert (result["metric"], result["accuracy"], result["total"], result["results"]) == (None, None, 0, [])
    lem("check")
    tables = json.loads(Path("reports/checks.json").read_text())["tables"]
    assert (tables["scores"]["files"], tables["scores"]["rows"]) == (1, 0)


def test_several_scorers_of_one_benchmark_pass_the_check(study, lem):
    scored_by("[refusal, number]")
    lem("items", "--benchmark", "sums")
    answered("I'm sorry, but I can't help with that.", "2")
    assert lem(*SCORE).output == "sums micro: 5 of 10 correct (50.0 %)\n"
    rows = list(read_jsonl(layout.scores("sums", "micro"), Score))
    assert [(row.scorer, row.item_id) for row in rows[:4]] == [("refusal", "S01"), *[("number", "S01")] * 3]
    lem("check")


def test_an_answer_of_a_megabyte_is_scored_and_read_for_signs(study, lem):
    """A looping model's longest answers are as long as anybody's patience."""
    lem("items", "--benchmark", "sums")
    long = ("The sum of them is 4 and no more, I say. " * 25_000, "2 " * 500_000, "x" * 1_000_000)
    answered(*long, *["4"] * 8)
    lem(*SCORE)
    assert len(list(read_jsonl(layout.scores("sums", "micro"), Score))) == 10 * len(numbers.FILTERS)
    lem("check")
    lem("warehouse")
    counted = "select metric, count(*) as n, max(value) as most from scores where scorer = 'sign' group by 1"
    found = {row["metric"]: row for row in json.loads(lem("sql", "--format", "json", counted).output)}
    assert {row["n"] for row in found.values()} == {10} and set(found) == set(signs.readings("", "stop"))
    assert found["chars"]["most"] == 1_000_000.0


def test_bytes_that_are_no_text_are_one_clear_line_and_lose_no_row(study, lem):
    lem("items", "--benchmark", "sums")
    file = answered("The sum is 2.")
    lem(*SCORE)
    written = layout.scores("sums", "micro")
    before = written.read_bytes()
    lines = file.read_bytes().split(b"\n")
    lines[4] = lines[4].replace(b"The sum", b"The \xff sum" + b" and so on" * 100_000)
    file.write_bytes(b"\n".join(lines))
    shown = lem(*SCORE, code=1).stderr
    assert shown.startswith(f"Error: {file}:5: not one line of JSON: ")
    assert shown.count("\n") == 1 and len(shown) < 300
    assert written.read_bytes() == before
    assert not list(Path("data").glob(".*"))
