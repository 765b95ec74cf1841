"""The training side of the door to MLX: a model made ready to learn, and mlx-lm's trainer around it.

    model = prepared(Path("data/models/m"), shape, start=None, seed=0, memory=Memory())
    train(model, {"train": [...], "valid": [...]}, Training(), Path("adapters.safetensors"), heard)

The loss is mlx-lm's without its last term: that one asks for padding after the
end of the answer, which no answer has.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lem import adapters, mlx_runtime, run_log
from lem.errors import LemError
from lem.params import Memory, Training

Tokens = tuple[list[int], int]  # token ids, where the part to be learned begins
OPTIMIZERS = {"adam": "Adam", "adamw": "AdamW", "sgd": "SGD", "adafactor": "Adafactor", "muon": "Muon"}


def prepared(folder: Path, shape: dict[str, Any], start: Path | None, seed: int, memory: Memory) -> Any:  # noqa: ANN401
    """Return the model with all but its adapter frozen (or, for `full`, all but its last blocks).

    shape: fine_tune_type, num_layers and lora_parameters as in adapter_config.json.
    start: an adapter of the same shape to go on from. The seed draws the
    adapter's first weights. Raises LemError as `must_carry` does.
    """
    import numpy as np

    model = mlx_runtime.load(folder, memory=memory).model
    mx = mlx_runtime.core()
    mx.random.seed(seed)
    np.random.seed(seed)  # the trainer draws the order of its batches from it
    unfreeze(model, folder, shape)
    if start:
        model.load_weights(str(start / adapters.WEIGHTS), strict=False)
    return model


def must_carry(folder: Path, shape: dict[str, Any]) -> None:
    """Raise LemError for more layers than a model has, or keys that are no module an adapter fits.

    The model is built with its weights unread, so asking costs nothing.
    """
    mlx_runtime.core()
    from mlx_lm.utils import load_model

    try:
        model, _ = load_model(folder, lazy=True)
    except (FileNotFoundError, RuntimeError, ValueError) as err:  # no weights, half of them, none it knows
        raise LemError(f"{folder}: mlx-lm cannot load it: {' '.join(str(err).split())}") from err
    unfreeze(model, folder, shape)


def unfreeze(model: Any, folder: Path, shape: dict[str, Any]) -> None:  # noqa: ANN401
    """Put the adapter in place and leave nothing else to learn (of `full`, the last blocks)."""
    from mlx_lm.tuner.utils import linear_to_lora_layers

    layers, kind, lora = shape["num_layers"], shape["fine_tune_type"], shape["lora_parameters"]
    model.freeze()
    if layers > len(model.layers):
        raise LemError(f"num_layers: {layers}, but {folder} has {len(model.layers)} blocks")
    if kind == "full":
        for block in model.layers[-layers:]:
            block.unfreeze()
        return
    there = {name for part in (model, *model.layers[-layers:]) for name, _ in part.named_modules()}
    if unknown := [key for key in lora.get("keys", ()) if key not in there]:
        inside = sorted(name for name, part in model.layers[-1].named_modules() if "weight" in part)
        raise LemError(f"keys: {unknown[0]} is no module of {folder}; a block has: {', '.join(inside)}")
    try:
        linear_to_lora_layers(model, layers, lora, use_dora=kind == "dora")
    except ValueError as err:
        raise LemError(f"keys: {folder}: mlx-lm cannot adapt it: {err}") from err


def train(
    model: Any,  # noqa: ANN401
    sets: Mapping[str, Sequence[Tokens]],
    settings: Training,
    file: Path,
    heard: Callable[..., object],
) -> None:
    """Train by mlx-lm's trainer and write the adapter to `file`.

    heard(split, iteration, loss, ...) hears each loss, in nats a token: of
    training the mean since the last report, of validation that over the whole
    set, the last one after the last step. Validation draws from the same numbers
    as the order of the batches (in mlx-lm): how often is part of the settings.
    """
    from mlx import optimizers
    from mlx_lm.tuner.trainer import TrainingArgs, evaluate
    from mlx_lm.tuner.trainer import train as mlx_train

    args = TrainingArgs(
        batch_size=settings.batch_size,
        iters=settings.iters,
        val_batches=-1,
        steps_per_report=settings.steps_per_report,
        steps_per_eval=settings.steps_per_eval,
        steps_per_save=settings.save_every,
        max_seq_length=settings.max_seq_length + 1,  # its batches are one longer than their texts
        adapter_file=str(file),
        grad_checkpoint=settings.grad_checkpoint,
        grad_accumulation_steps=settings.grad_accumulation_steps,
    )
    optimizer = getattr(optimizers, OPTIMIZERS[settings.optimizer])(learning_rate=settings.learning_rate)
    train_set, valid_set = list(sets["train"]), list(sets["valid"])
    with (
        run_log.progress(settings.iters, "iterations") as step,
        quiet(heard) as aloud,
        as_it_was(type(model.layers[0])),
    ):
        mlx_train(
            model,
            optimizer,
            train_set,
            valid_set,
            args=args,
            loss=answer_loss,
            iterate_batches=_batches(step),
            training_callback=callback(aloud),
        )
        aloud(
            "valid",
            settings.iters,
            evaluate(model, valid_set, args.batch_size, -1, args.max_seq_length, answer_loss, _batches(step)),
        )


def mean_loss(model: Any, examples: Sequence[Tokens]) -> float:  # noqa: ANN401
    """Return the mean cross entropy of all answers' tokens, in nats a token."""
    from mlx_lm.tuner.trainer import evaluate

    longest = max(len(tokens) for tokens, _ in examples) + 1
    loss: float = evaluate(model, list(examples), 1, -1, longest, answer_loss)
    return loss


@contextlib.contextmanager
def quiet(heard: Callable[..., object]) -> Iterator[Callable[..., object]]:
    """Yield `heard`, still heard where mlx-lm's own bar and table, which colour even a file, are not."""
    shown = sys.stdout

    def aloud(*args: Any, **more: Any) -> None:  # noqa: ANN401
        with contextlib.redirect_stdout(shown):
            heard(*args, **more)

    with contextlib.redirect_stdout(io.StringIO()):
        yield aloud


@contextlib.contextmanager
def as_it_was(block: Any) -> Iterator[None]:  # noqa: ANN401 (a class of mlx_lm.models)
    """Undo what mlx-lm's grad_checkpoint does to the class of a model's blocks, for the next training."""
    call = block.__call__
    try:
        yield
    finally:
        block.__call__ = call


def _batches(step: Callable[[int], object]) -> Callable[..., Iterator[Any]]:
    """Return mlx-lm's batches; `step` hears of each that is trained on.

    Validation is over every example: those that fill no batch, which mlx-lm
    leaves out (the longest), follow as one of their own.
    """
    from mlx_lm.tuner.trainer import iterate_batches

    def batches(
        dataset: Sequence[Tokens],
        batch_size: int,
        max_seq_length: int,
        loop: bool = False,
        **more: Any,  # noqa: ANN401
    ) -> Iterator[Any]:
        for batch in iterate_batches(dataset, batch_size, max_seq_length, loop=loop, **more):
            step(int(loop))  # validation does not loop
            yield batch
        if left := len(dataset) % batch_size:
            longest = sorted(dataset, key=lambda tokens: len(tokens[0]))[-left:]
            yield from iterate_batches(longest, left, max_seq_length, **more)

    return batches


def answer_loss(model: Any, batch: Any, lengths: Any) -> tuple[Any, Any]:  # noqa: ANN401
    """Return (mean cross entropy in nats a token, tokens) of the answers in a batch.

    batch: (sequences, length) token ids, padded; lengths: (sequences, 2), where
    each answer begins and where its sequence ends.
    """
    mx = mlx_runtime.core()
    from mlx import nn

    logits, targets = model(batch[:, :-1]), batch[:, 1:]
    position = mx.arange(1, targets.shape[1] + 1)
    asked = mx.logical_and(position >= lengths[:, 0:1], position < lengths[:, 1:])
    tokens = asked.sum()
    return (nn.losses.cross_entropy(logits, targets) * asked).astype(mx.float32).sum() / tokens, tokens


def callback(heard: Callable[..., object]) -> Any:  # noqa: ANN401
    """Return mlx-lm's callback that tells `heard` of each loss."""
    from mlx_lm.tuner.callbacks import TrainingCallback

    class Reports(TrainingCallback):  # type: ignore[misc]
        """mlx-lm's reports as losses; what depends on the machine's speed is left out."""

        def on_train_loss_report(self, info: dict[str, Any]) -> None:
            rate = float(f"{info['learning_rate']:.6g}")  # as stated, not as float32 holds it
            more = {"learning_rate": rate, "trained_tokens": int(info["trained_tokens"])}
            heard("train", info["iteration"], info["train_loss"], **more)

        def on_val_loss_report(self, info: dict[str, Any]) -> None:
            heard("valid", info["iteration"], info["val_loss"])

    return Reports()
