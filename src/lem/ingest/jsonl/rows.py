"""Rows of anybody's JSONL as our records, a piece of a file at a time. Pure but for reading the piece.

A piece is a range of bytes that ends where a line does, so that two processes can
read one file; what they return does not depend on how many they are.

    plan = Plan("their-study", {"prompt": "question", "response": "output.text"}, model="their-7b")
    done = read_piece(plan, Piece(Path("raw/out.jsonl"), "out.jsonl", "out", 1, 0, 4_000_000))
    done.groups[Group("their-7b", "out", "naked")].keys      # [('Q1', 0), ...]
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from lem import layout
from lem.ingest.dump import nameable, run_id
from lem.ingest.lines import AMOUNT_LIMIT, Fault, Line, amount, fitting_line, plain_row, read_lines
from lem.record_files import sha256
from lem.records import FINISH_REASONS, Item, Response

ALIASES = {"id": "seed_id", "gold": "answer", "benchmark": "prompts"}
DEFAULTS = {
    "seed_id": ("seed_id", "id", "item_id", "qid"),
    "prompt": ("prompt",),
    "response": ("response",),
    "answer": ("answer", "gold"),
    "model": ("model",),
    "prompts": ("prompts", "benchmark"),
    "category": ("category",),
    "cluster": ("cluster",),
    "gen_time": ("gen_time",),
    "tokens": ("tokens",),
    "finish_reason": ("finish_reason",),
    "reasoning": ("reasoning",),
    "sample": ("sample",),
    "mode": ("mode",),
}
"""Our fields, and the names under which each is looked for where no map says."""

ENDS = {"eos": "stop", "end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length"}
"""What other programs call our finish reasons."""


class Group(NamedTuple):
    """What one response file of ours is of."""

    model: str
    prompts: str
    mode: str


@dataclass(frozen=True)
class Plan:
    """How rows are read: our field to theirs, what the command line states instead of a field."""

    source: str
    map: Mapping[str, str]
    model: str | None = None
    prompts: str | None = None
    asks: bool = False  # a scorer is asked for, so that every row has an item, with a gold answer or not

    @functools.cached_property
    def names(self) -> dict[str, tuple[str, ...]]:
        """Our fields and where each is looked for; a mapped field of theirs has no other meaning."""
        used = set(self.map.values())
        free = {ours: tuple(n for n in names if n not in used) for ours, names in DEFAULTS.items()}
        return {**free, **{ours: (theirs,) for ours, theirs in self.map.items()}}

    @functools.cached_property
    def needed(self) -> tuple[tuple[str, str], ...]:
        """(our field, theirs) of what every row must have: what the map names, prompt, response, model."""
        always = ("prompt", "response") if self.model else ("prompt", "response", "model")
        stated = {"model": self.model, "prompts": self.prompts}
        ours = [name for name in DEFAULTS if name in self.map or name in always]
        return tuple((name, self.map.get(name, name)) for name in ours if not stated.get(name))


class Piece(NamedTuple):
    """A range of a raw file: number of its first line, first byte, first byte behind it."""

    path: Path
    file: str  # named relative to the dump
    prompts: str  # name of the rows' prompts where nothing states one
    number: int
    start: int
    stop: int
    alone: bool = True  # the dump is this one file, so that a line's number alone is an id


@dataclass
class Part:
    """The rows of one group in a piece, in order."""

    keys: list[tuple[str, int]] = field(default_factory=list)  # seed_id, sample
    numbers: list[int] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)  # responses as JSON, each with its end
    items: list[tuple[str | None, str] | None] = field(default_factory=list)  # gold, item as JSON


@dataclass
class Done:
    """What came of a piece."""

    piece: Piece
    groups: dict[Group, Part] = field(default_factory=dict)
    faults: list[tuple[int, str, str]] = field(default_factory=list)  # line, reason, text
    rows: int = 0  # lines up to the last that is not blank
    objects: int = 0  # rows that are JSON objects
    found: set[str] = field(default_factory=set)  # of Plan.needed: their fields that some row has
    seen: list[str] = field(default_factory=list)  # fields of the first object, for a person's typo


def read_piece(plan: Plan, piece: Piece) -> Done:
    """Return the records and faults of a piece of a file."""
    done = Done(piece)
    for line in read_lines(piece.path, piece.file, piece.number, piece.start, piece.stop):
        done.rows += 1
        try:
            _take(plan, piece, line, done)
        except Fault as fault:
            done.faults.append((line.number or 0, str(fault), line.text))
        except RecursionError:
            done.faults.append((line.number or 0, "nested too deeply", line.text))
    return done


def _take(plan: Plan, piece: Piece, line: Line, done: Done) -> None:
    row = plain_row(line)
    done.objects += 1
    done.seen = done.seen or list(row)
    if len(done.found) < len(plan.needed):
        done.found.update(theirs for _, theirs in plan.needed if _reaches(row, theirs))
    answer, item = records_of(plan, row, line.number or 0, piece)
    texts = fitting_line(answer), fitting_line(item) if item else ""
    part = done.groups.setdefault(Group(answer.model, answer.prompts, answer.mode), Part())
    part.keys.append((answer.seed_id, answer.sample))
    part.numbers.append(line.number or 0)
    part.lines.append(texts[0])
    part.items.append((item.gold, texts[1]) if item else None)


def records_of(plan: Plan, row: dict[str, Any], number: int, piece: Piece) -> tuple[Response, Item | None]:
    """Return the answer that a row holds, and the item it is of; raises Fault.

    number: of its line, from which a row that states no id has one.
    """
    for ours, theirs in plan.needed:
        if not _reaches(row, theirs):
            raise Fault(f"no {theirs}" + (f", which is our {ours}" if ours != theirs else ""))
    told = {ours: _value(row, names) for ours, names in plan.names.items()}
    answer = _answer(plan, told, number, piece)
    gold = _text(told, "answer")
    return answer, _item(answer, gold, told) if gold is not None or plan.asks else None


def _reaches(row: dict[str, Any], path: str) -> bool:
    if path in row:
        return True
    return "." in path and _walked(row, path)[0]


def _walked(row: Any, path: str) -> tuple[bool, Any]:  # noqa: ANN401 (any JSON)
    for name in path.split("."):
        if not isinstance(row, dict) or name not in row:
            return False, None
        row = row[name]
    return True, row


def _value(row: dict[str, Any], names: tuple[str, ...]) -> Any:  # noqa: ANN401
    for name in names:
        value = row.get(name)
        if value is None and "." in name and name not in row:
            value = _walked(row, name)[1]
        if value is not None:
            return value
    return None


def _answer(plan: Plan, told: dict[str, Any], number: int, piece: Piece) -> Response:
    prompt, response, reasoning = told["prompt"], told["response"], told["reasoning"]
    if not isinstance(prompt, str) or not isinstance(response, str):
        raise Fault("prompt and response must be text")
    if not isinstance(reasoning, str | None):
        raise Fault("reasoning must be text")
    stated = _stated_prompts(plan, told)
    group = _group(plan, told, piece.prompts if stated is None else stated)
    # rows of other files may state the same prompts; a name made from the file's own is of no other's
    number_id = str(number) if piece.alone or stated is None else f"{piece.prompts}:{number}"
    return Response(
        seed_id=_id(told["seed_id"], None if "seed_id" in plan.map else number_id),
        prompt=prompt,
        response=response,
        gen_time=amount(told, "gen_time"),
        chars=len(response),
        mode=group.mode,
        model=group.model,
        prompts=group.prompts,
        prompt_sha=sha256(prompt.encode("utf-8", "surrogatepass")),
        run_id=run_of(plan.source, group),
        source=plan.source,
        sample=_whole(told, "sample") or 0,
        tokens=_whole(told, "tokens"),
        finish_reason=_end(told["finish_reason"]),
        reasoning=reasoning,
        reasoning_chars=None if reasoning is None else len(reasoning),
    )


def _stated_prompts(plan: Plan, told: dict[str, Any]) -> Any:  # noqa: ANN401
    """Return the prompts' name by the command line or the row, None where neither states one."""
    stated = plan.prompts or told["prompts"]
    return stated if isinstance(stated, str) or "prompts" in plan.map else None


def _group(plan: Plan, told: dict[str, Any], prompts: object) -> Group:
    model = plan.model or told["model"]
    mode = "naked" if told["mode"] is None else told["mode"]
    if not (isinstance(model, str) and isinstance(prompts, str) and isinstance(mode, str)):
        raise Fault("model, prompts and mode must be text")
    return _named(model, prompts, mode)


@functools.lru_cache(maxsize=4096)
def _named(model: str, prompts: str, mode: str) -> Group:
    for what, name in (("prompts", prompts), ("mode", mode)):
        if not layout.NAME.fullmatch(name):
            raise Fault(f"{what} {name!r:.80} cannot be a file name of ours")
    return Group(nameable(model), prompts, mode)


@functools.lru_cache(maxsize=4096)
def run_of(source: str, group: Group) -> str:
    """Return the id of the run that a group's answers are said to come from."""
    named = group.prompts if group.mode == "naked" else f"{group.prompts} {group.mode}"
    return run_id(source, group.model, named)


def _id(value: object, otherwise: str | None) -> str:
    if value is None and otherwise is not None:
        return otherwise
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < AMOUNT_LIMIT else _no("id", value)
    return value if isinstance(value, str) and value.strip() else _no("id", value)


def _no(what: str, value: object) -> str:
    raise Fault(f"{what} {value!r:.80} is none")


def _whole(told: dict[str, Any], name: str) -> int | None:
    if amount(told, name) is None:
        return None
    value = told[name]
    if not isinstance(value, int):
        raise Fault(f"{name} {value} is no whole number")
    return value


def _end(value: object) -> str | None:
    word = ENDS.get(value, value) if isinstance(value, str) else value
    if word is None or (word != "given" and word in FINISH_REASONS and isinstance(word, str)):
        return word
    raise Fault(f"finish_reason {value!r:.80} is none of stop, length, {', '.join(ENDS)}")


def _text(told: dict[str, Any], name: str) -> str | None:
    """Return a text, or a number as JSON writes it; None where there is none."""
    value = told[name]
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Fault(f"{name} must be text or a number, found {type(value).__name__}")
    return json.dumps(value)


def _item(answer: Response, gold: str | None, told: dict[str, Any]) -> Item:
    about = {"category": _text(told, "category"), "cluster": _text(told, "cluster")}
    stated = {"id": answer.seed_id, "question": answer.prompt, "gold": gold, **about}
    return Item(
        benchmark=answer.prompts,
        item_id=answer.seed_id,
        question=answer.prompt,
        gold=gold,
        sha=sha256(json.dumps(stated, sort_keys=True)),
        source=answer.source,
        **about,
    )
