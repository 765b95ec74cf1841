"""Recorded answers asked again, with the settings of their run and not those of params.yaml.

Before anything is asked, what would be sent now is held against what was: the prompt,
the weights, the adapter. What has changed is named, and not asked.

for outcome in asked([(run, response)], tolerance=1e-3):
    print(outcome.verdict, outcome.detail)
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from lem import mlx_runtime, params
from lem.asking import Asking, Question
from lem.prompts import Shot
from lem.records import Response, Run
from lem.run_log import Log
from lem.verify import harnessed
from lem.verify.outcomes import CHANGED, WEIGHTS, Outcome, Terms, held, surroundings, weighed
from lem.verify.rerun import Pick

if TYPE_CHECKING:
    from lem.mlx_runtime import Loaded

SENT = ("template", "kernel_sha", "until")


class Quiet(Log):
    """A log that nobody reads: what is asked again is told in a table."""

    def line(self, text: str) -> None:
        """Show nothing."""


def asked(picks: Sequence[Pick], tolerance: float) -> list[Outcome]:
    """Return what came of each answer, in the order given; each model is loaded once.

    tolerance: nats that a log-probability may be apart. LemError where weights are missing.
    """
    study = params.load()
    runs = {run.run_id: run for run, _ in picks}
    of_model: dict[str, dict[str, list[Response]]] = {}
    for run, answer in picks:
        of_model.setdefault(run.model, {}).setdefault(run.run_id, []).append(answer)
    found: dict[int, Outcome] = {}
    for model, of_run in of_model.items():
        loaded = mlx_runtime.load(*study.weights(study.model(model)), memory=study.memory)
        for run_id, answers in of_run.items():
            how = harnessed.asked if runs[run_id].prompts in study.tasks else _asked
            outcomes = how(study, runs[run_id], answers, loaded, tolerance)
            found |= {id(one.answer): one for one in outcomes}
    return [found[id(answer)] for _, answer in picks]


def _asked(
    study: params.Study, run: Run, answers: list[Response], loaded: Loaded, tolerance: float
) -> Iterator[Outcome]:
    """Yield what came of answers that lem generate or lem distil wrote, or weighed."""
    asking = Asking(study, study.model(run.model), _prompt_set(study, run), run.mode, _settings(run))
    there = {(q.prompt.id, q.sample): q for q in asking.questions}
    wanted: dict[tuple[str, int], Response] = {}
    for answer in answers:
        place = answer.seed_id, answer.sample
        if changed := _changed(asking.identity, run, there.get(place), answer):
            yield Outcome(answer, CHANGED, changed)
        else:
            wanted[place] = answer
    terms = Terms(tolerance, loaded, surroundings(asking.identity, run))
    for question, now in asking.ask(_questions(asking, wanted), Quiet(0), loaded):
        if then := wanted.get((question.prompt.id, question.sample)):
            is_given = then.finish_reason == "given"
            texts = now.response, now.reasoning
            yield weighed(then, now.logprob, terms) if is_given else held(then, texts, terms)


def _questions(asking: Asking, wanted: dict[tuple[str, int], Response]) -> list[Question]:
    """Return what is to be asked; the given answers of a prompt are one batch, always whole."""
    prompts = {seed_id for seed_id, _ in wanted}
    whole = [q for q in asking.questions if q.prompt.id in prompts]
    return whole if asking.is_choice else [q for q in whole if (q.prompt.id, q.sample) in wanted]


def _prompt_set(study: params.Study, run: Run) -> params.PromptSpec | params.BenchmarkSpec:
    """Return what was asked, with the worked examples of the run."""
    if run.prompts in study.distil:
        return params.PromptSpec(run.prompts, study.distil[run.prompts].files)
    spec = study.prompt_set(run.prompts)
    if isinstance(spec, params.PromptSpec):
        return spec
    shots = tuple(Shot(**shot) for shot in json.loads(run.shots or "[]"))
    return dataclasses.replace(spec, shots=shots)


def _settings(run: Run) -> params.Defaults:
    """Return the settings of a run; what greedy answers have no need of is at its default."""
    recorded = {f.name: getattr(run, f.name) for f in dataclasses.fields(params.Defaults)}
    return params.Defaults(**{name: value for name, value in recorded.items() if value is not None})


def _changed(identity: dict[str, Any], run: Run, question: Question | None, answer: Response) -> str:
    """Return what is no longer as it was when an answer was recorded; '' where all is."""
    names = [name for name in WEIGHTS if identity[name] != getattr(run, name)]
    if question is None:
        names.append("the prompt set, which has no such prompt or sample")
    elif question.prompt_sha != answer.prompt_sha:
        sent = [name for name in SENT if identity.get(name) != getattr(run, name)]
        names += (["prompt"] if question.prompt.text != answer.prompt else sent) or ["the prompt as sent"]
    elif question.given is not None and question.given != answer.response:
        names.append("the answers to choose from")
    return f"changed: {', '.join(names)}" if names else ""
