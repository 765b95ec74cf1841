"""Which recorded answers are asked again: a draw with a seed, spread over the runs, and what cannot be drawn.

drawn = draw(10, seed=0)
drawn.picks, drawn.population, drawn.cannot
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lem import layout, params
from lem.errors import LemError
from lem.record_files import read_json, read_jsonl
from lem.records import OWN, Response, Run, Score
from lem.run.plan import matches

if TYPE_CHECKING:
    from lem.verify.outcomes import Outcome

COLUMNS = ("model", "prompts", "mode", "seed_id", "sample", "verdict", "detail")
IMPORTED = "imported"
SAMPLES = "samples.jsonl.bz2"
Pick = tuple[Run, Response]


@dataclass(frozen=True)
class Drawn:
    """What is asked again, of how many answers, and how many records cannot be and why."""

    picks: list[Pick]
    population: int
    cannot: dict[str, int]


def draw(number: int, seed: int, only: Sequence[str] = ()) -> Drawn:
    """Return so many of this study's own answers, drawn from its runs in turn; all where there are fewer.

    only: shell patterns of model names, with or without a training seed.
    Raises LemError where there is none that could be asked again.
    """
    study = params.load()
    runs = {run.run_id: run for path in _own("runs") for run in [read_json(path, Run)]}
    answers = [row for path in _own("responses") for row in read_jsonl(path, Response) if _wanted(row, only)]
    cannot = Counter(_kept_no_answers(only))
    of_run: dict[str, list[Response]] = {}
    for answer in answers:
        if why := _hindrance(study, runs.get(answer.run_id), answer):
            cannot[why] += 1
        else:
            of_run.setdefault(answer.run_id, []).append(answer)
    if not of_run:
        raise LemError(f"{layout.DATA}: no answers of this study's own that could be asked again")
    picked = _in_turn(of_run, number, random.Random(seed))
    picks = [(runs[answer.run_id], answer) for answer in picked]
    return Drawn(picks, sum(map(len, of_run.values())), dict(cannot))


def _own(table: str) -> list[Path]:
    found = layout.files(table)
    return [path for path in found if path.relative_to(layout.DATA).parts[0] != IMPORTED]


def _wanted(row: Response | Score, only: Sequence[str]) -> bool:
    return row.source == OWN and (not only or matches(row.model, only))


def _kept_no_answers(only: Sequence[str]) -> dict[str, int]:
    """Return {why: scores} of the leaderboard's cells, which have no answers among the records."""
    scores = sum(
        _wanted(row, only)
        for path in _own("scores")
        if path.is_relative_to(layout.DATA / "harmony")
        for row in read_jsonl(path, Score)
    )
    return {"train before test keeps scores, neither answers nor adapters": scores} if scores else {}


def _hindrance(study: params.Study, run: Run | None, answer: Response) -> str | None:
    """Return why an answer cannot be asked again, None where it can."""
    if run is None:
        return "no run record has the run_id of the answer"
    if run.model not in study.models:
        return f"params.yaml no longer names the model {run.model}"
    if answer.finish_reason == "given" and answer.logprob is None:
        return "no log-probability is recorded"
    if run.prompts in {*study.prompts, *study.benchmarks, *study.distil}:
        return None
    if run.prompts not in study.tasks:
        return f"params.yaml no longer names the prompt set {run.prompts}"
    if run.temperature:
        return "lm-eval drew it at a temperature, and its place among all requests is not recorded"
    samples = layout.lm_eval(run.model, run.prompts) / SAMPLES
    return None if samples.is_file() else f"{samples} is missing, which holds what lm-eval asked"


def _in_turn(of_run: dict[str, list[Response]], number: int, dice: random.Random) -> list[Response]:
    """Return answers drawn without putting back, one of each run before a second of any."""
    order = sorted(of_run)
    dice.shuffle(order)
    left = {run: dice.sample(of_run[run], len(of_run[run])) for run in order}
    picked: list[Response] = []
    while len(picked) < number and any(left.values()):
        picked += [left[run].pop() for run in order if left[run]]
    return picked[:number]


def counted(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """Return how many answers were drawn and how many got each verdict."""
    from lem.verify.outcomes import VERDICTS

    counts = Counter(one.verdict for one in outcomes)
    return {"drawn": counts.total(), **{verdict: counts[verdict] for verdict in VERDICTS}}


def as_row(one: Outcome) -> dict[str, str | int]:
    """Return an outcome under COLUMNS."""
    answer = one.answer
    key = answer.model, answer.prompts, answer.mode, answer.seed_id, answer.sample
    return dict(zip(COLUMNS, (*key, one.verdict, one.detail), strict=True))


def summary(drawn: Drawn, counts: dict[str, int], seed: int) -> str:
    """Return what came of it in words, and what could not be asked again."""
    parts = ", ".join(f"{n} {name}" for name, n in counts.items() if n and name != "drawn")
    told = f"Asked again (seed {seed}) {counts['drawn']} of {drawn.population} answers: {parts}."
    return "\n".join(
        [told, *(f"Cannot be asked again: {n} records: {why}." for why, n in drawn.cannot.items())]
    )
