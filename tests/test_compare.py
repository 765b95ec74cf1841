"""`lem compare` over a small hand-written study: what it says and refuses, and what a changed row does."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from lem import compare, layout, record_files, warehouse
from lem.errors import LemError
from lem.records import (
    Item,
    Model,
    Response,
    Run,
    Score,
    fields,
)

SHA, KERNEL = "a" * 64, "c" * 64
TWENTY = {"m": [1.0] * 5 + [0.0] * 15, "lek": [1.0] * 17 + [0.0] * 3}
"""Twelve gained, none lost: p = 2 / 4096, and a difference of 60 points."""


def place(source, path):
    return path if source == "own" else layout.imported(source) / path.relative_to(layout.DATA)


def card(name, source="own", **more):
    told = Model(name, source=source, role="fine-tuned" if more.get("base") else "baseline", **more)
    file = layout.model_record(told.role, told.entry or name, told.seed)
    record_files.write_json(place(source, file), told)


def ran(name, prompts, mode="naked", source="own", **settings):
    told = {"prompt_set_sha": SHA, "template": "T", "model": name, "prompts": prompts, "mode": mode}
    run_id = record_files.sha256(f"{source}{name}{prompts}{mode}")[:16]
    shape = {**dict.fromkeys(fields(Run)), **told, "source": source, "run_id": run_id, **settings}
    record_files.write_json(place(source, layout.log(name, prompts, mode, "json")), Run(**shape))


def score(name, item, value, benchmark="sums", metric="exact_match", source="own", **more):
    told = {"filter": "flexible" if metric == "exact_match" else "none", **more}
    error = None if value is not None else "no answer"
    return Score("1" * 16, name, benchmark, item, metric, value, error, source=source, **told)


def scored(name, values, benchmark="sums", source="own", **more):
    """Write a run and the scores of the items i00, i01, ..."""
    rows = [score(name, f"i{n:02}", v, benchmark, source=source, **more) for n, v in enumerate(values)]
    record_files.write_jsonl(place(source, layout.scores(benchmark, name)), rows)
    ran(name, benchmark, source=source)


def answered(name, role, texts, prompts="v", mode="naked", **settings):
    """Write a run, its answers, and their signs."""
    answers = [
        Response(f"P{n}", "p", text, 1.0, len(text), mode, name, prompts, SHA, "1" * 16, finish_reason="stop")
        for n, text in enumerate(texts)
    ]
    file = layout.responses(role, name, prompts, mode)
    record_files.write_jsonl(file, answers)
    ran(name, prompts, mode, **settings)


def tables():
    con = warehouse.build()
    warehouse.export(con, layout.TABLES)
    return con


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A baseline and a fine-tune of one seed, scored on sums, and both with answers to v."""
    monkeypatch.chdir(tmp_path)
    card("m")
    card("lek.s0", base="m", entry="lek", seed=0)
    scored("m", TWENTY["m"])
    scored("lek.s0", TWENTY["lek"])
    answered("m", "baseline", ["One.", ""] * 5)
    answered("lek.s0", "fine-tuned", ["I am one.", "Two."] * 5)
    tables()
    return tmp_path


def asked(lem, *words, code=0):
    """Compare lek with m, as JSON."""
    found = lem("compare", "lek", "m", *words, "--format", "json", code=code)
    return json.loads(found.stdout)


def one(lem, *words):
    (row,) = asked(lem, "--metric", "exact_match", *words)
    return row


# What it says


def test_text_is_a_table_and_a_sentence_for_each_primary_metric(study, lem):
    shown = lem("compare", "lek", "m").output
    table, *sentences = shown.split("\n\n")
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in table.splitlines() if "│" in line]
    rows = {row[1]: row for row in cells}
    assert rows["exact_match, flexible, naked"] == [
        *("sums", "exact_match, flexible, naked", "20", "85.0", "25.0"),
        *("+60.0 (+36.5 to +83.5)", "+12 -0", "< 0.001 (0.001)", "better"),
    ]
    assert rows["empty, naked"] == [
        *("v", "empty, naked", "10", "0.0", "50.0"),
        *("-50.0 (-87.7 to -12.3)", "+5 -0", "0.062 (0.125)", "inconclusive"),
    ]
    assert set(rows) == {
        "exact_match, flexible, naked",
        *(f"{sign}, naked" for sign in ("empty", "loop", "refusal", "formulaic_opening", "first_person")),
        *(f"{sign}, naked" for sign in ("cut_off", "chars")),
    }
    assert [said.split(":")[0].split(",")[0].strip() for said in sentences] == [
        "On sums (exact_match",
        "On v (empty",
        "On v (loop",
        "On v",
        "Holm's correction is over these 3 tests.",
    ]


def test_the_head_names_the_two_and_the_sentence_says_it_all(study, lem):
    shown = lem("compare", "lek", "m", "--on", "sums").output
    head = [cell.strip() for cell in shown.splitlines()[1].split("┃")[1:-1]]
    assert head == [
        *("benchmark", "metric", "n", "lek", "m"),
        *("difference (95 %)", "flips", "p (Holm)", "verdict"),
    ]
    row = one(lem, "--on", "sums")
    ends = f"{row['low']:+.1f} to {row['high']:+.1f}"
    assert shown.splitlines()[-1] == (
        "On sums (exact_match, flexible, naked), lek has 85.0 % and m 25.0 %: "
        f"paired difference +60.0 points (95 % {ends}, n = 20, 12 gained and 0 lost, "
        "McNemar, exact: p < 0.001, after Holm p < 0.001): better."
    )


def test_tsv_and_json_have_the_same_columns(study, lem):
    text = lem("compare", "lek", "m", "--on", "sums", "--format", "tsv").stdout
    (row,) = csv.DictReader(io.StringIO(text), delimiter="\t")
    (same,) = asked(lem, "--on", "sums")
    assert tuple(row) == tuple(same) == compare.COLUMNS
    assert {name: "" if value is None else str(value) for name, value in same.items()} == row
    expected = {"n": 20, "unscored": 0, "candidate_value": 85.0, "baseline_value": 25.0, "difference": 60.0}
    expected |= {"gained": 12, "lost": 0, "unit": "points", "verdict": "better", "holds": "yes"}
    assert {name: same[name] for name in expected} == expected
    assert same["p"] == same["p_holm"] == 2 / 2**12


def test_it_says_what_the_table_of_declared_comparisons_says(study, lem):
    declared = '"lek >= m - 5 on sums"'
    Path("params.yaml").write_text(
        "models:\n  baseline: {m: {from: x}}\n  fine-tuned: {lek: {tune: m, data: d}}\n"
        "prompts: {v: {files: [f]}}\nbenchmarks: {sums: {file: f, prompt: q}}\n"
        f"compare: [{declared}]\n"
    )
    found = tables().execute("from comparisons")
    names = [column[0] for column in found.description]
    (row,) = (dict(zip(names, values, strict=True)) for values in found.fetchall())
    mine = one(lem, "--margin", "5")
    beside = ("answers", "same", "unknown", "largest")  # of what was answered, not of this metric
    assert {name: row.get(name) for name in compare.COLUMNS} == mine
    assert [mine[name] for name in beside] == [None] * 4 and not set(beside) & set(row)


def test_the_other_way_round_is_the_other_sign(study, lem):
    there = one(lem)
    (back,) = json.loads(lem("compare", "m", "lek", "--on", "sums", "--format", "json").stdout)
    assert (back["difference"], back["verdict"]) == (-60.0, "worse")
    assert (back["low"], back["high"]) == pytest.approx((-there["high"], -there["low"]))
    assert (back["gained"], back["lost"], back["p"]) == (there["lost"], there["gained"], there["p"])


# Options


def test_on_picks_one_set_and_metric_one_metric(study, lem):
    assert {row["prompts"] for row in asked(lem)} == {"sums", "v"}
    assert {row["prompts"] for row in asked(lem, "--on", "v")} == {"v"}
    (row,) = asked(lem, "--metric", "empty")
    assert (row["prompts"], row["metric"], row["difference"]) == ("v", "empty", -50.0)


def test_what_is_asked_for_is_the_family_of_tests(study, lem):
    """Holm's correction is over what is shown: alone, p is p."""
    three = {row["metric"]: row for row in asked(lem) if row["p_holm"] is not None}
    assert set(three) == {"exact_match", "empty", "loop"}
    assert three["exact_match"]["p_holm"] == pytest.approx(3 * three["exact_match"]["p"])
    alone = one(lem)
    assert alone["p_holm"] == alone["p"] == three["exact_match"]["p"]
    assert asked(lem, "--metric", "empty")[0]["p_holm"] == 2 / 2**5


def test_a_margin_in_points_makes_it_equivalent(study, lem):
    scored("m", [float(n % 2) for n in range(200)])
    scored("lek.s0", [float(n % 2) if n not in (5, 50) else 1.0 - n % 2 for n in range(200)])
    tables()
    assert one(lem)["verdict"] == "inconclusive"
    assert one(lem, "--margin", "0.5")["verdict"] == "inconclusive"
    found = one(lem, "--margin", "5")
    assert (found["difference"], found["verdict"], found["holds"]) == (0.0, "equivalent", "yes")
    shown = lem("compare", "lek", "m", "--on", "sums", "--margin", "5").output
    assert shown.endswith(": equivalent within 5 points.\n")
    assert lem("compare", "lek", "m", "--margin", "-1", code=2)


def test_source_names_whose_models(study, lem):
    for name, base, values in (("m", None, [0.0] * 20), ("tuned", "m", [1.0] * 12 + [0.0] * 8)):
        card(name, "theirs", base=base)
        scored(name, values, source="theirs")
    tables()
    found = lem("compare", "tuned", "m", "--source", "theirs", "--format", "json").stdout
    assert [(row["baseline_value"], row["difference"]) for row in json.loads(found)] == [(0.0, 60.0)]
    assert "no model 'tuned' of source 'own'" in lem("compare", "tuned", "m", code=1).output


# Changed rows, unscored rows, clusters, repeats


def test_changed_score_rows_change_the_verdict(study, lem):
    assert one(lem)["verdict"] == "better"
    scored("lek.s0", [1.0] * 4 + [0.0] + [1.0] * 2 + [0.0] * 13)
    tables()
    found = one(lem)
    assert (found["verdict"], found["difference"], found["gained"], found["lost"]) == (
        ("inconclusive", 5.0, 2, 1)
    )
    scored("m", TWENTY["lek"])
    scored("lek.s0", TWENTY["m"])
    tables()
    found = one(lem)
    assert (found["verdict"], found["difference"], found["holds"]) == ("worse", -60.0, "no")


def test_what_nobody_could_score_is_counted_and_bounds_the_difference(study, lem):
    half = [None] * 10 + TWENTY["lek"][10:]
    scored("lek.s0", half)
    tables()
    found = one(lem)
    # seven of ten scored pairs are gained; of the ten others the baseline has five
    assert (found["n"], found["unscored"], found["difference"]) == (10, 10, 70.0)
    assert (found["worst"], found["best"]) == (10.0, 60.0)
    shown = lem("compare", "lek", "m", "--on", "sums").output
    assert "10 (10 unscored)" in shown
    assert "n = 10, 10 unscored, whose scores could make it +10.0 to +60.0, 7 gained and 0 lost" in shown


def test_the_report_shows_the_same_bounds(study, lem):
    scored("lek.s0", [None] * 10 + TWENTY["lek"][10:])
    tables()
    lem("doctor", "--pin")
    lem("report")
    text = (layout.REPORTS / "report.md").read_text()
    (row,) = [line for line in text.splitlines() if line.startswith("| lek.s0 | 70.0")]
    assert "unscored 10 of 20: within 35.0-85.0 |" in row


def test_clusters_make_the_interval_wider(study, lem):
    alone = one(lem)
    items = [Item("sums", f"i{n:02}", "q", "1", SHA, cluster=f"p{n // 5}") for n in range(20)]
    record_files.write_jsonl(layout.items("sums"), items)
    tables()
    found = one(lem)
    assert found["difference"] == alone["difference"] == 60.0
    assert found["high"] - found["low"] > 1.2 * (alone["high"] - alone["low"])
    assert found["method"] == "paired t over 4 clusters 95 %" and found["test"] == "sign flips"
    assert found["p"] > alone["p"] and found["detectable"] > alone["detectable"]
    assert "n = 20, 4 clusters," in lem("compare", "lek", "m", "--on", "sums").output


def test_what_a_judge_says_twice_is_one_value(study, lem):
    for name, values in (("m", (4.0, 5.0, 6.0)), ("lek.s0", (7.0, 9.0, 8.0))):
        rows = [
            score(name, f"i{n:02}", value + repeat, metric="safety", scorer="judge:j", repeat=repeat)
            for n, value in enumerate(values)
            for repeat in (0, 1)
        ]
        record_files.write_jsonl(layout.judged("sums", name), rows)
    con = tables()
    (row,) = asked(lem, "--metric", "safety")
    assert (row["n"], row["candidate_value"], row["baseline_value"], row["difference"]) == (3, 8.5, 5.5, 3.0)
    assert (row["unit"], row["scorer"]) == ("points 1-10", "judge:j")
    found = con.execute("select model, repeats, items, alpha from judge_agreement order by model").fetchall()
    # i00 to i02 of m: (4, 5), (5, 6), (6, 7). Values 4 to 7 are said 1, 2, 2, 1 times; ordinal distances
    # squared: 4-5 2.25, 5-6 4, 6-7 2.25, 4-6 12.25, 5-7 12.25, 4-7 25. Within items: 2.25 + 4 + 2.25 = 8.5
    # of three pairs; of all fifteen: 2 * 2.25 + 4 * 4 + 2 * 2.25 + 2 * 12.25 + 2 * 12.25 + 25 = 99
    assert found[1] == ("m", 2, 3, pytest.approx(1 - (8.5 / 3) / (99 / 15)))
    assert found[0][:3] == ("lek.s0", 2, 3)


def test_the_seeds_of_a_fine_tune_are_one_side(study, lem):
    card("lek.s1", base="m", entry="lek", seed=1)
    scored("lek.s1", TWENTY["m"])
    ran("lek.s1", "sums")
    tables()
    found = one(lem)
    assert (found["seeds"], found["difference"]) == (2, 30.0)
    assert found["seed_sd"] == pytest.approx(60 / 2**0.5)
    assert (
        lem("compare", "lek.s1", "m", code=1).output
        == "Error: 'lek.s1' is one training seed; compare 'lek', all its seeds as one\n"
    )
    assert "2 training seeds, seed sd 42.4" in lem("compare", "lek", "m", "--on", "sums").output


def test_a_lone_seed_is_its_entry(study, lem):
    shown = lem("compare", "lek.s0", "m", "--on", "sums").output
    assert shown == lem("compare", "lek", "m", "--on", "sums").output


# What it refuses


@pytest.mark.parametrize(
    ("other", "differs"),
    [
        ({"prompt_set_sha": "b" * 64}, "items"),
        ({"template": "another"}, "template"),
        ({"kernel_sha": KERNEL}, "kernel"),
        ({"prompt_set_sha": None, "kernel_sha": KERNEL}, "items, kernel"),
    ],
)
@pytest.mark.parametrize("fmt", ["text", "tsv", "json"])
def test_what_was_not_asked_alike_is_not_compared(study, lem, other, differs, fmt):
    ran("lek.s0", "sums", **other)
    tables()
    found = lem("compare", "lek", "m", "--on", "sums", "--format", fmt, code=1)
    assert found.stderr == (
        f"sums, naked: not compared, the two were not asked alike: they differ in {differs}\n"
    )
    if fmt == "json":
        (row,) = json.loads(found.stdout)
        empty = ("difference", "low", "high", "p", "p_holm", "candidate_value", "baseline_value", "worst")
        assert [row[name] for name in empty] == [None] * len(empty)
        assert (row["verdict"], row["n"], row["differs"]) == ("refused", 0, differs)
    elif fmt == "text":
        assert found.stdout == ""


def test_another_version_of_the_task_is_not_compared(study, lem):
    scored("lek.s0", TWENTY["lek"], task_version="2")
    tables()
    found = lem("compare", "lek", "m", "--on", "sums", code=1)
    assert "they differ in task version" in found.stderr


def test_one_refused_set_leaves_the_others(study, lem):
    ran("lek.s0", "v", template="another")
    tables()
    found = lem("compare", "lek", "m")
    assert found.stderr.splitlines() == [
        "v, naked: not compared, the two were not asked alike: they differ in template"
    ]
    assert "exact_match" in found.stdout and "empty" not in found.stdout
    refused = [row["verdict"] == "refused" for row in asked(lem)]
    assert refused.count(True) == 7 and refused.count(False) == 1


def test_an_unknown_model_names_those_there_are(study, lem):
    assert lem("compare", "lek", "nobody", code=1).output == (
        "Error: no model 'nobody' of source 'own' in the tables; there are: lek, m\n"
    )
    shown = lem("compare", "lek", "m", "--source", "theirs", code=1).output
    assert shown == "Error: no model 'lek' of source 'theirs' in the tables; it is there with --source own\n"


def test_without_tables_it_says_what_to_run(tmp_path, monkeypatch, lem):
    monkeypatch.chdir(tmp_path)
    shown = lem("compare", "lek", "m", code=1).output
    assert "item_values.parquet: no such table; run `dvc repro`" in shown and len(shown.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("--on", "gsm8k"), ", on 'gsm8k'"),
        (("--metric", "kindness"), ", metric 'kindness'"),
        (("--on", "v", "--metric", "exact_match"), ", on 'v', metric 'exact_match'"),
    ],
)
def test_nothing_in_common_says_what_each_was_asked(study, lem, words, wanted):
    assert lem("compare", "lek", "m", *words, code=1).output == (
        f"Error: lek and m: nothing that both were asked and scored on{wanted}; "
        "lek was asked sums, v; m was asked sums, v\n"
    )


def test_two_that_were_asked_different_sets_have_nothing_in_common(study, lem):
    card("other")
    card("silent")
    scored("other", [1.0], benchmark="more")
    tables()
    assert "other was asked more; m was asked sums, v" in lem("compare", "other", "m", code=1).output
    assert "silent was asked nothing" in lem("compare", "silent", "m", code=1).output


def test_the_tables_of_another_study_are_named(tmp_path):
    with pytest.raises(LemError, match=r"elsewhere.item_values\.parquet: no such table"):
        compare.opened(tmp_path / "elsewhere")


def test_modes_are_compared_each_with_its_own(study, lem):
    for name, role in (("m", "baseline"), ("lek.s0", "fine-tuned")):
        answered(name, role, ["A.", "Bee."], mode="sandwich", kernel_sha=KERNEL)
    tables()
    modes = {row["mode"] for row in asked(lem, "--metric", "chars")}
    assert modes == {"naked", "sandwich"}
    told = [line for line in lem("compare", "lek", "m").output.splitlines() if "same text" in line]
    assert told == [
        "On v, 0 of 10 written answers are the same text.",
        "On v (sandwich), all 2 written answers are the same text.",
    ]


def test_other_readings_stand_in_the_table_but_have_no_sentence(study, lem):
    for name in ("m", "lek.s0"):
        file = layout.scores("sums", name)
        rows = list(record_files.read_jsonl(file, Score))
        record_files.write_jsonl(file, [*rows, *(replace(row, filter="strict") for row in rows)])
    tables()
    shown = lem("compare", "lek", "m", "--on", "sums").output
    assert "exact_match, strict, naked" in shown and shown.count("On sums") == 1
    assert [row["filter"] for row in asked(lem, "--on", "sums") if row["p_holm"] is None] == ["strict"]
