"""`lem score`: the answers to a benchmark become score records and the data mapping's JSON.

One record an item and a reading of the answer; what could not be scored is
null with an error, never a number.

    lem score --model smollm2-135m --benchmark gsm8k
"""

from __future__ import annotations

from typing import Any

import click

from lem import engine, layout, numbers, params, questions
from lem.errors import LemError
from lem.records import Item, Response, Score, read_jsonl, write_json, write_jsonl


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
    click.echo(
        f"{benchmark} {name}: {result['correct']} of {result['total']} correct ({result['accuracy']} %)"
    )


def score(spec: params.BenchmarkSpec, items: list[Item], answers: list[Response]) -> list[Score]:
    """Return one score an answer and reading, in the items' order.

    Raises LemError when the answers are not to these items, or the scorer is unknown.
    """
    if spec.score not in SCORERS:
        raise LemError(f"benchmarks.{spec.name}.score: {spec.score!r}; there are: {', '.join(SCORERS)}")
    order = {item.item_id: place for place, item in enumerate(items)}
    by_id = {item.item_id: item for item in items}
    if stray := sorted({a.seed_id for a in answers} ^ set(by_id)):
        raise LemError(
            f"{spec.name}: the answers and {layout.items(spec.name)} differ in {len(stray)} items "
            f"({stray[0]}, ...); "
            f"ask again: lem generate --model {answers[0].model if answers else 'NAME'} --prompts {spec.name}"
        )
    ordered = sorted(answers, key=lambda a: (order[a.seed_id], a.sample))
    return [row for answer in ordered for row in SCORERS[spec.score](by_id[answer.seed_id], answer)]


def score_number(item: Item, answer: Response) -> list[Score]:
    """Return exact match of the final number, once for each way to read it."""
    if item.gold is None or numbers.normalise(item.gold) is None:
        return [
            _scored(item, answer, name, None, None, f"gold {item.gold!r} is no number")
            for name in numbers.FILTERS
        ]
    readings = {name: read(answer.response) for name, read in numbers.FILTERS.items()}
    return [
        _scored(item, answer, name, float(numbers.matches(found, item.gold)), found, None)
        for name, found in readings.items()
    ]


def _scored(
    item: Item, answer: Response, reading: str, value: float | None, found: str | None, error: str | None
) -> Score:
    return Score(
        run_id=answer.run_id,
        model=answer.model,
        benchmark=item.benchmark,
        item_id=item.item_id,
        metric="exact_match",
        value=value,
        error=error,
        scorer="number",
        filter=reading,
        extracted=found,
        mode=answer.mode,
        sample=answer.sample,
        source=answer.source,
    )


SCORERS = {"number": score_number}
"""Scorers by the name that `score:` gives them in params.yaml."""


def benchmark_result(
    label: str, items: list[Item], answers: list[Response], scores: list[Score]
) -> dict[str, Any]:
    """Return the benchmark file in the data mapping's shape.

    accuracy: percent of the answers that could be scored; avg_time: seconds.
    """
    shown = scores[0].filter if scores else None
    rows = [s for s in scores if s.filter == shown]
    gold = {item.item_id: item for item in items}
    times = [a.gen_time for a in answers if a.gen_time is not None]
    correct = sum(1 for s in rows if s.value == 1)
    unscored = sum(1 for s in rows if s.value is None)
    scored = len(rows) - unscored
    return {
        "label": label,
        "accuracy": round(100 * correct / scored, 1) if scored else None,
        "correct": correct,
        "total": len(rows),
        "unscored": unscored,
        "avg_time": round(sum(times) / len(times), 2) if times else None,
        "results": [
            {
                "question": gold[s.item_id].question,
                "gold": gold[s.item_id].gold,
                "predicted": s.extracted,
                "correct": None if s.value is None else bool(s.value),
            }
            for s in rows
        ],
    }
