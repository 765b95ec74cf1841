"""Every answer's signs as scores of the warehouse, own and imported; what cannot be told is null."""

from dataclasses import replace
from pathlib import Path

import pytest

from lem import engine, layout, warehouse
from lem.record_files import read_jsonl, write_json, write_jsonl
from lem.records import (
    Model,
    Response,
    Run,
    fields,
)
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


def scores(where: str) -> list[tuple]:
    """Return (item, metric, value, error) of the signs, in the order of all."""
    sql = f"select item_id, metric, value, error from scores where scorer = 'sign' and {where} order by all"
    return warehouse.build().execute(sql).fetchall()


def expected(finish_reason: str | None) -> list[tuple]:
    why = "the run does not say why its answer ended"
    rows = [
        (name, *one) for name, text in TEXTS.items() for one in signs.readings(text, finish_reason).items()
    ]
    return sorted((*row, None if row[2] is not None else why) for row in rows)


def test_each_own_answer_has_each_sign(folder):
    assert scores("source = 'own'") == expected("stop")
    assert ("P01", "refusal", 1.0, None) in expected("stop") and len(expected("stop")) == 3 * len(NAMES)
    told = "select distinct benchmark, mode, filter, run_id, task_version from scores where source = 'own'"
    assert warehouse.build().execute(told).fetchall() == [("v", "naked", "none", ID, None)]


def test_imported_answers_keep_their_source_and_what_they_do_not_say_is_null(folder):
    rows = scores("source = 'their'")
    assert rows == expected(None)
    assert {metric for _, metric, value, _ in rows if value is None} == {"cut_off"}


def test_a_cut_off_answer_says_so(folder):
    write_jsonl(OWN, [answer("P01", "a", finish_reason="length"), answer("P02", "a")])
    write_json(layout.log("m", "v", "naked", "json"), replace(the_run(), responses=2))
    assert [row[2] for row in scores("source = 'own' and metric = 'cut_off'")] == [1.0, 0.0]


def the_run() -> Run:
    unknown = dict.fromkeys(name for name, (_, nullable) in fields(Run).items() if nullable)
    return Run(**{**unknown, "run_id": ID, "source": "own", "model": "m", "prompts": "v", "mode": "naked"})


def test_given_answers_have_no_signs(folder):
    assert scores("benchmark = 'c'") == []
    assert warehouse.build().execute("select count(*) from responses where prompts = 'c'").fetchone() == (2,)


def test_samples_are_rows_of_their_own_and_no_row_is_lost(folder):
    answers = list(read_jsonl(OWN, Response))
    write_jsonl(OWN, [*answers, replace(answers[0], sample=1)])
    assert len(scores("source = 'own'")) == 4 * len(NAMES)


def test_the_command_finds_no_rule_broken(folder, lem):
    assert f"scores\t{6 * len(NAMES)} rows" in lem("warehouse").output
