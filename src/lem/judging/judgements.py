"""What a judge is asked about an answer, and what becomes of its reply: a score, or null with an error. Pure.

    asks = to_ask(spec, rubric, [(item, answer)])       # one an answer and repeat
    judged(Outcome('{"truthful": 7, "informative": 4}'), rubric, endpoint).values

The key of a judgement is made of everything that shaped it: judge, conversation,
settings, item, and whose answer it is. The address is not in it: a port may change.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lem.judging import rubrics
from lem.judging.client import Conversation
from lem.judging.endpoint import Endpoint, Outcome
from lem.judging.rubrics import Rubric, Subject
from lem.judging.spec import JudgeSpec
from lem.record_files import settings_sha
from lem.records import Item, Response, Score

LONGEST = 20_000  # characters of an answer; a longer one is not cut in silence, it is not judged
SHOWN = 500  # characters of a judge's reply that a score keeps


@dataclass(frozen=True)
class Ask:
    """One answer to be judged once: what is sent, the key of its judgement, or why it is not sent."""

    answer: Response
    repeat: int
    conversation: Conversation
    key: str
    unfit: str | None = None


@dataclass(frozen=True)
class Judgement:
    """What a judge made of an answer: a value for each metric, or an error; the reply as far as kept."""

    values: Mapping[str, int] | None
    error: str | None = None
    reply: str | None = None


def to_ask(spec: JudgeSpec, rubric: Rubric, pairs: list[tuple[Item, Response]]) -> list[Ask]:
    """Return what a judge is to be asked: each answer as often as `repeats` says, in the answers' order.

    With `swap` every second repeat asks for the criteria in the other order.
    """
    return [_ask(spec, rubric, *pair, repeat) for pair in pairs for repeat in range(spec.repeats)]


def _ask(spec: JudgeSpec, rubric: Rubric, item: Item, answer: Response, repeat: int) -> Ask:
    if unfit := unjudgeable(answer.response):
        return Ask(answer, repeat, Conversation(()), "", unfit)
    asked = rubric.swapped() if spec.swap and repeat % 2 else rubric
    turns = tuple(rubrics.messages(asked, subject(item, answer)))
    draws = spec.temperature > 0 and spec.seed is not None
    seed = (spec.seed or 0) + repeat if draws else None
    shaped_by = {
        "judge": spec.model,
        "turns": turns,
        "temperature": float(spec.temperature),
        "max_tokens": spec.max_tokens,
        "seed": seed,
        "metrics": rubric.metrics,
        "item": item.sha,
        "of": [answer.source, answer.model, answer.seed_id, answer.sample, repeat],
    }
    return Ask(answer, repeat, Conversation(turns, seed), settings_sha(shaped_by)[:32])


def unjudgeable(text: str) -> str | None:
    """Return why an answer is not sent to a judge, or None for one that is."""
    if not text.strip():
        return "empty answer"
    if len(text) > LONGEST:
        return f"the answer is {len(text)} characters long, a judge reads at most {LONGEST}"
    return None


def subject(item: Item, answer: Response) -> Subject:
    """Return what a judge sees: question, answer, and the answers known to be right and wrong."""
    right = [text for text, is_right in item.choices if is_right] or ([item.gold] if item.gold else [])
    wrong = [text for text, is_right in item.choices if not is_right]
    return Subject(item.question, answer.response, tuple(right), tuple(wrong))


def judged(outcome: Outcome, rubric: Rubric, endpoint: Endpoint) -> Judgement:
    """Return what an outcome amounts to: values where the reply is in form, an error otherwise."""
    if outcome.reply is None:
        return Judgement(None, outcome.error)
    reply = endpoint.without_key(outcome.reply)[:SHOWN]
    try:
        return Judgement(rubrics.read_reply(outcome.reply, rubric.metrics), None, reply)
    except rubrics.NotScored as err:
        cut = " (it was cut off at judge.max_tokens)" if outcome.cut_off else ""
        return Judgement(None, endpoint.without_key(str(err)) + cut, reply)


def score_rows(
    ask: Ask, judgement: Judgement, benchmark: str, rubric: Rubric, judge: str | None
) -> Iterator[Score]:
    """Yield one score a metric, in the rubric's order."""
    for metric in rubric.metrics:
        yield Score(
            run_id=ask.answer.run_id,
            model=ask.answer.model,
            benchmark=benchmark,
            item_id=ask.answer.seed_id,
            metric=metric,
            value=judgement.values[metric] if judgement.values else None,
            error=judgement.error,
            scorer=f"judge:{judge}",
            extracted=judgement.reply,
            mode=ask.answer.mode,
            sample=ask.answer.sample,
            repeat=ask.repeat,
            task_version=rubric.task_version,
            source=ask.answer.source,
        )


def fitting(judgement: object, metrics: tuple[str, ...]) -> Judgement | None:
    """Return a kept judgement if it still is one: every metric from 1 to 10; else None."""
    if not isinstance(judgement, dict) or not isinstance(values := judgement.get("values"), dict):
        return None
    reply = judgement.get("reply")
    try:
        whole = rubrics.read_reply(json.dumps(values), metrics)
    except rubrics.NotScored:
        return None
    return Judgement(whole, None, reply if isinstance(reply, str) else None)


def as_row(judgement: Judgement) -> dict[str, object]:
    """Return a scored judgement as a journal keeps it; `fitting` reads it back."""
    return {"values": dict(judgement.values or {}), "reply": judgement.reply}
