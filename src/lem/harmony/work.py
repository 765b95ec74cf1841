"""The work of a cell: test, train epoch by epoch, choose the best, test again; what is done stays done.

done = Work(cell, journal, log).all()
done.best, done.marks[-1].figure.value
"""

from __future__ import annotations

import dataclasses
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lem import layout, mlx_epochs, run_log
from lem.errors import LemError
from lem.harmony import altered, examples, marks
from lem.harmony.marks import Mark
from lem.journal import Journal
from lem.mlx_training import Tokens
from lem.params import Training
from lem.params_harmony import HarmonyTraining
from lem.records import Loss

if TYPE_CHECKING:
    from lem.harmony.cell import Cell

REPORTS = 4
"""Training losses of an epoch that are reported."""
DIRECT, TRAINED = "direct", "train_before_test"


@dataclasses.dataclass(frozen=True)
class Done:
    """What a cell came to: a mark each time it was measured, the losses, and which epoch was best."""

    marks: list[Mark]
    losses: list[Loss]
    best: int
    adapter_sha: str
    examples: int
    cut: int


class Work:
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
