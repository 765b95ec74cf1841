"""A model over a prompt set in a mode: what is known already, what is missing, what is written.

Answers are kept one by one, each keyed by everything that shaped it, so that a
killed run goes on where it stopped and an edited prompt is the only one asked again.

    Asking(study, study.model("m"), study.prompt_set("validation"), "naked", study.defaults).run()
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import time
from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from lem import convert, engine, layout, params, questions
from lem.adapters import adapter_sha
from lem.errors import LemError
from lem.journal import Journal
from lem.prompts import Prompt, messages, render, split_reasoning, turn_end
from lem.record_files import (
    file_sha,
    read_json,
    read_jsonl,
    settings_sha,
    sha256,
    write_json,
    write_jsonl,
    write_whole,
)
from lem.records import Response, Run
from lem.run_log import Log, git_revision, progress
from lem.shapes import problem


@dataclass(frozen=True)
class Question:
    """A prompt as it will be sent, and the key of its answer; `given` is an answer not to be written."""

    prompt: Prompt
    sample: int
    text: str
    tokens: list[int]
    prompt_sha: str
    key: str
    given: str | None = None


def sampling(settings: params.Defaults) -> Any:  # noqa: ANN401 (imported late)
    """Return the runtime's sampling settings."""
    from lem.mlx_runtime import Sampling

    return Sampling(settings.max_tokens, settings.temperature, settings.top_p, settings.batch_size)


def draw_seed(seed: int, prompt_sha: str, sample: int) -> int:
    """Return the seed of one answer's draws (63 bits), its own for each prompt and sample."""
    return int(sha256(f"{seed} {prompt_sha} {sample}")[:16], 16) >> 1


class Asking:
    """One model over one prompt set in one mode: what is known, what is missing, what is written."""

    def __init__(
        self,
        study: params.Study,
        spec: params.ModelSpec,
        prompt_set: params.PromptSpec | params.BenchmarkSpec,
        mode: str,
        settings: params.Defaults,
    ) -> None:
        from lem import mlx_runtime

        self.study, self.spec, self.set, self.mode, self.settings = study, spec, prompt_set, mode, settings
        self.prompts = questions.prompts(prompt_set)
        self.choices = questions.choices(prompt_set)
        self.shots = prompt_set.shots if isinstance(prompt_set, params.BenchmarkSpec) else ()
        shots = [dataclasses.asdict(shot) for shot in self.shots]
        self.shots_text = json.dumps(shots, ensure_ascii=False) if shots else None
        self.kernel = None if mode == "naked" else questions.kernel()
        folder, adapter = study.weights(spec)
        self.tokenizer = mlx_runtime.load_tokenizer(folder)
        self.until = turn_end(self.tokenizer, self.shots)
        self.is_choice = isinstance(prompt_set, params.BenchmarkSpec) and prompt_set.is_choice
        self.identity = self._identity(convert.weights_sha(folder), adapter)
        self.run_settings_sha = settings_sha(self.identity)
        self.questions = [q for prompt in self.prompts for q in self._questions(prompt)]
        asked: dict[str, Any] = {"prompts": [[p.id, p.text] for p in self.prompts], "shots": self.shots_text}
        if self.is_choice:
            asked["choices"] = [[q.prompt.id, q.given] for q in self.questions]
        self.prompt_set_sha = settings_sha(asked)
        self.run_id = settings_sha({**self.identity, "prompts": self.prompt_set_sha})[:16]

    def _identity(self, weights_sha: str, adapter: Path | None) -> dict[str, Any]:
        """Return everything that shapes an answer except the prompt itself."""
        from lem import mlx_runtime

        greedy = self.settings.temperature == 0
        return {
            "model": self.spec.name,
            "mode": self.mode,
            "kernel_sha": settings_sha(dataclasses.asdict(self.kernel)) if self.kernel else None,
            "template": self.tokenizer.chat_template,
            "weights_sha": weights_sha,
            "adapter_sha": adapter_sha(adapter) if adapter else None,
            "temperature": float(self.settings.temperature),
            "top_p": None if greedy else float(self.settings.top_p),
            "max_tokens": self.settings.max_tokens,
            "samples": self.settings.samples,
            "batch_size": self.settings.batch_size,
            "seed": None if greedy else self.settings.seed,
            "engine": engine.describe("weigh" if self.is_choice else "generate"),
            "device": mlx_runtime.device(self.study.memory),
            "blas": mlx_runtime.blas(),
            **({"until": self.until} if self.until else {}),  # most have none, and keep their ids
        }

    def _questions(self, prompt: Prompt) -> list[Question]:
        """Return a question a sample, or one a given answer."""
        from lem import mlx_runtime

        text = render(self.tokenizer, messages(self.mode, self.kernel, prompt.text, self.shots))
        sha, tokens = sha256(text), mlx_runtime.encode(self.tokenizer, text)
        given = self.choices.get(prompt.id, [None] * self.settings.samples)
        return [
            Question(prompt, sample, text, tokens, sha, self._key(sha, sample, one), one)
            for sample, one in enumerate(given)
        ]

    def _key(self, prompt_sha: str, sample: int, given: str | None) -> str:
        shaped = {"settings": self.run_settings_sha, "prompt": prompt_sha, "sample": sample}
        return settings_sha(shaped if given is None else {**shaped, "given": given})

    def paths(self) -> tuple[Path, Path, Path]:
        """Return the files this writes: responses, log, run record."""
        name, prompt_set, mode = self.spec.name, self.set.name, self.mode
        responses = (
            layout.answers(prompt_set, name)
            if isinstance(self.set, params.BenchmarkSpec)
            else layout.responses(self.spec.role, name, prompt_set, mode)
        )
        return (
            responses,
            layout.log(name, prompt_set, mode, "log"),
            layout.log(name, prompt_set, mode, "json"),
        )

    def run(self) -> None:
        """Ask what is not known yet and write the three files, each whole or not at all."""
        responses, log_file, run_file = self.paths()
        log = Log(len(self.questions))
        log.line(f"Loaded {len(self.prompts)} seeds")
        began, started = time.perf_counter(), datetime.now(UTC).isoformat(timespec="seconds")
        with Journal(
            layout.JOURNALS / f"generate-{self.spec.name}-{self.set.name}-{self.mode}.jsonl"
        ) as journal:
            known = self._known(responses, run_file) | self._journaled(journal)
            missing = self._missing(known)
            again = {question.key for question in missing}
            known = {key: response for key, response in known.items() if key not in again}
            if not missing and not journal.done and log_file.is_file() and self._is_last(run_file):
                click.echo(f"All {len(known)} answers hold, nothing to ask: {responses}")
                journal.delete()
                return
            for question in self.questions:
                if question.key in known:
                    log.answer(self._own(question, known[question.key]))
            for question, response in self.ask(missing, log):
                journal.add(question.key, dataclasses.asdict(response))
                known[question.key] = response
                log.answer(response)
            for key in known.keys() - journal.done.keys():  # a kill between the files below must lose none
                journal.add(key, dataclasses.asdict(known[key]))
            rows = [self._own(q, known[q.key]) for q in self.questions]
            log.line(f"\nDone. {len(rows)} responses saved to {responses}")
            write_whole(log_file, log.text)
            write_jsonl(responses, rows)
            seconds = time.perf_counter() - began
            record = self._record(rows, missing, started, seconds, file_sha(responses))
            write_json(run_file, record if missing else _times_of(run_file, record))
            journal.delete()

    def _known(self, responses: Path, run_file: Path) -> dict[str, Response]:
        """Return the answers of the last run that still hold: same settings, same prompt as sent.

        A response file that is not as its run wrote it is not trusted: everything is asked again.
        """
        if not (responses.is_file() and run_file.is_file()):
            return {}
        try:
            run = read_json(run_file, Run)
        except LemError:
            return {}
        if run.settings_sha != self.run_settings_sha:
            return {}
        if run.responses_sha != file_sha(responses):
            click.echo(f"Warning: {responses} is not as its run wrote it; asking again", err=True)
            return {}
        last = {(r.prompt_sha, r.sample, _given(r)): r for r in read_jsonl(responses, Response)}
        kept = ((q, last.get((q.prompt_sha, q.sample, q.given))) for q in self.questions)
        return {q.key: self._own(q, response) for q, response in kept if response}

    def _missing(self, known: Container[str]) -> list[Question]:
        """Return what is to be asked; the given answers of a prompt are one batch, always whole."""
        missing = [q for q in self.questions if q.key not in known]
        prompts = {q.prompt.id for q in missing}
        return [q for q in self.questions if q.prompt.id in prompts] if self.is_choice else missing

    def _is_last(self, run_file: Path) -> bool:
        return read_json(run_file, Run).run_id == self.run_id

    def _journaled(self, journal: Journal) -> dict[str, Response]:
        wanted = {q.key: q for q in self.questions}
        done = {k: row for k, row in journal.done.items() if k in wanted and not problem(Response, row)}
        return {k: self._own(wanted[k], Response(**row)) for k, row in done.items()}

    def _own(self, question: Question, response: Response) -> Response:
        """Return a kept answer as part of this run; its id and the run's may have changed, its text not."""
        return dataclasses.replace(
            response, run_id=self.run_id, seed_id=question.prompt.id, prompt=question.prompt.text
        )

    def ask(
        self,
        missing: list[Question],
        log: Log,
        loaded: Any = None,  # noqa: ANN401
    ) -> Iterator[tuple[Question, Response]]:
        """Yield each question with its answer as it is finished; of a choice, all of a prompt's are asked.

        loaded: the model, where it is in memory already (an mlx_runtime.Loaded).
        """
        from lem import mlx_runtime

        if not missing:
            return
        if len(missing) < len(self.questions):
            log.line(f"Keeping {len(self.questions) - len(missing)} answers, {len(missing)} to ask")
        log.line(f"Loading model: {self.spec.name}")
        loaded = loaded or mlx_runtime.load(*self.study.weights(self.spec), memory=self.study.memory)
        log.line(
            f"Model loaded on {loaded.device} (BLAS: {loaded.blas}). "
            f"Running {self.mode.upper()} {self.set.name}...\n"
        )
        if self.is_choice:
            yield from self._weigh(loaded, missing)
            return
        seeds = [draw_seed(self.settings.seed, q.prompt_sha, q.sample) for q in missing]
        tokens = [q.tokens for q in missing]
        settings = dataclasses.replace(sampling(self.settings), until=(self.until,) if self.until else ())
        with progress(len(missing) * self.settings.max_tokens, items=len(missing)) as step:
            for done in mlx_runtime.generate(loaded, tokens, settings, seeds, step):
                question = missing[done.index]
                yield question, self._answered(question, done)
                step.beat.item()

    def _weigh(self, loaded: Any, missing: list[Question]) -> Iterator[tuple[Question, Response]]:  # noqa: ANN401
        """Yield the log-probability of each given answer."""
        from lem import mlx_weighing

        with progress(len(missing), "choices") as step:
            for _, group in itertools.groupby(missing, lambda q: q.prompt.id):
                asked = list(group)
                given = [mlx_weighing.continuation(self.tokenizer, q.text, str(q.given)) for q in asked]
                found = mlx_weighing.loglikelihoods(loaded, given)
                for question, (_, tokens), logprob in zip(asked, given, found, strict=True):
                    response = self._response(question, str(question.given), None)
                    yield (
                        question,
                        dataclasses.replace(
                            response, tokens=len(tokens), finish_reason="given", logprob=logprob
                        ),
                    )
                step(len(asked))

    def _answered(self, question: Question, done: Any) -> Response:  # noqa: ANN401 (a Finished)
        reasoning, answer = split_reasoning(done.text)
        return dataclasses.replace(
            self._response(question, answer, round(done.gen_time, 2)),
            tokens=done.tokens,
            finish_reason=done.finish_reason,
            batch_size=done.batch_size,
            reasoning=reasoning,
            reasoning_chars=None if reasoning is None else len(reasoning),
        )

    def _response(self, question: Question, answer: str, seconds: float | None) -> Response:
        return Response(
            seed_id=question.prompt.id,
            prompt=question.prompt.text,
            response=answer,
            gen_time=seconds,
            chars=len(answer),
            mode=self.mode,
            model=self.spec.name,
            prompts=self.set.name,
            prompt_sha=question.prompt_sha,
            run_id=self.run_id,
            sample=question.sample,
        )

    def _record(
        self, rows: list[Response], asked: list[Question], started: str, seconds: float, sha: str
    ) -> Run:
        fresh = {(q.prompt.id, q.sample) for q in asked}
        tokens = sum(r.tokens or 0 for r in rows if (r.seed_id, r.sample) in fresh and _given(r) is None)
        return Run(
            run_id=self.run_id,
            source="own",
            prompts=self.set.name,
            prompt_set_sha=self.prompt_set_sha,
            settings_sha=self.run_settings_sha,
            shots=self.shots_text,
            **self.identity,
            started=started,
            wall_seconds=round(seconds, 2),
            responses=len(rows),
            asked=len(asked),
            responses_sha=sha,
            tokens=tokens,
            tokens_per_second=round(tokens / seconds, 1) if tokens else None,
            git_revision=git_revision(),
        )


def _given(response: Response) -> str | None:
    """Return the answer that was given to the model to weigh, None for one of its own."""
    return response.response if response.finish_reason == "given" else None


def _times_of(run_file: Path, record: Run) -> Run:
    """Return a run that asked nothing with the times of the one whose answers it kept."""
    try:
        last = read_json(run_file, Run)
    except LemError:
        return record
    times = ("started", "wall_seconds", "asked", "tokens", "tokens_per_second", "git_revision")
    return dataclasses.replace(record, **{name: getattr(last, name) for name in times})
