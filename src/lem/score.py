"""`lem score`: the answers to a benchmark become score records and the data mapping's JSON.

One record an item and a reading of the answer; what could not be scored is
null with an error, never a number.

    lem score --model smollm2-135m --benchmark gsm8k
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import click

from lem import engine, layout, params, questions
from lem.errors import LemError
from lem.params_file import FILE
from lem.record_files import read_jsonl, write_json, write_jsonl
from lem.records import Item, Response, Score
from lem.scoring import own_scorers
from lem.screen import visible


@click.command()
@click.option("--model", "name", required=True, help="A model of params.yaml.")
@click.option("--benchmark", required=True, help="A benchmark of params.yaml.")
def command(name: str, benchmark: str) -> None:
    """Score a model's answers to a benchmark.

    \b
    Example:
        lem score --model smollm2-135m --benchmark gsm8k
    """
    engine.require("score")
    study = params.load()
    spec, model = study.benchmark(benchmark), study.model(name)
    items = questions.items(benchmark)
    name = model.name  # of a fine-tune that was given by its entry's name: its first seed's
    answers = list(read_jsonl(layout.answers(benchmark, name), Response))
    scores = score(spec, items, answers)
    write_jsonl(layout.scores(benchmark, name), scores)
    result = benchmark_result(name, items, answers, scores)
    write_json(layout.benchmark_file(benchmark, name), result)
    click.echo(told(benchmark, name, result))
    for error, count in Counter(row.error for row in scores if row.value is None).most_common(3):
        click.echo(f"  {count} x {visible(str(error))}")


def told(benchmark: str, name: str, result: dict[str, Any]) -> str:
    """Return a benchmark file in one line."""
    if not result["total"]:
        return f"{benchmark} {name}: no scorer of its own; its signs and a judge's scores are read"
    unscored = f", {result['unscored']} unscored" if result["unscored"] else ""
    if result["accuracy"] is None:
        scored = result["total"] - result["unscored"]
        return f"{benchmark} {name}: {scored} of {result['total']} answers scored"
    return (
        f"{benchmark} {name}: {result['correct']} of {result['total']} correct "
        f"({result['accuracy']} %){unscored}"
    )


def score(spec: params.BenchmarkSpec, items: list[Item], answers: list[Response]) -> list[Score]:
    """Return the scores of all answers by each of a benchmark's scorers, in the items' order.

    Raises LemError when the answers are not to these items, or a scorer is unknown.
    """
    where = f"{FILE}: benchmarks.{spec.name}.score"
    scorers = [own_scorers.find(name, where) for name in spec.score]
    given = by_item(spec.name, items, answers)
    rows = (row for item in items for scorer in scorers for row in scorer(item, given[item.item_id]))
    whole = own_scorers.complete(rows)
    return [row if spec.version is None else replace(row, task_version=_version(spec, row)) for row in whole]


def _version(spec: params.BenchmarkSpec, row: Score) -> str:
    """Return a benchmark's version, and behind it the hash that an own scorer gives its rows."""
    return " ".join(filter(None, (spec.version, row.task_version)))


def by_item(benchmark: str, items: list[Item], answers: list[Response]) -> dict[str, list[Response]]:
    """Return {item id: its answers in their samples' order}, in the items' order.

    Raises LemError where an item has no answer, or an answer no item.
    """
    given: dict[str, list[Response]] = {item.item_id: [] for item in items}
    for answer in sorted(answers, key=lambda answer: answer.sample):
        given.setdefault(answer.seed_id, []).append(answer)
    if stray := sorted(given.keys() ^ ({item.item_id for item in items} & {a.seed_id for a in answers})):
        raise LemError(
            f"{benchmark}: the answers and {layout.items(benchmark)} differ in {len(stray)} items "
            f"({stray[0]}, ...); "
            f"ask again: lem generate --model {answers[0].model if answers else 'NAME'} --prompts {benchmark}"
        )
    return given


def benchmark_result(
    label: str, items: list[Item], answers: list[Response], scores: list[Score]
) -> dict[str, Any]:
    """Return the benchmark file in the data mapping's shape, of the first scorer, metric and reading.

    accuracy: percent of the answers that could be scored, null (as is correct)
    where a value is neither 0 nor 1; avg_time: seconds.
    """
    rows = [s for s in scores if _measure(s) == _measure(scores[0])]
    gold = {item.item_id: item for item in items}
    times = [a.gen_time for a in answers if a.gen_time is not None]
    values = [s.value for s in rows if s.value is not None]
    is_rate = bool(values) and set(values) <= {0, 1}
    correct = int(sum(values)) if is_rate or not values else None
    return {
        "label": label,
        "metric": rows[0].metric if rows else None,
        "accuracy": round(100 * sum(values) / len(values), 1) if is_rate else None,
        "correct": correct,
        "total": len(rows),
        "unscored": len(rows) - len(values),
        "avg_time": round(sum(times) / len(times), 2) if times else None,
        "results": [
            {
                "question": gold[s.item_id].question,
                "gold": gold[s.item_id].gold,
                "predicted": s.extracted,
                "correct": bool(s.value) if is_rate and s.value is not None else None,
            }
            for s in rows
        ],
    }


def _measure(score: Score) -> tuple[str, str, str]:
    return score.scorer, score.metric, score.filter
