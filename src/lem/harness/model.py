"""A model behind MLX as lm-evaluation-harness asks it: batches by length, and a journal of what is answered.

lm = Model(loaded, Answers(journal, shaped_by), batch_size=32)
lm_eval.simple_evaluate(model=lm, tasks=["arc_like"])

Log-probabilities are over the tokens that a text adds to its context. Where a token
reaches across the seam of the two it is the text's; lm-eval's own backends leave it to
the context. Given answers of a resumed run are those of an unbroken one to the last
bit; written ones go in other batches then, which can turn a near tie.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lm_eval.api.model import LM
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from lem import mlx_runtime, mlx_weighing
from lem.asking import draw_seed
from lem.errors import LemError
from lem.harness.generation import sampling
from lem.journal import Journal
from lem.mlx_runtime import Loaded, Sampling
from lem.mlx_weighing import Given
from lem.prompts import templated
from lem.record_files import settings_sha, sha256
from lem.run_log import progress

AHEAD = 4
"""So many batches are read ahead, so that continuations of one length can be weighed together."""
LONGEST = 8192
"""Tokens that a model which does not say can read."""
NO_NUMBER = "its log-probabilities are no numbers (NaN), nothing can be scored; are its weights damaged?"
Instances = Sequence[Any]


@dataclass(frozen=True)
class Answers:
    """Finished answers: each is kept under everything that shaped it, and so never asked again."""

    journal: Journal
    shaped_by: str  # hash of the weights, the task, the engine

    def key(self, *parts: object) -> str:
        """Return the key of one answer."""
        return settings_sha({"by": self.shaped_by, "asked": parts})

    def get(self, key: str) -> dict[str, Any] | None:
        """Return what is known of a key."""
        return self.journal.done.get(key)

    def add(self, key: str, answer: dict[str, Any]) -> None:
        """Keep an answer, on disk before it counts."""
        self.journal.add(key, answer)


class Model(LM):  # type: ignore[misc]  # lm-eval has no types
    """A loaded model, base or base with adapter, as an LM of lm-eval."""

    def __init__(
        self, loaded: Loaded, answers: Answers, batch_size: int, seed: int = 0, name: str = "the model"
    ) -> None:
        super().__init__()
        self.name = name
        self.loaded, self.answers, self.batch_size, self.seed = loaded, answers, batch_size, seed
        self.templated = False
        self.asked = self.kept = 0
        self.cut: list[int] = []  # tokens of what was too long to be read whole

    @property
    def tokenizer_name(self) -> str:
        """What lm-eval calls the tokenizer."""
        return str(self.loaded.tokenizer.name_or_path)

    def chat_template(self, chat_template: bool | str = False) -> str:
        """Return the text of the chat template, which lm-eval hashes."""
        return str(self.loaded.tokenizer.chat_template or "")

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """Return a conversation as the model's chat template writes it."""
        self.templated = True
        return templated(
            self.loaded.tokenizer,
            chat_history,
            add_generation_prompt=add_generation_prompt,
            continue_final_message=not add_generation_prompt,
        )

    def encoded(self, text: str) -> list[int]:
        """Return the token ids of a text; a template's text carries its own special tokens."""
        return list(self.loaded.tokenizer.encode(text, add_special_tokens=not self.templated))

    @property
    def start(self) -> int:
        """The token that a text without a context goes on from."""
        tokenizer = self.loaded.tokenizer
        return int(tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id)

    @property
    def longest(self) -> int:
        """How many tokens the model can read."""
        stated = getattr(getattr(self.loaded.model, "args", None), "max_position_embeddings", None)
        return int(stated or LONGEST)

    def loglikelihood(self, requests: Instances) -> list[tuple[float, bool]]:
        """Return (nats, is_greedy) of each continuation; LemError where a model gives no numbers."""
        given = [self.given(*request.args) for request in requests]
        return [(found["nats"], found["greedy"]) for found in self._weighed(given)]

    def given(self, context: str, text: str) -> Given:
        """Return the tokens of a request, what is too long less its beginning."""
        stripped = context.rstrip()  # a token of blanks belongs to what follows, as in lm-eval's backends
        context, text = (stripped, context[len(stripped) :] + text) if stripped else (context, text)
        prompt, rest = mlx_weighing.seam(self.encoded, context, text) if context else ([], self._plain(text))
        if not prompt and rest[:1] != [self.start]:
            prompt = [self.start]
        elif not prompt:
            prompt, rest = rest[:1], rest[1:]
        if not rest:
            raise LemError(f"a task asks how likely no token at all is, after {context[-60:]!r}")
        return self._shortened(prompt, rest)

    def _plain(self, text: str) -> list[int]:
        """Return the token ids of a text that goes on from nothing: no token that marks a beginning."""
        return list(self.loaded.tokenizer.encode(text, add_special_tokens=False))

    def _shortened(self, prompt: list[int], rest: list[int]) -> Given:
        over = len(prompt) + len(rest) - 1 - self.longest
        if over <= 0:
            return prompt, rest
        self.cut.append(len(prompt) + len(rest))
        if over >= len(prompt):
            raise LemError(f"a task's text has {len(rest)} tokens, the model reads at most {self.longest}")
        return prompt[over:], rest

    def _weighed(self, given: Sequence[Given]) -> list[dict[str, Any]]:
        """Return what is known or weighed of each; the same list always goes in the same batches."""
        planned = mlx_weighing.batches(given, AHEAD * self.batch_size)
        length = mlx_weighing.shared_length(given)
        keys = {place: key for batch in planned for place, key in self._keys(given, batch, length).items()}
        known = {place: answer for place, key in keys.items() if (answer := self.answers.get(key))}
        found = dict(known)
        prefix = mlx_weighing.shared(self.loaded, given) if length and len(known) < len(given) else None
        with progress(len(given), "answers weighed") as step:
            step(len(known))
            for batch in planned:
                weights = mlx_weighing.weigh(self.loaded, given, batch, prefix, self.batch_size, known)
                for place, weight in weights:
                    if weight.nats is None:
                        raise LemError(f"{self.name}: {NO_NUMBER}")
                    found[place] = {"nats": weight.nats, "greedy": weight.is_greedy}
                    self.answers.add(keys[place], found[place])
                    step(place not in known)
        self.kept, self.asked = self.kept + len(known), self.asked + len(found) - len(known)
        return [found[place] for place in range(len(given))]

    def _keys(self, given: Sequence[Given], batch: mlx_weighing.Batch, prefix: int) -> dict[int, str]:
        """Return {place: key} of a batch; what is read with it may touch the last bit of an answer."""
        places = [place for group in batch for place in group]
        together = sha256(repr([prefix, [given[place] for place in places]]))
        return {place: self.answers.key(together, row) for row, place in enumerate(places)}

    def loglikelihood_rolling(self, requests: Instances) -> list[float]:
        """Return the nats of each whole text; what is longer than the model reads goes window by window."""
        windows = [list(self._windows(request.args[0])) for request in requests]
        found = iter(self._weighed([window for of_text in windows for window in of_text]))
        return [sum(next(found)["nats"] for _ in of_text) for of_text in windows]

    def _windows(self, text: str) -> Iterator[Given]:
        """Yield (context, tokens to weigh): disjoint windows, each behind one token of the last."""
        yield from map(
            make_disjoint_window,
            get_rolling_token_windows(self.encoded(text), self.start, self.longest, context_len=1),
        )

    def generate_until(self, requests: Instances) -> list[str]:
        """Return the text of each answer, up to the first of the texts that end one."""
        found: dict[int, str] = {}
        keys = [self.answers.key(*request.args, request.idx, index) for index, request in enumerate(requests)]
        for place, key in enumerate(keys):
            if known := self.answers.get(key):
                found[place] = known["text"]
        self.kept += len(found)
        missing = [place for place in range(len(requests)) if place not in found]
        self.cut += [
            len(tokens)
            for request in requests
            if len(tokens := self.encoded(request.args[0])) > self._room(request.args[1])
        ]
        most = sum(sampling(requests[place].args[1], self.batch_size).max_tokens for place in missing)
        with progress(most) as step:
            for places, drawn in _alike(requests, missing, self.batch_size):
                for place, text in self._generated(requests, places, drawn, step):
                    found[place] = text
                    self.answers.add(keys[place], {"text": text})
                    self.asked += 1
        return [found[place] for place in range(len(requests))]

    def _generated(
        self, requests: Instances, places: list[int], drawn: Sampling, step: Callable[[int], object]
    ) -> Iterator[tuple[int, str]]:
        contexts = [requests[place].args[0] for place in places]
        rooms = [self._room(requests[place].args[1]) for place in places]
        prompts = [
            (self.encoded(context) or [self.start])[-room:]
            for context, room in zip(contexts, rooms, strict=True)
        ]
        seeds = [
            draw_seed(self.seed, sha256(context), place)
            for context, place in zip(contexts, places, strict=True)
        ]
        for done in mlx_runtime.generate(self.loaded, prompts, drawn, seeds, step):
            text = done.text
            if self.loaded.tokenizer.has_thinking:
                text = text.rpartition(self.loaded.tokenizer.think_end)[2]
            yield places[done.index], text

    def _room(self, settings: dict[str, Any]) -> int:
        """Return how many tokens of a context the model can read in front of an answer of full length."""
        return max(1, self.longest - sampling(settings, self.batch_size).max_tokens)


def _alike(
    requests: Instances, places: Iterable[int], batch_size: int
) -> Iterator[tuple[list[int], Sampling]]:
    """Yield the places that share their settings, with them, longest contexts first."""
    groups: dict[Sampling, list[int]] = {}
    for place in places:
        groups.setdefault(sampling(requests[place].args[1], batch_size), []).append(place)
    for drawn, alike in groups.items():
        yield sorted(alike, key=lambda place: -len(requests[place].args[0])), drawn
