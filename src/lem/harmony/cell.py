"""One cell of the leaderboard: a model tested on a task, trained on it, and tested again.

    Cell(study, study.harmony_model("smollm2-135m"), task).run()

The untouched model is tested first (`direct`); then it is trained epoch by epoch,
measured on the validation split after each, and the best epoch's adapter is tested,
once (`train_before_test`). Answers and finished epochs outlive the process.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from lem import engine, layout, mlx_runtime, run_log
from lem.errors import LemError
from lem.harmony import altered, marks
from lem.harmony.tasks import Task, described
from lem.harmony.work import Done, Work
from lem.journal import Journal
from lem.params import Study
from lem.params_harmony import HarmonyModel
from lem.record_files import (
    file_sha,
    read_jsonl,
    settings_sha,
    write_json,
    write_jsonl,
    write_whole,
)
from lem.records import OWN, Item, Run

HALF_DONE = Path(".lem/harmony")
"""Where a cell's finished epochs lie until the cell is whole."""


class Cell:
    """One model on one task: what shapes its scores, what is known of them, what is written."""

    def __init__(self, study: Study, model: HarmonyModel, task: Task) -> None:
        self.study, self.model, self.task = study, model, task
        self.settings = study.harmony.train
        self.name = altered.name_of(study, model)
        self.base = study.weights(study.model(model.of))[0]
        self.weights = self._as_described()
        self.identity = self._identity()
        self.settings_sha = settings_sha({**self.identity, "task": self._task(), "train": self._train()})
        self.run_id = self.settings_sha[:16]
        self.folder = layout.harmony_cell(model.name, task.name)
        self.half = HALF_DONE / model.name / f"{task.name}-{self.run_id}"

    def _as_described(self) -> dict[str, Any]:
        """Return what the weights are; LemError where they are not those that were described."""
        file, here = (
            layout.harmony_model(self.model.name) / "weights.json",
            altered.described(self.study, self.model),
        )
        if _read(file) != here:
            raise LemError(
                f"{file}: not what the weights are now; write it: lem alter --model {self.model.name}"
            )
        return here

    def _task(self) -> dict[str, Any]:
        """Return what the scores depend on of the task; LemError where it is not as it was split."""
        folder = layout.harmony_task(self.task.name)
        again = f"write it: lem split --task {self.task.name}"
        stated = _read(folder / "task.json")
        if not stated or stated != described(self.task, list(read_jsonl(folder / "items.jsonl", Item))):
            raise LemError(f"{folder / 'task.json'}: not what the task is now; {again}")
        return stated

    def _train(self) -> dict[str, Any]:
        return dict(json.loads(json.dumps(dataclasses.asdict(self.settings))))

    def _identity(self) -> dict[str, Any]:
        """Return the fields of a Run that shape the scores."""
        template = mlx_runtime.load_tokenizer(self.base).chat_template
        if self.settings.chat_template and not template:
            raise LemError(f"params.yaml: harmony.train.chat_template: {self.model.of} has none")
        return {
            "model": self.name,
            "mode": "naked",
            "kernel_sha": None,
            "template": template if self.settings.chat_template else None,
            "weights_sha": self.weights["weights_sha"],
            "adapter_sha": None,
            "temperature": None,
            "top_p": None,
            "max_tokens": None,
            "samples": 1,
            "batch_size": self.settings.eval_batch_size,
            "seed": self.settings.seed,
            "engine": engine.describe("harmony"),
            "device": mlx_runtime.device(self.study.memory),
            "blas": mlx_runtime.blas(),
        }

    def run(self) -> None:
        """Do what is not done yet and write the files, each whole or not at all."""
        if self.holds():
            click.echo(f"All holds, nothing to train or ask: {self.folder}")
            self._forget_work()
            return
        began, started = time.perf_counter(), datetime.now(UTC).isoformat(timespec="seconds")
        log = run_log.Log(0)
        with Journal(self._journal_file()) as journal:
            for stale in self.half.parent.glob(f"{self.task.name}-{'[0-9a-f]' * len(self.run_id)}"):
                if stale != self.half and stale.is_dir():
                    shutil.rmtree(stale)
            done = Work(self, journal, log).all()
            self._write(done, log, started, time.perf_counter() - began)
            journal.delete()
        self._forget_work()

    def _forget_work(self) -> None:
        """Remove what a cell needs no more once it is whole; a kill after its last file leaves it."""
        Journal.forget(self._journal_file())
        shutil.rmtree(self.half, ignore_errors=True)

    def _journal_file(self) -> Path:
        return self.half.with_name(f"{self.task.name}.jsonl")

    def holds(self) -> bool:
        """Return whether the last run was this very one and its files are as it wrote them."""
        about = _read(self.folder / "cell.json")
        there = all((self.folder / name).is_file() for name in ("run.json", "losses.jsonl", "log.txt"))
        if about.get("run_id") != self.run_id or not there:
            return False
        return all(
            (self.folder / name).is_file() and file_sha(self.folder / name) == sha
            for name, sha in about["files"].items()
        )

    def _write(self, done: Done, log: run_log.Log, started: str, seconds: float) -> None:
        tests = [mark for mark in done.marks if mark.place == marks.TEST]
        write_jsonl(self.folder / "scores.jsonl", [score for mark in tests for score in mark.scores])
        write_jsonl(self.folder / "figures.jsonl", [mark.figure for mark in done.marks])
        write_jsonl(self.folder / "losses.jsonl", done.losses)
        write_whole(self.folder / "log.txt", log.text)
        written = ("figures.jsonl", "scores.jsonl")  # the losses hold times
        about = {
            "run_id": self.run_id,
            "model": self.name,
            "task": self.task.name,
            "examples": done.examples,
            "shortened_examples": done.cut,
            "best_epoch": done.best,
            "adapter_sha": done.adapter_sha,
            "files": {name: file_sha(self.folder / name) for name in written},
        }
        write_json(self.folder / "run.json", self._record(started, seconds))
        write_json(self.folder / "cell.json", about)  # the last: with it the cell is whole

    def _record(self, started: str, seconds: float) -> Run:
        return Run(
            run_id=self.run_id,
            source=OWN,
            prompts=self.task.name,
            prompt_set_sha=self._task()["items_sha"],
            settings_sha=self.settings_sha,
            shots=None,
            **self.identity,
            started=started,
            wall_seconds=round(seconds, 2),
            git_revision=run_log.git_revision(),
        )


def _read(file: Path) -> dict[str, Any]:
    """Return a JSON object, empty where there is none."""
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
