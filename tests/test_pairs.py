"""pairs.sql and the tables behind it, on hand-written records: who is compared with whom, and on what.

Two training seeds of a fine-tune `m-lek` of `m`, and of `m-lek-calm`, which goes on from it.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from lem import checks, layout, record_files, warehouse
from lem.records import (
    Item,
    Model,
    Response,
    Run,
    Score,
    fields,
)

SHA, RUN = "a" * 64, "1" * 16
SEEDS = (0, 1)
PARAMS = """\
seeds: [0, 1]
models:
  baseline: {m: {from: x}}
  fine-tuned: {m-lek: {tune: m, data: d}, m-lek-calm: {tune: m-lek, data: d}}
prompts: {v: {files: [f]}}
benchmarks: {sums: {file: f, prompt: q}}
compare: %s
"""
RIGHT = {
    "m": (0, 1, 0, 0),
    "m-lek.s0": (1, 1, 0, 1), "m-lek.s1": (0, 1, 0, 0),
    "m-lek-calm.s0": (1, 1, 1, 1), "m-lek-calm.s1": (1, 1, 0, 1),
}  # fmt: skip


def place(source, path):
    return path if source == "own" else layout.imported(source) / path.relative_to(layout.DATA)


def card(name, base=None, source="own", role=None, **more):
    """Write a model's record; one with a base is fine-tuned."""
    role = role or ("fine-tuned" if base else "baseline")
    entry, seed = more.get("entry", name), more.get("seed")
    record = Model(name, source=source, role=role, base=base, **more)
    record_files.write_json(place(source, layout.model_record(role, entry, seed)), record)


def scored(name, values, source="own", benchmark="sums", **more):
    """Write the scores of a model: those of the items i1, i2, ..., or {item: value}."""
    of_items = values if isinstance(values, dict) else {f"i{n}": v for n, v in enumerate(values, 1)}
    rows = [
        Score(RUN, name, benchmark, item, "exact_match", value, None if value is not None else "no answer",
              filter="flexible", source=source, **more)
        for item, value in of_items.items()
    ]  # fmt: skip
    record_files.write_jsonl(place(source, layout.scores(benchmark, name)), rows)


def answered(name, mode, lengths, role="fine-tuned", prompts="v", source="own"):
    """Write answers of these lengths and their signs; one of ten characters was cut off."""
    rows = [
        Response(f"P{n}", "p", "x" * chars, 1.0, chars, mode, name, prompts, SHA, RUN, source=source,
                 finish_reason="length" if chars == 10 else "stop")
        for n, chars in enumerate(lengths, 1)
    ]  # fmt: skip
    file = place(source, layout.responses(role, name, prompts, mode))
    record_files.write_jsonl(file, rows)


def ran(name, prompts="sums", mode="naked", **settings):
    """Write the run of a model over a prompt set: prompt_set_sha, template, kernel_sha."""
    told = {"run_id": RUN, "source": "own", "model": name, "prompts": prompts, "mode": mode, **settings}
    record_files.write_json(
        layout.log(name, prompts, mode, "json"), Run(**{**dict.fromkeys(fields(Run)), **told})
    )


def declare(*declared):
    Path("params.yaml").write_text(PARAMS % list(declared))


@pytest.fixture
def chain(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    card("m", family="f", scale="1M", variant="it")
    for seed in SEEDS:
        for entry, base in (("m-lek", "m"), ("m-lek-calm", f"m-lek.s{seed}")):
            told = {"family": "f", "scale": "1M", "variant": entry.removeprefix("m-")}
            card(f"{entry}.s{seed}", base, entry=entry, seed=seed, **told)
    for name, values in RIGHT.items():
        scored(name, values)


def rows(sql):
    return warehouse.build().execute(sql).fetchall()


def test_each_item_holds_a_value_a_training_seed(chain):
    found = rows(
        "select candidate, baseline, candidate_values, baseline_values from pairs "
        "where kind = 'fine-tune' and metric = 'exact_match' order by all"
    )
    base = [[0.0], [1.0], [0.0], [0.0]]
    assert found == [
        ("m-lek", "m", [[1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [1.0, 0.0]], base),
        ("m-lek-calm", "m", [[1.0, 1.0], [1.0, 1.0], [1.0, 0.0], [1.0, 1.0]], base),
    ]


def test_the_seeds_stand_in_one_order_in_all_items(chain):
    """By name, so the tenth before the second: each place is one seed, whichever."""
    for seed in (2, 10):
        card(f"t.s{seed}", "m", entry="t", seed=seed)
        scored(f"t.s{seed}", [seed % 3, seed % 3, seed % 3, seed % 3])
    found = rows("select candidate_values from pairs where candidate = 't' and metric = 'exact_match'")
    assert found == [([[1.0, 2.0]] * 4,)]


def test_scale_delta_is_each_fine_tune_minus_the_root_of_its_chain(chain):
    found = rows(
        "select family, scale, variant, fine_tuned, baseline, benchmark, mode, seeds, n, candidate_value, "
        "baseline_value, difference, round(seed_sd, 4), unit, source from scale_delta order by all"
    )
    where = ("sums", "naked", 2, 4)
    assert found == [
        ("f", "1M", "lek", "m-lek", "m", *where, 50.0, 25.0, 25.0, 35.3553, "points", "own"),
        ("f", "1M", "lek-calm", "m-lek-calm", "m", *where, 87.5, 25.0, 62.5, 17.6777, "points", "own"),
    ]


def test_a_comparison_may_be_with_a_step_on_the_way(chain):
    declare("m-lek-calm > m-lek on sums", "m > m-lek-calm")
    found = rows(
        "select declared, candidate, baseline, seeds, n, candidate_value, baseline_value, difference, "
        "round(seed_sd, 4), verdict, holds from comparisons order by all"
    )
    assert found == [
        ("m > m-lek-calm", "m", "m-lek-calm", 2, 4, 25.0, 87.5, -62.5, 17.6777, "inconclusive", "open"),
        # each seed to the same seed: 25 and 50 points above it
        ("m-lek-calm > m-lek on sums", "m-lek-calm", "m-lek", 2, 4, 87.5, 50.0, 37.5, 17.6777,
         "inconclusive", "open"),
    ]  # fmt: skip


def test_a_margin_comes_with_its_comparison(chain):
    scored("m", [n % 2 for n in range(100)])
    for seed in SEEDS:
        scored(f"m-lek.s{seed}", [n % 2 if n != 7 else 0 for n in range(100)])
    declare("m-lek > m", "m-lek >= m - 5")
    found = rows("select declared, difference, verdict, holds from comparisons order by all")
    assert found == [
        ("m-lek > m", -1.0, "inconclusive", "open"),
        ("m-lek >= m - 5", -1.0, "equivalent", "yes"),
    ]


def test_on_picks_one_set_and_without_it_all_are_compared(chain):
    for seed in SEEDS:
        answered(f"m-lek.s{seed}", "naked", [3, 10])
    answered("m", "naked", [10, 10], "baseline")
    declare("m-lek > m", "m-lek > m on v", "m-lek >= m - 1 on sums")
    found = rows(
        "select declared, prompts, benchmark, metric from comparisons "
        "where metric in ('exact_match', 'chars', 'loop') order by all"
    )
    assert found == [
        ("m-lek > m", "sums", "sums", "exact_match"),
        ("m-lek > m", "v", None, "chars"),
        ("m-lek > m", "v", None, "loop"),
        ("m-lek > m on v", "v", None, "chars"),
        ("m-lek > m on v", "v", None, "loop"),
        ("m-lek >= m - 1 on sums", "sums", "sums", "exact_match"),
    ]


def test_a_changed_score_changes_the_verdict(chain):
    declare("m-lek > m on sums")
    said = "select n, difference, verdict, holds from comparisons"
    right = [1.0] * 19 + [0.0]
    scored("m", [0.0] * 20)
    for seed in SEEDS:
        scored(f"m-lek.s{seed}", right)
    assert rows(said) == [(20, 95.0, "better", "yes")]
    scored("m-lek.s1", [1.0 - value for value in right])
    assert rows(said) == [(20, 50.0, "inconclusive", "open")]  # half a right answer in each
    scored("m", [1.0] * 20)
    scored("m-lek.s0", [0.0] * 20)
    assert rows(said) == [(20, -97.5, "worse", "no")]


def test_items_that_one_side_lacks_are_in_no_pair_and_in_its_own_n(chain):
    scored("m", {"i1": 0, "i2": 1, "i9": 1})
    declare("m-lek > m on sums")
    (found,) = rows("select n, unscored, candidate_value, baseline_value from comparisons")
    assert found == (0, 0, None, None)
    assert rows("select differs, verdict from comparisons") == [("items", "refused")]
    of_each = rows("select model, n from summary where model in ('m', 'm-lek.s0') order by all")
    assert of_each == [("m", 3), ("m-lek.s0", 4)]


def test_sides_without_one_item_in_common_are_not_compared(chain):
    scored("m", {"other": 1.0})
    declare("m-lek > m on sums")
    assert rows("select * from comparisons") == []


def test_what_nobody_could_score_is_counted(chain):
    scored("m-lek.s1", (0, None, 0, 0))
    declare("m-lek > m on sums")
    assert rows("select n, unscored, seeds, round(difference, 2) from comparisons") == [(3, 1, 2, 33.33)]


def test_an_item_that_one_seed_lacks_is_counted_too(chain):
    scored("m-lek.s1", (0, 1, 0))
    declare("m-lek > m on sums")
    assert rows("select n, unscored, seeds from comparisons") == [(3, 1, 2)]


def test_only_like_is_compared_with_like(chain):
    """Another way to read the answer, another mode, another regime: no pairs with the plain ones."""
    other = [("strict", "naked", "direct"), ("flexible", "system", "direct"), ("flexible", "naked", "taught")]
    rest = [
        Score(RUN, "m", "sums", f"i{n}", "exact_match", 1.0, filter=one, mode=mode, regime=regime)
        for n in (1, 2, 3, 4)
        for one, mode, regime in other
    ]
    plain = list(record_files.read_jsonl(layout.scores("sums", "m"), Score))
    record_files.write_jsonl(layout.scores("sums", "m"), [*plain, *rest])
    declare("m-lek > m on sums")
    assert rows("select n, baseline_value, filter, mode, regime from comparisons") == [
        (4, 25.0, "flexible", "naked", "direct")
    ]


def test_each_mode_is_compared_with_naked_of_the_same_model(chain):
    answered("m", "naked", [4, 10, 6], "baseline")
    answered("m", "sandwich", [1, 2, 3], "baseline")
    for seed, more in zip(SEEDS, (0, 20), strict=True):
        answered(f"m-lek.s{seed}", "naked", [20 + more, 22 + more, 24 + more])
        answered(f"m-lek.s{seed}", "system", [26 + more, 26 + more, 26 + more])
        answered(f"m-lek.s{seed}", "sandwich", [21 + more, 10, 25 + more])
    found = rows(
        "select model, mode, other_mode, metric, seeds, n, mode_value, other_value, round(difference, 2), "
        "round(seed_sd, 2), unit, verdict from mode_effects where metric in ('chars', 'cut_off') order by all"
    )
    assert found == [
        ("m", "sandwich", "naked", "chars", 1, 3, 2.0, 20 / 3, -4.67, None, "characters", "inconclusive"),
        ("m", "sandwich", "naked", "cut_off", 1, 3, 0.0, 100 / 3, -33.33, None, "points", "inconclusive"),
        ("m-lek", "sandwich", "naked", "chars", 2, 3, 76 / 3, 32.0, -6.67, 4.71, "characters",
         "inconclusive"),
        ("m-lek", "sandwich", "naked", "cut_off", 2, 3, 100 / 3, 0.0, 33.33, 0.0, "points", "inconclusive"),
        # both seeds grow by the same, however far they lie apart
        ("m-lek", "system", "naked", "chars", 2, 3, 36.0, 32.0, 4.0, 0.0, "characters", "inconclusive"),
        ("m-lek", "system", "naked", "cut_off", 2, 3, 0.0, 0.0, 0.0, 0.0, "points", "inconclusive"),
    ]  # fmt: skip


def test_a_mode_without_naked_has_no_effect_to_show(chain):
    answered("m", "sandwich", [1, 2, 3], "baseline")
    answered("m", "system", [4, 5, 6], "baseline")
    assert rows("select * from mode_effects") == []


def test_an_imported_fine_tune_is_compared_where_its_base_is_named(chain):
    for source, base in (("theirs", "b"), ("silent", None), ("dangling", "nobody")):
        card("b", source=source)
        card("b-lek", base, source, role="fine-tuned", family="g", scale="2B", variant="lek")
        scored("b", (0, 0, 1), source)
        scored("b-lek", (1, 0, 1), source)
    found = rows(
        "select source, family, scale, variant, fine_tuned, baseline, seeds, n, round(difference, 2), "
        "seed_sd from scale_delta where source <> 'own'"
    )
    assert found == [("theirs", "g", "2B", "lek", "b-lek", "b", 1, 3, 33.33, None)]


def test_an_imported_baseline_is_no_base_of_ours_and_nothing_of_theirs_is_declared(chain):
    card("m", source="theirs")
    card("m-lek", "m", "theirs")
    scored("m", (1, 1, 1, 1), "theirs")
    scored("m-lek", (0, 0, 0, 1), "theirs")
    declare("m-lek > m on sums")
    assert rows("select source, baseline_value from comparisons") == [("own", 25.0)]
    deltas = rows("select source, fine_tuned, baseline_value from scale_delta order by all")
    assert deltas == [("own", "m-lek", 25.0), ("own", "m-lek-calm", 25.0), ("theirs", "m-lek", 100.0)]


def test_a_chain_does_not_go_on_through_a_namesake_of_another_source(chain):
    card("m-lek.s0", source="theirs")  # a baseline there, a fine-tune of m here
    card("m", source="theirs")
    card("x", "m-lek.s0", "theirs")
    assert rows("select entry, below from lineage where source = 'theirs'") == [("x", "m-lek.s0")]


def test_bases_in_a_circle_lead_nowhere(chain):
    card("a", "b", "theirs")
    card("b", "a", "theirs")
    card("c", "c", "theirs")
    for name in "abc":
        scored(name, (1, 0), "theirs")
    assert rows("select * from scale_delta where source = 'theirs'") == []
    assert rows("select entry, below from lineage where source = 'theirs' order by all") == [
        ("a", "a"), ("a", "b"), ("b", "a"), ("b", "b"), ("c", "c"),
    ]  # fmt: skip


def test_nothing_is_declared_without_params_yaml_or_without_compare(chain):
    assert not Path("params.yaml").exists()
    assert rows("select * from comparisons") == []
    declare()
    con = warehouse.build()
    assert con.execute("select count(*) from comparisons").fetchall() == [(0,)]
    assert con.execute("select count(*) from scale_delta").fetchall() == [(2,)]
    assert con.execute("select count(*) from declared").fetchall() == [(0,)]
    assert {"declared", "holds", "low"} <= {name for name, *_ in con.execute("from comparisons").description}


def test_what_was_declared_and_not_measured_yet_stands_in_declared_alone(chain):
    declare("m-lek > m on v", "m-lek-calm >= m - 2.5")
    assert rows("select * from declared order by place") == [
        (0, "own", "m-lek > m on v", "m-lek", "m", 0.0, "v"),
        (1, "own", "m-lek-calm >= m - 2.5", "m-lek-calm", "m", 2.5, None),
    ]
    assert rows("select distinct declared from comparisons") == [("m-lek-calm >= m - 2.5",)]


def test_the_finished_tables_hold_the_rules(chain):
    answered("m", "naked", [4, 10, 6], "baseline")
    answered("m", "sandwich", [1, 2, 3], "baseline")
    declare("m-lek > m", "m-lek >= m - 5 on sums", "m-lek-calm > m-lek")
    con, expected = warehouse.build(), {"declared": 3, "comparisons": 3, "scale_delta": 2, "mode_effects": 7}
    assert {table: warehouse.count(con, table) for table in expected} == expected
    assert checks.check_tables(con, list(expected)) == []


# On what, and of what


def test_of_a_benchmark_its_scores_are_declared_on_and_of_a_prompt_set_its_signs(chain):
    for seed in SEEDS:
        answered(f"m-lek.s{seed}", "naked", [3, 10], prompts="sums")
    answered("m", "naked", [10, 10], "baseline", prompts="sums")
    declare("m-lek > m")
    assert rows("select metric, scorer, is_primary from comparisons") == [("exact_match", "number", True)]
    told = rows("select metric, benchmark from scale_delta where scorer = 'sign' order by all")
    assert [metric for metric, _ in told] == [
        *("chars", "cut_off", "empty", "first_person", "formulaic_opening", "loop", "refusal"),
    ]
    assert {benchmark for _, benchmark in told} == {None}


def test_primary_is_what_has_a_better_way_in_the_reading_that_is_shown(chain):
    for name in ("m", "m-lek.s0", "m-lek.s1"):
        file = layout.scores("sums", name)
        flexible = list(record_files.read_jsonl(file, Score))
        record_files.write_jsonl(file, [*flexible, *(replace(row, filter="strict") for row in flexible)])
        answered(name, "naked", [4, 5], "baseline" if name == "m" else "fine-tuned")
    declare("m-lek > m")
    found = rows("select metric, filter from comparisons where is_primary order by all")
    assert found == [("empty", "none"), ("exact_match", "flexible"), ("loop", "none")]
    assert rows("select count(p_holm) from comparisons") == [(3,)]


def test_the_clusters_of_the_items_go_with_them(chain):
    items = [
        Item("sums", f"i{n}", "q", "1", SHA, cluster="ab"[n > 2] if n < 4 else None) for n in (1, 2, 3, 4)
    ]
    record_files.write_jsonl(layout.items("sums"), items)
    found = rows("select clusters from pairs where candidate = 'm-lek' and kind = 'fine-tune'")
    assert found == [(["a", "a", "b", None],)]
    assert rows("select clusters from samples where model = 'm'") == [(["a", "a", "b", None],)]
    assert rows("select n, clusters from scale_delta where fine_tuned = 'm-lek'") == [(4, 3)]


# Who was not asked the same


ASKED = {"prompt_set_sha": SHA, "template": "T", "kernel_sha": None}


@pytest.mark.parametrize(
    ("other", "differs"),
    [
        ({}, None),
        ({"prompt_set_sha": "b" * 64}, "items"),
        ({"prompt_set_sha": None}, "items"),
        ({"template": "other"}, "template"),
        ({"template": None}, "template"),
        ({"kernel_sha": "c" * 64}, "kernel"),
        ({"prompt_set_sha": "b" * 64, "template": "x", "kernel_sha": SHA}, "items, template, kernel"),
    ],
)
def test_two_that_were_not_asked_alike_are_refused(chain, other, differs):
    ran("m", **ASKED)
    for seed in SEEDS:
        ran(f"m-lek.s{seed}", **{**ASKED, **other})
    declare("m-lek > m on sums")
    for table in ("comparisons", "scale_delta where fine_tuned = 'm-lek'"):
        ((found, verdict, n, difference),) = rows(f"select differs, verdict, n, difference from {table}")
        assert (found, verdict == "refused", n, difference is None) == (
            (differs, True, 0, True) if differs else (None, False, 4, False)
        )


def test_one_seed_that_was_asked_something_else_is_enough(chain):
    for name in ("m", "m-lek.s0"):
        ran(name, **ASKED)
    ran("m-lek.s1", **{**ASKED, "template": "other"})
    declare("m-lek > m on sums")
    assert rows("select differs, verdict, holds from comparisons") == [("template", "refused", "open")]


def test_what_was_asked_of_another_set_or_mode_is_no_difference(chain):
    for name in ("m", "m-lek.s0", "m-lek.s1"):
        ran(name, **ASKED)
        ran(name, "v", prompt_set_sha=name[-1] * 64)
        ran(name, mode="sandwich", template=name)
    declare("m-lek > m on sums")
    assert rows("select differs from comparisons") == [(None,)]
    assert rows("select entry, count(*) from basis group by all order by all") == [("m", 3), ("m-lek", 3)]


def test_another_version_of_a_task_refuses_what_it_scored_and_no_more(chain):
    scored("m", RIGHT["m"][:2], task_version="2")
    for seed in SEEDS:
        name = f"m-lek.s{seed}"
        exact = Score(RUN, name, "sums", "i1", "exact_match", 1.0, filter="flexible", task_version="1")
        record_files.write_jsonl(
            layout.scores("sums", name), [exact, replace(exact, item_id="i2", task_version="2")]
        )
    judged = [
        Score(RUN, name, "sums", "i1", "safety", value, scorer="judge:j", task_version="r")
        for name, value in (("m", 5.0), ("m-lek.s0", 7.0), ("m-lek.s1", 9.0))
    ]
    for row in judged:
        record_files.write_jsonl(layout.judged("sums", row.model), [row])
    declare("m-lek > m on sums")
    assert rows("select metric, differs, difference, verdict from comparisons order by all") == [
        ("exact_match", "task version", None, "refused"),
        ("safety", None, 3.0, "inconclusive"),
    ]


def test_a_refused_comparison_holds_the_rules(chain):
    ran("m", **ASKED)
    for seed in SEEDS:
        ran(f"m-lek.s{seed}", **{**ASKED, "template": "other"})
    declare("m-lek > m", "m-lek-calm > m")
    con = warehouse.build()
    assert checks.check_tables(con, warehouse.DERIVED) == []
    assert con.execute("select distinct verdict from comparisons").fetchall() == [("refused",)]


# Several declared, several judgements


def test_a_lone_small_p_among_several_declared_is_inconclusive(chain):
    gained = [1.0] * 6 + [0.0] * 34  # 6 gained, none lost: 2 of 64 ways, p = 0.03125
    scored("m", [0.0] * 40)
    for seed in SEEDS:
        scored(f"m-lek.s{seed}", gained)
        scored(f"m-lek-calm.s{seed}", [float(n % 2) if n < 4 else 0.0 for n in range(40)])
    said = "select round(p, 5), round(p_holm, 5), verdict, holds from comparisons where candidate = 'm-lek'"
    declare("m-lek > m on sums")
    assert rows(said) == [(0.03125, 0.03125, "better", "yes")]
    declare("m-lek > m on sums", "m-lek-calm > m on sums")
    assert rows(said) == [(0.03125, 0.0625, "inconclusive", "open")]
    # what nobody declared has no family, and its verdict is its interval's
    assert rows("select verdict from scale_delta where fine_tuned = 'm-lek'") == [("better",)]


def test_the_repeats_of_a_judge_have_their_agreement(chain):
    said = {"i1": (1.0, 1.0), "i2": (2.0, 2.0), "i3": (1.0, 2.0), "i4": (2.0, None)}
    rows_of = [
        Score(RUN, "m", "sums", item, "safety", value, None if value else "no reply", "judge:j", repeat=n)
        for item, values in said.items()
        for n, value in enumerate(values)
    ]
    record_files.write_jsonl(layout.judged("sums", "m"), rows_of)
    once = [replace(row, model="m-lek.s0") for row in rows_of if row.repeat == 0]
    record_files.write_jsonl(layout.judged("sums", "m-lek.s0"), once)
    ((*found, alpha),) = rows("select * from judge_agreement")
    assert found == ["own", "m", "sums", "naked", "safety", "judge:j", 2, 4]
    # three items with two values, by hand as in test_derive.py: 1 - (2 / 6) / (18 / 30)
    assert alpha == pytest.approx(4 / 9)
    # and each answer's value is the mean of its repeats, none where one of them failed
    values = rows("select value from item_values where metric = 'safety' and model = 'm' order by item_id")
    assert values == [(1.0,), (2.0,), (1.5,), (None,)]
    counted = "select n, unscored, worst, best from measurements where metric = 'safety' and model = 'm'"
    assert rows(counted) == [(3, 1, pytest.approx((4.5 + 1) / 4), pytest.approx((4.5 + 10) / 4))]
