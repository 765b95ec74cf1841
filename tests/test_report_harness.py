"""The report's section on lm-eval: its parts from rows made by hand, and the whole of it of an import."""

import contextlib
import os
import re
import shlex

import pytest
from click.testing import CliRunner

from evaluations import RIGHT, Task, choices, chosen, evaluation, write
from lem import report, sandbox, warehouse
from lem.cli import main
from lem.report import harness

HOSTILE = "a|b*c`d`_e_\n# <f>"
SHOWN = "a\\|b\\*c\\`d\\`\\_e\\_<br># \\<f>"
"""The same as text of Markdown, in one cell of a table."""


def row(**more):
    """Return a row of lm_eval_metrics, of an evaluation that states everything."""
    told = {"source": "theirs", "model": "base", "task": "arc_easy", "metric": "acc", "filter": "none"}
    told |= {"value": 0.8, "stderr": 0.0918, "n": 20, "limited": True, "error": None, "task_version": "1"}
    told |= {"shots": "0", "chat_template_sha": None, "lm_eval_version": "0.4.11", "backend": "vllm"}
    told |= {
        "model_args": "pretrained=org/base,dtype=auto",
        "batch_size": "auto",
        "seeds": "0/1234/1234/1234",
    }
    told |= {"document": "out/results_1.json"}
    assert not set(more) - set(told)
    return told | more


def lines(text, start="- "):
    return [line.removeprefix(start) for line in text.splitlines() if line.startswith(start)]


def cells(table):
    """Return the cells of each line of a Markdown table, a bar of the text left in its cell."""
    return [re.split(r"(?<!\\)\|", line)[1:-1] for line in table.splitlines()]


# The two tables


def test_a_table_has_a_row_a_metric_and_a_column_a_model():
    rows = [row(), row(model="tuned", value=0.85), row(metric="acc_norm"), row(task="piqa", limited=False)]
    assert harness.metrics_table(rows, ["base", "tuned"]) == (
        "| Task | Metric | base | tuned |\n"
        "|---|---|---:|---:|\n"
        "| arc_easy (limited, n = 20) | acc | 0.8000 | 0.8500 |\n"
        "| arc_easy (limited, n = 20) | acc_norm | 0.8000 | - |\n"
        "| piqa | acc | 0.8000 | - |"
    )


def test_the_standard_errors_stand_under_the_models_without_the_word_model():
    rows = [row(model="Base model"), row(model="tuned", stderr=None)]
    assert harness.stderr_table(rows, ["Base model", "tuned"], mark=False) == (
        "| Task | Metric | Base stderr | tuned stderr |\n|---|---|---:|---:|\n| arc_easy | acc | 0.0918 | - |"
    )


def test_a_filter_is_named_and_none_is_not():
    rows = [row(filter=name) for name in ("none", None, "strict-match")]
    assert [line[1].strip() for line in cells(harness.metrics_table(rows, ["base"]))[2:]] == [
        "acc",
        "acc, strict-match",
    ]


def test_what_is_stated_twice_is_shown_twice():
    shown = harness.metrics_table([row(), row(value=0.25)], ["base"])
    assert shown.endswith("| arc_easy (limited, n = 20) | acc | 0.8000; 0.2500 |")


def test_a_run_over_fewer_items_has_a_row_of_its_own():
    shown = harness.metrics_table(
        [row(), row(model="tuned", n=1000), row(model="tuned", n=None)], ["base", "tuned"]
    )
    assert [line[0].strip() for line in cells(shown)[2:]] == [
        *("arc_easy (limited, n = 20)", "arc_easy (limited, n = 1,000)", "arc_easy (limited)")
    ]


def test_a_value_that_is_missing_says_how():
    rows = [row(value=None, error="NaN", stderr=None), row(metric="f1", value=None)]
    assert [line[2].strip() for line in cells(harness.metrics_table(rows, ["base"]))[2:]] == [
        "NaN",
        "not stated",
    ]


def test_both_tables_have_their_headings():
    assert re.findall("^### .*", harness.tables([row()], ["base"]), re.M) == [
        "### Aggregated metrics",
        "### lm-eval stderr (reported by lm-eval)",
    ]


def test_a_hostile_name_is_one_cell():
    rows = [row(task=HOSTILE, metric=HOSTILE, filter=HOSTILE, model=HOSTILE, error=HOSTILE, value=None)]
    for table in (harness.metrics_table(rows, [HOSTILE]), harness.stderr_table(rows, [HOSTILE])):
        head, _, body = cells(table)
        assert len(head) == len(body) == 3 and SHOWN in head[2]
        assert body[0].strip() == f"{SHOWN} (limited, n = 20)" and body[1].strip() == f"{SHOWN}, {SHOWN}"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("arc_easy", "arc_easy"),
        ("mmlu_pro_x2", "mmlu_pro_x2"),
        ("_hidden_", "\\_hidden\\_"),
        ("two__under", "two\\_\\_under"),
    ],
)
def test_an_underscore_within_a_word_is_left_as_it_is(name, shown):
    body = cells(harness.metrics_table([row(task=name, metric=name, limited=False)], ["base"]))[2]
    assert [cell.strip() for cell in body[:2]] == [shown, shown]


# Which items were asked


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([row(limited=False), row(task="piqa", limited=False)], "Every item of each task was asked."),
        (
            [row(), row(metric="acc_norm"), row(n=100, model="t"), row(task="piqa", n=None)],
            "Limited runs, only the first items of a task: arc_easy (20 and 100 items), "
            "piqa (an unknown number of items).",
        ),
        (
            [row(limited=None), row(task="b", limited=False)],
            "Not stated whether every item was asked: arc_easy.",
        ),
        (
            [row(task="b"), row(limited=None)],
            "Limited runs, only the first items of a task: b (20 items). "
            "Not stated whether every item was asked: arc_easy.",
        ),
        ([row(task=HOSTILE)], f"Limited runs, only the first items of a task: {SHOWN} (20 items)."),
    ],
)
def test_what_was_asked_only_in_part(rows, said):
    assert harness.limits(rows) == said


# Setup


RUN = {"source": "theirs", "engine": "lm-eval 0.4.11", "device": "cuda:0", "blas": None}


def test_setup_says_what_all_evaluations_share():
    rows = [row(), row(model="tuned"), row(task="piqa", shots="5", n=30)]
    assert lines(harness.setup(rows, [RUN])) == [
        "Evaluator: `lm_eval 0.4.11`",
        "Backend: `vllm`",
        "Engine and device: `lm-eval 0.4.11, cuda:0`",
        "Tasks: `arc_easy,piqa`",
        "Limit: Limited runs, only the first items of a task: arc_easy (20 items), piqa (30 items).",
        "Batch size: `auto`",
        "Worked examples: 0 for arc_easy; 5 for piqa",
        "Chat template: not applied",
        "Seeds (random/numpy/torch/fewshot): `0/1234/1234/1234`",
    ]


def test_setup_says_what_differs():
    sha = "0123456789abcdef" * 4
    told = {"lm_eval_version": "0.4.9", "chat_template_sha": sha, "batch_size": "8", "shots": "5"}
    found = lines(harness.setup([row(), row(model="tuned", **told)], [RUN, {**RUN, "device": "cpu"}]))
    for line in (
        "Evaluator: `lm_eval 0.4.11`; `lm_eval 0.4.9`",
        "Engine and device: `lm-eval 0.4.11, cuda:0`; `lm-eval 0.4.11, cpu`",
        "Batch size: `auto`; `8`",
        "Worked examples: 0 and 5 for arc_easy",
        "Chat template: not applied; `0123456789ab`",
    ):
        assert line in found


def test_setup_is_silent_on_what_nobody_states():
    unknown = dict.fromkeys(("lm_eval_version", "backend", "batch_size", "shots", "seeds"))
    found = harness.setup([row(**unknown)], [dict.fromkeys(RUN)])
    assert [line.split(":")[0] for line in lines(found)] == ["Tasks", "Limit", "Chat template"]
    assert "``" not in found and "None" not in found


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("auto", "`auto`"),
        ("a`b", "`` a`b ``"),
        ("``", "``` `` ```"),
        ("a\n\n# b", "`a # b`"),
        ("a|b*c", "`a|b*c`"),
    ],
)
def test_code_is_one_line_whatever_its_signs(value, shown):
    assert harness.code(value) == shown


# Commands


def test_commands_of_our_own_are_ours():
    rows = [row(), row(metric="acc_norm"), row(task="piqa", limited=False)]
    assert harness.commands(rows, is_own=True).splitlines() == [
        "lem lm-eval --model base --task arc_easy --limit 20 --shots 0 --batch-size auto --no-chat-template",
        "lem lm-eval --model base --task piqa --shots 0 --batch-size auto --no-chat-template",
    ]
    (templated,) = harness.commands([row(chat_template_sha="0" * 64)], is_own=True).splitlines()
    assert templated.endswith(" --chat-template")


def test_a_foreign_command_is_what_its_file_states():
    rows = [
        row(),
        row(metric="acc_norm"),
        row(task="piqa"),
        row(model="tuned", model_args='{"pretrained": "t", "tp": 2}'),
    ]
    assert harness.commands(rows, is_own=False).splitlines() == [
        "lm_eval --model vllm --model_args pretrained=org/base,dtype=auto --tasks arc_easy,piqa --limit 20 "
        "--batch_size auto",
        "lm_eval --model vllm --model_args pretrained=t,tp=2 --tasks arc_easy --limit 20 --batch_size auto",
    ]


def test_whole_tasks_of_any_size_are_one_command():
    rows = [row(limited=False), row(task="piqa", n=1838, limited=False)]
    (line,) = harness.commands(rows, is_own=False).splitlines()
    assert "--tasks arc_easy,piqa" in line and "--limit" not in line


def test_a_chat_template_is_part_of_the_command():
    (line,) = harness.commands([row(chat_template_sha="c" * 64)], is_own=False).splitlines()
    assert line.endswith("--batch_size auto --apply_chat_template")


def test_a_foreign_command_without_settings_names_its_tasks():
    unknown = dict.fromkeys(("backend", "model_args", "batch_size", "n"))
    assert harness.commands([row(**unknown)], is_own=False) == "lm_eval --tasks arc_easy"


@pytest.mark.parametrize(
    "args", ["a=$(touch x)", "a=b; touch x", "a='b'", "a=1\n```\n# b", '["a", 1]', "a=`b`"]
)
def test_a_hostile_argument_is_one_word_in_one_line(args):
    (line,) = harness.commands([row(model_args=args)], is_own=False).splitlines()
    words = shlex.split(line)
    assert words[:5] == ["lm_eval", "--model", "vllm", "--model_args", " ".join(args.split())]


# Pairs, answers, notes


def pair(**more):
    told = {
        "source": "theirs",
        "candidate": "tuned",
        "baseline": "base",
        "prompts": "arc_easy",
        "mode": "naked",
    }
    told |= {"metric": "acc", "filter": "none", "scorer": "lm-eval", "regime": "direct", "unit": "points"}
    told |= {"difference": 5.0, "low": -1.25, "high": 11.25, "n": 1200, "gained": 80, "lost": 20}
    return told | {"verdict": "inconclusive", "differs": None, "limited": None} | more


def test_pairs_have_interval_n_flips_and_verdict():
    *_, first, second = harness.pairs([pair(), pair(prompts="piqa", n=20, limited=True)]).splitlines()
    assert first == (
        "| arc_easy | acc | base -> tuned | +5.0 (-1.2 to +11.2), n = 1,200 | 80 | 20 | inconclusive |"
    )
    assert "| +5.0 (-1.2 to +11.2), n = 20 (limited) |" in second
    assert harness.pairs([]) is None


def test_a_pair_without_difference_flips_or_interval_says_so():
    nothing = dict.fromkeys(("difference", "low", "high", "gained", "lost"))
    assert harness.pairs([pair(**nothing, n=0)]).endswith(
        "| base -> tuned | -, n = 0 | - | - | inconclusive |"
    )


def test_a_refused_pair_says_in_what_they_differ():
    refused = pair(differs="items, template", difference=None, verdict="refused")
    assert harness.pairs([refused]).endswith("| - | - | - | refused: they differ in items, template |")


def test_the_metric_of_a_pair_has_its_filter_and_regime_and_not_its_scorer():
    (*_, body) = cells(harness.pairs([pair(filter="strict-match", regime="train_before_test")]))
    assert body[1].strip() == "acc, strict-match, train_before_test"


def test_hostile_names_leave_a_pair_its_cells():
    (*_, body) = cells(
        harness.pairs([pair(prompts=HOSTILE, candidate=HOSTILE, baseline=HOSTILE, metric=HOSTILE)])
    )
    assert [cell.strip() for cell in body[:3]] == [SHOWN, SHOWN, f"{SHOWN} -> {SHOWN}"] and len(body) == 7


def side(**more):
    told = {
        "source": "theirs",
        "candidate": "tuned",
        "baseline": "base",
        "prompts": "arc_easy",
        "given": True,
    }
    told |= {"answers": 1200, "same": 1200, "unknown": 0, "largest": 0.0, "item_id": None, "sample": None}
    return told | more


APART = {"same": 1199, "largest": 1e-6, "item_id": "i7", "sample": 2}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({}, "all 1,200 log-probabilities are equal to the last bit"),
        (
            APART,
            "1,199 of 1,200 log-probabilities are equal to the last bit, "
            "the largest difference is 1e-06 nats (item i7, answer 2)",
        ),
        (
            {**APART, "unknown": 3, "same": 1196},
            "1,196 of 1,200 log-probabilities are equal to the last bit, "
            "the largest difference is 1e-06 nats (item i7, answer 2), "
            "3 have no finite number on at least one side",
        ),
        (
            {"unknown": 1200, "same": 0, "largest": None},
            "0 of 1,200 log-probabilities are equal to the last bit, "
            "1,200 have no finite number on at least one side",
        ),
        ({"given": False}, "all 1,200 written answers are the same text"),
        ({"given": False, "same": 7, "largest": None}, "7 of 1,200 written answers are the same text"),
    ],
)
def test_what_the_answers_tell(found, said):
    assert harness.answers(side(**found)) == said


def test_notes_tell_limits_answers_and_versions():
    rows = [
        row(),
        row(model="tuned", task_version="2"),
        row(task="piqa", task_version=None),
        row(task="piqa"),
    ]
    assert lines(harness.notes(rows, [side()])) == [
        "Limited runs, only the first items of a task: arc_easy (20 items), piqa (20 items).",
        "base -> tuned on arc_easy: all 1,200 log-probabilities are equal to the last bit.",
        "arc_easy was evaluated at versions 1, 2: those are not compared.",
        "piqa was evaluated at versions 1, not stated: those are not compared.",
    ]


def test_hostile_notes_and_files_are_one_line_each():
    rows = [row(task=HOSTILE, task_version=HOSTILE, model=HOSTILE, document="a`b\n# c"), row(task=HOSTILE)]
    names = dict.fromkeys(("candidate", "baseline", "prompts", "item_id"), HOSTILE)
    found = harness.notes(rows, [side(**{**APART, **names})])
    assert len(found.splitlines()) == len(lines(found)) == 3 and found.count(SHOWN) == 7
    assert harness.artifacts(rows) == (
        f"- {SHOWN}: `` data/imported/theirs/raw/a`b # c ``\n"
        "- base: `data/imported/theirs/raw/out/results_1.json`"
    )


# The parts of a report


def test_each_source_is_a_part_of_its_own_rows():
    rows = [row(source="own", model="m"), row(), row(source=HOSTILE)]
    found = {"harness": rows, "harness_runs": [RUN], "harness_pairs": [pair()], "harness_answers": [side()]}
    own, theirs, hostile = harness.parts(found, ["m"])
    assert own["commands"].startswith("lem lm-eval --model m") and own["pairs"] is None
    assert theirs["commands"].startswith("lm_eval --model vllm") and "n = 1,200 |" in theirs["pairs"]
    assert "Engine and device" in theirs["setup"] and "Engine and device" not in own["setup"]
    assert [part["source"] for part in (own, theirs, hostile)] == ["own", "theirs", SHOWN]
    assert "base -> tuned" in theirs["notes"] and "base -> tuned" not in hostile["notes"]


def test_our_models_stand_in_the_order_of_the_study():
    rows = [row(source="own", model=name) for name in ("lek.s0", "m")]
    found = {"harness": rows, "harness_runs": [], "harness_pairs": [], "harness_answers": []}
    assert "| Task | Metric | m | lek.s0 |" in harness.parts(found, ["m", "lek.s0"])[0]["tables"]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The report of a study that imported two models' evaluation, the one an adapter of the other."""
    folder = tmp_path_factory.mktemp("report")
    files = {}
    for model in RIGHT:
        args = "pretrained=org/base" + (",peft=org/tuned" if model == "tuned" else "")
        near = [chosen(n, n < 4, 1e-6 * (model == "tuned" and n == 3)) for n in range(6)]
        tasks = {"pick_one": Task(choices(model), items=40), "near": Task(near, items=40)}
        files |= evaluation(model, tasks, limit=6, model_args=args)
    write(folder / "dump", files)
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)  # nothing here has to outlive a power cut
        result = CliRunner().invoke(main, ["ingest", "lm-eval", "dump", "--as", "theirs"])
        assert result.exit_code == 0, result.output
        warehouse.export(warehouse.build(), warehouse.layout.TABLES)
        with sandbox.connect(warehouse.layout.TABLES) as con:
            return report.render(report.read(con))


def section(text):
    return text.split("\n## lm-eval results\n")[1].split("\n```sql\n")[0]


def test_the_section_has_the_form_of_an_lm_eval_report(written):
    found = section(written)
    assert re.findall(r"^### .*|^From .*", found, re.M) == [
        "From **theirs**, imported:",
        "### Setup",
        "### Commands",
        "### Aggregated metrics",
        "### lm-eval stderr (reported by lm-eval)",
        "### Paired, on the samples",
        "### Result artifacts",
        "### Notes",
    ]
    assert "No task of lm-evaluation-harness" not in found


def test_the_section_holds_what_was_imported(written):
    found = section(written)
    assert "- Backend: `hf`\n" in found and "- Tasks: `near,pick_one`\n" in found
    command = "--tasks near,pick_one --limit 6 --batch_size auto\n"
    assert f"lm_eval --model hf --model_args pretrained=org/base {command}" in found
    assert f"lm_eval --model hf --model_args pretrained=org/base,peft=org/tuned {command}" in found
    assert "| pick_one (limited, n = 6) | acc_norm | 0.5000 | 0.8333 |\n" in found
    assert "| pick_one (limited, n = 6) | acc_norm | 0.2236 | 0.1667 |\n" in found
    assert re.search(
        r"^\| pick_one \| acc \| base -> tuned \| \+33\.3 \(.*\), n = 6 \(limited\) \| 3 \| 1 \| inc",
        found,
        re.M,
    )
    assert "- tuned: `data/imported/theirs/raw/org__tuned/results_2026-01-01T00-00-00.000000.json`\n" in found
    assert (
        "- base -> tuned on near: 11 of 12 log-probabilities are equal to the last bit, "
        "the largest difference is 1e-06 nats (item 3, answer 1).\n"
    ) in found
    assert "- Limited runs, only the first items of a task: near (6 items), pick_one (6 items).\n" in found


def test_a_report_without_an_evaluation_says_so():
    found = section(report.render({name: [] for name in report.queries()}))
    assert "No task of lm-evaluation-harness has been evaluated yet." in found and "###" not in found
