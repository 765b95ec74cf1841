"""The question sets written by hand are whole, balanced, apart from each other and nobody else's text."""

import json
import os
import re
from collections import Counter
from pathlib import Path
from statistics import mean

import pytest

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "seeds" / "benchmarks"
UPSTREAM = Path(os.environ.get("LEM_UPSTREAM", ROOT.parent / "shared" / "upstream")) / "lem-standard"

TRUTHFULQA = {
    "id": str,
    "benchmark": str,
    "question": str,
    "best_answer": str,
    "correct_answers": list,
    "incorrect_answers": list,
    "category": str,
}
DO_NOT_ANSWER = dict.fromkeys(
    ("id", "benchmark", "question", "risk_area", "types_of_harm", "specific_harms"), str
)
TOXIGEN = dict.fromkeys(("id", "benchmark", "prompt", "target_group"), str) | {"toxicity_label": float}

# file: benchmark, prefix of the ids, items, field of the text, field of the kind, kinds, fields
FILES = {
    "truthfulqa": ("truthfulqa", "TRUTH", 60, "question", "category", 10, TRUTHFULQA),
    "truthfulqa-calibration": ("truthfulqa", "CALT", 20, "question", "category", 10, TRUTHFULQA),
    "do_not_answer": ("do_not_answer", "DECL", 60, "question", "risk_area", 5, DO_NOT_ANSWER),
    "toxigen": ("toxigen", "TOX", 60, "prompt", "target_group", 12, TOXIGEN),
}
SCORED = [name for name in FILES if not name.endswith("-calibration")]
ANSWERED = ["truthfulqa", "truthfulqa-calibration"]
RISK_AREAS = {
    "Information Hazards",
    "Malicious Uses",
    "Discrimination, Exclusion, Toxicity, Hateful, Offensive",
    "Misinformation Harms",
    "Human-chatbot Interaction Harms",
}


def items(name: str, folder: Path = BENCHMARKS) -> list[dict]:
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]


def words(text: str) -> str:
    """Return a text as it would be recognised: lower case, without punctuation."""
    return " ".join(re.findall(r"\w+", text.lower()))


def texts(name: str, folder: Path = BENCHMARKS) -> list[str]:
    return [words(item[FILES[name][3]]) for item in items(name, folder)]


def runs_of_words(said: list[str], length: int = 8) -> set[tuple[str, ...]]:
    lists = [text.split() for text in said]
    return {tuple(text[i : i + length]) for text in lists for i in range(len(text) - length + 1)}


@pytest.mark.parametrize("name", FILES)
def test_every_item_has_exactly_its_fields(name):
    benchmark, prefix, count, *_, fields = FILES[name]
    found = items(name)
    assert [item["id"] for item in found] == [f"{prefix}_{n:03}" for n in range(1, count + 1)]
    for item in found:
        assert [(field, type(value)) for field, value in item.items()] == list(fields.items()), item["id"]
        assert item["benchmark"] == benchmark
        for value in item.values():
            assert not isinstance(value, str) or (value and value == value.strip()), item["id"]


@pytest.mark.parametrize("name", SCORED)
def test_a_scored_set_has_fifty_items_or_more(name):
    assert len(items(name)) >= 50


@pytest.mark.parametrize("name", FILES)
def test_no_text_is_there_twice(name):
    assert [text for text, times in Counter(texts(name)).items() if times > 1] == []


@pytest.mark.parametrize("name", FILES)
def test_every_kind_is_there_equally_often_and_early(name):
    """A limit keeps the first items, so these hold every kind."""
    _, _, count, _, kind, kinds, _ = FILES[name]
    found = [item[kind] for item in items(name)]
    assert set(Counter(found).values()) == {count // kinds}
    assert len(set(found[:kinds])) == kinds


@pytest.mark.parametrize("name", ANSWERED)
def test_the_best_answer_is_correct_and_no_answer_is_both(name):
    for item in items(name):
        correct = [words(answer) for answer in item["correct_answers"]]
        incorrect = [words(answer) for answer in item["incorrect_answers"]]
        assert item["best_answer"] in item["correct_answers"], item["id"]
        assert (2 <= len(correct) <= 4) and (3 <= len(incorrect) <= 5), item["id"]
        assert len({*correct, *incorrect}) == len(correct) + len(incorrect), item["id"]


@pytest.mark.parametrize("name", ANSWERED)
def test_an_answer_is_one_short_sentence_without_its_full_stop(name):
    for item in items(name):
        for answer in item["correct_answers"] + item["incorrect_answers"]:
            assert type(answer) is str and answer == answer.strip(), item["id"]
            assert answer[0].isupper() and not re.search(r"[.!?;]$", answer), item["id"]
            assert 3 <= len(answer.split()) <= 12, item["id"]


@pytest.mark.parametrize("name", ANSWERED)
def test_length_does_not_tell_the_best_answer(name):
    """Summed log-probabilities favour what is short, so the truth is neither shorter nor longer."""
    found = [(len(i["best_answer"]), [len(a) for a in i["incorrect_answers"]]) for i in items(name)]
    assert 0.9 <= mean(best / mean(wrong) for best, wrong in found) <= 1.1
    assert sum(best < min(wrong) for best, wrong in found) <= len(found) / 3
    assert sum(best > max(wrong) for best, wrong in found) <= len(found) / 3


@pytest.mark.parametrize("name", ANSWERED)
def test_yes_is_the_truth_of_some_questions_and_no_of_others(name):
    first = Counter(item["best_answer"].split(",")[0] for item in items(name))
    assert first["Yes"] >= 1 and first["No"] >= 1


def test_no_scored_question_is_a_calibration_question():
    scored, calibration = (items(name) for name in ANSWERED)
    assert not {item["id"] for item in scored} & {item["id"] for item in calibration}
    assert not {*texts(ANSWERED[0])} & {*texts(ANSWERED[1])}
    best = [{words(item["best_answer"]) for item in part} for part in (scored, calibration)]
    assert not best[0] & best[1]


def test_the_risk_areas_are_those_of_the_taxonomy():
    """The five names are of Wang et al. (2023), Do-Not-Answer."""
    found = items("do_not_answer")
    assert {item["risk_area"] for item in found} == RISK_AREAS
    for inner, outer in (("specific_harms", "types_of_harm"), ("types_of_harm", "risk_area")):
        pairs = {(item[inner], item[outer]) for item in found}
        assert len(pairs) == len({inside for inside, _ in pairs})


def test_toxicity_labels_are_benign_or_mildly_toxic_about_half_and_half():
    labels = {item["id"]: item["toxicity_label"] for item in items("toxigen")}
    assert [key for key, label in labels.items() if not (1 <= label <= 1.7 or 2 <= label <= 4)] == []
    assert 0.4 <= mean(label < 2 for label in labels.values()) <= 0.6
    assert 0.3 <= mean(label < 2 for label in [*labels.values()][:12]) <= 0.7


def test_every_group_is_spoken_of_in_both_ways_and_in_lower_case():
    found = items("toxigen")
    for group in {item["target_group"] for item in found}:
        benign = [item["toxicity_label"] < 2 for item in found if item["target_group"] == group]
        assert 2 <= sum(benign) <= 3, group
    assert [item["id"] for item in found if item["prompt"] != item["prompt"].lower()] == []


@pytest.mark.parametrize("name", FILES)
def test_no_text_is_from_upstream(name):
    if not UPSTREAM.is_dir():
        pytest.skip(f"{UPSTREAM} is absent; LEM_UPSTREAM names the folder that holds lem-standard")
    theirs = texts(FILES[name][0], UPSTREAM)
    assert len(theirs) == 50
    assert not {*texts(name)} & {*theirs}
    assert not runs_of_words(texts(name)) & runs_of_words(theirs)


@pytest.mark.parametrize("name", ANSWERED)
def test_no_answer_is_from_upstream(name):
    if not UPSTREAM.is_dir():
        pytest.skip(f"{UPSTREAM} is absent; LEM_UPSTREAM names the folder that holds lem-standard")

    def answers(part: list[dict]) -> set[str]:
        return {words(a) for item in part for a in item["correct_answers"] + item["incorrect_answers"]}

    assert not answers(items(name)) & answers(items("truthfulqa", UPSTREAM))
