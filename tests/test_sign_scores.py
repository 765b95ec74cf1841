"""`lem signs`: every answer's signs, own and imported, each of its source; what cannot be told is null."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lem import engine, layout
from lem import signs as sign_scores
from lem.records import Model, Response, Run, Score, fields, read_jsonl, write_json, write_jsonl
from lem.scoring import signs

ID = "0" * 16
TEXTS = {
    "P01": "I'm sorry, but I can't help with that.",
    "P02": "The river runs to the sea.",
    "P03": "",
}
OWN = layout.responses("baseline", "m", "v", "naked")
THEIRS = layout.imported("their") / "answers/q/m.jsonl"
GIVEN = layout.answers("c", "m")
NAMES = list(signs.readings("", None))


def answer(name: str, text: str, **more) -> Response:
    known = {"seed_id": name, "prompt": "?", "response": text, "gen_time": 1.0, "chars": len(text)}
    known |= {"mode": "naked", "model": "m", "prompts": "v", "prompt_sha": "0" * 64, "run_id": ID}
    return Response(**{**known, "finish_reason": "stop", **more})


def run(root: Path, **more) -> None:
    """Write the run that answers point at; of its settings it states none."""
    unknown = dict.fromkeys(name for name, (_, nullable) in fields(Run).items() if nullable)
    known = {"run_id": ID, "source": "own", "model": "m", "prompts": "v", "mode": "naked"}
    record = Run(**{**unknown, **known, **more})
    write_json(root / f"logs/{record.model}-{record.prompts}-{record.mode}.json", record)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder with own answers, imported ones and given ones."""
    monkeypatch.chdir(tmp_path)
    write_json(engine.FILE, engine.installed())
    write_json(layout.model_record("baseline", "m"), Model("m"))
    write_jsonl(OWN, [answer(name, text) for name, text in TEXTS.items()])
    foreign = {"source": "their", "prompts": "q", "finish_reason": None, "run_id": "x1"}
    write_jsonl(THEIRS, [answer(name, text, **foreign) for name, text in TEXTS.items()])
    given = {"prompts": "c", "finish_reason": "given", "gen_time": None}
    write_jsonl(GIVEN, [answer("1", text, sample=n, logprob=-1.0, **given) for n, text in enumerate("ab")])
    run(layout.DATA)
    run(layout.DATA, prompts="c", run_id="1" * 16)
    write_jsonl(GIVEN, [replace(row, run_id="1" * 16) for row in read_jsonl(GIVEN, Response)])
    run(layout.imported("their"), source="their", prompts="q", run_id="x1")
    return tmp_path


def scores(file: Path) -> list[Score]:
    return list(read_jsonl(layout.signs(file), Score))


def written() -> list[str]:
    return sorted(path.as_posix() for path in Path("data/signs").rglob("*") if path.is_file())


def test_each_answer_has_each_sign_in_a_file_of_the_same_path(folder, lem):
    assert lem("signs").output == f"data/signs: {6 * len(NAMES)} signs of the answers in 3 files\n"
    assert written() == ["data/signs/baseline/m/v-naked.jsonl", "data/signs/imported/their/answers/q/m.jsonl"]
    rows = scores(OWN)
    assert [(row.item_id, row.metric) for row in rows] == [(name, sign) for name in TEXTS for sign in NAMES]
    expected = [value for text in TEXTS.values() for value in signs.readings(text, "stop").values()]
    assert [row.value for row in rows] == expected
    assert {row.value for row in rows if (row.item_id, row.metric) == ("P01", "refusal")} == {1.0}
    assert {(row.benchmark, row.scorer, row.source, row.run_id, row.mode, row.filter) for row in rows} == {
        ("v", "sign", "own", ID, "naked", "none")
    }
    assert {row.error for row in rows} == {None}


def test_imported_answers_keep_their_source_and_what_they_do_not_say_is_null(folder, lem):
    lem("signs")
    rows = scores(THEIRS)
    assert {(row.source, row.run_id, row.benchmark) for row in rows} == {("their", "x1", "q")}
    assert {row.metric for row in rows if row.value is None} == {"cut_off"}
    assert len(rows) == 3 * len(NAMES)
    for row in rows:
        assert row.error == ("the run does not say why its answer ended" if row.metric == "cut_off" else None)


def test_a_cut_off_answer_says_so(folder, lem):
    write_jsonl(OWN, [answer("P01", "a", finish_reason="length"), answer("P02", "a")])
    lem("signs")
    assert [row.value for row in scores(OWN) if row.metric == "cut_off"] == [1.0, 0.0]


def test_given_answers_have_no_signs():
    assert list(sign_scores.of([answer("1", "I refuse.", finish_reason="given", logprob=-1.0)])) == []
    assert len(list(sign_scores.of([answer("1", "I refuse.")]))) == len(NAMES)


def test_the_check_holds_and_every_key_is_there_once(folder, lem):
    answers = list(read_jsonl(OWN, Response))
    write_jsonl(OWN, [*answers, replace(answers[0], sample=1)])
    lem("signs")
    scored = Score(ID, "m", "v", "P01", "refusal", 1.0, scorer="refusal")
    write_jsonl(layout.scores("v", "m"), [scored])
    lem("check")
    tables = json.loads(Path("reports/checks.json").read_text())["tables"]
    assert (tables["scores"]["files"], tables["scores"]["rows"]) == (3, 7 * len(NAMES) + 1)
    rows = [row for file in layout.files("scores") for row in read_jsonl(file, Score)]
    keys = {(r.source, r.model, r.benchmark, r.mode, r.item_id, r.sample, r.metric, r.scorer) for r in rows}
    assert len(keys) == len(rows)


def test_a_sign_in_another_sources_folder_is_a_broken_rule(folder, lem):
    lem("signs")
    file = layout.signs(THEIRS)
    write_jsonl(file, [replace(row, source="own") for row in scores(THEIRS)])
    shown = lem("check", code=1).stderr
    assert f'{file}:1: source: expected "their", as the folder says, found "own"' in shown


def test_the_same_bytes_again_and_nothing_stale(folder, lem):
    lem("signs")
    first = {name: Path(name).read_bytes() for name in written()}
    stray = Path("data/signs/baseline/gone/v-naked.jsonl")
    write_jsonl(stray, scores(OWN))
    lem("signs")
    assert {name: Path(name).read_bytes() for name in written()} == first
    assert not stray.parent.exists()
    THEIRS.unlink()
    lem("signs")
    assert written() == ["data/signs/baseline/m/v-naked.jsonl"]
    assert not list(Path("data").glob(".*"))


def test_a_file_that_is_no_response_file_leaves_the_signs_that_were_there(folder, lem):
    lem("signs")
    first = {name: Path(name).read_bytes() for name in written()}
    with THEIRS.open("ab") as file:
        file.write(b'{"seed_id": "P04"}\n')
    shown = lem("signs", code=1).stderr
    assert shown == f"Error: {THEIRS}:4: Response.prompt is missing\n"
    assert {name: Path(name).read_bytes() for name in written()} == first
    assert not list(Path("data").glob(".*"))


def test_a_study_without_answers_has_an_empty_folder_of_signs(tmp_path, monkeypatch, lem):
    """DVC wants the folder that the stage promises."""
    monkeypatch.chdir(tmp_path)
    write_json(engine.FILE, engine.installed())
    assert lem("signs").output == "data/signs: 0 signs of the answers in 0 files\n"
    assert Path("data/signs").is_dir() and written() == []
    lem("check")


def test_no_signs_without_the_pinned_engine(folder, lem):
    engine.FILE.unlink()
    assert "lem doctor --pin" in lem("signs", code=1).stderr
    assert not Path("data/signs").exists()
