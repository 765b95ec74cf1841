"""The comparison of MLX's rows with the HF backend's: agreement, every kind of difference, the exit code."""

import bz2
import copy
import json
import math
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tools"))

import hf_check  # noqa: E402
from hf_check import Side  # noqa: E402

CONTEXT = "Question: Which is a metal?\nAnswer:"


def choice_row(doc_id, logprobs, acc=1.0):
    """A row of a multiple-choice task as samples.jsonl holds it."""
    return {
        "doc_id": doc_id,
        "arguments": {f"gen_args_{i}": {"arg_0": CONTEXT, "arg_1": f" {i}"} for i in range(len(logprobs))},
        "resps": [[[str(value), "False"]] for value in logprobs],
        "filter": "none",
        "metrics": ["acc"],
        "doc_hash": f"d{doc_id}",
        "prompt_hash": f"p{doc_id}",
        "target_hash": f"t{doc_id}",
        "acc": acc,
    }


def live(row):
    """The same row as simple_evaluate returns it: numbers, and requests as pairs."""
    requests = [[one["arg_0"], one["arg_1"]] for one in row["arguments"].values()]
    return row | {"arguments": requests, "resps": [[[float(one[0][0]), False]] for one in row["resps"]]}


def text_rows(doc_id, text, strict=1.0, flexible=1.0):
    """The two rows that one document of a generation task with two filters has."""
    base = choice_row(doc_id, []) | {
        "arguments": {"gen_args_0": {"arg_0": CONTEXT, "arg_1": {"until": ["\n"], "max_gen_toks": 8}}},
        "resps": [[text]],
    }
    return [
        base | {"filter": "strict", "exact_match": strict},
        base | {"filter": "loose", "exact_match": flexible},
    ]


def side(rows, output_type="multiple_choice", **figures):
    figures = {"name": "t", "alias": "t", "sample_len": len(rows), **figures}
    return Side({"results": {"t": figures}, "configs": {"t": {"output_type": output_type}}}, rows)


def chosen(rows, acc):
    return side(rows, **{"acc,none": acc, "acc_stderr,none": "N/A"})


def generated(rows, strict, loose):
    return side(rows, "generate_until", **{"exact_match,strict": strict, "exact_match,loose": loose})


MLX = [choice_row(0, [-3.0, -5.5]), choice_row(1, [-7.25, -2.0, -9.0], acc=0.0)]


def other(change):
    """The HF side's rows: MLX's own in their live form, changed in one place."""
    rows = [live(row) for row in copy.deepcopy(MLX)]
    change(rows)
    return rows


def test_rows_that_agree_within_the_tolerance():
    def change(rows):
        rows[1]["resps"][2][0][0] += 0.0005

    lines, wrong = hf_check.compare("t", chosen(MLX, 0.5), chosen(other(change), 0.5), 1e-3)
    assert wrong == []
    assert [str(line) for line in lines] == ["t\tacc\t2\t0.5\t0.5\t0\t0.0005\tdoc_id 1, choice 2"]


def test_a_log_probability_over_the_tolerance():
    def change(rows):
        rows[0]["resps"][1][0][0] -= 0.25

    _, wrong = hf_check.compare("t", chosen(MLX, 0.5), chosen(other(change), 0.5), 1e-3)
    assert wrong == [
        "t: 1 of 5 log-probabilities differ by more than 0.001, the most by 0.25 at doc_id 0, choice 1"
    ]


@pytest.mark.parametrize("swapped", [False, True])
def test_nan_is_the_largest_difference_of_all(swapped):
    def change(rows):
        rows[0]["resps"][0][0][0] = math.nan
        rows[1]["resps"][0][0][0] = -100.0

    sides = [chosen(MLX, 0.5), chosen(other(change), 0.5)]
    lines, wrong = hf_check.compare("t", *(reversed(sides) if swapped else sides), 1e-3)
    assert math.isnan(lines[0].largest)
    assert lines[0].at == "doc_id 0, choice 0"
    assert wrong[0].startswith("t: 2 of 5 log-probabilities differ")


def test_nan_on_both_sides_is_no_agreement():
    rows = [choice_row(0, [math.nan, -1.0], acc=math.nan)]
    lines, wrong = hf_check.compare("t", chosen(rows, math.nan), chosen(rows, math.nan), 1e-3)
    assert lines[0].flips == 1
    assert len(wrong) == 2


def test_equal_infinities_agree_and_one_infinity_does_not():
    pair = choice_row(0, [-math.inf]), choice_row(0, [-1.0])
    assert hf_check.largest_difference([(pair[0], pair[0])])[0] == 0
    assert hf_check.largest_difference([pair])[0] == math.inf


def test_flips_that_cancel_in_the_total():
    def change(rows):
        rows[0]["acc"], rows[1]["acc"] = 0.0, 1.0

    lines, wrong = hf_check.compare("t", chosen(MLX, 0.5), chosen(other(change), 0.5), 1e-3)
    assert lines[0].flips == 2
    assert wrong == ["t: acc is 0.5 with MLX, 0.5 with HF, and 2 of 2 items differ"]


@pytest.mark.parametrize("figure", [0.75, None])
def test_a_total_that_does_not_follow_from_the_rows(figure):
    hf = chosen(other(lambda rows: None), 0.5)
    mlx = chosen(MLX, 0.5 if figure is None else figure)
    if figure is None:
        del hf.results["results"]["t"]["acc,none"]
    _, wrong = hf_check.compare("t", mlx, hf, 1e-3)
    assert len(wrong) == 1
    assert "0 of 2 items differ" in wrong[0]


def test_a_metric_that_no_row_holds_does_not_pass():
    rows = [{key: value for key, value in row.items() if key != "acc"} for row in MLX]
    lines, _ = hf_check.compare("t", chosen(rows, 0.5), chosen(rows, 0.5), 1e-3)
    assert lines[0].flips == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows.pop(0), "1 rows are on the MLX side alone, the first doc_id 0"),
        (
            lambda rows: rows.append(live(choice_row(9, [-1.0]))),
            "1 rows are on the HF side alone, the first doc_id 9",
        ),
        (
            lambda rows: rows[1].update(prompt_hash="x"),
            "prompt_hash differs in 1 of 2 rows, the first doc_id 1",
        ),
        (lambda rows: rows[0].update(doc_hash="x"), "doc_hash differs in 1 of 2 rows, the first doc_id 0"),
        (
            lambda rows: rows[0].update(target_hash="x"),
            "target_hash differs in 1 of 2 rows, the first doc_id 0",
        ),
        (
            lambda rows: rows[1]["arguments"][2].__setitem__(1, " else"),
            "requests differ in 1 of 2 rows, the first",
        ),
        (lambda rows: rows.clear(), "2 rows are on the MLX side alone"),
    ],
)
def test_other_documents_prompts_or_rows_are_named_and_not_compared(change, said):
    lines, wrong = hf_check.compare("t", chosen(MLX, 0.5), chosen(other(change), 0.5), 1e-3)
    assert lines == []
    assert len(wrong) == 1
    assert wrong[0].startswith(f"t: {said}")


def test_no_rows_at_all():
    assert "samples.jsonl holds no row" in hf_check.compare("t", chosen([], 0.5), chosen([], 0.5), 1e-3)[1][0]


def test_contexts_ending_in_white_space_are_hinted_at():
    rows = [choice_row(0, [-3.0])]
    rows[0]["arguments"]["gen_args_0"]["arg_0"] = "assistant\n"
    changed = [live(rows[0]) | {"resps": [[[-4.0, False]]]}]
    _, wrong = hf_check.compare("t", chosen(rows, 1.0), chosen(changed, 1.0), 1e-3)
    assert "end in white space" in wrong[0]


def test_generated_texts_are_counted_once_and_may_differ_where_the_match_does_not():
    mlx = [*text_rows(0, "#### 4"), *text_rows(1, "five")]
    hf = [*text_rows(0, "#### 4"), *text_rows(1, "six")]
    lines, wrong = hf_check.compare("t", generated(mlx, 1.0, 1.0), generated(hf, 1.0, 1.0), 1e-3)
    assert [str(line).split("\t")[1:6] for line in lines] == [
        ["exact_match,strict", "2", "1", "1", "0"],
        ["exact_match,loose", "2", "1", "1", "0"],
        ["text", "2", "", "", "1"],
    ]
    assert lines[-1].at == "doc_id 1"
    assert wrong == []


def test_exact_match_of_one_filter_differs():
    mlx, hf = text_rows(0, "#### 4"), text_rows(0, "4", strict=0.0)
    _, wrong = hf_check.compare("t", generated(mlx, 1.0, 1.0), generated(hf, 0.0, 1.0), 1e-3)
    assert wrong == ["t: exact_match,strict is 1 with MLX, 0 with HF, and 1 of 1 items differ"]


def test_metrics_that_are_pairs_are_compared_part_by_part():
    assert hf_check.same([-12.5, 3], (-12.5001, 3), 1e-3)
    assert not hf_check.same([-12.5, 3], [-12.5, 4], 1e-3)
    assert not hf_check.same([1], [1, 1], 1e-3)


def stated(**changes):
    seeds = {"random_seed": 0, "numpy_seed": 1, "torch_seed": 2, "fewshot_seed": 3}
    return {"config": {"limit": 20, "gen_kwargs": None, **seeds}, "n-shot": {"t": 4}, **changes}


def test_the_run_takes_limit_shots_and_seeds_from_results():
    found = hf_check.settings(stated(chat_template=None), "t")
    assert found["limit"] == 20
    assert found["num_fewshot"] == 4
    assert found["apply_chat_template"] is False
    assert [
        found[f"{name}_seed"] for name in ("random", "numpy_random", "torch_random", "fewshot_random")
    ] == [*range(4)]


@pytest.mark.parametrize("template", ["", "{{ messages }}"])
def test_a_template_without_a_name_still_counts_as_applied(template):
    assert hf_check.settings(stated(chat_template=template), "t")["apply_chat_template"] is True


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A study's folder with one task's stored results, and an HF engine that answers as MLX did."""
    folder = tmp_path / hf_check.RESULTS / "m" / "t"
    folder.mkdir(parents=True)
    odd = MLX[0] | {"doc": "two\u2028lines"}
    (folder / "samples.jsonl.bz2").write_bytes(
        bz2.compress("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in (odd, MLX[1])).encode())
    )
    (folder / "results.json").write_text(json.dumps(chosen(MLX, 0.5).results | stated()))
    (tmp_path / hf_check.TASKS).mkdir(parents=True)
    for task in "tu":
        (tmp_path / hf_check.TASKS / f"{task}.yaml").write_text(f"task: {task}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hf_check, "load", lambda model: model)
    monkeypatch.setattr(hf_check, "evaluate", lambda *_: chosen(other(lambda rows: None), 0.5))
    monkeypatch.setattr(sys, "argv", ["hf_check.py", "--model", "m"])
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_DATASETS_CACHE"):
        monkeypatch.setenv(name, "")  # so that what main sets is taken back
    return tmp_path


def test_a_study_that_agrees_prints_a_table_and_ends_well(study, capsys):
    hf_check.main()
    assert capsys.readouterr().out.splitlines() == [
        "task\tmetric\tn\tmlx\thf\tflips\tlargest_logprob_difference\tat",
        "t\tacc\t2\t0.5\t0.5\t0\t0\tdoc_id 0, choice 0",
    ]


def test_a_study_that_differs_ends_with_one_line_a_fault(study, monkeypatch):
    monkeypatch.setattr(
        hf_check, "evaluate", lambda *_: chosen(other(lambda rows: rows[0].update(acc=0.0)), 0.0)
    )
    with pytest.raises(SystemExit, match=r"t: acc is 0\.5 with MLX, 0 with HF, and 1 of 2 items differ"):
        hf_check.main()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "none"], "no results.json below it"),
        (["--model", "m", "--task", "hellaswag"], "only a study's own tasks"),
        (["--model", "m", "--task", "u"], "results.json: not there"),
    ],
)
def test_missing_results_are_named(study, monkeypatch, arguments, said):
    monkeypatch.setattr(sys, "argv", ["hf_check.py", *arguments])
    with pytest.raises(SystemExit, match=said):
        hf_check.main()


@pytest.mark.parametrize("config", [None, {"quantization": {"bits": 4}}])
def test_weights_that_transformers_cannot_read(tmp_path, monkeypatch, config):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / hf_check.MODELS / "m"
    folder.mkdir(parents=True)
    if config:
        (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(SystemExit, match="quantised" if config else "no config"):
        hf_check.load("m")


def test_the_versions_are_those_of_the_lock():
    locked = dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "requirements-hf.txt").read_text(), re.MULTILINE))
    both = pinned.keys() & locked.keys()
    assert both >= {"lm-eval", "transformers"}
    assert {name: pinned[name] for name in both} == {name: locked[name] for name in both}
