"""One cell of the leaderboard: a model tested on a task, trained on it, and tested again.

    Cell(study, study.harmony_model("smollm2-135m"), task).run()

The untouched model is tested first (`direct`); then it is trained epoch by epoch,
measured on the validation split after each, and the best epoch's adapter is tested,
once (`train_before_test`). Answers and finished epochs outlive the process.
"""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from lem import engine, layout, mlx_epochs, mlx_runtime, run_log
from lem.errors import LemError
from lem.harmony import altered, examples, marks
from lem.harmony.marks import Mark
from lem.harmony.tasks import Task, described
from lem.journal import Journal
from lem.mlx_training import Tokens
from lem.params import Study, Training
from lem.params_harmony import HarmonyModel, HarmonyTraining
from lem.record_files import (
    file_sha,
    read_jsonl,
    settings_sha,
    write_json,
    write_jsonl,
    write_whole,
)
from lem.records import OWN, Item, Loss, Run

HALF_DONE = Path(".lem/harmony")
"""Where a cell's finished epochs lie until the cell is whole."""
REPORTS = 4
"""Training losses of an epoch that are reported."""
DIRECT, TRAINED = "direct", "train_before_test"


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
            return
        began, started = time.perf_counter(), datetime.now(UTC).isoformat(timespec="seconds")
        log = run_log.Log(0)
        with Journal(self.half.with_name(f"{self.task.name}.jsonl")) as journal:
            for stale in self.half.parent.glob(f"{self.task.name}-{'[0-9a-f]' * len(self.run_id)}"):
                if stale != self.half and stale.is_dir():
                    shutil.rmtree(stale)
            done = Doing(self, journal, log).all()
            self._write(done, log, started, time.perf_counter() - began)
            journal.delete()
        shutil.rmtree(self.half, ignore_errors=True)

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


@dataclasses.dataclass(frozen=True)
class Done:
    """What a cell came to: a mark each time it was measured, the losses, and which epoch was best."""

    marks: list[Mark]
    losses: list[Loss]
    best: int
    adapter_sha: str
    examples: int
    cut: int


class Doing:
    """A cell at work, its model in memory."""

    def __init__(self, cell: Cell, journal: Journal, log: run_log.Log) -> None:
        self.cell, self.journal, self.log = cell, journal, log
        log.line(f"Loading model: {cell.name}")
        self.loaded = altered.load(cell.study, cell.model)
        log.line(
            f"Model loaded on {self.loaded.device} (BLAS: {self.loaded.blas}). Running {cell.task.name}..."
        )
        self.marks: list[Mark] = []
        self.losses: list[Loss] = []

    def all(self) -> Done:
        """Test, train, choose, test again; return what came of it."""
        self._measured(DIRECT, marks.TEST, "direct")
        self._measured(DIRECT, f"{marks.VALIDATION}, before", "before")
        learned, cut = examples.examples(self.cell.task, self._lm("examples"), self.cell.settings)
        if cut:
            self.log.line(f"{cut} examples were cut to {self.cell.settings.max_seq_length} tokens")
        epochs = self._epochs(learned)
        found = [self._epoch(epochs, number) for number in range(1, self.cell.settings.epochs + 1)]
        best = marks.best(found, self.cell.task.higher_is_better)
        epochs.load(self._file(best))
        self.log.line(f"Epoch {best} is best on validation; testing it")
        self._measured(TRAINED, marks.TEST, "trained")
        return Done(self.marks, self.losses, best, epochs.adapter_sha(), len(learned), cut)

    def _epochs(self, learned: list[Tokens]) -> mlx_epochs.Epochs:
        how = self.cell.settings
        shape = shape_of(how, len(self.loaded.model.layers))
        mlx_epochs.adapted(self.loaded.model, self.cell.base, shape, how.seed)
        return mlx_epochs.Epochs(self.loaded.model, learned, training_of(how, shape, len(learned)), how.seed)

    def _file(self, epoch: int) -> Path:
        return self.cell.half / f"epoch-{epoch}.safetensors"

    def _epoch(self, epochs: mlx_epochs.Epochs, number: int) -> Mark:
        """Train an epoch, or load it where it is done, and measure it on the validation split."""
        key, file = f"losses of epoch {number}", self._file(number)
        if file.is_file() and key in self.journal.done:
            epochs.load(file)
            self.log.line(f"Epoch {number} was trained already")
        else:
            self.journal.add(key, {"rows": self._trained(epochs, number)})
            epochs.save(file)
        self.losses += [Loss(**row) for row in self.journal.done[key]["rows"]]
        return self._measured(TRAINED, f"{marks.VALIDATION}, epoch {number}", f"epoch {number}")

    def _trained(self, epochs: mlx_epochs.Epochs, number: int) -> list[dict[str, Any]]:
        began, rows = time.perf_counter(), []
        before = self.losses[-1] if self.losses else None
        tokens, seconds = (before.trained_tokens or 0, before.seconds or 0.0) if before else (0, 0.0)

        def heard(split: str, iteration: int, loss: float, **more: Any) -> None:  # noqa: ANN401
            if not math.isfinite(loss):
                where = f"{self.cell.name} on {self.cell.task.name}, epoch {number}"
                raise LemError(f"{where}: loss is {loss}; lower harmony.train.learning_rate in params.yaml")
            row = Loss(
                self.cell.name,
                (number - 1) * epochs.steps + iteration,
                split,
                loss,
                learning_rate=more["learning_rate"],
                trained_tokens=tokens + more["trained_tokens"],
                seconds=round(seconds + time.perf_counter() - began, 2),
                data=layout.harmony_task(self.cell.task.name).as_posix(),
            )
            rows.append(dataclasses.asdict(row))

        with run_log.progress(epochs.steps, f"batches of epoch {number}") as step:
            epochs.run(number, heard, step)
        took = time.perf_counter() - began
        self.log.line(f"Epoch {number}: {epochs.steps} batches, loss {rows[-1]['loss']:.4f} | {took:.1f}s")
        return rows

    def _lm(self, phase: str) -> Any:  # noqa: ANN401 (lm-eval has no types)
        from lem.harness.model import Answers, Model

        known, how = Answers(self.journal, f"{self.cell.settings_sha} {phase}"), self.cell.settings
        lm = Model(self.loaded, known, how.eval_batch_size, how.seed, self.cell.name)
        lm.templated = how.chat_template
        return lm

    def _measured(self, regime: str, place: str, phase: str) -> Mark:
        """Ask one split of the model as it is now, and keep the mark."""
        began = time.perf_counter()
        split = self.cell.task.splits.test if place == marks.TEST else self.cell.task.splits.valid
        mark = marks.measured(self._lm(phase), self.cell, split, regime, place)
        self.marks.append(mark)
        self.log.line(f"{marks.told(mark.figure)} | {time.perf_counter() - began:.1f}s")
        return mark


def shape_of(how: HarmonyTraining, blocks: int) -> dict[str, Any]:
    """Return an adapter's shape as adapter_config.json has it."""
    lora: dict[str, Any] = {"rank": how.rank, "scale": how.alpha / how.rank, "dropout": how.dropout}
    if how.keys:
        lora["keys"] = list(how.keys)
    return {"fine_tune_type": "lora", "num_layers": how.num_layers or blocks, "lora_parameters": lora}


def training_of(how: HarmonyTraining, shape: dict[str, Any], learned: int) -> Training:
    """Return the settings of an epoch in the words of mlx_lm.lora."""
    steps = -(-learned // how.batch_size)
    return Training(
        iters=steps,
        batch_size=how.batch_size,
        learning_rate=how.learning_rate,
        optimizer=how.optimizer,
        rank=how.rank,
        lora_scale=shape["lora_parameters"]["scale"],
        dropout=how.dropout,
        num_layers=shape["num_layers"],
        keys=how.keys,
        max_seq_length=how.max_seq_length,
        steps_per_report=max(1, steps // REPORTS),
    )


def _read(file: Path) -> dict[str, Any]:
    """Return a JSON object, empty where there is none."""
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
