"""What a model is asked: prompt sets, the four ways to wrap a prompt, and splitting off reasoning. Pure.

    messages("sandwich", kernel, "How do I ...?")
    split_reasoning("<think>so</think>Yes.")      # ('so', 'Yes.')

The modes are those of the LEM format test: *naked* (the prompt alone),
*system* (the kernel as system message), *kernel-only* (kernel, then prompt)
and *sandwich* (kernel, prompt, signature).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lem.errors import LemError
from lem.time_limit import within

Message = dict[str, str]
TURN_END = "\n\n"  # between turns where there is no chat template
TEMPLATE_SECONDS = 10.0  # for one conversation, which takes a millisecond


@dataclass(frozen=True)
class Prompt:
    """One question of a prompt set."""

    id: str
    text: str


@dataclass(frozen=True)
class Shot:
    """A worked example that stands before the question."""

    question: str
    answer: str


@dataclass(frozen=True)
class Kernel:
    """The kernel's text and the closing line of a sandwich."""

    text: str
    signature: str


def messages(mode: str, kernel: Kernel | None, prompt: str, shots: Sequence[Shot] = ()) -> list[Message]:
    """Return the chat messages of a prompt in a mode; every mode but naked needs the kernel.

    shots: worked examples, given as earlier turns of the conversation.
    """
    before = [turn for shot in shots for turn in (_user(shot.question), _assistant(shot.answer))]
    if mode == "naked":
        return [*before, _user(prompt)]
    if kernel is None:
        raise LemError(f"mode {mode} needs kernel/lek-1-kernel.txt and kernel/signature.txt")
    if mode == "system":
        return [{"role": "system", "content": kernel.text}, *before, _user(prompt)]
    parts = [kernel.text, prompt] + ([kernel.signature] if mode == "sandwich" else [])
    return [*before, _user("\n\n".join(parts))]


def _user(text: str) -> Message:
    return {"role": "user", "content": text}


def _assistant(text: str) -> Message:
    return {"role": "assistant", "content": text}


def turn_end(tokenizer: Any, shots: Sequence[Shot]) -> str | None:  # noqa: ANN401 (a Hugging Face tokenizer)
    """Return the text that ends an answer where no template's token does.

    A completion model that has seen worked examples ends an answer as they
    end, with an empty line, and goes on to a question of its own.
    """
    return TURN_END if shots and tokenizer.chat_template is None else None


def render(tokenizer: Any, turns: list[Message]) -> str:  # noqa: ANN401 (a Hugging Face tokenizer)
    """Return the text as it is sent: the model's chat template, or plain text where it has none."""
    if tokenizer.chat_template is None:
        return TURN_END.join(turn["content"] for turn in turns) + TURN_END
    return templated(tokenizer, turns, add_generation_prompt=True)


def templated(tokenizer: Any, turns: list[Message], **asked: bool) -> str:  # noqa: ANN401
    """Return turns as the model's chat template writes them, which runs in jinja2's sandbox.

    Raises LemError where the template refuses them, fails, or does not end in TEMPLATE_SECONDS.
    """
    try:
        with within(TEMPLATE_SECONDS):
            text = tokenizer.apply_chat_template(turns, tokenize=False, **asked)
    except Exception as err:  # a stranger's template may raise anything
        said = " ".join(f"{err}".split()) or type(err).__name__
        raise LemError(f"the model's chat template refuses them: {said}"[:300]) from err
    if not text:
        raise LemError("the model's chat template writes nothing of what is asked")
    return str(text)


THINK = re.compile(r"^\s*<think>(?P<reasoning>.*?)(?:</think>|\Z)(?P<rest>.*)\Z", re.DOTALL)
CHANNELS = re.compile(r"^\s*(?:<\|start\|>assistant)?<\|channel\|>")
MESSAGE = re.compile(
    r"<\|channel\|>(?P<channel>\w+)[^<]*<\|message\|>"
    r"(?P<text>.*?)(?=<\|(?:end|return|call|start|channel)\|>|\Z)",
    re.DOTALL,
)
END = re.compile(r"<\|(?:return|end)\|>\s*\Z")


def split_reasoning(text: str) -> tuple[str | None, str]:
    """Return (reasoning, answer); reasoning is None where the model marked none.

    Reads `<think>...</think>` and the channels of gpt-oss: analysis is
    reasoning, final is the answer. A reasoning that was cut off leaves an empty
    answer: none was given.
    """
    if found := THINK.match(text):
        return found["reasoning"].strip(), found["rest"].strip()
    if not CHANNELS.match(text):
        return None, END.sub("", text).strip()
    spoken = [(part["channel"], part["text"].strip()) for part in MESSAGE.finditer(text)]
    thought = [words for channel, words in spoken if channel == "analysis"]
    said = [words for channel, words in spoken if channel == "final"]
    return "\n\n".join(thought) if thought else None, "\n\n".join(said)
