"""A training by mlx-lm's trainer that goes epoch by epoch and survives the process: the door to MLX for it.

    adapted(loaded.model, folder, shape, seed=0)
    epochs = Epochs(loaded.model, examples, Training(batch_size=8, iters=20), seed=0)
    epochs.run(1, heard, step)
    epochs.save(Path(".lem/harmony/m/t-1f3a/epoch-1.safetensors"))

Logits are computed of the answers' tokens alone: with a vocabulary of 49,152 and answers of
a word or two that is a quarter of the work.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from lem import adapters, mlx_runtime
from lem.errors import LemError
from lem.mlx_training import OPTIMIZERS, Tokens, as_it_was, callback, quiet, unfreeze
from lem.params import Training

ADAPTER, OPTIMIZER = "adapter.", "optimizer."
PADDED = 8  # a batch is as wide as its longest example, rounded up: few shapes, little to compute for nothing
CLOSE = 1e-3  # of the largest logit: as far as two ways to the same logits may lie apart


def adapted(model: Any, folder: Path, shape: dict[str, Any], seed: int) -> None:  # noqa: ANN401
    """Put a new adapter into a loaded model and freeze the rest; the seed draws its first weights."""
    mx = mlx_runtime.core()
    mx.random.seed(seed)
    unfreeze(model, folder, shape)
    model.eval()  # its dropout is new and switched on: an epoch that is loaded, not run, is measured without


class Epochs:
    """A training that goes over its examples epoch by epoch, whose state survives the process.

    Each epoch's order and dropout are drawn from its own number, so an epoch that goes on
    from a kept state is the same to the byte as one that followed the last at once.
    """

    def __init__(self, model: Any, examples: Sequence[Tokens], settings: Training, seed: int) -> None:  # noqa: ANN401
        mlx_runtime.core()
        from mlx import optimizers

        self.model, self.examples, self.settings, self.seed = model, examples, settings, seed
        self.steps = -(-len(examples) // settings.batch_size)
        """Batches of an epoch; the last may be smaller."""
        self.loss = partial(asked_loss, head=head_of(model))
        corrected = settings.optimizer in ("adam", "adamw")  # as in torch; MLX leaves it out unless told
        adam = {"bias_correction": True} if corrected else {}
        self.optimizer = getattr(optimizers, OPTIMIZERS[settings.optimizer])(
            learning_rate=settings.learning_rate, **adam
        )

    def run(self, epoch: int, heard: Callable[..., object], step: Callable[[int], object]) -> None:
        """Learn from every example once; epochs count from 1.

        heard(split, iteration, loss, ...) hears the mean loss since the last report, in nats
        a token; step(1) hears of each batch.
        """
        mx = mlx_runtime.core()
        from mlx_lm.tuner.trainer import TrainingArgs
        from mlx_lm.tuner.trainer import train as mlx_train

        mx.random.seed(self.seed + epoch)
        with (
            tempfile.TemporaryDirectory() as scratch,
            quiet(heard) as aloud,
            as_it_was(type(self.model.layers[0])),
        ):
            args = TrainingArgs(
                batch_size=self.settings.batch_size,
                iters=self.steps,
                steps_per_report=self.settings.steps_per_report,
                steps_per_save=self.steps + 1,
                max_seq_length=self.settings.max_seq_length + 1,
                adapter_file=str(Path(scratch) / adapters.WEIGHTS),
                grad_checkpoint=self.settings.grad_checkpoint,
            )
            mlx_train(
                self.model,
                self.optimizer,
                self.examples,
                args=args,
                loss=self.loss,
                iterate_batches=lambda **_: self._batches(epoch, step),
                training_callback=callback(aloud),
            )
        self.model.eval()

    def _batches(self, epoch: int, step: Callable[[int], object]) -> Iterator[Any]:
        """Yield every example once, those of about one length together, the batches in a drawn order."""
        import numpy as np

        mx = mlx_runtime.core()
        rng, size = np.random.default_rng((self.seed, epoch)), self.settings.batch_size
        drawn = rng.permutation(len(self.examples))  # ties of length fall differently in each epoch
        by_length = sorted(drawn, key=lambda place: len(self.examples[place][0]))
        groups = [by_length[at : at + size] for at in range(0, len(by_length), size)]
        for at in rng.permutation(len(groups)):
            batch = [self.examples[place] for place in groups[at]]
            width = -(-max(len(tokens) - 1 for tokens, _ in batch) // PADDED) * PADDED
            rows = [[*tokens[:-1], *[0] * (width + 1 - len(tokens))] for tokens, _ in batch]
            asked = [
                (row * width + at - 1, tokens[at])
                for row, (tokens, begins) in enumerate(batch)
                for at in range(begins, len(tokens))
            ]
            places, wanted = zip(*asked, strict=True)
            step(1)
            yield mx.array(rows), mx.array(places), mx.array(wanted)

    def save(self, file: Path) -> None:
        """Write the adapter and the optimiser's state, whole or not at all."""
        from mlx.utils import tree_flatten

        mx = mlx_runtime.core()
        kept = [
            (f"{ADAPTER}{name}", value) for name, value in tree_flatten(self.model.trainable_parameters())
        ]
        kept += [(f"{OPTIMIZER}{name}", value) for name, value in tree_flatten(self.optimizer.state)]
        file.parent.mkdir(parents=True, exist_ok=True)
        aside = file.with_name(f"{file.stem}.{os.getpid()}.tmp.safetensors")
        mx.save_safetensors(str(aside), dict(sorted(kept)))
        aside.replace(file)

    def adapter_sha(self) -> str:
        """Return the sha256 over the adapter's matrices by name."""
        import hashlib

        import numpy as np
        from mlx.utils import tree_flatten

        digest = hashlib.sha256()
        for name, value in sorted(tree_flatten(self.model.trainable_parameters())):
            digest.update(name.encode() + np.array(value.astype(mlx_runtime.core().float32)).tobytes())
        return digest.hexdigest()

    def load(self, file: Path) -> None:
        """Go on from what `save` wrote; LemError where it cannot be read."""
        from mlx.utils import tree_unflatten

        mx = mlx_runtime.core()
        try:
            kept = mx.load(str(file))
        except (RuntimeError, ValueError, FileNotFoundError) as err:
            told = " ".join(str(err).split())
            raise LemError(f"{file}: {told}; delete it, and the epoch runs again") from err
        parts: dict[str, list[Any]] = {ADAPTER: [], OPTIMIZER: []}
        for name, value in kept.items():
            part, _, rest = name.partition(".")
            parts[f"{part}."].append((rest, value))
        self.model.load_weights(parts[ADAPTER], strict=False)
        self.optimizer.state = tree_unflatten(parts[OPTIMIZER])


def asked_loss(model: Any, tokens: Any, places: Any, wanted: Any, head: Any = None) -> tuple[Any, Any]:  # noqa: ANN401
    """Return (mean cross entropy in nats a token, tokens) of what was asked for.

    tokens: (sequences, length) ids; places: where, in all positions one after the other, the
    wanted ids are predicted. head: what makes logits of a model's last states; None where
    only the whole model does.
    """
    mx = mlx_runtime.core()
    from mlx import nn

    states = model.model(tokens) if head else model(tokens)
    there = states.reshape(-1, states.shape[-1])[places]
    logits = head(there) if head else there
    losses = nn.losses.cross_entropy(logits.astype(mx.float32), wanted)
    return losses.mean(), mx.array(wanted.size)


def head_of(model: Any) -> Any:  # noqa: ANN401
    """Return what makes logits of a model's last states, tried on a few tokens; None where nothing does.

    Most models of mlx-lm are a stack `model` under `lm_head` or the tied embeddings; one that
    scales or caps its logits is seen by their difference.
    """
    mx = mlx_runtime.core()
    stack = getattr(model, "model", None)
    tied = getattr(getattr(stack, "embed_tokens", None), "as_linear", None)
    head = getattr(model, "lm_head", None) or tied
    if stack is None or head is None:
        return None
    tokens = mx.array([[1, 2, 3, 4]])
    whole = model(tokens)
    try:
        mine = head(stack(tokens))
        near = mx.abs(whole - mine).max() <= CLOSE * mx.abs(whole).max()
    except (TypeError, ValueError):  # a stack that is asked otherwise
        return None
    return head if whole.shape == mine.shape and bool(near) else None
