"""Given answers weighed as lm-eval asks for it: ours (lem.harness.model) against mlx-lm's own evaluator.

The requests of arc_like, four answers to each of 120 questions, to the same weights with the same BLAS.

    python -m benches.weigh ours
    python -m benches loglikelihood
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from lem import mlx_runtime, params
from lem.journal import Journal

NAME = "loglikelihood-vs-mlx-lm"
MODEL, TASK = Path("data/models/smollm2-135m"), "arc_like"
RUNS = 3


def ours(requests: list[Any], scratch: str) -> tuple[float, list[tuple[float, bool]]]:
    """Return (seconds, answers) of our own model behind lm-eval, its journal included."""
    from lem.harness.model import Answers, Model

    loaded = mlx_runtime.load(MODEL)
    with Journal(Path(scratch) / "journal.jsonl") as journal:
        model = Model(loaded, Answers(journal, "bench"), batch_size=32)
        began = time.perf_counter()
        return -began, model.loglikelihood(requests)


def peer(requests: list[Any], scratch: str) -> tuple[float, list[tuple[float, bool]]]:
    """Return (seconds, answers) of mlx_lm.evaluate's model."""
    mlx_runtime.core()
    from mlx_lm.evaluate import MLXLM

    model = MLXLM(str(MODEL), batch_size=32, use_chat_template=False)
    began = time.perf_counter()
    return -began, model.loglikelihood(requests)


WAYS = {"ours": ours, "peer": peer}


def main() -> None:
    """Weigh every request of the task in one way; print {'seconds', 'answers'}."""
    from lem.harness import items, tasks

    with tasks.opened(params.load().task(TASK)) as found, tempfile.TemporaryDirectory() as scratch:
        requests = items.requests(found)
        minus_began, answers = WAYS[sys.argv[1]](requests, scratch)
        seconds = time.perf_counter() + minus_began
    print(json.dumps({"seconds": seconds, "answers": answers}))


def measured(way: str) -> dict[str, Any]:
    """Return what one way measured in a process of its own."""
    call = [sys.executable, "-m", "benches.weigh", way]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(call[2:])} failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def row() -> dict[str, Any]:
    """Return the row of the benchmarks' table: medians, both sides in turn, and how far they are apart."""
    found: dict[str, list[dict[str, Any]]] = {"ours": [], "peer": []}
    for _ in range(RUNS):
        for way, runs in found.items():
            runs.append(measured(way))
    sides = {way: runs[0]["answers"] for way, runs in found.items()}
    n = len(sides["ours"])
    rates = {way: [n / run["seconds"] for run in runs] for way, runs in found.items()}
    pairs = list(zip(sides["ours"], sides["peer"], strict=True))
    middle = {way: median(values) for way, values in rates.items()}
    return {
        "name": NAME,
        "unit": "given answers weighed per second",
        **{way: round(value, 4) for way, value in middle.items()},
        "peer_name": "mlx_lm.evaluate.MLXLM, our BLAS",
        "ratio": round(middle["ours"] / middle["peer"], 2),
        "n": n,
        "peer_n": n,
        "runs": RUNS,
        **{f"{way}_range": [round(min(values), 4), round(max(values), 4)] for way, values in rates.items()},
        "equal_texts": sum(a[1] == b[1] for a, b in pairs),
        "largest_difference": max(abs(a[0] - b[0]) for a, b in pairs),
        "goal": 2,
    }


if __name__ == "__main__":
    main()
