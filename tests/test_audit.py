"""The audit: each rule finds the fault that is planted for it, and nothing in records without one."""

import os
from pathlib import Path

import pytest

import faults
from faults import found
from lem import audit, checks, rules, warehouse

ROOT = Path(__file__).parents[1]
UPSTREAM = Path(os.environ.get("LEM_UPSTREAM", ROOT.parent / "shared" / "upstream"))
TABLES = ("quality_findings", "repairs")


@pytest.fixture(scope="module")
def con(tmp_path_factory):
    return faults.planted(tmp_path_factory.mktemp("faults"))


def test_records_without_a_fault_have_no_finding(con):
    assert con.execute("from quality_findings where source = 'clean'").fetchall() == []


def test_a_long_answer_that_stops_in_the_middle(con):
    assert found(con, "stops_in_the_middle") == [("m", "i0"), ("m", "i5")]
    assert found(con, "cut_off_answer", "stops_in_the_middle") == []


def test_a_whole_answer_without_a_full_stop_is_no_fault(con):
    assert found(con, "stops_in_the_middle", "whole_ends") == []


def test_every_rule_is_planted_here_and_says_what_it_finds(con):
    of_records = {one.rule for one in audit.rules()}
    assert of_records <= {
        rule for (rule,) in con.execute("select distinct rule from quality_findings").fetchall()
    }
    assert all(len(one.what) > 40 for one in audit.rules())


def test_cut_off_answers(con):
    stored = [("m", f"i{n}") for n in range(3)]
    assert found(con, "cut_off_answer") == [*stored, ("o", "i0"), ("q", "i0"), ("r", "i0"), ("r", "i1")]
    details = dict(found(con, "cut_off_answer", columns="model, detail"))
    assert details["m"] == "stored up to 71 characters, as 3 of 12 answers are"
    assert "where other answers of this dump are cut" in details["o"]
    assert details["q"] == "the model was stopped at its token limit"


def test_a_response_that_is_its_reasoning_but_for_white_space(con):
    assert found(con, "response_is_reasoning") == [("m", "i1")]


def test_loops(con):
    assert found(con, "loop") == [("m", "i1")]


def test_refusal_flags_against_words(con):
    expected = [("i0", "none"), ("i2", "none"), ("i4", "stored")]
    asked = "select item_id, filter from audit_flags where flagged <> refused and source = ? order by all"
    assert con.execute(asked, ["refusal_flag_against_words"]).fetchall() == expected
    assert [row[1] for row in found(con, "refusal_flag_against_words")] == ["i0", "i2", "i4"]


def test_marks_of_whole_answers(con):
    assert found(con, "right_answer_marked_wrong", "marks", "item_id, detail") == [
        ("i0", "gold 0, stored extraction 7, by our reading 0")
    ]
    assert found(con, "wrong_answer_marked_right", "marks") == [("m", "i1")]
    assert found(con, "misread_answer", "marks") == [("m", "i2")]


def test_a_disputed_mark_is_no_more_than_our_reading(con):
    rules = {one.rule: one.what for one in audit.rules()}
    for rule in ("right_answer_marked_wrong", "wrong_answer_marked_right"):
        assert "by our reading" in rules[rule]


def test_marks_of_cut_answers(con):
    rule = "score_of_cut_text"
    assert found(con, rule) == [("m", f"i{n}") for n in range(3)]
    assert found(con, "right_answer_marked_wrong", rule) == [("m", "i3")]


def test_answers_that_no_class_holds(con):
    assert found(con, "unclassified_answer") == [("m", "i0")]


def test_figures_against_rows(con):
    rule = "figure_against_rows"
    told = found(con, rule, columns="model, file, detail")
    assert [(model, file, detail.partition(":")[0]) for model, file, detail in told] == [
        ("m", "doc.json", "answers"),
        ("m", "doc.json", "exact_match"),
        ("m", "doc.json", "gen_time"),
        ("s", "doc.json", "exact_match"),
    ]
    assert told[1][2].endswith("34.0 of 10 answers; the 10 rows there give 30.0 percent")


def test_a_figure_of_which_nobody_says_of_how_many_answers_it_is(con):
    rule = "figure_of_unknown_n"
    ((severity, model, detail),) = found(con, rule, columns="severity, model, detail")
    assert (severity, model) == ("warning", "m") and "34.0" in detail and "10 rows there give 30.0" in detail
    assert [row[0] for row in found(con, "figure_against_rows", rule)] == ["o", "o"]


def test_incomplete_runs(con):
    details = found(con, "incomplete_run", columns="model, detail")
    assert details == [
        ("m", "4 of 9 answers that its run wrote"),
        ("n", "3 of 4 items that other models have"),
    ]


def test_slow_answers(con):
    rule = "slow_answer"
    assert found(con, rule, columns="model, item_id, file") == [("m", "i10", None), ("w", "i10", "w.log:11")]


def test_one_answer_to_two_prompts(con):
    assert found(con, "duplicate_answer", columns="item_id, sample") == [("i0", 0), ("i0", 1), ("i1", 0)]


def test_one_question_twice(con):
    assert found(con, "duplicate_question") == [(None, "i0"), (None, "i1")]


def test_worse_than_guessing(con):
    ((model, detail),) = found(con, "below_chance", columns="model, detail")
    assert model == "m" and "10.0 percent of 40" in detail and "guessing gives 50.0" in detail


def test_one_item_in_two_wordings(con):
    assert found(con, "mixed_prompts", columns="item_id, detail") == [("i1", "2 wordings: m | n")]


def test_models_that_were_asked_in_other_ways(con):
    told = found(con, "mixed_templates", columns="mode, detail")
    assert told == [
        ("naked", "2 templates: m, n | o"),
        (None, "no mode in common: m, n, o (naked) | p (signed)"),
    ]


def test_what_an_import_saw_is_a_finding(con):
    columns = "severity, file, model, detail"
    assert found(con, "log_noise", "imported", columns) == [("info", "a.log:3", "m", "a bar")]
    assert found(con, "theirs", "imported", columns)[0][0] == "warning"
    lost = [("error", "x.jsonl", None, "not JSON"), ("error", "x.jsonl:4", None, "not JSON")]
    assert found(con, "quarantined", "imported", columns) == lost


def test_both_tables_hold_their_rules_and_are_in_order(con):
    assert checks.check_tables(con, TABLES) == []
    for table in TABLES:
        rows = con.execute(f"from {table}").fetchall()
        assert rows and rows == con.execute(f"from {table} order by all").fetchall()
        key = ", ".join(rules.KEYS[table])
        assert con.execute(f"select count(*) from (select distinct {key} from {table})").fetchone() == (
            len(rows),
        )


@pytest.mark.parametrize("name", ["findings", "repairs"])
def test_the_named_queries_run(con, name):
    sql = (ROOT / f"src/lem/sql/named/{name}.sql").read_text()
    found = con.execute(sql).fetchall()
    assert len(found) > 10
    if name == "findings":
        severities = [row[3] for row in found]
        assert severities == sorted(severities, key=["error", "warning", "info"].index)


def test_a_rule_without_its_first_line_is_named(tmp_path, monkeypatch):
    (tmp_path / "sql/findings").mkdir(parents=True)
    (tmp_path / "sql/findings/odd.sql").write_text("select 1")
    monkeypatch.setattr(audit, "files", lambda _: tmp_path)
    with pytest.raises(ValueError, match=r"odd\.sql: the first line"):
        audit.rules()


def upstream(tmp_path, monkeypatch, lem, kind):
    if not (UPSTREAM / kind).is_dir():
        pytest.skip(f"no {UPSTREAM / kind}")
    monkeypatch.chdir(tmp_path)
    lem("ingest", kind, UPSTREAM / kind)
    return warehouse.build()


def test_the_faults_of_the_real_validation(tmp_path, monkeypatch, lem):
    con = upstream(tmp_path, monkeypatch, lem, "lem-validation")
    of = "lem-validation"
    slow = found(con, "slow_answer", of, "model, item_id")
    assert [(model, seed[:3]) for model, seed in slow] == [("base-27b", f"P{n}") for n in (31, 36, 37)]
    assert [row[1][:3] for row in found(con, "refusal_flag_against_words", of)] == ["P04"]
    assert len(found(con, "response_is_reasoning", of)) == 5
    assert len(found(con, "score_of_cut_text", of)) == 15 + 12
    assert len(found(con, "unclassified_answer", of)) == 9 + 10
    assert found(con, "right_answer_marked_wrong", of) == found(con, "wrong_answer_marked_right", of) == []
    assert checks.check_tables(con, TABLES) == []


def test_the_faults_of_the_real_standard_benchmarks(tmp_path, monkeypatch, lem):
    con = upstream(tmp_path, monkeypatch, lem, "lem-standard")
    wrong = found(con, "right_answer_marked_wrong", "lem-standard")
    assert ("instruction_tuned", "GSM8K_039") in wrong and ("lem_ethics", "GSM8K_020") not in wrong
    assert found(con, "wrong_answer_marked_right", "lem-standard") == []
    numbers = (
        "select published, repaired, low, high from repairs where model = 'instruction_tuned' and rule = ?"
    )
    told = con.execute(numbers, ["right_answer_marked_wrong"]).fetchall()
    assert told == [pytest.approx((34.0, 38.0, 34.0, 42.0))]
    assert checks.check_tables(con, TABLES) == []
