"""`lem check` on real files: what is clean passes, what is broken is named by file, line and field."""

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lem import checks, engine, holding, layout, record_files, records, rule_sql, rules, scan, shapes
from lem.cli import main
from lem.record_files import dumps, write_json, write_jsonl
from lem.records import (
    Item,
    Model,
    Response,
    Run,
    Score,
)

SHA = "0" * 64
ID = "0" * 16
RUN = Run(
    *(
        ID,
        "own",
        "m",
        "v",
        "naked",
        SHA,
        None,
        None,
        None,
        SHA,
        None,
        0.0,
        1.0,
        64,
        1,
        8,
        0,
        "e",
        "cpu",
        None,
        SHA,
    )
)
ANSWERS = [
    Response(f"P0{i}", "Why?", "Because. é", 1.5, 10, "naked", "m", "v", SHA, ID, tokens=3) for i in (1, 2, 3)
]
SCORES = [Score(ID, "m", "b", str(i), "exact_match", 1.0) for i in (1, 2, 3)]

RESPONSES = layout.responses("baseline", "m", "v", "naked")
LOG = layout.log("m", "v", "naked", "json")
SCORED = layout.scores("b", "m")


@pytest.fixture(autouse=True)
def clean_run(tmp_path, monkeypatch):
    """A folder with one clean run of one model."""
    monkeypatch.chdir(tmp_path)
    write_json(engine.FILE, engine.installed())
    write_json(layout.model_record("baseline", "m"), Model("m", weights_sha=SHA))
    write_json(LOG, RUN)
    write_jsonl(RESPONSES, ANSWERS)


def foreign(source="their"):
    """Write a clean import: a run and its answers, in words of their own."""
    root = layout.imported(source)
    write_json(root / "logs/x.json", replace(RUN, run_id="their-run", source=source, mode="A_sandwich"))
    answers = [replace(a, run_id="their-run", source=source, mode="A_sandwich") for a in ANSWERS]
    write_jsonl(root / "baseline/m/v-naked.jsonl", answers)
    return root / "baseline/m/v-naked.jsonl", answers


def run(*options):
    return CliRunner().invoke(main, ["check", *options])


def report():
    return json.loads(checks.REPORT.read_text())


def failed(*lines):
    """Run the check; it must fail in exactly these words and leave a report that says so too."""
    result = run()
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    assert [line for line in result.stderr.splitlines() if line.startswith("data/")] == list(lines)
    assert not report()["ok"]
    assert report()["broken_in_all"] == len(report()["broken"]) == len(lines)
    return report()["broken"]


def rewrite(path, old, new, line=1):
    """Replace a text in one line of a file."""
    lines = path.read_bytes().split(b"\n")
    assert old in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(old, new)
    path.write_bytes(b"\n".join(lines))


def test_clean_records_pass_and_the_report_is_the_same_bytes_again():
    foreign()
    write_jsonl(SCORED, [*SCORES, replace(SCORES[0], item_id="4", value=None, error="no number in it")])
    write_jsonl(layout.DATA / "items/b.jsonl", [Item("b", str(i), "1 + 1?", "2", SHA) for i in (1, 2)])
    result = run()
    assert result.exit_code == 0, result.output
    first = checks.REPORT.read_bytes()
    assert run().exit_code == 0
    assert checks.REPORT.read_bytes() == first
    assert report()["ok"] and not report()["broken"] and not report()["findings"]
    counts = {table: (t["files"], t["rows"], t["engine"]) for table, t in report()["tables"].items()}
    assert counts == {
        "responses": (2, 6, "duckdb+gx"),
        "scores": (1, 4, "duckdb+gx"),
        "runs": (2, 2, "duckdb+gx"),
        "models": (1, 1, "duckdb+gx"),
        "items": (1, 2, "duckdb+gx"),
        "losses": (0, 0, "duckdb+gx"),
        "distilled": (0, 0, "duckdb+gx"),
        **dict.fromkeys(layout.OF_IMPORTS, (0, 0, "duckdb+gx")),
    }
    assert "responses       2 files           6 rows" in result.output
    spoken = {(rule["table"], rule["rule"]): rule["rows"] for rule in report()["rules"]}
    assert spoken["scores", "value_or_error"] == 1 and spoken["responses", "mode_accepted"] == 3
    assert set(spoken) == {(r.table, r.name) for r in rules.RULES if r.table in rules.RECORDS}


def test_json_prints_the_report():
    result = run("--json")
    assert result.exit_code == 0
    assert result.stdout == checks.REPORT.read_text()


def test_a_folder_without_data_passes_with_nothing_counted(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    write_json(engine.FILE, engine.installed())
    assert run().exit_code == 0
    assert {t["rows"] for t in report()["tables"].values()} == {0}


def test_no_check_without_the_pinned_engine():
    engine.FILE.unlink()
    result = run()
    assert result.exit_code == 1 and "lem doctor --pin" in result.stderr
    assert not checks.REPORT.exists()


NOT_JSON = "not JSON: "
FAULTS = {
    "broken line": (b'"prompt"', b'prompt"', NOT_JSON + "Expecting property name enclosed in double quotes"),
    "trailing comma": (b"}", b",}", NOT_JSON),
    "missing field": (b'"response": "Because. \xc3\xa9", ', b"", "response: is missing"),
    "null": (b'"chars": 10', b'"chars": null', "chars: is null, found null"),
    "unknown field": (b'"tokens"', b'"tokenz"', "tokenz: is no field of Response, found 3"),
    "wrong type": (b'"chars": 10', b'"chars": "10"', 'chars: expected int, found "10"'),
    "fraction": (b'"chars": 10', b'"chars": 10.0', "chars: expected int, found 10.0"),
    "true for a number": (b'"sample": 0', b'"sample": true', "sample: expected int, found true"),
    "not a number": (b'"gen_time": 1.5', b'"gen_time": NaN', "gen_time: expected a finite number, found NaN"),
    "infinite": (
        b'"gen_time": 1.5',
        b'"gen_time": 1e999',
        "gen_time: expected a finite number, found Infinity",
    ),
    "beyond 64 bits": (
        b"10",
        b"9223372036854775808",
        "chars: expected an integer of 64 bits, found 92233720368",
    ),
    "doubled field": (b'"chars": 10', b'"chars": 10, "chars": 10', 'not JSON: field "chars" stands twice'),
    "half a pair": (b"Why?", rb"\ud83d", "prompt: expected Unicode text, without half of a surrogate pair"),
    "invalid UTF-8": (b"\xc3\xa9", b"\xe9", "not UTF-8: byte 0xe9 at byte "),
    "control character": (b"Why?", b"Why\x01?", NOT_JSON + "Invalid control character at"),
    "lone carriage return": (b"Why?", b"Why\r?", NOT_JSON + "Invalid control character at"),
    "not an object": (b"{", b"[{", NOT_JSON),
    "foreign source": (b'"own"', b'"their"', 'source: expected "own", as the folder says, found "their"'),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_line_that_is_no_record_is_named(fault, tmp_path):
    old, new, message = FAULTS[fault]
    rewrite(RESPONSES, old, new, line=2)
    with duckdb.connect() as con:
        loaded = scan.load(con, "responses", [RESPONSES], tmp_path)
        assert con.execute("select at_line from responses order by at_line").fetchall() == [(1,), (3,)]
    [broken] = loaded.faults
    assert str(broken).startswith(f"{RESPONSES}:2: {message}")
    assert (broken.rule, broken.file, broken.line) == ("record", str(RESPONSES), 2)


def test_every_line_that_is_no_record_fails_the_stage():
    for number, (old, new, _) in enumerate(FAULTS.values()):
        path = layout.responses("baseline", "m", f"w{number:02}", "naked")
        write_jsonl(path, [replace(a, prompts=f"w{number:02}") for a in ANSWERS])
        rewrite(path, old, new, line=2)
    result = run()
    assert result.exit_code == 1 and f"Error: {len(FAULTS)} broken rules" in result.stderr
    for number, (_, _, message) in enumerate(FAULTS.values()):
        path = layout.responses("baseline", "m", f"w{number:02}", "naked")
        assert f"\n{path}:2: {message}" in result.stderr
    assert not report()["ok"] and len(report()["broken"]) == len(FAULTS)
    counts = {"files": 19, "rows": 39, "refused": 18, "engine": "duckdb+gx"}
    assert report()["tables"]["responses"] == counts


def test_a_truncated_last_line_is_told_from_a_broken_one():
    RESPONSES.write_bytes(RESPONSES.read_bytes()[:-30])
    [broken] = failed(
        f"{RESPONSES}:3: not JSON: Unterminated string starting at (character 358), "
        'found ...ze": null, "reasoning": null, "reasoning_char (the last line, and it has no end)'
    )
    assert broken["field"] == "" and broken["line"] == 3


def test_empty_files_and_empty_lines_hold_no_records():
    RESPONSES.write_bytes(b"")
    other = layout.responses("baseline", "m", "w", "naked")
    rows = [dumps(replace(a, prompts="w")) for a in ANSWERS]
    other.write_text(f"\n{rows[0]}\r\n  \n\n{rows[1]}\n{rows[2]}")
    empty = "empty, expected a record"
    failed(
        f"{RESPONSES}:1: an empty file, expected at least one record",
        *(f"{other}:{line}: {empty}" for line in (1, 3, 4)),
    )
    assert report()["tables"]["responses"]["rows"] == 3


def test_documents_are_named_with_the_line_where_they_break_off():
    LOG.write_text(LOG.read_text().replace('"model": "m",', '"model": "m"'))
    broken = failed(
        f"{LOG}:5: not JSON: Expecting ',' delimiter (character 3), "
        'found ...rce": "own", "model": "m" "prompts": "v", "mode": "nak',
        *(f'{RESPONSES}:{line}: run_id: expected one that runs has, found "{ID}"' for line in (1, 2, 3)),
    )
    assert broken[0]["rule"] == "record" and broken[1]["rule"] == "run_known"


def test_one_key_in_two_files_is_named_in_both():
    other = layout.responses("fine-tuned", "m", "v", "naked")
    write_jsonl(other, [ANSWERS[1]])
    key = 'source "own", model "m", prompts "v", mode "naked", seed_id "P02", sample 0'
    places = (f"{RESPONSES}:2", f"{other}:1")
    broken = failed(*(f"{place}: key: expected one row with {key}, found more" for place in places))
    assert {b["rule"] for b in broken} == {"key_unique"}


def test_content_of_our_own_rows_fails():
    write_jsonl(SCORED, [replace(SCORES[0], value=None), replace(SCORES[1], error="timed out"), SCORES[2]])
    rewrite(RESPONSES, b'"chars": 10', b'"chars": 11', line=3)
    failed(
        f"{RESPONSES}:3: chars: expected the number of characters of response, found 11",
        f"{SCORED}:1: error: expected a value where value is null, found null",
        f'{SCORED}:2: error: expected null where value is not null, found "timed out"',
    )


def test_content_of_imported_rows_is_a_finding():
    path, answers = foreign()
    write_jsonl(path, [replace(answers[0], finish_reason="eos"), *answers[1:]])
    result = run()
    assert result.exit_code == 0, result.output
    assert "1 findings in imported rows" in result.output
    assert report()["ok"] and report()["broken"] == []
    assert report()["findings"] == [
        {
            "table": "responses",
            "rule": "finish_reason_accepted",
            "file": str(path),
            "line": 1,
            "field": "finish_reason",
            "value": '"eos"',
            "message": 'expected stop or length or given, found "eos"',
        }
    ]


def test_shape_of_imported_rows_fails():
    path, answers = foreign()
    write_jsonl(path, [*answers, answers[0]])
    rewrite(path, b'"prompts": "v", ', b"", line=2)
    with path.open("ab") as file:
        file.write(b"\xff\n")
    broken = failed(
        f"{path}:2: prompts: is missing",
        f"{path}:5: not UTF-8: byte 0xff at byte 1",
        *(
            f'{path}:{line}: key: expected one row with source "their", model "m", prompts "v", '
            'mode "A_sandwich", seed_id "P01", sample 0, found more'
            for line in (1, 4)
        ),
    )
    assert [b["rule"] for b in broken] == ["record", "record", "key_unique", "key_unique"]


def test_many_failures_are_counted_and_some_are_shown(monkeypatch):
    monkeypatch.setattr(checks, "LISTED", 30)
    write_jsonl(RESPONSES, [replace(ANSWERS[0], seed_id=f"P{i}", gen_time=-1.0) for i in range(40)])
    result = run()
    assert result.stderr.startswith("Error: 40 broken rules\n")
    assert result.stderr.count(str(RESPONSES)) == 20
    assert result.stderr.endswith("... and 20 more in reports/checks.json\n")
    assert report()["broken_in_all"] == 40 and len(report()["broken"]) == 30


def test_what_stands_in_a_message_cannot_steer_a_terminal():
    rewrite(RESPONSES, b'"tokens"', rb'"\u001b[2Jtoken\u009bs\ud800"')
    [line] = [line for line in run().stderr.splitlines() if line.startswith("data/")]
    assert line == rf"{RESPONSES}:1: \x1b[2Jtoken\x9bs\ud800: is no field of Response, found 3"
    assert report()["broken"][0]["field"] == r"\x1b[2Jtoken\x9bs\ud800"


def test_a_big_table_is_scanned_by_sql_and_great_expectations_sees_what_it_found(monkeypatch):
    monkeypatch.setattr(holding, "WHOLE", 2)
    rewrite(RESPONSES, b'"naked"', b'"Naked"', line=2)
    write_jsonl(SCORED, [SCORES[0], SCORES[1], SCORES[1], replace(SCORES[2], run_id="1" * 16)])
    broken = failed(
        f"{RESPONSES}:2: mode: expected naked or system or kernel-only or sandwich where source is own, "
        'found "Naked"',
        *(
            f'{SCORED}:{line}: key: expected one row with source "own", model "m", benchmark "b", '
            'mode "naked", item_id "2", sample 0, metric "exact_match", scorer "number", filter "none", '
            'repeat 0, regime "direct", found more'
            for line in (2, 3)
        ),
        f'{SCORED}:4: run_id: expected one that runs has, found "{"1" * 16}"',
    )
    assert len(broken) == 4
    assert report()["tables"]["responses"]["engine"] == "duckdb, gx on offending rows"


@pytest.mark.parametrize("whole", [0, 20_000])
def test_two_readers_that_differ_are_an_error_of_ours(monkeypatch, whole):
    monkeypatch.setattr(holding, "WHOLE", whole)
    real = rule_sql.sql_predicate
    wrong = "at_line = 1"
    lie = lambda rule: wrong if rule.kind == "in_set" else real(rule)  # noqa: E731
    monkeypatch.setattr(rule_sql, "sql_predicate", lie)
    with pytest.raises(
        RuntimeError, match=r"mode_accepted: Great Expectations alone names \[\], DuckDB alone"
    ):
        CliRunner().invoke(main, ["check"], catch_exceptions=False)


def test_a_line_of_50_megabytes_is_read():
    text = "x" * 50_000_000
    write_jsonl(RESPONSES, [replace(ANSWERS[0], response=text, chars=len(text)), *ANSWERS[1:]])
    with duckdb.connect() as con:
        loaded = scan.load(con, "responses", layout.files("responses"), Path())
        assert (loaded.rows, loaded.faults) == (3, [])
        assert con.sql("select at_line, length(response) from responses order by at_line").fetchall()[0] == (
            1,
            50_000_000,
        )


def test_names_that_are_patterns_elsewhere_are_names_here(tmp_path):
    folder = layout.DATA / "answers/b[12]=x*"
    write_jsonl(folder / "m?.jsonl", [replace(ANSWERS[0], prompts="b")])
    with duckdb.connect() as con:
        assert scan.load(con, "responses", layout.files("responses"), tmp_path).rows == 4


def test_what_is_loaded_is_what_our_reader_reads(tmp_path):
    odd = replace(
        ANSWERS[0], response='\x00"\\\u2028😀', seed_id="", gen_time=None, reasoning="null", tokens=-(2**63)
    )
    write_jsonl(RESPONSES, [odd, *ANSWERS])
    with RESPONSES.open("a", encoding="utf-8", newline="") as file:
        row = json.loads(dumps(odd))
        file.write(json.dumps({k: v for k, v in row.items() if k not in ("sample", "source")}) + "\r\n")
    read = list(record_files.read_jsonl(RESPONSES, Response))
    with duckdb.connect() as con:
        scan.load(con, "responses", [RESPONSES], tmp_path)
        rows = con.sql("select * exclude (at_file) from responses order by at_line").fetchall()
    names = list(records.fields(Response))
    assert rows == [(n, *(getattr(r, name) for name in names)) for n, r in enumerate(read, 1)]


PIECES = [
    b'"',
    b"{",
    b"}",
    b",",
    b":",
    b"\\",
    b"\\ud83d",
    b"\\u0000",
    b"NaN",
    b"-1",
    b"1e400",
    b"0.5",
    b"null",
]
PIECES += [
    b"true",
    b" ",
    b"\r",
    b"\t",
    b"\xff",
    b"\xc3\xa9",
    b"\xef\xbb\xbf",
    b'"sample": 1, ',
    b"[",
    b"]",
    b"10",
]


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 400), st.integers(0, 12), st.sampled_from(PIECES)))
)
def test_every_line_is_loaded_or_named_and_what_is_loaded_our_reader_reads(tmp_path, edits):
    """Any damage to any line: none is lost, none is both, none shifts another's number."""
    lines = [dumps(a).encode() for a in [*ANSWERS, ANSWERS[0]]]
    for which, at, cut, piece in edits:
        lines[which] = lines[which][:at] + piece + lines[which][at + cut :]
    path = tmp_path / "data/baseline/m/x.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    with duckdb.connect() as con:
        loaded = scan.load(con, "responses", [path.relative_to(tmp_path)], tmp_path)
        rows = dict(con.sql("select at_line, response from responses").fetchall())
    assert sorted([*rows, *(fault.line for fault in loaded.faults)]) == [1, 2, 3, 4]
    for line, response in rows.items():
        (tmp_path / "one.jsonl").write_bytes(lines[line - 1] + b"\n")
        [read] = record_files.read_jsonl(tmp_path / "one.jsonl", Response)
        assert read.response == response


def test_a_line_is_judged_alike_whatever_stood_before_it():
    sieve = shapes.Sieve(Score, "own")
    good = json.dumps(asdict(SCORES[0])).encode() + b"\n"
    for bad in (
        *(good.replace(b"1.0", number) for number in (b"NaN", b"-Infinity", b"1e999", b'"1"', b"true")),
        *(good.replace(b'"own"', source) for source in (b'"x"', b"null", b"0")),
        good.replace(b"1.0", b"1" * 400),
        *(b"[1]\n", b"1\n", b"null\n", b"{}\n", b"[" * 100_000 + b"\n", b"1" * 5000 + b"\n"),
        good.replace(b'"b"', rb'"\ud800"'),
        good.replace(b'"sample": 0', b'"sample": 1000000000000000000000'),
    ):
        assert shapes.Sieve(Score, "own")(bad), bad
        assert sieve(good) is None
        assert sieve(bad) == shapes.Sieve(Score, "own")(bad)
    assert sieve(good.replace(b'"b"', rb'"\ud83d\ude00"')) is None
    assert sieve(good.replace(b"1.0", b"1e30")) is None


def measurements(con, *rows):
    con.execute(
        "create table measurements (source text, model text, prompts text, benchmark text, mode text,"
        " metric text, regime text, filter text, scorer text, unit text, n bigint, unscored bigint,"
        " value double, stderr double, low double, high double, worst double, best double, method text,"
        " higher_is_better boolean)"
    )
    for n, unscored, value, low, high, mode in rows:
        key = ["own", "m", None, "b", mode, "exact_match", "direct", "none", "number", "share"]
        marks = ", ".join("?" * 20)
        con.execute(
            f"insert into measurements values ({marks})",
            [*key, n, unscored, value, None, low, high, None, None, "wilson", True],
        )


def test_finished_tables_are_checked_and_named_by_their_key():
    with duckdb.connect() as con:
        measurements(
            con,
            *((4, 0, 0.5, 0.1, 0.9, "naked"), (0, 4, None, None, None, "system")),
            *((4, 0, 0.5, 0.6, 0.9, "sandwich"), (4, 0, float("nan"), 0.1, 0.9, "kernel-only")),
        )
        broken = checks.check_tables(con, ["measurements"])
        assert con.sql("select table_name from duckdb_tables()").fetchall() == [("measurements",)]
    key = 'source "own", model "m", benchmark "b", mode "{}", metric "exact_match", regime "direct", '
    key += 'filter "none", scorer "number", unit "share"'
    in_row = ", in the row with " + key
    assert [str(b) for b in broken] == [
        f"measurements: low: expected at most value, found 0.6{in_row.format('sandwich')}",
        f"measurements: n: expected 0 where value is null, found 4{in_row.format('kernel-only')}",
    ]
    assert {b.file for b in broken} == {b.line for b in broken} == {None}


def test_doubled_keys_of_a_finished_table_are_named():
    with duckdb.connect() as con:
        row = (4, 0, 0.5, 0.1, 0.9, None)
        measurements(con, row, row)
        first, second = checks.check_tables(con, ["measurements"])
    assert first == second and first.rule == "key_unique"
    assert str(first).startswith(
        'measurements: key: expected one row with source "own", model "m", benchmark "b"'
    )


def test_a_table_without_rules_is_refused():
    with duckdb.connect() as con, pytest.raises(ValueError, match="no rules for nothing_of_ours"):
        checks.check_tables(con, ["nothing_of_ours"])


def test_the_command_line_stays_light():
    code = "import sys, lem.checks; print({'duckdb', 'pandas', 'great_expectations'} & set(sys.modules))"
    env = {**os.environ, "PYTHONPATH": str(Path(checks.__file__).parents[1])}
    assert subprocess.check_output([sys.executable, "-c", code], text=True, env=env).strip() == "set()"


def test_failures_of_any_number_are_told():
    one = scan.Broken("scores", "record", "f", 1, "", None, "bad")
    assert checks.told([one]) == "1 broken rule\nf:1: bad"
