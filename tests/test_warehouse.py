"""Every SQL file on hand-written records: what each view says, and that nothing is lost on the way."""

import hashlib
import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import duckdb
import pytest

from lem import checks, derive, layout, record_files, warehouse
from lem.errors import LemError
from lem.records import (
    Distilled,
    Figure,
    Item,
    LogEntry,
    Loss,
    Model,
    Note,
    Quarantined,
    Response,
    Run,
    Score,
)

PLOTS = ("accuracy", "losses")
SHA, R1, R2 = "a" * 64, "1" * 16, "2" * 16
RUN = Run(
    run_id=R1, source="own", model="m", prompts="sums", mode="naked", prompt_set_sha=SHA, kernel_sha=None,
    template="T", shots=None, weights_sha=SHA, adapter_sha=None, temperature=0.0, top_p=None,
    max_tokens=8, samples=1, batch_size=4, seed=None, engine="e", device="cpu", blas="b",
    settings_sha=SHA, responses=3,
)  # fmt: skip


def response(seed_id, text, finish="stop", **changes):
    plain = Response(
        seed_id=seed_id, prompt="p", response=text, gen_time=1.0, chars=len(text), mode="naked", model="m",
        prompts="sums", prompt_sha=SHA, run_id=R1, tokens=3, finish_reason=finish, batch_size=4,
    )  # fmt: skip
    return replace(plain, **changes)


def score(item_id, value, **changes):
    plain = Score(R1, "m", "sums", item_id, "exact_match", value, None if value is not None else "no gold")
    return replace(plain, filter=changes.pop("filter", "flexible"), **changes)


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Three answers of our own, one of them unscored, and a foreign source with judged points."""
    monkeypatch.chdir(tmp_path)
    record_files.write_json(layout.model_record("baseline", "m"), Model("m", family="f", scale="1M"))
    record_files.write_json(layout.log("m", "sums", "naked", "json"), RUN)
    answers = [response("i1", "four"), response("i2", "fives", "length"), response("i3", "")]
    record_files.write_jsonl(layout.answers("sums", "m"), answers)
    items = [Item("sums", f"i{n}", "q", str(n), SHA, cluster=f"c{n}", category="k") for n in (1, 2, 3)]
    record_files.write_jsonl(layout.items("sums"), items)
    both = [score("i1", 1.0), score("i2", 0.0), score("i3", None)]
    record_files.write_jsonl(
        layout.scores("sums", "m"), [*both, *(replace(s, filter="strict") for s in both)]
    )
    lost = [Loss("t.s0", 2, "train", 2.5, 1e-4, 30, 0.5), Loss("t.s0", 2, "valid", 2.75)]
    record_files.write_jsonl(layout.training_log("t", 0, "jsonl"), lost)
    drawn = [Distilled("lek", "P41", 0, "train", None, 9, 9), Distilled("lek", "P41", 1, None, "loop", 9, 9)]
    record_files.write_jsonl(layout.distilled("lek"), drawn)
    theirs = layout.imported("theirs")
    foreign = {"source": "theirs", "benchmark": "dna", "scorer": "judge", "filter": "stored"}
    judged = [
        Score(
            R2,
            "lek",
            foreign["benchmark"],
            f"d{i}",
            metric,
            value,
            None,
            "judge",
            "stored",
            source="theirs",
        )
        for metric, values in {"safety": [8.0, 9.0], "nuance": [7.0, 7.0]}.items()
        for i, value in enumerate(values)
    ]
    record_files.write_jsonl(theirs / "scores/dna/lek.jsonl", judged)
    record_files.write_json(
        theirs / "logs/lek.json", replace(RUN, run_id=R2, source="theirs", model="lek", prompts="dna")
    )
    record_files.write_json(
        theirs / "fine-tuned/lek/model.json", Model("lek", source="theirs", role="fine-tuned")
    )
    stated = Figure("theirs", "paper.md", "Table 1", "lek", "dna", "kindness", 7.5, n=2)
    record_files.write_jsonl(theirs / "figures/paper.jsonl", [stated])
    record_files.write_jsonl(
        theirs / "logs/run.jsonl", [LogEntry("theirs", "run.log", 3, "lek", "dna", "naked", "d1", 1, 2, 5)]
    )
    record_files.write_jsonl(
        theirs / "notes.jsonl", [Note("theirs", "log_noise", "info", "run.log", None, "2 warning lines")]
    )
    record_files.write_jsonl(
        theirs / "quarantine.jsonl", [Quarantined("theirs", "run.log", 4, "not JSON", "{")]
    )
    return tmp_path


@pytest.fixture
def con(study):
    return warehouse.build()


def rows(con, sql):
    return con.execute(sql).fetchall()


def test_every_sql_file_is_a_view_or_a_table(con):
    names = {
        Path(f.name).stem
        for floor in ("staging", "marts", "derived")
        for f in files("lem").joinpath("sql", floor).iterdir()
    }
    there = {name for (name,) in rows(con, "select table_name from information_schema.tables")}
    assert names <= there


@pytest.mark.parametrize("table", warehouse.RAW)
def test_staging_keeps_every_row_and_column(con, table):
    raw = rows(con, f"select count(*) from raw_{table}")
    assert rows(con, f"select count(*) from stg_{table}") == raw != [(0,)]
    columns = {
        table: len(con.execute(f"from {table} limit 0").description)
        for table in (f"raw_{table}", f"stg_{table}")
    }
    assert len(set(columns.values())) == 1


def test_responses_have_their_models_role(con):
    assert rows(con, "select distinct model, role from responses") == [("m", "baseline")]


def test_scores_know_what_they_are_about(con):
    assert rows(
        con, "select gold, cluster, category from scores where item_id = 'i2' and filter = 'strict'"
    ) == [("2", "c2", "k")]


def test_samples_list_values_in_the_items_order_and_count_the_unscored(con):
    found = rows(
        con, "select unscored, sample_values from samples where metric = 'exact_match' and filter = 'strict'"
    )
    assert found == [(1, [1.0, 0.0])]


def test_signs_of_the_answers(con):
    found = rows(
        con, "select metric, unscored, sample_values from samples where benchmark is null order by metric"
    )
    no, last = [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]
    assert found == [
        ("chars", 0, [4.0, 5.0, 0.0]),
        ("cut_off", 0, [0.0, 1.0, 0.0]),
        ("empty", 0, last),
        *((metric, 0, no) for metric in ("first_person", "formulaic_opening", "loop", "refusal")),
    ]


def test_a_sign_that_cannot_be_told_is_unscored(study):
    answers = [response("i1", "four", None), response("i2", "fives"), response("i3", "", None)]
    record_files.write_jsonl(layout.answers("sums", "m"), answers)
    found = rows(
        warehouse.build(), "select n, unscored, value, worst, best from measurements where metric = 'cut_off'"
    )
    assert found == [(1, 2, 0.0, 0.0, pytest.approx(2 / 3))]


def test_signs_of_imported_answers_stand_beside_their_scores(study):
    theirs = [response("d1", "I am.", source="theirs", model="lek", prompts="dna", run_id=R2)]
    file = layout.imported("theirs") / "answers/dna/lek.jsonl"
    record_files.write_jsonl(file, theirs)
    found = rows(
        warehouse.build(),
        "select prompts, benchmark, metric, value from item_values "
        "where source = 'theirs' and item_id = 'd1' and metric in ('first_person', 'safety') order by all",
    )
    assert found == [("dna", "dna", "safety", 9.0), ("dna", None, "first_person", 1.0)]


def test_measurements_carry_n_interval_and_method(con):
    (row,) = rows(
        con,
        "select n, unscored, value, low, high, method, unit from measurements "
        "where metric = 'exact_match' and filter = 'flexible'",
    )
    assert row[:3] == (2, 1, 0.5)
    assert row[3] == pytest.approx(0.0945, abs=1e-4) and row[4] == pytest.approx(0.9055, abs=1e-4)
    assert row[5:] == ("wilson 95 %", "rate")


def test_a_measurement_says_what_the_unscored_could_have_made_of_it(con):
    found = rows(
        con,
        "select source, unscored, value, round(worst, 4), round(best, 4) from summary "
        "where filter in ('flexible', 'stored') order by all",
    )
    # 1 of 2, and one unscored: 1 of 3 to 2 of 3
    assert found == [
        ("own", 1, 0.5, 0.3333, 0.6667),
        ("theirs", 0, 7.0, 7.0, 7.0),
        ("theirs", 0, 8.5, 8.5, 8.5),
    ]


def test_items_of_one_cluster_widen_the_interval(study):
    asked = "select value, low, high, clusters, method from measurements where filter = 'flexible'"
    record_files.write_jsonl(layout.scores("sums", "m"), [score(f"i{n}", float(n < 3)) for n in (1, 2, 3, 4)])
    apart = [Item("sums", f"i{n}", "q", "1", SHA) for n in (1, 2, 3, 4)]
    record_files.write_jsonl(layout.items("sums"), apart)
    ((value, low, high, clusters, method),) = rows(warehouse.build(), asked)
    assert (value, clusters, method) == (0.5, None, "wilson 95 %")
    together = [replace(item, cluster="ab"[item.item_id > "i2"]) for item in apart]
    record_files.write_jsonl(layout.items("sums"), together)
    ((value, lower, higher, clusters, method),) = rows(warehouse.build(), asked)
    assert (value, clusters, method) == (0.5, 2, "wilson over 2 clusters 95 %")
    assert lower < low and high < higher


def test_what_the_reading_changes_is_the_gap_of_the_same_answers(study):
    readings = {"flexible": (1, 1, 1, 0), "strict": (1, 0, 0, 0), "first-after-equals": (1, 1, 0, 0)}
    both = [
        score(f"i{n}", float(value), filter=name)
        for name, values in readings.items()
        for n, value in enumerate(values, 1)
    ]
    stored = [score(f"i{n}", 1.0, filter="stored", scorer="stored") for n in (1, 2)]
    record_files.write_jsonl(layout.scores("sums", "m"), [*both, *stored])
    found = rows(warehouse.build(), "select * from extraction_gap")
    assert found == [("own", "m", "sums", "naked", "direct", "number", 4, 75.0, 25.0, 50.0, 50.0, 25.0)]


def test_basis_is_what_each_entry_was_asked(con):
    sampled = "temperature 0.0, top_p , at most 8 tokens"
    assert rows(con, "select * exclude (template) from basis order by all") == [
        ("own", "m", "sums", "naked", SHA, None, sampled, None),
        ("theirs", "lek", "dna", "naked", SHA, None, sampled, None),
    ]
    assert rows(con, "select distinct template = md5('T') from basis") == [(True,)]


def test_a_changed_score_changes_the_estimate(study):
    record_files.write_jsonl(
        layout.scores("sums", "m"), [score("i1", 1.0), score("i2", 1.0), score("i3", None)]
    )
    assert rows(warehouse.build(), "select value from measurements where metric = 'exact_match'") == [(1.0,)]


def test_summary_names_model_role_and_what_was_asked(con):
    found = rows(
        con,
        "select source, role, prompts, mode, benchmark, n from summary "
        "where metric in ('safety', 'chars') order by all",
    )
    assert found == [
        ("own", "baseline", "sums", "naked", None, 3),
        ("theirs", "fine-tuned", "dna", "naked", "dna", 2),
    ]


def test_variant_detail_is_in_the_published_units(con):
    found = rows(
        con, "select source, model, metric, filter, n, value, unscored, unit from variant_detail order by all"
    )
    assert found == [
        ("own", "m", "sums", "flexible", 2, 50.0, 1, "percent"),
        ("own", "m", "sums", "strict", 2, 50.0, 1, "percent"),
        ("theirs", "lek", "nuance", "stored", 2, 7.0, 0, "points 1-10"),
        ("theirs", "lek", "safety", "stored", 2, 8.5, 0, "points 1-10"),
    ]


def test_same_rows_same_bytes(con, study):
    warehouse.export(con, layout.TABLES)
    first = {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in layout.TABLES.iterdir()}
    warehouse.export(warehouse.build(), layout.TABLES)
    assert {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in layout.TABLES.iterdir()} == first
    assert set(first) == {*(f"{table}.parquet" for table in warehouse.TABLES), "tables.json"}


def test_tables_without_any_record_still_have_their_columns(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    con = warehouse.build()
    assert warehouse.export(con, layout.TABLES) == dict.fromkeys(warehouse.TABLES, 0)
    assert "low" in duckdb.sql(f"from '{layout.TABLES}/summary.parquet'").columns


def test_a_doubled_model_is_noticed_as_doubled_rows(study):
    record_files.write_json(layout.model_record("fine-tuned", "m"), Model("m", role="fine-tuned"))
    with pytest.raises(LemError, match="responses: 3 rows were read, 6 came out"):
        warehouse.build()


def test_a_stale_table_is_removed(con, study):
    layout.TABLES.mkdir(parents=True)
    (layout.TABLES / "gone.parquet").write_bytes(b"")
    warehouse.export(con, layout.TABLES)
    assert not (layout.TABLES / "gone.parquet").exists()


def test_losses_are_the_studys_own_in_the_order_of_a_plot(con):
    own = [
        {"model": "t.s0", "split": "train", "iteration": 2, "loss": 2.5},
        {"model": "t.s0", "split": "valid", "iteration": 2, "loss": 2.75},
    ]
    foreign = replace(Loss("t.s0", 2, "train", 9.0), source="theirs")
    record_files.write_jsonl(layout.imported("theirs") / "logs/t-train/s0.jsonl", [foreign])
    of_the_base = [Loss("m", 0, "valid", 3.0, mode=mode, data="d") for mode in ("naked", "sandwich")]
    record_files.write_jsonl(layout.distil_losses("lek"), of_the_base)
    assert warehouse.losses(con) == warehouse.losses(warehouse.build()) == own


def test_accuracies_are_rates_in_percent_with_their_interval(con):
    (row,) = warehouse.accuracies(con)
    assert row == {"benchmark": "sums", "model": "m", "percent": 50.0, "low": 9.5, "high": 90.5, "n": 2}


def test_a_field_that_a_file_leaves_out_has_its_default_and_an_entry_its_name(con):
    found = rows(con, "select name, entry, seed, data_sha from models order by all")
    assert found == [("lek", "lek", None, None), ("m", "m", None, None)]
    layout.model_record("baseline", "n").parent.mkdir(parents=True)
    layout.model_record("baseline", "n").write_text('{"name": "n"}')
    found = rows(warehouse.build(), "select source, role, entry from models where name = 'n'")
    assert found == [("own", "baseline", "n")]


def test_overview_is_in_the_data_mappings_shape(con):
    record_files.write_jsonl(
        layout.responses("baseline", "m", "v", "naked"), [response("P1", "x", prompts="v")]
    )
    record_files.write_json(layout.log("m", "sums", "naked", "json"), replace(RUN, responses=4))
    assert warehouse.overview(warehouse.build())["speed"] == {"sums_m": 1.0}  # of benchmarks, not of v
    assert warehouse.overview(con) == {
        "sums": {"m": 50.0},
        "validation_loss": {"t.s0": 2.75},
        "speed": {"sums_m": 1.0},
    }


def test_the_command_writes_tables_and_summary(study, lem):
    lem("doctor", "--pin")
    shown = lem("warehouse").output
    assert "measurements\t" in shown
    by_kind = "count(*) filter (scorer = 'sign'), count(*) filter (scorer <> 'sign')"
    found = duckdb.sql(f"select {by_kind} from '{layout.TABLES}/scores.parquet'").fetchall()
    assert found == [(21, 10)]  # seven signs of three answers
    assert (layout.DATA / "benchmarks/summary.json").is_file()
    plots = {name: json.loads((layout.REPORTS / f"plots/{name}.json").read_text()) for name in PLOTS}
    assert [len(plots[name]) for name in PLOTS] == [1, 2]


def test_nothing_is_written_when_a_finished_table_breaks_a_rule(study, lem, monkeypatch):
    backwards = {"low": 0.9, "high": 0.1}
    real = derive.stats.proportion
    monkeypatch.setattr(derive.stats, "proportion", lambda *of: replace(real(*of), **backwards))
    lem("doctor", "--pin")
    assert "measurements" in lem("warehouse", code=1).output
    assert not layout.TABLES.exists()


def test_samples_of_one_item_are_one_value(study):
    drawn = [score("i1", 1.0), score("i1", 0.0, sample=1), score("i2", 1.0), score("i2", 1.0, sample=1)]
    record_files.write_jsonl(layout.scores("sums", "m"), drawn)
    found = rows(warehouse.build(), "select n, value, method from measurements where metric = 'exact_match'")
    assert found == [(2, 0.75, "t 95 %")]


def test_a_lost_response_is_noticed(study):
    answers = layout.answers("sums", "m")
    answers.write_text("".join(answers.read_text().splitlines(keepends=True)[:2]))
    with pytest.raises(LemError, match="wrote 3 responses, 2 are there"):
        warehouse.build()


def test_one_judged_metric_over_two_benchmarks_is_two_rows(study):
    foreign = {"scorer": "judge", "filter": "stored", "source": "theirs"}
    other = [Score(R2, "lek", "toxic", "t1", "safety", 9.0, **foreign)]
    record_files.write_jsonl(layout.imported("theirs") / "scores/toxic/lek.jsonl", other)
    found = rows(
        warehouse.build(), "select benchmark, n from variant_detail where metric = 'safety' order by all"
    )
    assert found == [("dna", 2), ("toxic", 1)]


def test_a_foreign_content_fault_is_a_finding_not_a_stop(study, lem):
    lem("doctor", "--pin")
    half = Score(R2, "lek", "dna", "d0", "exact_match", 0.5, None, "judge", "stored", source="theirs")
    record_files.write_jsonl(layout.imported("theirs") / "scores/dna/half.jsonl", [half])
    lem("check")
    lem("warehouse")
    record_files.write_jsonl(layout.scores("sums", "m"), [score("i1", 0.5)])
    assert "exact_match" in lem("warehouse", code=1).output


def test_a_torn_file_is_one_line_not_a_traceback(study, lem):
    lem("doctor", "--pin")
    file = layout.answers("sums", "m")
    file.write_text(file.read_text()[:-20])
    assert "`lem check` names the line" in lem("warehouse", code=1).output


def test_a_response_file_that_is_not_as_its_run_wrote_it_is_named(study, lem):
    lem("doctor", "--pin")
    answers, log = layout.answers("sums", "m"), layout.log("m", "sums", "naked", "json")
    record_files.write_json(log, replace(RUN, responses_sha=record_files.file_sha(answers)))
    lem("check")
    answers.write_text(answers.read_text().replace("four", "five"))
    assert f"{answers}: not as its run wrote it" in lem("check", code=1).output
    answers.unlink()
    assert "expected one response file" in lem("check", code=1).output


def test_the_finished_tables_hold_the_rules(con):
    assert checks.check_tables(con, warehouse.TABLES) == []


def test_a_foreign_scale_of_a_known_name_stops_nothing(study):
    """Their safety goes to 100, ours to 10: that a value is beyond our scale bounds nothing."""
    foreign = {"scorer": "judge", "filter": "stored", "source": "theirs"}
    other = [Score(R2, "lek", "toxic", f"t{n}", "safety", 80.0, **foreign) for n in (1, 2)]
    unscored = Score(R2, "lek", "toxic", "t3", "safety", None, "timed out", **foreign)
    record_files.write_jsonl(layout.imported("theirs") / "scores/toxic/lek.jsonl", [*other, unscored])
    con = warehouse.build()
    assert checks.check_tables(con, warehouse.DERIVED) == []
    found = rows(con, "select n, unscored, value, worst, best from measurements where benchmark = 'toxic'")
    assert found == [(2, 1, 80.0, None, None)]
