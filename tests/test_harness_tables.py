"""The tables `answer_differences` and `lm_eval_metrics` on rows made by hand: what is paired and told."""

import json
from importlib.resources import files

import duckdb
import pytest

SHAPES = {
    "lineage": "source varchar, entry varchar, below varchar",
    "declared": "source varchar, candidate varchar, baseline varchar",
    "models": "source varchar, name varchar, entry varchar, seed bigint",
    "stg_responses": "source varchar, model varchar, prompts varchar, mode varchar, seed_id varchar, "
    "sample bigint, prompt_sha varchar, response varchar, logprob double, finish_reason varchar",
    "stg_figures": "source varchar, document varchar, place varchar, model varchar, benchmark varchar, "
    "metric varchar, value double, unit varchar, error varchar, stderr double, n bigint, limited boolean, "
    "filter varchar, higher_is_better boolean, task_version varchar, settings varchar",
}
SOURCE = "theirs"


@pytest.fixture
def con():
    """`m`, its fine-tune `lek`, and `calm`, which is declared against `lek`: two training seeds each."""
    with duckdb.connect(":memory:", config={"threads": 1}) as con:
        for table, shape in SHAPES.items():
            con.execute(f"create table {table} ({shape})")
        con.execute("insert into lineage values ('theirs', 'lek', 'm')")
        con.execute("insert into declared values ('theirs', 'calm', 'lek'), ('theirs', 'lek', 'm')")
        con.execute("insert into models values ('theirs', 'm', 'm', null), ('own', 'm', 'm', null)")
        for entry in ("lek", "calm"):
            for seed in (0, 1):
                con.execute(
                    "insert into models values ('theirs', ?, ?, ?)", [f"{entry}.s{seed}", entry, seed]
                )
        yield con


def add(con, table, **row):
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    con.execute(f"insert into {table} ({names}) values ({marks})", list(row.values()))


def given(con, model, item, nats, sample=0, response="red", **more):
    """Add an answer that a model weighed."""
    told = {"source": SOURCE, "prompts": "pick", "mode": "naked", "prompt_sha": "a", "finish_reason": "given"}
    told |= {"model": model, "seed_id": item, "sample": sample, "response": response, "logprob": nats}
    add(con, "stg_responses", **{**told, **more})


def wrote(con, model, item, text, **more):
    """Add an answer that a model wrote."""
    given(con, model, item, None, response=text, **{"finish_reason": "stop", **more})


def derived(con, name):
    sql = files("lem").joinpath("sql", "derived", f"{name}.sql").read_text()
    found = con.execute(f"select * from ({sql}) order by all")
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def one(con):
    (row,) = derived(con, "answer_differences")
    return row


def counts(row):
    return [row[name] for name in ("answers", "same", "unknown", "largest", "item_id", "sample")]


# answer_differences


def test_given_answers_are_the_same_where_their_log_probability_is(con):
    for item, nats, theirs in (("i1", -1.0, -1.0), ("i2", -2.0, -2.5), ("i3", -3.0, -2.75)):
        given(con, "m", item, nats, sample=1)
        given(con, "lek.s0", item, theirs, sample=1)
    row = one(con)
    assert [row[name] for name in ("source", "candidate", "baseline", "prompts", "mode", "given")] == [
        *("theirs", "lek", "m", "pick", "naked", True)
    ]
    assert counts(row) == [3, 1, 0, 0.5, "i2", 1]


def test_the_last_bit_counts(con):
    given(con, "m", "i1", -1.0)
    given(con, "lek.s0", "i1", -1.0 - 2**-52)
    assert counts(one(con)) == [1, 0, 0, 2**-52, "i1", 0]


def test_where_all_are_equal_no_item_is_the_furthest(con):
    for item in ("i1", "i2"):
        given(con, "m", item, -1.0)
        given(con, "lek.s0", item, -1.0)
    assert counts(one(con)) == [2, 2, 0, 0.0, None, None]


def test_a_log_probability_that_a_side_lacks_is_unknown_and_not_the_same(con):
    for item, nats, theirs in (
        ("i1", -1.0, -1.0),
        ("i2", None, None),
        ("i3", None, -1.0),
        ("i4", -1.0, None),
    ):
        given(con, "m", item, nats)
        given(con, "lek.s0", item, theirs)
    assert counts(one(con)) == [4, 1, 3, 0.0, None, None]


def test_without_any_log_probability_nothing_is_the_largest(con):
    given(con, "m", "i1", None)
    given(con, "lek.s0", "i1", None)
    assert counts(one(con)) == [1, 0, 1, None, None, None]


def test_written_answers_are_the_same_where_their_text_is(con):
    for item, text, theirs in (("i1", "Two.", "Two."), ("i2", "Two.", "two."), ("i3", "", "")):
        wrote(con, "m", item, text)
        wrote(con, "lek.s0", item, theirs, finish_reason="length")
    row = one(con)
    assert row["given"] is False and counts(row) == [3, 2, 0, None, None, None]


def test_given_and_written_answers_are_counted_apart(con):
    given(con, "m", "i1", -1.0)
    given(con, "lek.s0", "i1", -2.0)
    wrote(con, "m", "i1", "red", finish_reason=None)
    wrote(con, "lek.s0", "i1", "red", finish_reason=None)
    found = {row["given"]: counts(row) for row in derived(con, "answer_differences")}
    assert found == {True: [1, 0, 0, 1.0, "i1", 0], False: [1, 1, 0, None, None, None]}


@pytest.mark.parametrize(
    "other", [{"prompt_sha": "b"}, {"sample": 1}, {"mode": "system"}, {"prompts": "more"}, {"source": "own"}]
)
def test_another_prompt_sample_mode_set_or_source_is_no_pair(con, other):
    wrote(con, "m", "i1", "Two.", **other)
    wrote(con, "lek.s0", "i1", "Two.")
    assert derived(con, "answer_differences") == []


def test_another_given_answer_is_no_pair(con):
    given(con, "m", "i1", -1.0, response="blue")
    given(con, "lek.s0", "i1", -1.0)
    assert derived(con, "answer_differences") == []


def test_each_training_seed_is_paired_with_the_baseline(con):
    given(con, "m", "i1", -1.0)
    for seed, nats in ((0, -1.0), (1, -4.0)):
        given(con, f"lek.s{seed}", "i1", nats)
    assert counts(one(con)) == [2, 1, 0, 3.0, "i1", 0]


def test_of_two_fine_tunes_each_seed_is_paired_with_its_own(con):
    for seed, nats in ((0, -1.0), (1, -5.0)):
        given(con, f"lek.s{seed}", "i1", nats)
        given(con, f"calm.s{seed}", "i1", nats - seed)
    row = one(con)
    assert (row["candidate"], row["baseline"]) == ("calm", "lek")
    assert counts(row) == [2, 1, 0, 1.0, "i1", 0]  # 4.0 apart across seeds


def test_modes_stand_apart_and_nobody_else_is_paired(con):
    for mode in ("naked", "system"):
        for model in ("m", "lek.s0", "stranger"):
            wrote(con, model, "i1", "Two.", mode=mode)
    found = derived(con, "answer_differences")
    assert [(row["mode"], row["candidate"], row["answers"]) for row in found] == [
        ("naked", "lek", 1),
        ("system", "lek", 1),
    ]


# lm_eval_metrics


def stated(con, settings, **more):
    told = {"source": SOURCE, "document": "r.json", "place": "results.pick", "model": "m"}
    told |= {"benchmark": "pick", "metric": "acc", "value": 0.5, "unit": "rate", "filter": "none"}
    told |= {"settings": settings if settings is None or isinstance(settings, str) else json.dumps(settings)}
    add(con, "stg_figures", **{**told, **more})


def test_a_figure_has_the_settings_that_its_file_states(con):
    seeds = {"random_seed": 0, "numpy_seed": 1234, "torch_seed": 1235, "fewshot_seed": 1236}
    about = {"n-shot": 5, "task_hash": "h", "model": "hf", "model_args": {"pretrained": "org/m"}}
    more = {"batch_size": "auto", "chat_template_sha": "c", "lm_eval_version": "0.4.11", "git_hash": "g"}
    stated(con, {**seeds, **about, **more}, stderr=0.1, n=20, limited=True, task_version="1")
    (row,) = derived(con, "lm_eval_metrics")
    expected = {"task": "pick", "metric": "acc", "value": 0.5, "stderr": 0.1, "n": 20, "limited": True}
    expected |= {"shots": "5", "task_hash": "h", "backend": "hf", "model_args": '{"pretrained":"org/m"}'}
    expected |= {"batch_size": "auto", "chat_template_sha": "c", "lm_eval_version": "0.4.11"}
    expected |= {"seeds": "0/1234/1235/1236", "git_hash": "g", "task_version": "1", "document": "r.json"}
    assert {name: row[name] for name in expected} == expected


def test_what_is_not_stated_is_null(con):
    stated(con, {"lm_eval_version": "0.4.11"}, value=None, error="NaN")
    (row,) = derived(con, "lm_eval_metrics")
    names = (
        "value",
        "stderr",
        "n",
        "limited",
        "shots",
        "chat_template_sha",
        "backend",
        "batch_size",
        "seeds",
    )
    assert [row[name] for name in names] == [None] * len(names) and row["error"] == "NaN"


def test_a_seed_that_is_not_stated_leaves_the_others_in_their_places(con):
    stated(con, {"random_seed": 0, "torch_seed": 7})
    (row,) = derived(con, "lm_eval_metrics")
    assert row["seeds"] == "0/-/7/-"


@pytest.mark.parametrize("settings", [None, "no JSON"])
def test_figures_of_nobody_who_ran_lm_eval_are_left_out(con, settings):
    stated(con, settings)
    stated(con, {"n-shot": 0}, metric="acc_norm")
    assert [row["metric"] for row in derived(con, "lm_eval_metrics")] == ["acc_norm"]
