"""A training set in chat JSONL, read, checked and turned into tokens the way the model will be asked.

`train.jsonl` and `valid.jsonl` lie in one folder, each line
`{"messages": [..., {"role": "assistant", "content": ...}]}`. Whatever would spoil
a training (nothing there, a prompt in both splits, a question of the evaluation,
a text longer than the limit) is an error before any compute.

    sets = read(Path("data/training/lek"))       # {'train': [...], 'valid': [...]}
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lem import mlx_runtime
from lem.errors import LemError
from lem.prompts import Message, render, templated
from lem.record_files import file_sha, settings_sha
from lem.records import SPLITS

ROLES = ("system", "user", "assistant")
WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Example:
    """A conversation to learn from: the turns before, and the answer."""

    place: str  # file and line
    turns: tuple[Message, ...]
    answer: str

    @property
    def prompt(self) -> str:
        """The last thing that was asked."""
        return self.turns[-1]["content"]

    @property
    def asked(self) -> list[str]:
        """Everything that was asked, the last thing last."""
        return [turn["content"] for turn in self.turns if turn["role"] == "user"]


def read(folder: Path) -> dict[str, list[Example]]:
    """Return {split: examples}; LemError names file, line and field of the first fault."""
    return {split: _split(folder / f"{split}.jsonl") for split in SPLITS}


def data_sha(folder: Path) -> str:
    """Return the sha256 over a training set's two files."""
    return settings_sha({split: file_sha(folder / f"{split}.jsonl") for split in SPLITS})


def _split(file: Path) -> list[Example]:
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except (FileNotFoundError, NotADirectoryError) as err:
        raise LemError(
            f"{file}: no such file; 'data' names a folder with train.jsonl and valid.jsonl, "
            "which lem distil writes (dvc repro), or you"
        ) from err
    except UnicodeDecodeError as err:
        raise LemError(f"{file}: not UTF-8: {err}") from err
    found = [_example(f"{file}:{number}", line) for number, line in enumerate(lines, 1) if line.strip()]
    if not found:
        raise LemError(f"{file}: empty; expected one conversation a line, as chat JSONL")
    return found


def _example(place: str, line: str) -> Example:
    try:
        entry = json.loads(line)
    except ValueError as err:
        raise LemError(f"{place}: not one line of JSON: {err}") from err
    messages = entry.get("messages") if isinstance(entry, dict) else None
    if not isinstance(messages, list) or len(messages) < 2:
        raise LemError(f"{place}: messages: expected a list of at least a user's and an assistant's turn")
    for number, message in enumerate(messages):
        _turn(f"{place}: messages[{number}]", message)
    if messages[-1]["role"] != "assistant" or messages[-2]["role"] != "user":
        raise LemError(f"{place}: messages: expected to end with a user's turn and the assistant's answer")
    turns = tuple({"role": turn["role"], "content": turn["content"]} for turn in messages[:-1])
    return Example(place, turns, messages[-1]["content"])


def _turn(place: str, message: object) -> None:
    if not isinstance(message, dict) or message.get("role") not in ROLES:
        raise LemError(f"{place}.role: expected one of {', '.join(ROLES)}, found {message!r}"[:300])
    content = message.get("content")
    if not isinstance(content, str) or not content.strip():
        raise LemError(f"{place}.content: expected a non-empty string, found {content!r}"[:300])
    if any("\ud800" <= char <= "\udfff" for char in content):
        raise LemError(f"{place}.content: half a surrogate pair, which is no text: {content!r}"[:300])


def must_be_apart(sets: Mapping[str, Sequence[Example]], asked: Mapping[str, str]) -> None:
    """Raise LemError when a prompt is in both splits, or is asked in an evaluation.

    asked: {question: where it is asked}. Texts are the same when their words
    are, whatever their case and marks.
    """
    trained = {same(example.prompt): example for example in sets["train"]}
    evaluated = {same(question): where for question, where in asked.items()}
    for example in sets["valid"]:
        if other := trained.get(same(example.prompt)):
            raise LemError(
                f"{example.place}: its prompt is in {other.place} too; a prompt belongs to one split: "
                f"{example.prompt[:80]!r}"
            )
    for example in (*sets["train"], *sets["valid"]):
        for text in example.asked:
            if where := evaluated.get(same(text)):
                raise LemError(
                    f"{example.place}: its prompt is a question of {where}; "
                    f"what is trained on cannot be tested: {text[:80]!r}"
                )


def same(text: str) -> str:
    """Return a text's words alone, in lower case; a text of marks alone as it is."""
    return " ".join(WORD.findall(text.lower())) or text.strip()


def encode(tokenizer: Any, example: Example, limit: int, mask_prompt: bool) -> tuple[list[int], int]:  # noqa: ANN401
    """Return (token ids of prompt and answer, where the answer to be learned begins).

    The prompt is rendered as `lem generate` sends it, so that a model is
    trained on what it will be asked; the answer ends with the end-of-turn
    token. Raises LemError when there are more than `limit` tokens: the rest
    would be cut off in silence; or turns that the chat template refuses.
    """
    try:
        prompt = mlx_runtime.encode(tokenizer, render(tokenizer, list(example.turns)))
    except LemError as err:
        raise LemError(f"{example.place}: messages: {err.message}") from err
    answer = tokenizer.encode(example.answer, add_special_tokens=False)
    tokens = [*prompt, *answer, end_token(tokenizer)]
    if len(tokens) > limit:
        raise LemError(
            f"{example.place}: {len(tokens)} tokens, the limit is {limit}; "
            "shorten it, or raise max_seq_length in params.yaml"
        )
    return tokens, len(prompt) if mask_prompt else 1


def end_token(tokenizer: Any) -> int:  # noqa: ANN401
    """Return the token that ends an answer: of those that end a generation, the chat template's own."""
    if tokenizer.chat_template is None:
        return int(tokenizer.eos_token_id)
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}]
    text = templated(tokenizer, turns)
    ends = [
        token
        for token in tokenizer.encode(text, add_special_tokens=False)
        if token in tokenizer.eos_token_ids
    ]
    return int(ends[-1] if ends else tokenizer.eos_token_id)
