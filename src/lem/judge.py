"""`lem judge`: a judge scores a model's answers to a benchmark by a rubric, from 1 to 10.

One record an answer, criterion and repeat, always all of them. Whatever brought no
score (no reply, a reply out of form, an empty answer) is null with an error, never
a number. Beside the scores lies a record of the judging: the rubric as it was sent,
the settings, and for each reply a key made of everything that shaped it. A second run
keeps what has a score under the same key and asks the rest; an edited answer, question,
rubric or setting has another key. The address is in no key: a port may change.

    lem judge --model smollm2-135m --benchmark truthfulqa
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from lem import engine, layout, params, questions
from lem.errors import LemError
from lem.journal import Journal
from lem.judging import client, rubrics
from lem.judging.endpoint import Endpoint, Outcome
from lem.judging.judgements import Ask, Judgement, as_row, fitting, judged, score_rows, to_ask
from lem.judging.rubrics import Rubric
from lem.judging.spec import JudgeSpec
from lem.record_files import (
    file_sha,
    read_jsonl,
    write_json,
    write_jsonl,
)
from lem.records import Response, Score
from lem.run_log import progress
from lem.score import by_item
from lem.screen import visible


@click.command()
@click.option("--model", "name", required=True, help="A model of params.yaml, whose answers are judged.")
@click.option("--benchmark", required=True, help="A benchmark of params.yaml with a rubric under judge.")
def command(name: str, benchmark: str) -> None:
    """Have a judge score a model's answers to a benchmark.

    The judge, its rubrics and its settings are the `judge` section of params.yaml.
    Run it again to ask what has no score yet: scores that hold are kept.

    \b
    Example:
        lem judge --model smollm2-135m --benchmark truthfulqa
    """
    engine.require("judge")
    study = params.load()
    model = study.model(name).name  # of a fine-tune that was given by its entry's name: its first seed's
    study.benchmark(benchmark)
    rubric = rubric_of(study.judge, benchmark)
    items = questions.items(benchmark)
    answers = list(read_jsonl(layout.answers(benchmark, model), Response))
    given = by_item(benchmark, items, answers)
    pairs = [(item, answer) for item in items for answer in given[item.item_id]]
    asks = to_ask(study.judge, rubric, pairs)
    Judging(study.judge, rubric, benchmark, model, asks).run()


def record_file(benchmark: str, name: str) -> Path:
    """Return the record of a judging, beside its scores: rubric, settings and the key of each reply."""
    return layout.judged(benchmark, name).with_suffix(".json")


def rubric_of(spec: JudgeSpec, benchmark: str) -> Rubric:
    """Return the rubric of a benchmark; LemError where params.yaml names none."""
    if benchmark not in spec.rubrics:
        there = f"one of {', '.join(rubrics.names())}, or the path of your own .yaml"
        raise LemError(f"params.yaml: judge.rubrics: none for {benchmark!r}; add {benchmark}: {there}")
    return rubrics.load(spec.rubrics[benchmark])


class Judging:
    """One judge over one model's answers: what is known, what is missing, what is written."""

    def __init__(
        self,
        spec: JudgeSpec,
        rubric: Rubric,
        benchmark: str,
        name: str,
        asks: list[Ask],
    ) -> None:
        self.spec, self.rubric = spec, rubric
        self.benchmark, self.name, self.asks = benchmark, name, asks
        self.scores, self.record = layout.judged(benchmark, name), record_file(benchmark, name)

    def run(self) -> None:
        """Ask what is missing, then write scores and record, each whole or not at all."""
        with Journal(layout.JOURNALS / f"judge-{self.benchmark}-{self.name}.jsonl") as journal:
            known = self._written() | self._fitting(journal.done)
            missing = [ask for ask in self.asks if not ask.unfit and ask.key not in known]
            kept = sum(1 for ask in self.asks if ask.key in known)
            known |= self._asked(missing, journal)
            for key in known.keys() - journal.done.keys():  # a kill between the files below must lose none
                if known[key].values:
                    journal.add(key, as_row(known[key]))
            judgements = [Judgement(None, ask.unfit) if ask.unfit else known[ask.key] for ask in self.asks]
            rows = [
                row
                for ask, judgement in zip(self.asks, judgements, strict=True)
                for row in score_rows(ask, judgement, self.benchmark, self.rubric, self.spec.model)
            ]
            write_jsonl(self.scores, rows)
            write_json(self.record, self._record())
            journal.delete()
        self._report(judgements, kept, len(missing))

    def _asked(self, missing: list[Ask], journal: Journal) -> dict[str, Judgement]:
        found: dict[str, Judgement] = {}
        if not missing:
            return found  # no address and no key is needed where nothing is asked
        endpoint = Endpoint.of(self.spec)
        with progress(len(missing), "answers") as step:

            def keep(index: int, outcome: Outcome) -> None:
                judgement = judged(outcome, self.rubric, endpoint)
                if judgement.values:
                    journal.add(missing[index].key, as_row(judgement))
                found[missing[index].key] = judgement
                step(1)

            client.ask_all(endpoint, self.spec, [ask.conversation for ask in missing], keep)
        return found

    def _written(self) -> dict[str, Judgement]:
        """Return the scored judgements of the last run by key; none where its two files do not match."""
        if not self.scores.is_file():
            return {}
        try:
            record = json.loads(self.record.read_bytes())
            if record["scores_sha"] != file_sha(self.scores):
                raise ValueError("scores and record are of two runs")
            rows, width = list(read_jsonl(self.scores, Score)), len(record["metrics"])
            groups = [rows[start : start + width] for start in range(0, len(rows), width)]
            by_key = dict(zip(record["keys"], groups, strict=True))
        except (FileNotFoundError, ValueError, TypeError, KeyError, LemError):
            click.echo(f"Warning: {self.scores} and {self.record} do not match; asking again", err=True)
            return {}
        stated: dict[str, object] = {
            key: {"values": {row.metric: row.value for row in group}, "reply": group[0].extracted}
            for key, group in by_key.items()
        }
        return self._fitting(stated)

    def _fitting(self, stated: Mapping[str, object]) -> dict[str, Judgement]:
        wanted = {ask.key for ask in self.asks}
        kept = {key: fitting(one, self.rubric.metrics) for key, one in stated.items() if key in wanted}
        return {key: judgement for key, judgement in kept.items() if judgement}

    def _record(self) -> dict[str, Any]:
        """Return the record of this judging; it holds neither time nor address nor key."""
        return {
            "judge": self.spec.model,
            "benchmark": self.benchmark,
            "model": self.name,
            "task_version": self.rubric.task_version,
            "rubric_sha": self.rubric.sha,
            "rubric": rubrics.instructions(self.rubric),
            "examples": [dataclasses.asdict(example) for example in self.rubric.examples],
            "metrics": list(self.rubric.metrics),
            "repeats": self.spec.repeats,
            "swap": self.spec.swap,
            "temperature": float(self.spec.temperature),
            "max_tokens": self.spec.max_tokens,
            "seed": self.spec.seed,
            "scores_sha": file_sha(self.scores),
            "keys": [ask.key for ask in self.asks],
        }

    def _report(self, judgements: list[Judgement], kept: int, asked: int) -> None:
        scored = sum(1 for judgement in judgements if judgement.values)
        total = len(judgements)
        click.echo(
            f"{self.benchmark} {self.name}: {scored} of {total} judgements scored by {self.spec.model} "
            f"({kept} kept, {asked} to ask): {self.scores}"
        )
        if errors := Counter(judgement.error for judgement in judgements if not judgement.values):
            click.echo(f"{total - scored} unscored:")
            for error, count in errors.most_common(5):
                click.echo(f"  {count} x {visible(str(error))}")
        if any(j.values is None and not a.unfit for a, j in zip(self.asks, judgements, strict=True)):
            click.echo(
                f"Ask them again: lem judge --model {self.name} --benchmark {self.benchmark} "
                "(what is scored is kept)"
            )
