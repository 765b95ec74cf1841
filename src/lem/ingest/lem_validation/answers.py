"""The answers of a validation dump: JSONL in one of two shapes, a file a model.

    seed_id, prompt, response, gen_time
    seed_id, prompt, response, time, reasoning, reasoning_chars, chars, mode, is_refusal

Lengths are counted here; a stated one that differs is a note. So is a field that
a file names otherwise than most of the dump does.

    for here in read_answers(dump):
        print(here.file, here.model, len(here.rows))
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from lem import layout
from lem.ingest.dump import Dump, run_id
from lem.ingest.lem_validation import names as validation_names
from lem.ingest.lines import Fault, Line, amount, first, fitting, stated
from lem.record_files import sha256
from lem.records import Response

PROMPTS = "validation"
TIMES = ("gen_time", "time")  # seconds
LENGTHS = {"chars": "response", "reasoning_chars": "reasoning"}


@dataclass
class Answers:
    """What one JSONL file holds."""

    file: str
    model: str
    word: str  # unsigned or signed, as the file's name says
    rows: list[Response] = field(default_factory=list)
    times: Counter[str] = field(default_factory=Counter)  # how many rows name their seconds so


def read_answers(dump: Dump) -> list[Answers]:
    """Return what each JSONL file holds; an answer that stands twice in the dump is kept once."""
    found: list[Answers] = []
    taken: set[tuple[str, str, str]] = set()
    for file in dump.files:
        if names := validation_names.answers_of(file):
            found.append(here := Answers(file, *names))
            for line in dump.lines("responses", file):
                with dump.row(line):
                    _add(dump, here, line, taken)
    return found


def _add(dump: Dump, here: Answers, line: Line, taken: set[tuple[str, str, str]]) -> None:
    row = line.row()
    answer = fitting(answer_of(row, here, dump.source))
    key = answer.model, answer.mode, answer.seed_id
    if key in taken:
        raise Fault(f"seed_id {answer.seed_id!r:.80} stands twice; the first is kept")
    if wrong := lengths(row, answer):
        about = answer.model, answer.prompts, answer.seed_id
        dump.note("stated_length", "warning", line.file, line.number, wrong, *about)
    taken.add(key)
    here.rows.append(answer)
    here.times.update([name for name in TIMES if row.get(name) is not None][:1])


def answer_of(row: dict[str, Any], here: Answers, source: str) -> Response:
    """Return the Response of a row; an empty response is an answer, a missing one a Fault."""
    prompt, response, reasoning = stated(row, "prompt"), row.get("response"), row.get("reasoning")
    if not (isinstance(prompt, str) and isinstance(response, str) and isinstance(reasoning, str | None)):
        raise Fault("prompt, response and reasoning must be text")
    mode = mode_of(row, here.word)
    return Response(
        seed_id=stated(row, "seed_id"),
        prompt=prompt,
        response=response,
        gen_time=amount(row, *TIMES),
        chars=len(response),
        mode=mode,
        model=here.model,
        prompts=PROMPTS,
        prompt_sha=sha256(prompt.encode("utf-8", "surrogatepass")),
        run_id=run_of(source, here.model, mode),
        source=source,
        reasoning=reasoning,
        reasoning_chars=None if reasoning is None else len(reasoning),
        is_refusal=row.get("is_refusal"),
    )


def mode_of(row: dict[str, Any], word: str) -> str:
    """Return a row's mode: its own word, or the file name's where it has none or only its case differs."""
    mode = first(row, "mode")
    if mode is None or (isinstance(mode, str) and mode.lower() == word):
        return word
    if not (isinstance(mode, str) and layout.NAME.fullmatch(mode)):
        raise Fault(f"mode {mode!r:.80} cannot be part of a file name of ours")
    return mode


def run_of(source: str, model: str, mode: str) -> str:
    """Return the id of the run of a model's validation in a mode; no benchmark's name has a space."""
    return run_id(source, model, f"{PROMPTS} {mode}")


def lengths(row: dict[str, Any], answer: Response) -> str:
    """Return which lengths a row states that its texts have not, or ""; raises Fault for no length."""
    counted = {"chars": answer.chars, "reasoning_chars": answer.reasoning_chars or 0}
    said = {name: amount(row, name) for name in LENGTHS}
    return "; ".join(
        f"{name}: {said[name]:.15g} stated, {counted[name]} counted in {text}"
        for name, text in LENGTHS.items()
        if said[name] is not None and said[name] != counted[name]
    )


def note_times(dump: Dump, answers: Iterable[Answers]) -> None:
    """Note each file that names its seconds otherwise than most rows of the dump do."""
    files = list(answers)
    total = sum((here.times for here in files), Counter[str]())
    usual, other = sorted(TIMES, key=lambda name: -total[name])
    for here in files:
        if count := here.times[other]:
            detail = f"{other} stands for {usual} in {count} of {len(here.rows)} rows"
            dump.note("other_field_name", "info", here.file, None, detail, here.model, PROMPTS)
