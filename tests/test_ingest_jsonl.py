"""`lem ingest jsonl`: anybody's answers with a map; pieces and processes change nothing; no row is lost."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lem.cli import main
from lem.ingest import jsonl, kinds, lines
from lem.ingest.jsonl import pieces
from lem.ingest.jsonl.rows import Piece, Plan, read_piece
from lem.record_files import dumps, read_json, read_jsonl, sha256
from lem.records import Item, Model, Quarantined, Response, Run, Score

OUT = Path("data/imported/jsonl")
MAP = "prompt=question,response=output"
ROW = {"id": "Q1", "question": "What is 2 + 2?", "output": "It is 4 — four."}


def encoded(*rows: object) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def ingest(path: Path | str, *options: str, mapped: str = MAP, code: int = 0) -> Result:
    """Run the command; only LemError (one line, exit 1) and usage errors may stop it."""
    result = CliRunner().invoke(main, ["ingest", "jsonl", str(path), "--map", mapped, *options])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    assert result.exit_code == code, result.output
    return result


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def responses() -> list[Response]:
    return [row for path in sorted(OUT.glob("answers/*/*.jsonl")) for row in read_jsonl(path, Response)]


def scores() -> list[Score]:
    return [row for path in sorted(OUT.glob("scores/*/*.jsonl")) for row in read_jsonl(path, Score)]


def quarantine() -> list[tuple[str, int | None, str]]:
    return [(row.file, row.line, row.reason) for row in read_jsonl(OUT / "quarantine.jsonl", Quarantined)]


@pytest.fixture(autouse=True)
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "study").mkdir()
    monkeypatch.chdir(tmp_path / "study")
    monkeypatch.setattr(os, "fsync", lambda _: None)  # nothing here has to outlive a power cut
    monkeypatch.setitem(kinds.KINDS, "jsonl", jsonl.KIND)
    return tmp_path / "study"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl"


def test_a_row_becomes_a_response_a_run_and_a_model(file):
    file.write_bytes(
        encoded({**ROW, "gen_time": 1.5, "tokens": 7, "finish_reason": "eos", "reasoning": "hm"})
    )
    assert "1         1            0" in ingest(file, "--model", "org/their-7b").output
    (found,) = responses()
    assert (found.seed_id, found.prompt, found.response) == ("Q1", ROW["question"], ROW["output"])
    assert (found.model, found.prompts, found.mode, found.source) == (
        "org__their-7b",
        "out",
        "naked",
        "jsonl",
    )
    assert (found.chars, found.gen_time, found.tokens, found.finish_reason) == (15, 1.5, 7, "stop")
    assert (found.reasoning, found.reasoning_chars, found.sample) == ("hm", 2, 0)
    run = read_json(OUT / "logs/org__their-7b-out-naked.json", Run)
    assert (run.run_id, run.responses, run.temperature) == (found.run_id, 1, None)
    assert read_json(OUT / "baseline/org__their-7b/model.json", Model).name == "org__their-7b"
    assert (OUT / "raw/out.jsonl").read_bytes() == file.read_bytes()
    assert not list(OUT.glob("scores/*/*")) and not list(OUT.glob("items/*"))


def test_dots_lead_into_a_row_and_a_key_with_a_dot_is_itself(file):
    file.write_bytes(
        encoded({"q.text": "a?", "choices": {"message": {"content": "b"}}, "who": {"name": "m"}})
    )
    ingest(file, mapped="prompt=q.text,response=choices.message.content,model=who.name")
    assert [(r.prompt, r.response, r.model, r.seed_id) for r in responses()] == [("a?", "b", "m", "1")]


def test_what_is_not_mapped_has_our_name(file):
    row = {
        "qid": 7,
        "prompt": "a",
        "response": "",
        "model": "m",
        "benchmark": "b",
        "mode": "cot",
        "sample": 2,
    }
    file.write_bytes(encoded(row))
    ingest(file, mapped="category=benchmark")  # so it names no prompts
    (found,) = responses()
    assert (found.seed_id, found.response, found.prompts, found.mode, found.sample) == (
        "7",
        "",
        "out",
        "cot",
        2,
    )
    file.write_bytes(encoded(row))
    ingest(file, "--as", "second", "--benchmark", "given", mapped="id=qid")
    (found,) = read_jsonl(Path("data/imported/second/answers/given/m-cot.jsonl"), Response)
    assert found.prompts == "given"


def test_the_right_answer_makes_items_and_scores(file):
    rows = [{**ROW, "id": str(n), "gold": 4} for n in range(3)]
    file.write_bytes(
        encoded(*rows, {**ROW, "id": "1", "sample": 1, "gold": 4}, {**ROW, "id": "2", "gold": 5})
    )
    ingest(file, "--model", "m")
    items = list(read_jsonl(OUT / "items/out.jsonl", Item))
    assert [(item.item_id, item.gold, item.question) for item in items] == [
        (str(n), "4", ROW["question"]) for n in range(3)
    ]
    flexible = [(s.item_id, s.sample, s.value) for s in scores() if s.filter == "flexible"]
    assert flexible == [("0", 0, 1.0), ("1", 0, 1.0), ("2", 0, 1.0), ("1", 1, 1.0)]
    assert quarantine() == [("out.jsonl", 5, "id '2', sample 0 stands twice; the first is kept")]


def test_a_right_answer_that_contradicts_an_earlier_one_is_refused(file):
    file.write_bytes(encoded({**ROW, "gold": "4"}, {**ROW, "sample": 1, "gold": "5"}))
    ingest(file, "--model", "m")
    assert quarantine() == [("out.jsonl", 2, "answer '5' contradicts an earlier row's, '4'")]


def test_answers_that_are_no_numbers_are_not_scored_unless_asked(file):
    file.write_bytes(encoded({**ROW, "gold": "four"}, {**ROW, "id": "Q2", "gold": "4"}))
    ingest(file, "--model", "m")
    assert scores() == []
    ingest(file, "--model", "m", "--score", "refusal")
    assert [(s.item_id, s.metric, s.value) for s in scores()] == [
        ("Q1", "refusal_rate", 0.0),
        ("Q2", "refusal_rate", 0.0),
    ]


def test_a_field_that_the_map_uses_means_nothing_else(file):
    file.write_bytes(encoded({"question": "a?", "answer": "its own words"}))
    ingest(file, "--model", "m", mapped="prompt=question,response=answer")
    assert [r.response for r in responses()] == ["its own words"] and not (OUT / "items").exists()


@pytest.mark.parametrize(
    ("mapped", "options", "said"),
    [
        (
            "prompt=questoin,response=output",
            ("--model", "m"),
            "no row has the field 'questoin', mapped to our prompt",
        ),
        ("prompt=question", ("--model", "m"), "no row has a field response; give --map response=FIELD"),
        (MAP, (), "give --model NAME or --map model=FIELD"),
        (f"{MAP},colour=id", ("--model", "m"), "no field of ours"),
        (f"{MAP},id=id,seed_id=id", ("--model", "m"), "is mapped to id already"),
        (MAP, ("--model", "../m"), "cannot be a file name"),
        (MAP, ("--model", "m", "--benchmark", "../b"), "--benchmark"),
        (MAP, ("--model", "m", "--score", "bleu"), "there are: number, refusal"),
        (MAP, ("--model", "m", "--score", "multiple_choice"), "no scorer of single answers"),
        (MAP, ("--model", "m", "--fine-tuned", "n"), "--fine-tuned n: no such model; there are m"),
        (MAP, ("--model", "m", "--fine-tuned", "o/n"), "--fine-tuned o/n: no such model; there are m"),
        (MAP, ("--model", "m", "--fine-tuned", "../n"), "--fine-tuned ../n: no such model; there are m"),
    ],
)
def test_a_persons_typo_is_said(file, mapped, options, said):
    file.write_bytes(encoded(ROW))
    output = ingest(file, *options, mapped=mapped, code=1).output
    assert said in output and not OUT.exists()
    if "no row has" in said:
        assert "out.jsonl" in output and "id, question, output" in output


def test_fine_tuned_models_are_the_named_ones(file):
    file.write_bytes(encoded({**ROW, "model": "a/b"}, {**ROW, "model": "c"}))
    ingest(file, "--fine-tuned", "a/b")
    assert read_json(OUT / "fine-tuned/a__b/model.json", Model).role == "fine-tuned"
    assert read_json(OUT / "baseline/c/model.json", Model).role == "baseline"


def test_a_folder_has_prompts_by_file_and_by_path_where_names_are_equal(tmp_path):
    for name in ("a/out.jsonl", "b/out.jsonl", "my file!.jsonl"):
        (tmp_path / "dump" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "dump" / name).write_bytes(encoded(ROW))
    ingest(tmp_path / "dump", "--model", "m")
    ends = [sha256(name)[:8] for name in ("a/out.jsonl", "b/out.jsonl", "my file!.jsonl")]
    assert [r.prompts for r in responses()] == [f"a-out-{ends[0]}", f"b-out-{ends[1]}", f"my-file-{ends[2]}"]


@pytest.mark.parametrize(
    "names",
    [
        ("a b.jsonl", "a-b.jsonl"),
        ("ответы.jsonl", "antworten-ä.jsonl", "回答.jsonl"),
        ("x/A.jsonl", "y/a.jsonl"),
        ("a/b.jsonl", "c/b.jsonl", "a-b.jsonl"),
        (f"{'n' * 90}1.jsonl", f"{'n' * 90}2.jsonl"),
    ],
)
def test_two_files_never_share_a_name(tmp_path, names):
    for name in names:
        (tmp_path / "dump" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "dump" / name).write_bytes(encoded(ROW))
    ingest(tmp_path / "dump", "--model", "m")
    assert len({r.prompts.lower() for r in responses()}) == len(names) and quarantine() == []
    assert jsonl.names_of(names) == {n: jsonl.names_of(names[::-1])[n] for n in names}


def test_a_name_that_looks_like_a_changed_one_is_told_apart():
    changed = jsonl.names_of(["a b.jsonl"])["a b.jsonl"]
    found = jsonl.names_of(["a b.jsonl", "a-b.jsonl", f"{changed}.jsonl"])
    assert len(set(found.values())) == 3 and (found["a b.jsonl"], found["a-b.jsonl"]) == (changed, "a-b")


@pytest.mark.parametrize(("options", "field"), [(("--benchmark", "b"), {}), ((), {"prompts": "b"})])
def test_shards_of_one_set_keep_every_row(tmp_path, monkeypatch, options, field):
    (tmp_path / "dump").mkdir()
    row = {"question": "What?", "output": "That."}
    for name in ("part-0", "part-1", "part-2"):
        (tmp_path / f"dump/{name}.jsonl").write_bytes(encoded({**row, **field}, {**row, **field}))
    ingest(tmp_path / "dump", "--model", "m", *options)
    assert [r.seed_id for r in responses()] == [f"part-{n}:{line}" for n in range(3) for line in (1, 2)]
    assert {r.prompts for r in responses()} == {"b"} and quarantine() == []
    monkeypatch.setattr(jsonl, "PIECE", 30)
    monkeypatch.setattr(jsonl, "BIG", 0)
    assert "unchanged" in ingest(tmp_path / "dump", "--model", "m", *options).output


def test_a_row_of_its_files_own_prompts_has_its_line_and_one_that_joins_them_its_file_too(tmp_path):
    (tmp_path / "dump").mkdir()
    row = {"question": "What?", "output": "That."}
    (tmp_path / "dump/a.jsonl").write_bytes(encoded(row, {**row, "prompts": "a"}))
    (tmp_path / "dump/b.jsonl").write_bytes(encoded({**row, "prompts": "a"}, row))
    ingest(tmp_path / "dump", "--model", "m")
    ids = [(r.prompts, r.seed_id) for r in responses()]
    assert ids == [("a", "1"), ("a", "a:2"), ("a", "b:1"), ("b", "2")] and quarantine() == []


def test_a_file_alone_has_its_lines_as_ids_whatever_its_prompts(file):
    file.write_bytes(encoded({"question": "What?", "output": "That."}))
    ingest(file, "--model", "m", "--benchmark", "b")
    assert [r.seed_id for r in responses()] == ["1"]


def test_a_field_that_no_terminal_should_show_is_written_out(file):
    file.write_bytes(encoded({"\x1b[2Jx": "a"}))
    output = ingest(file, "--model", "m", code=1).output
    assert "\x1b" not in output and "\\x1b[2Jx" in output


def test_a_whole_number_as_id_is_one_that_any_column_holds(file):
    file.write_bytes(encoded({**ROW, "id": lines.AMOUNT_LIMIT - 1}, {**ROW, "id": -lines.AMOUNT_LIMIT}))
    ingest(file, "--model", "m")
    assert [r.seed_id for r in responses()] == [str(2**53 - 1)] and len(quarantine()) == 1


def test_the_benchmarks_goal_is_as_many_seconds_as_the_rows_ask_for():
    from benches.ingest import goal

    assert (goal(45, 1_000_000), goal(4.5, 100_000)) == (0.5, 0.5)


BAD = [
    (b'{"id": "1", "question": "a"', "not JSON"),
    (b'{"question": "a", "output": "b", "output": "c"}', "key 'output' stands twice"),
    (b'{"question": "a", "output": "\xff"}', "not UTF-8: invalid start byte at byte 30"),
    (b'{"question": "a", "output": "b", "gen_time": NaN}', "NaN is not a number"),
    (b'{"question": "a", "output": "b", "gen_time": 1e999}', "'gen_time': NaN, Infinity or beyond any float"),
    (b'{"question": "a", "output": "\\ud800"}', "half of a surrogate pair: not Unicode text"),
    (b'{"question": "a", "output": null}', "prompt and response must be text"),
    (b'{"question": "a"}', "no output, which is our response"),
    (b"[]", "expected an object, found list"),
    (b"", "blank line"),
    (b'{"question": "a", "output": "b", "tokens": 1.5}', "tokens 1.5 is no whole number"),
    (b'{"question": "a", "output": "b", "tokens": -1}', "tokens -1 is no amount"),
    (b'{"question": "a", "output": "b", "mode": "../x"}', "mode '../x' cannot be a file name of ours"),
    (
        b'{"question": "a", "output": "b", "benchmark": "/etc"}',
        "prompts '/etc' cannot be a file name of ours",
    ),
    (b'{"question": "a", "output": "b", "finish_reason": "given"}', "finish_reason 'given' is none of"),
    (b'{"question": "a", "output": "b", "id": true}', "id True is none"),
    (b'{"question": "a", "output": "b", "answer": [1]}', "answer must be text or a number, found list"),
    (b'{"question": "a", "output": "b", "x": ' + b"[" * 99999 + b"]" * 99999 + b"}", "not JSON"),
]


@pytest.mark.parametrize(("line", "reason"), BAD)
def test_what_is_no_answer_is_quarantined_with_its_line(file, line, reason):
    file.write_bytes(encoded(ROW) + line + b"\n" + encoded({**ROW, "id": "Q3"}))
    ingest(file, "--model", "m")
    assert [r.seed_id for r in responses()] == ["Q1", "Q3"]
    ((name, number, why),) = quarantine()
    assert (name, number) == ("out.jsonl", 2) and why.startswith(reason)


def test_a_line_too_long_is_not_read(file, monkeypatch):
    monkeypatch.setattr(lines, "LINE_LIMIT", 500)
    file.write_bytes(encoded(ROW, {**ROW, "id": "Q2", "output": "x" * 600}, {**ROW, "id": "Q3"}))
    ingest(file, "--model", "m")
    assert [r.seed_id for r in responses()] == ["Q1", "Q3"] and quarantine()[0][1] == 2


def mixed() -> bytes:
    """Rows of all sorts: two models, doubles, faults, blank lines within and at the end."""
    rows = [{**ROW, "id": str(n % 50), "model": f"m{n % 3}", "gold": n % 50} for n in range(200)]
    bad = [line for line, _ in BAD]
    return encoded(*rows[:90]) + b"\n".join(bad) + b"\n\n\n\n" + encoded(*rows[90:]) + b"\n \n\n"


@pytest.mark.parametrize("size", [1, 97, 1000, 40_000])
def test_pieces_and_processes_change_nothing(file, monkeypatch, size):
    file.write_bytes(mixed())
    ingest(file)
    whole = tree(OUT)
    monkeypatch.setattr(jsonl, "PIECE", size)
    monkeypatch.setattr(jsonl, "BIG", 0 if size == 40_000 else jsonl.BIG)
    assert "unchanged" in ingest(file).output and tree(OUT) == whole
    tally = json.loads(dumps(next(read_jsonl(OUT / "quarantine.jsonl", Quarantined))))
    assert tally["line"] and len(responses()) + len(quarantine()) == 200 + len(BAD) + 3


def test_pieces_end_where_lines_do_and_leave_out_no_byte(file):
    file.write_bytes(mixed())
    for size in (1, 2, 97, 1000, 10**6):
        found = list(pieces(file, "f", "p", size))
        assert [p.start for p in found[1:]] == [p.stop for p in found[:-1]]
        assert found[0].start == 0 and found[-1].stop == file.stat().st_size
        raw = file.read_bytes()
        assert all(p.number == raw[: p.start].count(b"\n") + 1 for p in found)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(
    [
        "id",
        "question",
        "output",
        "gold",
        "mode",
        "sample",
        "tokens",
        "gen_time",
        "benchmark",
        "category",
        "zzz",
    ]
)
HOSTILE = st.binary(max_size=40) | st.dictionaries(NAMES, JSON, max_size=8).map(
    lambda row: json.dumps(row).encode()
)


@given(st.lists(HOSTILE, max_size=8))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_line_is_a_record_or_a_fault(tmp_path, hostile):
    file = tmp_path / "hostile.jsonl"
    file.write_bytes(b"\n".join([*hostile, b"{}"]))
    plan = Plan("s", {"prompt": "question", "response": "output"}, "m")
    done = read_piece(plan, Piece(file, "f", "p", 1, 0, file.stat().st_size))
    kept = [line for part in done.groups.values() for line in part.lines]
    assert done.rows == len(kept) + len(done.faults) == file.read_bytes().count(b"\n") + 1
    for line in kept:
        Response(**json.loads(line.encode().decode()))


@given(st.dictionaries(NAMES, JSON, min_size=1, max_size=8))
def test_the_quick_reading_of_a_line_is_the_strict_one(row):
    line = lines.Line("f", 1, json.dumps(row).encode(), 10)
    try:
        strict: object = line.row()
    except lines.Fault as fault:
        strict = str(fault)
    try:
        quick: object = lines.plain_row(line)
    except lines.Fault as fault:
        quick = str(fault)
    assert repr(quick) == repr(strict)


def test_the_records_break_no_rule(file, lem):
    from lem import engine
    from lem.record_files import write_json

    write_json(engine.FILE, engine.installed())
    file.write_bytes(mixed())
    ingest(file)
    assert "ok" in lem("check").output
