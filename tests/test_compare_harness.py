"""`lem compare` on runs of lm-evaluation-harness: its tables, the pairs, what the answers tell, refusals."""

import contextlib
import csv
import io
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from evaluations import RIGHT, Task, choices, chosen, evaluation, write, written
from lem import compare, layout, record_files, warehouse
from lem.cli import main
from lem.records import Figure, Item, Model, Response, Score

ROOT = Path(__file__).parents[1]
UPSTREAM = Path(os.environ.get("LEM_UPSTREAM", ROOT.parent / "shared" / "upstream"))
DOCUMENT = UPSTREAM.parent / "seed-documents" / "lm-eval-results.md"
LATER = "2026-01-02T00-00-00.000000"


def tasks(model):
    """Return one task for each thing that two runs may differ in."""
    tuned = model == "tuned"
    half = ("acc",) if tuned else ("acc", "acc_norm")
    sums = [written(n, n in RIGHT[model]) for n in range(6)]
    return {
        "pick": Task(choices(model), items=40),  # three gained, one lost; a limited run
        "alike": Task([chosen(n, n < 4) for n in range(6)]),
        "near": Task([chosen(n, n < 4, 1e-6 * (tuned and n == 3)) for n in range(6)]),
        "sums": Task(sums, stated={"exact_match_stderr,flexible-extract": "N/A"}),
        "half": Task(choices(model, metrics=half)),
        "newer": Task(choices(model), version=2.0 if tuned else 1.0),
        "reworded": Task(choices(model, ask="Please" if tuned else "Question")),
        "others": Task([chosen(n + tuned, n in RIGHT[model]) for n in range(6)]),
        "disjoint": Task([chosen(n + 9 * tuned, n < 4) for n in range(6)], sha="ab"[tuned] * 64),
        "unlogged": Task(choices(model), samples=False),
        "unlogged_newer": Task(choices(model), version=2.0 if tuned else 1.0, samples=False),
    }


def run(*words, code=0):
    result = CliRunner().invoke(main, [str(word) for word in words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def build(folder, files, *options):
    """Import a dump as `theirs` into a new study, and build its tables with the commands of a user."""
    write(folder / "dump", files)
    (folder / "study").mkdir()
    with contextlib.chdir(folder / "study"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)  # nothing here has to outlive a power cut
        run("doctor", "--pin")
        run("ingest", "lm-eval", "../dump", "--as", "theirs", *options)
        run("warehouse")
    return folder / "study"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    files = {}
    for model in RIGHT:
        lonely = {f"of_{model}": Task(choices(model))}
        files |= evaluation(model, {**tasks(model), **lonely}, limit=6)
        spoken = {"spoken": Task(choices(model))}
        files |= evaluation(model, spoken, time=LATER, template=f"{{{{ {model} }}}}")
    return build(tmp_path_factory.mktemp("harness"), files)


@pytest.fixture
def theirs(built, monkeypatch):
    """The working folder of `compared`; nobody writes there."""
    monkeypatch.chdir(built)


def compared(*words, code=0):
    return run("compare", "tuned", "base", "--source", "theirs", *words, code=code)


def rows(task, code=0):
    return json.loads(compared("--on", task, "--format", "json", code=code).stdout)


# The tables


def test_the_two_tables_of_a_report_come_first(theirs):
    shown = compared("--on", "pick").stdout
    assert shown.startswith(
        "### Aggregated metrics\n"
        "\n"
        "| Task | Metric | base | tuned |\n"
        "|---|---|---:|---:|\n"
        "| pick (limited, n = 6) | acc | 0.5000 | 0.8333 |\n"
        "| pick (limited, n = 6) | acc_norm | 0.5000 | 0.8333 |\n"
        "\n"
        "### lm-eval stderr (reported by lm-eval)\n"
        "\n"
        "| Task | Metric | base stderr | tuned stderr |\n"
        "|---|---|---:|---:|\n"
        "| pick (limited, n = 6) | acc | 0.2236 | 0.1667 |\n"
        "| pick (limited, n = 6) | acc_norm | 0.2236 | 0.1667 |\n"
        "\n"
    )


def test_then_the_paired_difference_with_flips_and_verdict(theirs):
    shown = compared("--on", "pick").stdout
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown.splitlines() if "│" in line]
    assert [row[1] for row in cells] == ["acc, naked, lm-eval", "acc_norm, naked, lm-eval"]
    for row in cells:
        assert row[0] == "pick" and row[2:5] == ["6 (limited)", "83.3", "50.0"]
        assert row[5].startswith("+33.3 (") and row[6:] == ["+3 -1", "0.625 (1.000)", "inconclusive"]
    assert "3 gained and 1 lost, McNemar, exact: p = 0.625" in shown


def test_a_metric_picks_its_rows_of_every_table(theirs):
    shown = compared("--on", "pick", "--metric", "acc").stdout
    assert shown.count("| pick (limited, n = 6) | acc |") == 2 and "acc_norm" not in shown


def test_a_run_over_the_whole_task_is_not_marked(theirs):
    shown = compared("--on", "alike").stdout
    assert "| alike | acc | 0.6667 | 0.6667 |" in shown and "limited" not in shown


def test_a_standard_error_that_is_not_stated_is_a_dash(theirs):
    shown = compared("--on", "sums").stdout
    assert "| sums | exact_match, flexible-extract | 0.5000 | 0.8333 |" in shown
    assert "| sums | exact_match, flexible-extract | - | - |" in shown


def test_a_metric_that_one_side_lacks_is_a_dash_among_its_task(theirs):
    shown = compared("--on", "half").stdout
    assert "| half | acc | 0.5000 | 0.8333 |\n| half | acc_norm | 0.5000 | - |" in shown
    assert [row["metric"] for row in rows("half")] == ["acc"]


def test_tasks_and_metrics_stand_in_order_whatever_side_has_them(theirs):
    shown = run("compare", "base", "tuned", "--source", "theirs", "--on", "half").stdout
    assert "| Task | Metric | tuned | base |" in shown
    assert "| half | acc | 0.8333 | 0.5000 |\n| half | acc_norm | - | 0.5000 |" in shown


# What the answers tell


def test_equal_log_probabilities_are_the_same_answers(theirs):
    shown = compared("--on", "alike").stdout
    assert shown.endswith("\nOn alike, all 12 log-probabilities are equal to the last bit.\n\n"
                          "Holm's correction is over these 2 tests.\n")  # fmt: skip
    assert {(row["answers"], row["same"], row["unknown"], row["largest"]) for row in rows("alike")} == {
        (12, 12, 0, 0.0)
    }


def test_one_log_probability_tells_two_models_apart_that_every_metric_calls_equal(theirs):
    shown = compared("--on", "near").stdout
    assert "| near | acc | 0.6667 | 0.6667 |" in shown and "paired difference 0.0 points" in shown
    assert (
        "\nOn near, 11 of 12 log-probabilities are equal to the last bit, "
        "the largest difference is 1e-06 nats (item 3, answer 1).\n"
    ) in shown
    for row in rows("near"):
        assert (row["difference"], row["answers"], row["same"]) == (0.0, 12, 11)
        assert row["largest"] == pytest.approx(1e-6, rel=1e-6)


def test_of_a_task_that_generates_the_texts_are_counted(theirs):
    assert "On sums, 2 of 6 written answers are the same text." in compared("--on", "sums").stdout
    (row,) = rows("sums")
    assert (row["answers"], row["same"], row["largest"]) == (6, 2, None)


def test_tsv_and_json_say_what_is_limited_and_what_is_the_same(theirs):
    found = {row["metric"]: row for row in rows("pick")}
    assert set(found) == {"acc", "acc_norm"}
    told = {"limited": True, "answers": 12, "same": 4, "unknown": 0, "largest": 1.0}
    for row in found.values():
        assert {name: row[name] for name in told} == told and tuple(row) == compare.COLUMNS
    text = compared("--on", "pick", "--format", "tsv").stdout
    first = next(csv.DictReader(io.StringIO(text), delimiter="\t"))
    assert {name: first[name] for name in told} == {
        **{"limited": "true", "answers": "12", "same": "4", "unknown": "0", "largest": "1.0"}
    }
    assert {row["limited"] for row in rows("alike")} == {False}


# What is refused


@pytest.mark.parametrize(
    ("task", "differs"),
    [
        ("newer", "task version"),
        ("reworded", "items"),
        ("others", "items"),
        ("spoken", "template"),
        ("disjoint", "items or prompts"),
        ("unlogged_newer", "task version"),
    ],
)
def test_what_was_not_asked_alike_is_in_no_table(theirs, task, differs):
    found = compared("--on", task, code=1)
    assert found.stderr == (
        f"{task}, naked: not compared, the two were not asked alike: they differ in {differs}\n"
    )
    assert found.stdout == ""
    for row in rows(task, code=1):
        assert (row["verdict"], row["differs"], row["difference"]) == ("refused", differs, None)


def test_figures_without_samples_have_their_tables_and_no_paired_difference(theirs):
    found = compared("--on", "unlogged", code=1)
    assert "| unlogged | acc | 0.5000 | 0.8333 |" in found.stdout and "verdict" not in found.stdout
    assert found.stderr == (
        "unlogged: figures, but no samples in common, so no paired difference; "
        "lm-eval writes samples with --log_samples, import them with the results\n"
    )
    assert rows("unlogged", code=1) == []


def test_all_at_once_each_task_is_compared_refused_or_without_samples(theirs):
    found = compared()
    lines = found.stderr.splitlines()
    assert sorted(line.split(",")[0].split(":")[0] for line in lines) == [
        *("disjoint", "newer", "others", "reworded", "spoken", "unlogged", "unlogged_newer"),
    ]
    in_tables = {
        line.split("|")[1].split("(")[0].strip() for line in found.stdout.splitlines() if line[:1] == "|"
    }
    assert in_tables - {"Task", "---"} == {"alike", "half", "near", "pick", "sums", "unlogged"}
    told = [
        line.split(",")[0] for line in found.stdout.splitlines() if "log-prob" in line or "same text" in line
    ]
    assert told == ["On alike", "On half", "On near", "On pick", "On sums"]


@pytest.mark.parametrize("task", ["nothing", "of_tuned", "of_base"])
def test_a_task_that_not_both_were_asked_says_what_there_is(theirs, task):
    found = compared("--on", task, code=1)
    said = f"Error: tuned and base: nothing that both were asked and scored on, on {task!r}; tuned was asked "
    assert found.stderr.startswith(said) and found.stdout == ""


# Training seeds


def test_each_training_seed_has_its_column(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, right, more in (
        ("m", (0, 1), {}),
        ("lek.s0", (0, 1, 2), {"entry": "lek", "seed": 0, "base": "m"}),
        ("lek.s1", (1, 2, 3), {"entry": "lek", "seed": 1, "base": "m"}),
    ):
        role = "fine-tuned" if more else "baseline"
        file = layout.model_record(role, more.get("entry", name), more.get("seed"))
        record_files.write_json(file, Model(name, role=role, **more))
        record_files.write_jsonl(layout.figures(name), [own_figure(name, len(right) / 4)])
        marks = [
            Score("1" * 16, name, "pick", f"i{n}", "acc", float(n in right), scorer="lm-eval")
            for n in range(4)
        ]
        record_files.write_jsonl(layout.scores("pick", name), marks)
        given = [weighed(name, n, -1.0 - (name == "lek.s1") * n / 4) for n in range(4)]
        own = [replace(row, sample=1, finish_reason="stop", logprob=None) for row in given]
        record_files.write_jsonl(layout.answers("pick", name), [*given, *own])
    items = [Item("pick", f"i{n}", "q", "1", "a" * 64) for n in range(4)]
    record_files.write_jsonl(layout.items("pick"), items)
    warehouse.export(warehouse.build(), layout.TABLES)
    shown = run("compare", "lek", "m").stdout
    assert (
        "| Task | Metric | m | lek.s0 | lek.s1 |\n|---|---|---:|---:|---:|\n"
        "| pick | acc | 0.5000 | 0.7500 | 0.7500 |\n"
    ) in shown
    assert "| Task | Metric | m stderr | lek.s0 stderr | lek.s1 stderr |" in shown
    assert "2 training seeds" in shown
    # four answers of each seed: those of s0 are the baseline's, of s1 one
    assert "On pick, 5 of 8 log-probabilities are equal to the last bit" in shown
    assert "written answers" not in shown and shown.count("On pick (acc") == 1
    assert "the largest difference is 0.75 nats (item i3, answer 0)" in shown


def own_figure(model, value):
    stated = json.dumps({"lm_eval_version": "0.4.11", "n-shot": 0})
    return Figure(
        "own", f"{model}/results.json", "results.pick", model, "pick", "acc", value, "rate",
        stderr=0.1, n=4, limited=False, task_version="1", settings=stated,
    )  # fmt: skip


def weighed(model, n, nats):
    return Response(
        f"i{n}", "p", "red", None, 3, "naked", model, "pick", "a" * 64, "1" * 16,
        finish_reason="given", logprob=nats,
    )  # fmt: skip


# A document's own tables


HEAD = "document,place,model,benchmark,metric,value,stderr,n,limited"


def published(folder, *files):
    """Make tables of the figures that documents state; files are CSV, or copied from seeds/published."""
    seeds = folder / "seeds"
    seeds.mkdir()
    for at, file in enumerate(files):
        if isinstance(file, Path):
            shutil.copy(file, seeds)
        else:
            (seeds / f"{at}.csv").write_text("\n".join([HEAD, *file]) + "\n")
    with contextlib.chdir(folder):
        run("ingest", "figures", "seeds", "--as", "published")
        con = warehouse.build()
        layout.TABLES.mkdir(parents=True)
        con.execute(f"copy figures to '{layout.TABLES / 'figures.parquet'}' (format parquet)")


def test_a_published_document_is_given_back_byte_for_byte(tmp_path, monkeypatch):
    published(tmp_path, ROOT / "seeds/published/lm-eval-results.csv")
    monkeypatch.chdir(tmp_path)
    found = run("compare", "--published", "lm-eval-results")
    assert found.stdout.count("\n| arc_easy | acc") == 4 and found.stdout.count("\n| piqa | acc") == 4
    assert found.stderr == (
        "\nLimited runs, only the first items of a task: arc_easy (20 items), piqa (20 items). "
        "A document has no samples: equal figures do not show that two models are the same.\n"
    )
    assert run("compare", "--published", "lm-eval-results.md").stdout == found.stdout
    if not DOCUMENT.is_file():
        pytest.skip(f"{DOCUMENT} is absent; LEM_UPSTREAM names a folder beside seed-documents")
    assert found.stdout.encode() in DOCUMENT.read_bytes()


DOCUMENTS = (
    [
        *(f'a.md,"Table 2, row {n}",m,t{n},acc,0.5,0.1,4,{"" if n == 9 else "false"}' for n in (10, 9, 2)),
        'a.md,"Table 1, row 11",m,t11,acc,0.25,0.1,4,false',
        'a.md,"Table 1, row 12",m,no_stderr,acc,0.25,,4,false',
    ],
    ['b/same.md,"T, row 1",m,t,acc,0.5,0.1,4,true', 'c/same.md,"T, row 1",m,t,acc,0.75,0.1,4,true'],
    ['plain.md,"T, row 1",m,t,acc,0.5,,4,true'],
)


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    folder = tmp_path_factory.mktemp("documents")
    published(folder, *DOCUMENTS)
    return folder


def test_rows_stand_as_in_the_document_the_second_before_the_tenth(documents, monkeypatch):
    monkeypatch.chdir(documents)
    found = run("compare", "--published", "a")
    lines = [line.split("|")[1].strip() for line in found.stdout.splitlines() if line[:3] == "| t"]
    assert lines == ["t11", "t2", "t9", "t10"] * 2
    assert found.stderr.startswith("\nNot stated whether every item was asked: t9. A document")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("nobody", "there are: a.md, b/same.md, c/same.md"),
        ("plain", "there are: a.md, b/same.md, c/same.md"),
        ("same", "there are: b/same.md, c/same.md"),
    ],
)
def test_a_document_that_is_none_or_two_is_one_line_that_names_those_there_are(
    documents, monkeypatch, name, hint
):
    monkeypatch.chdir(documents)
    assert run("compare", "--published", name, code=1).output == (
        f"Error: no figures with a standard error of one published document {name!r}; {hint}\n"
    )


def test_of_two_documents_of_one_name_the_folder_names_one(documents, monkeypatch):
    monkeypatch.chdir(documents)
    assert "| t | acc | 0.7500 |" in run("compare", "--published", "c/same.md").stdout


def test_a_study_without_published_figures_says_so(tmp_path, monkeypatch):
    published(tmp_path, DOCUMENTS[2])
    monkeypatch.chdir(tmp_path)
    assert run("compare", "--published", "a", code=1).output.endswith("'a'; there is none\n")


@pytest.mark.parametrize(
    "words", [(), ("tuned",), ("tuned", "--published", "a"), ("--published", "a", "--format", "json")]
)
def test_two_models_or_a_document_are_named(words):
    assert "--published" in run("compare", *words, code=2).output
