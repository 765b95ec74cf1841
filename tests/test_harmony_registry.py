"""The 24 benchmarks of LM-Harmony, held against lm-eval's own task files and the published columns."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from lem.harmony.registry import known, tasks

PUBLISHED = Path(__file__).parents[1] / "seeds/published/lm-harmony-readme.csv"
FILES = {
    "cola": "glue/cola/default.yaml",
    "mnli": "glue/mnli/default.yaml",
    "qnli": "glue/qnli/default.yaml",
    "rte": "glue/rte/default.yaml",
    "mrpc": "glue/mrpc/default.yaml",
    "qqp": "glue/qqp/default.yaml",
    "sst2": "glue/sst2/default.yaml",
    "boolq": "super_glue/boolq/default.yaml",
    "wic": "super_glue/wic/default.yaml",
    "anli_r1": "anli/anli_r1.yaml",
    "commonsense_qa": "commonsense_qa/default.yaml",
    "social_iqa": "siqa/siqa.yaml",
    "winogrande": "winogrande/default.yaml",
    "openbookqa": "openbookqa/openbookqa.yaml",
    "hellaswag": "hellaswag/hellaswag.yaml",
    "arc_easy": "arc/arc_easy.yaml",
    "arc_challenge": "arc/arc_challenge.yaml",  # includes arc_easy.yaml
    "headqa_en": "headqa/headqa_en.yaml",
    "mathqa": "mathqa/mathqa.yaml",
    "medmcqa": "medmcqa/medmcqa.yaml",
    "piqa": "piqa/piqa.yaml",
    "sciq": "sciq/sciq.yaml",
    "nq_open": "nq_open/nq_open.yaml",
    "gsm8k": "gsm8k/gsm8k.yaml",
}
"""Where lm-eval keeps each task. Its TaskManager would find them too, by reading some 14,000 files."""


def of_lm_eval(name: str) -> dict:
    import lm_eval
    from lm_eval.tasks._yaml_loader import load_yaml

    return load_yaml(Path(lm_eval.__path__[0]) / "tasks" / FILES[name], resolve_func=False)


def directions(task: dict) -> dict[str, bool]:
    """Which way each metric of a task is better; the file may leave it to lm-eval's table of metrics."""
    from lm_eval.api import metrics  # noqa: F401  (fills the table)
    from lm_eval.api.registry import HIGHER_IS_BETTER_REGISTRY as TABLE

    return {
        one["metric"]: one["higher_is_better"] if "higher_is_better" in one else TABLE[one["metric"]]
        for one in task["metric_list"]
    }


def published(title: str | None = None) -> list[dict[str, str]]:
    with PUBLISHED.open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["metric"] == "score"]
    return [row for row in rows if title in (None, row["benchmark"])]


def test_they_are_the_documents_24_in_its_order():
    assert list(tasks()) == list(FILES)
    assert len(tasks()) == 24


@pytest.mark.parametrize("name", FILES)
def test_each_is_what_lm_eval_says_of_it(name):
    task, entry = of_lm_eval(name), tasks()[name]
    assert task["task"] == entry.name == name
    assert directions(task)[entry.metric] is entry.higher_is_better
    assert entry.filter in [one["name"] for one in task.get("filter_list", [{"name": "none"}])]
    assert entry.training_split == task.get("training_split")


@pytest.mark.parametrize("name", FILES)
def test_each_can_be_trained_on_and_is_never_tested_on_what_it_was_trained_on(name):
    task = of_lm_eval(name)
    tested = task.get("test_split") or task["validation_split"]
    assert tasks()[name].training_split not in (None, tested)


def test_each_published_column_is_one_of_them():
    titles = {row["benchmark"] for row in published()}
    assert titles == {task.title for task in tasks().values()}
    assert [known(title).title for title in sorted(titles)] == sorted(titles)
    assert {known(title).name for title in titles} == set(tasks())


def test_mrpc_is_published_as_accuracy():
    pairs = 408  # of its validation split; an f1 would not fall on whole numbers of pairs
    shares = {f"{100 * right / pairs:.2f}" for right in range(pairs + 1)}
    assert {f"{float(row['value']):.2f}" for row in published("MRPC")} <= shares
    assert known("MRPC").metric == "acc"


def test_cola_is_published_as_a_correlation():
    assert min(float(row["value"]) for row in published("CoLA")) == 0  # of an answer that never varies
    assert known("CoLA").metric == "mcc"


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("NQ-Open", "nq_open"),
        ("nq_open", "nq_open"),
        ("nqopen", "nq_open"),
        ("ARC-Easy", "arc_easy"),
        ("arc_easy", "arc_easy"),
        ("ARC_CHALLENGE", "arc_challenge"),
        ("CommonsenseQA", "commonsense_qa"),
        ("HeadQA", "headqa_en"),
        ("headqa-en", "headqa_en"),
        ("ANLI", "anli_r1"),
        ("ANLI-R1", "anli_r1"),
        ("Social-IQA", "social_iqa"),
        ("SST-2", "sst2"),
    ],
)
def test_one_is_known_by_either_name_in_any_case(said, name):
    assert known(said) is tasks()[name]


@pytest.mark.parametrize("said", ["", "-", "mmlu", "anli_r2", "arc", "arc easy", "headqa_es", "gsm8k_cot"])
def test_any_other_name_is_unknown(said):
    assert known(said) is None


def test_no_name_means_two_of_them():
    plain = [
        {name.casefold().replace("-", "").replace("_", "") for name in (task.name, task.title)}
        for task in tasks().values()
    ]
    assert max(Counter(name for names in plain for name in names).values()) == 1


def test_the_blocks_are_those_of_the_document():
    assert Counter(task.category for task in tasks().values()) == {
        "language understanding": 9,
        "commonsense reasoning": 4,
        "question answering": 5,
        "math": 2,
        "physics/chemistry/biology": 2,
        "medicine": 2,
    }
