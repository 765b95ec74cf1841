"""LoRA steps: ours (lem.mlx_epochs, the leaderboard's trainer) against transformers + peft on torch's CPU.

Same weights in float32, same batches in the same order, an adapter of the same shape, AdamW, no dropout.
That the work is equal is held, not assumed: the first loss (of an adapter that adds nothing yet), the
tokens that were learned, the adapter's size. Later losses part: each side draws its own first weights. One
shape learns whole sequences, the other their last tokens alone.

    python -m benches lora                         # both shapes, both sides in turn
    python -m benches.lora lora-step-vs-peft       # one run of ours; prints JSON
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

from lem.params_harmony import HarmonyTraining

ROOT = Path(__file__).resolve().parents[1]
PYTHON, PEER = ROOT / ".venv-hf/bin/python", ROOT / "benches/peft_peer.py"
MODEL = Path("data/models/smollm2-135m")
RUNS, WARM_UP, STEPS = 3, 2, 6
NEAR = 1e-3  # nats a token: as far as the first losses of both sides may lie apart
SAME = ("trained_tokens", "parameters", "weight_decay")
HOW = HarmonyTraining(
    epochs=1,
    batch_size=8,
    learning_rate=1e-4,
    rank=8,
    alpha=32.0,
    dropout=0.0,
    keys=("self_attn.q_proj", "self_attn.v_proj"),
)
Tokens = tuple[list[int], int]  # token ids, where the part to be learned begins
Made = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Shape:
    """What a row trains on: sequences of so many tokens, of which the last so many are learned."""

    name: str
    length: int
    asked: int
    goal: float = 1.2


SHAPES = (
    Shape("lora-step-vs-peft", length=128, asked=127),  # nothing predicts the first
    Shape("lora-step-vs-peft-answers", length=64, asked=4),
)


def pieces(stream: Sequence[int], shape: Shape, count: int) -> list[Tokens]:
    """Return so many examples cut from a stream of token ids, which begins anew at its end."""
    flow = cycle(stream)
    return [(list(islice(flow, shape.length)), shape.length - shape.asked) for _ in range(count)]


class Heard:
    """What a training told while it ran: each step's loss and when it was known, and the tokens learned."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.times: list[float] = []
        self.trained_tokens = 0

    def __call__(self, split: str, iteration: int, loss: float, **more: Any) -> None:  # noqa: ANN401
        self.times.append(time.perf_counter())
        self.losses.append(loss)
        self.trained_tokens = more["trained_tokens"]


def ours(folder: Path, examples: Sequence[Tokens], warm_up: int = WARM_UP) -> Made:
    """Return the seconds of the steps after the first `warm_up`, each step's loss, and the batches as fed."""
    from importlib.metadata import version

    from lem import mlx_runtime

    loaded = mlx_runtime.load(folder)
    epochs, fed = _training(loaded.model, folder, examples)
    heard = Heard()
    epochs.run(1, heard, lambda count: None)
    return {
        "seconds": heard.times[-1] - heard.times[warm_up - 1],
        "losses": heard.losses,
        "trained_tokens": heard.trained_tokens,
        "parameters": _trainable(loaded.model),
        "weight_decay": epochs.optimizer.weight_decay,
        "engine": f"MLX {version('mlx')}, {loaded.device}, BLAS: {loaded.blas}",
        "batches": as_fed([rows.tolist() for rows in fed], examples),
    }


def _training(model: Any, folder: Path, examples: Sequence[Tokens]) -> tuple[Any, list[Any]]:  # noqa: ANN401
    """Return the leaderboard's training with HOW, and a list where its batches' inputs gather as it runs."""
    from lem import mlx_epochs
    from lem.harmony.work import shape_of, training_of

    fed: list[Any] = []

    class Recorded(mlx_epochs.Epochs):
        """The same training, its batches kept so that the peer can be given the very same."""

        def _batches(self, epoch: int, step: Callable[[int], object]) -> Iterator[Any]:
            for batch in super()._batches(epoch, step):
                fed.append(batch[0])
                yield batch

    shape = shape_of(HOW, len(model.layers))
    settings = dataclasses.replace(training_of(HOW, shape, len(examples)), steps_per_report=1)
    mlx_epochs.adapted(model, folder, shape, HOW.seed)
    return Recorded(model, examples, settings, HOW.seed), fed


def _trainable(model: Any) -> int:  # noqa: ANN401
    from mlx.utils import tree_flatten

    return sum(value.size for _, value in tree_flatten(model.trainable_parameters()))


def as_fed(inputs: list[list[list[int]]], examples: Sequence[Tokens]) -> list[list[Tokens]]:
    """Return the examples in batches as their inputs were fed: without the last token, then padded."""
    width = len(examples[0][0]) - 1
    by_input = {tuple(tokens[:-1]): (tokens, begins) for tokens, begins in examples}
    return [[by_input[tuple(row[:width])] for row in batch] for batch in inputs]


def missing(python: Path = PYTHON) -> str | None:
    """Return why the peer cannot run here and what mends it; None where it can."""
    mend = "make hf-check builds it (torch, 1.8 GB)"
    if not python.is_file():
        return f"{_shown(python.parents[1])} is not there; {mend}"
    seeks = "import importlib.util, sys; sys.exit(not importlib.util.find_spec('peft'))"
    if subprocess.run([python, "-c", seeks], capture_output=True, check=False).returncode:
        return f"{_shown(python.parents[1])} has no peft; {mend}"
    return None


def _shown(path: Path) -> Path:
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def peer(folder: Path, batches: list[list[Tokens]], warm_up: int = WARM_UP) -> Made:
    """Return what the peer measured on the same batches, in a process of its own."""
    job = {
        "model": str(folder),
        "rank": HOW.rank,
        "alpha": HOW.alpha,
        "modules": [key.rpartition(".")[2] for key in HOW.keys or ()],
        "learning_rate": HOW.learning_rate,
        "weight_decay": 0.01,
        "warm_up": warm_up,
        "batches": batches,
    }
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "job.json"
        file.write_text(json.dumps(job), "utf-8")
        return _run([str(PYTHON), str(PEER), str(file)])


def _run(call: list[str]) -> Made:
    """Return the JSON object of a command's last line; a peer keeps the BLAS mode it is shipped with."""
    env = {name: value for name, value in os.environ.items() if name != "MKL_CBWR"} | {"HF_HUB_OFFLINE": "1"}
    done = subprocess.run(call, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(call[1:])} failed:\n{done.stderr}")
    found: Made = json.loads(done.stdout.splitlines()[-1])
    return found


def unlike(mine: Made, theirs: Made) -> list[str]:
    """Return in what the work of two runs differs, a sentence each; empty where both did the same."""
    found = [
        f"{name} is {mine[name]} of ours, {theirs[name]} of the peer's"
        for name in SAME
        if mine[name] != theirs[name]
    ]
    first = mine["losses"][0], theirs["losses"][0]
    if not abs(first[0] - first[1]) <= NEAR:
        found.append(f"the first loss is {first[0]:.6f} of ours, {first[1]:.6f} of the peer's")
    return found


def told(shape: Shape, sides: dict[str, list[Made]]) -> dict[str, Any]:
    """Return the row of runs in turn; ends the program where the two sides did not do the same work.

    `n` counts the sequences of the timed steps, `equal_texts` those on which both sides trained: all.
    """
    pairs = list(zip(sides["ours"], sides["peer"], strict=True))
    if wrong := [text for pair in pairs for text in unlike(*pair)]:
        sys.exit(f"{shape.name}: not the same work: {'; '.join(wrong)}")
    n = HOW.batch_size * STEPS
    rates = {way: [n * shape.length / run["seconds"] for run in runs] for way, runs in sides.items()}
    middle = {way: median(values) for way, values in rates.items()}
    return {
        "name": shape.name,
        "unit": f"tokens per second in training: sequences of {shape.length}, {shape.asked} of them learned",
        **{way: round(value, 4) for way, value in middle.items()},
        "peer_name": sides["peer"][0]["engine"],
        "ratio": round(middle["ours"] / middle["peer"], 2),
        "n": n,
        "peer_n": n,
        "runs": len(pairs),
        **{f"{way}_range": [round(min(values), 4), round(max(values), 4)] for way, values in rates.items()},
        "equal_texts": n,
        "goal": shape.goal,
        "engine": sides["ours"][0]["engine"],
        **{name: sides["ours"][0][name] for name in SAME},
        "first_loss": {way: runs[0]["losses"][0] for way, runs in sides.items()},
        "last_loss": {way: runs[0]["losses"][-1] for way, runs in sides.items()},
        "largest_difference": max(abs(a["losses"][0] - b["losses"][0]) for a, b in pairs),
    }


def row(shape: Shape) -> dict[str, Any]:
    """Return the row of the benchmarks' table: medians, both sides in turn."""
    sides: dict[str, list[Made]] = {"ours": [], "peer": []}
    for _ in range(RUNS):
        sides["ours"].append(_run([sys.executable, "-m", "benches.lora", shape.name]))
        sides["peer"].append(peer(MODEL, sides["ours"][-1]["batches"]))
    return told(shape, sides)


def stream(folder: Path) -> list[int]:
    """Return the study's prompts, one after the other, as a model's token ids."""
    from lem import mlx_runtime, question_files

    files = sorted(Path("seeds").glob("P*.json"))
    texts = [str(entry["prompt"]) for file in files for _, entry in question_files.seeds(file)]
    return mlx_runtime.encode(mlx_runtime.load_tokenizer(folder), "\n".join(texts))


def main() -> None:
    """Run our side of one shape once."""
    shape = next(shape for shape in SHAPES if shape.name == sys.argv[1])
    examples = pieces(stream(MODEL), shape, HOW.batch_size * (WARM_UP + STEPS))
    print(json.dumps(ours(MODEL, examples)))


if __name__ == "__main__":
    main()
