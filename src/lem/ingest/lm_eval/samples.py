"""One line of a samples file of lm-evaluation-harness 0.4: an item, its answers, its scores.

    {"doc_id": 3, "doc": {...}, "target": "0", "arguments": {...}, "resps": [...],
     "filtered_resps": [...], "filter": "none", "metrics": ["acc"], "acc": 1.0, ...}

Of a multiple-choice question every choice is a given answer with its log-probability
in nats; of a generating task the generated text is the answer. Where a row
states sha256 of its prompt and target, they are computed again.

    sample = sample_of(line.row(), Task("their-study", "gpt-oss-120b", "piqa", "1", run))
    sample.responses[0].logprob
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from lem.ingest.lines import Fault, first, fitting, number
from lem.ingest.lm_eval.scores import MODE, Task, scores_of
from lem.record_files import settings_sha, sha256
from lem.records import Item, Response, Score

QUESTION = ("question", "prompt", "query", "goal", "sentence")
CATEGORY = ("category", "subject")
CHOICES = ("choices", "endings", "options")
Argument = tuple[str, Any]  # context; then a continuation, the settings of a generation, or None


@dataclass(frozen=True)
class Sample:
    """What one row says: of an item, read by one filter."""

    item: Item
    responses: tuple[Response, ...]
    scores: tuple[Score, ...]
    reading: str  # the filter
    doubts: dict[str, str]  # rule: what is odd of a row that is imported all the same


def sample_of(row: dict[str, Any], task: Task) -> Sample:
    """Return what a row says; raises Fault."""
    if (own := first(row, "task", "task_name")) is not None and own != task.name:
        raise Fault(f"task {own!r:.80} contradicts the file name")
    if not isinstance(doc := row.get("doc"), dict):
        raise Fault("no doc")
    item_id, asked = _item_id(row), arguments(row)
    answers = first(row, "resps", "filtered_resps")
    if not isinstance(answers, list) or len(answers) != len(asked):
        raise Fault(f"expected resps of {len(asked)} arguments")
    responses = tuple(map(fitting, responses_of(item_id, asked, answers, task)))
    reading = row.get("filter")
    if reading is not None and not (isinstance(reading, str) and reading):
        raise Fault("filter: expected text")
    item = fitting(item_of(item_id, doc, _target(row), asked, task))
    scores = tuple(map(fitting, scores_of(row, item_id, reading or "none", _generated(asked), task)))
    return Sample(item, responses, scores, reading or "none", doubts_of(row, asked, responses))


def _item_id(row: dict[str, Any]) -> str:
    value = row.get("doc_id")
    if isinstance(value, bool) or not isinstance(value, int | str) or not str(value).strip():
        raise Fault("doc_id: expected a number or text" if value is not None else "no doc_id")
    return str(value)


def _target(row: dict[str, Any]) -> str | None:
    value = row.get("target")
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def arguments(row: dict[str, Any]) -> list[Argument]:
    """Return (context, continuation or settings) of each request of a row; raises Fault.

    lm_eval writes {"gen_args_0": {"arg_0": ...}, ...}; before 0.4.3 it wrote lists.
    """
    found = [_parts(value) for value in _numbered(row.get("arguments"))]
    if not found:
        raise Fault("no arguments")
    if len({type(second) for _, second in found}) > 1:
        raise Fault("arguments of several sorts in one row")
    return found


def _numbered(value: object) -> list[Any]:
    """Return the values of {"name_0": ..., "name_1": ...} in the order of the numbers, or of a list."""
    if isinstance(value, dict):
        return [value[key] for key in sorted(value, key=_place)]
    return value if isinstance(value, list) else []


def _place(key: str) -> tuple[int, str]:
    digits = re.search(r"[0-9]{1,9}$", key)
    return int(digits[0]) if digits else -1, key


def _parts(value: object) -> Argument:
    parts = _numbered(value)
    context = parts[0] if parts else None
    if isinstance(context, list) and len(context) == 1:  # a chat as one text of JSON
        context = context[0]
    second = parts[1] if len(parts) > 1 else None
    if not isinstance(context, str) or not (second is None or isinstance(second, str | dict)):
        raise Fault("arguments: expected a context and a continuation or settings")
    return context, second


def _generated(asked: list[Argument]) -> bool:
    return isinstance(asked[0][1], dict)


def responses_of(item_id: str, asked: list[Argument], answers: list[Any], task: Task) -> Iterator[Response]:
    """Yield the answers of a row: a generated one a repeat, or a given one a choice; raises Fault.

    Of a text whose likelihood alone is measured (rolling), the text is the answer to no prompt.
    """
    sample = 0
    for (context, second), answer in zip(asked, answers, strict=True):
        if isinstance(second, dict):
            for text in _texts(answer):
                yield _response(item_id, context, text, task, sample)
                sample += 1
        else:
            prompt, given = (context, second) if second is not None else ("", context)
            yield _response(item_id, prompt, given.strip(), task, sample, "given", logprob(answer))
            sample += 1


def _response(
    item_id: str,
    prompt: str,
    text: str,
    task: Task,
    sample: int,
    reason: str | None = None,
    nats: float | None = None,
) -> Response:
    return Response(
        seed_id=item_id,
        prompt=prompt,
        response=text,
        gen_time=None,
        chars=len(text),
        mode=MODE,
        model=task.model,
        prompts=task.name,
        prompt_sha=_sha(prompt),
        run_id=task.run_id,
        source=task.source,
        sample=sample,
        finish_reason=reason,
        logprob=nats,
    )


def _sha(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass"))


def asked_sha(answers: Iterable[Response]) -> str:
    """Return the hash of what a model was asked: each prompt as it was sent, each answer given to it."""
    sent = {f"{r.seed_id} {r.sample}": [r.prompt_sha, r.response if _is_given(r) else None] for r in answers}
    return settings_sha(sent)


def _is_given(answer: Response) -> bool:
    return answer.finish_reason == "given"


def _texts(answer: object) -> list[str]:
    stated = answer if isinstance(answer, list) else [answer]
    texts = [text for text in stated if isinstance(text, str)]
    if not texts or len(texts) < len(stated):
        raise Fault("resps: expected text of a task that generates")
    return texts


def logprob(answer: object) -> float | None:
    """Return the log-probability of [[nats, greedy]] or [nats, greedy], numbers or their text; raises Fault.

    Null where it is not finite, as of an answer that the model holds impossible.
    """
    while isinstance(answer, list) and answer:
        answer = answer[0]
    if isinstance(answer, str):
        try:
            answer = float(answer)
        except ValueError:
            raise Fault(f"resps: expected a log-probability, found {answer!r:.80}") from None
    if isinstance(answer, float) and not math.isfinite(answer):
        return None
    if isinstance(answer, bool):
        raise Fault("resps: expected a log-probability, found bool")
    return number("resps", answer)


def item_of(item_id: str, doc: dict[str, Any], target: str | None, asked: list[Argument], task: Task) -> Item:
    """Return the question of a row; its gold is the target, or the choice whose number the target is."""
    question = next(
        (doc[key] for key in QUESTION if isinstance(doc.get(key), str) and doc[key].strip()), None
    )
    category = next((doc[key] for key in CATEGORY if isinstance(doc.get(key), str)), None)
    choices = choices_of(doc, asked)
    right = right_choices(target, choices)
    wrong = [text for text in choices if text not in right]
    return Item(
        benchmark=task.name,
        item_id=item_id,
        question=asked[0][0] if question is None else question,
        gold=right[0] if right else target,
        sha=sha256(json.dumps(doc)),
        source=task.source,
        category=category,
        correct=json.dumps(right, ensure_ascii=False) if right else None,
        incorrect=json.dumps(wrong, ensure_ascii=False) if right else None,
    )


def choices_of(doc: dict[str, Any], asked: list[Argument]) -> list[str]:
    """Return the choices of a question in lm_eval's order: the doc's, else the continuations; [] for none."""
    if len(asked) < 2 or not isinstance(asked[0][1], str):
        return []
    for key in CHOICES:
        stated = doc.get(key)
        texts = stated.get("text") if isinstance(stated, dict) else stated
        if isinstance(texts, list) and len(texts) == len(asked) and all(isinstance(t, str) for t in texts):
            return [text.strip() for text in texts]
    given = [second.strip() for _, second in asked]
    return given if len(set(given)) == len(given) else []


def right_choices(target: str | None, choices: list[str]) -> list[str]:
    """Return the choices that a target names: by their number or numbers from 0, or by their text."""
    try:
        value = json.loads(target or "null")
    except (ValueError, RecursionError):
        value = None
    places = value if isinstance(value, list) else [value]
    if places and all(type(place) is int and 0 <= place < len(choices) for place in places):
        return [choices[place] for place in dict.fromkeys(places)]
    return [target.strip()] if target is not None and target.strip() in choices else []


def doubts_of(row: dict[str, Any], asked: list[Argument], answers: tuple[Response, ...]) -> dict[str, str]:
    """Return {rule: detail} of hashes that do not fit what they are of, and of answers without a logprob."""
    found = {}
    texts = {"prompt_hash": asked[0][0], "target_hash": _target(row)}
    wrong = [
        key for key, text in texts.items() if text is not None and row.get(key) not in (None, _sha(text))
    ]
    if wrong:
        found["sample_hash"] = f"{' and '.join(wrong)} not the sha256 of what the row holds"
    endless = [str(a.sample) for a in answers if a.finish_reason == "given" and a.logprob is None]
    if endless:
        found["logprob_not_finite"] = (
            f"null: the log-probability of answer {', '.join(endless)} is not finite"
        )
    return found
