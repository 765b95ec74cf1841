"""`lem train`: a LoRA adapter (or DoRA, or all weights) by mlx-lm's trainer, one a training seed.

What is learned from is checked first; losses are written as they come; the
same seed gives the same bytes. A finished adapter that still holds is not
trained again; one that was interrupted starts anew, since mlx-lm keeps no state
of the optimiser.

    lem train --model smollm2-135m-lek           # every seed of the study
    lem train --model smollm2-135m-lek.s1        # one of them
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
import shutil
import time
from pathlib import Path
from typing import Any

import click

from lem import (
    adapters,
    convert,
    engine,
    layout,
    mlx_runtime,
    mlx_training,
    params,
    questions,
    training_data,
)
from lem.errors import LemError
from lem.journal import Journal
from lem.params import ModelSpec, Study
from lem.record_files import (
    dumps,
    read_json,
    write_json,
    write_whole,
)
from lem.records import Loss, Model
from lem.refusals import naming

HALF_DONE = Path(".lem/training")
"""Where an adapter grows until it is whole."""


@click.command()
@click.option("--model", "name", required=True, help="A fine-tune of params.yaml, or one of its seeds.")
def command(name: str) -> None:
    """Train a fine-tune's adapter, once for each training seed of the study.

    \b
    Example:
        lem train --model smollm2-135m-lek
    """
    engine.require("train")
    study = params.load()
    specs = study.entry(name)
    if not specs[0].tune:
        raise LemError(f"{name} is a baseline: there is nothing to train; give a name under fine-tuned")
    for spec in specs:
        train(study, spec)
    if name == specs[0].entry:
        _forget_other_seeds(name, study)


def train(study: Study, spec: ModelSpec) -> None:
    """Train one model and write adapter, losses, log and record; nothing where they hold already."""
    plan, half = Plan(study, spec), HALF_DONE / spec.name
    card = layout.model_record(spec.role, spec.entry, spec.seed)
    with Journal(HALF_DONE / f"{spec.name}.lock") as lock:  # one process at a time
        if plan.holds():
            click.echo(f"{spec.name}: trained already, with the same data and settings: {plan.folder}")
            write_json(card, plan.record())  # its family, its licence may have another name by now
        else:
            if half.exists():
                told = "an interrupted training cannot go on (no optimiser state): starting anew"
                click.echo(f"{spec.name}: {told}")
                shutil.rmtree(half)
            half.mkdir()
            losses = Losses(spec, plan.settings.iters, half)
            plan.run(half, losses)
            shutil.rmtree(plan.folder, ignore_errors=True)
            plan.folder.mkdir(parents=True)
            shutil.move(half / adapters.WEIGHTS, plan.folder / adapters.WEIGHTS)
            write_json(plan.folder / adapters.CONFIG, plan.config)
            losses.close(f"\nDone. Adapter saved to {plan.folder}")
            write_json(card, plan.record())  # the last: with it the training is whole
        shutil.rmtree(half, ignore_errors=True)
        lock.delete()


class Plan:
    """One training, checked before any compute: what is learned from, from where, and how."""

    def __init__(self, study: Study, spec: ModelSpec) -> None:
        assert spec.training and spec.data and spec.tune
        self.study, self.spec, self.settings = study, spec, spec.training
        self.base, adapter = study.weights(spec)
        assert adapter
        self.folder, self.data = adapter, Path(spec.data)
        _, self.start = study.weights(study.model(spec.tune))
        self.tokenizer = mlx_runtime.load_tokenizer(self.base)
        self.base_sha = convert.weights_sha(self.base)
        self.base_card = read_json(layout.model_record("baseline", self.base.name), Model)
        self.sets = self._encoded()
        if lost := self.settings.iters % self.settings.grad_accumulation_steps:
            raise LemError(
                f"params.yaml: {self.spec.entry}: iters {self.settings.iters} is no multiple of "
                f"grad_accumulation_steps {self.settings.grad_accumulation_steps}: the last {lost} "
                "would be computed and thrown away"
            )
        if self.start:
            self._same_shape(adapters.config(self.start))
            adapters.must_fit(self.start, self.base)
        mlx_training.must_carry(self.base, self._shape())
        self.config = self._config()

    def _encoded(self) -> dict[str, list[tuple[list[int], int]]]:
        """Return {split: examples as tokens}, checked; at least a batch of each."""
        sets = training_data.read(self.data)
        training_data.must_be_apart(sets, _asked(self.study))
        for split, examples in sets.items():
            if len(examples) < self.settings.batch_size:
                raise LemError(
                    f"{self.data}/{split}.jsonl: {len(examples)} examples, fewer than one batch of "
                    f"{self.settings.batch_size}; add some, or lower batch_size in params.yaml"
                )
        limit, mask = self.settings.max_seq_length, self.settings.mask_prompt
        return {
            split: [training_data.encode(self.tokenizer, example, limit, mask) for example in examples]
            for split, examples in sets.items()
        }

    def _same_shape(self, started: dict[str, Any]) -> None:
        """Refuse to go on from an adapter with other LoRA settings than this training's."""
        mine = self._shape()
        for key in adapters.SHAPING:
            if started.get(key) != mine[key]:
                raise LemError(
                    f"{self.start}: its {key} is {started.get(key)}, that of {self.spec.entry} is "
                    f"{mine[key]}; an adapter goes on in the shape it began with"
                )

    def _shape(self) -> dict[str, Any]:
        lora: dict[str, Any] = {
            "rank": self.settings.rank,
            "scale": self.settings.lora_scale,
            "dropout": self.settings.dropout,
        }
        if self.settings.keys:
            lora["keys"] = list(self.settings.keys)
        full = self.settings.fine_tune_type == "full"
        return {
            "fine_tune_type": self.settings.fine_tune_type,
            "num_layers": self.settings.num_layers,
            "lora_parameters": None if full else lora,
        }

    def _config(self) -> dict[str, Any]:
        """Return adapter_config.json: what mlx-lm loads by, and everything that made the adapter."""
        return {
            **self._shape(),
            "base": self.study.root(self.spec).name,
            "base_weights_sha": self.base_sha,
            "tune": self.spec.tune,
            "tune_adapter_sha": adapters.adapter_sha(self.start) if self.start else None,
            "data": self.data.as_posix(),
            "data_sha": training_data.data_sha(self.data),
            "seed": self.spec.seed,
            "training": dataclasses.asdict(self.settings),
            "engine": engine.describe("train"),
            "device": mlx_runtime.device(self.study.memory),
            "blas": mlx_runtime.blas(),
        }

    def holds(self) -> bool:
        """Return whether the adapter that is there came of this very plan, and is as it was written."""
        card = layout.model_record(self.spec.role, self.spec.entry, self.spec.seed)
        losses = layout.training_log(self.spec.entry, self.spec.seed, "jsonl")
        if not (card.is_file() and losses.is_file() and (self.folder / adapters.WEIGHTS).is_file()):
            return False
        try:
            same = adapters.config(self.folder) == json.loads(json.dumps(self.config))
            return same and read_json(card, Model).adapter_sha == adapters.adapter_sha(self.folder)
        except LemError:
            return False

    def run(self, folder: Path, losses: Losses) -> None:
        """Train into `folder`; `losses` hears each report. Units: iterations, seconds, nats a token."""
        losses.line(
            f"{self.spec.name}: {self.settings.iters} iterations of {self.settings.batch_size} "
            f"from {self.data} ({len(self.sets['train'])} train, {len(self.sets['valid'])} valid), "
            f"on {self.spec.tune}"
        )
        if left := len(self.sets["train"]) % self.settings.batch_size:
            losses.line(f"The {left} longest of train fill no batch of {self.settings.batch_size}: left out")
        model = mlx_training.prepared(
            self.base, self._shape(), self.start, int(self.spec.seed or 0), self.study.memory
        )
        mlx_training.train(model, self.sets, self.settings, folder / adapters.WEIGHTS, losses.add)

    def record(self) -> Model:
        """Return the model's record."""
        base = self.base_card
        return Model(
            name=self.spec.name,
            role=self.spec.role,
            family=self.spec.family,
            scale=self.spec.scale,
            variant=self.spec.variant,
            base=self.spec.tune,
            origin=base.origin,
            licence=self.spec.licence or base.licence,
            dtype=base.dtype,
            quantization=base.quantization,
            weights_sha=self.base_sha,
            adapter_sha=adapters.adapter_sha(self.folder),
            entry=self.spec.entry,
            seed=self.spec.seed,
            data=self.data.as_posix(),
            data_sha=self.config["data_sha"],
            training=json.dumps(self.config["training"]),
            engine=self.config["engine"],
        )


def _asked(study: Study) -> dict[str, str]:
    """Return every question of the study's evaluations: {question: prompt set or benchmark}."""
    asked = {p.text: name for name, spec in study.prompts.items() for p in questions.prompts(spec)}
    return asked | {
        item.question: name for name, spec in study.benchmarks.items() for item in questions.read_items(spec)
    }


def _forget_other_seeds(entry: str, study: Study) -> None:
    """Remove what seeds that the study no longer names have left."""
    kept = {f"s{seed}" for seed in study.seeds}
    for path in layout.model(entry).glob("s*"):
        if path.name not in kept:
            shutil.rmtree(path)
    for file in (layout.model_record("fine-tuned", entry, 0), layout.training_log(entry, 0, "log")):
        for path in file.parent.glob("s*.*"):
            if path.stem not in kept:
                path.unlink()
    _forget_answers(entry, study)


def _forget_answers(entry: str, study: Study) -> None:
    """Remove what was asked of seeds no longer named; DVC leaves the outputs of cells that are no more."""
    ours = re.compile(rf"({re.escape(entry)}\.s\d+)(?:-.*|\.jsonl)?")
    for folder in ("fine-tuned", "answers/*", "scores/*", "logs"):
        for path in layout.DATA.glob(f"{folder}/{entry}.s*"):
            found = ours.fullmatch(path.name)
            if found and found[1] not in study.models:  # a baseline may have such a name too
                shutil.rmtree(path) if path.is_dir() else path.unlink()


class Losses:
    """The losses of a training, each on disk as JSONL the moment it is known, and as a log to read."""

    def __init__(self, spec: ModelSpec, iters: int, folder: Path) -> None:
        self.model, self.iters, self.live = spec.name, iters, folder / "losses.jsonl"
        self.kept = {s: layout.training_log(spec.entry, spec.seed, s) for s in ("jsonl", "log")}
        self.text, self.rows = "", ""
        self.began = time.perf_counter()

    def line(self, text: str) -> None:
        """Add a line to the log, and show it."""
        self.text += text + "\n"
        click.echo(text)

    def add(self, split: str, iteration: int, loss: float, **more: float) -> None:
        """Keep one loss, and show it; LemError when it is none, since nothing will be learned any more."""
        if not math.isfinite(loss):
            raise LemError(
                f"{self.model}: {split} loss is {loss} at iteration {iteration}; lower learning_rate"
            )
        seconds = round(time.perf_counter() - self.began, 2)
        row = Loss(self.model, iteration, split, loss, seconds=seconds, **more)  # type: ignore[arg-type]
        self.rows += dumps(row) + "\n"
        with naming(self.live), self.live.open("a", encoding="utf-8") as live:
            live.write(dumps(row) + "\n")
        self.line(f"[{iteration}/{self.iters}] {split} loss {loss:.4f} | {seconds:.1f}s")

    def close(self, last: str) -> None:
        """Write both files, whole or not at all."""
        self.line(last)
        write_whole(self.kept["jsonl"], self.rows)
        write_whole(self.kept["log"], self.text)
