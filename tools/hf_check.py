"""A baseline's lm-eval results against the same harness around HF transformers: an independent second engine.

Equal accuracies are weak evidence that two engines run the same model; equal log-probabilities, choice by
choice, are strong. So each task under data/benchmarks/lm-eval/MODEL/ is run again on the same weights by
lm-eval's own HF backend in float32 on the CPU, with the limit, shots, template and seeds that its
results.json states, and compared row by row. It needs neither this project's package nor MLX, but a venv
with requirements-hf.txt:

    .venv-hf/bin/python tools/hf_check.py --model smollm2-135m --task arc_like   # exit 1: differs
"""

from __future__ import annotations

import argparse
import bz2
import json
import math
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

MODELS, RESULTS, TASKS = Path("data/models"), Path("data/benchmarks/lm-eval"), Path("seeds/tasks")
HEADER = ("task", "metric", "n", "mlx", "hf", "flips", "largest_logprob_difference", "at")
HASHES = ("doc_hash", "prompt_hash", "target_hash")
SEEDS = {"random_seed": "random_seed", "numpy_seed": "numpy_random_seed"} | {
    "torch_seed": "torch_random_seed",
    "fewshot_seed": "fewshot_random_seed",
}
Row = dict[str, Any]
Pair = tuple[Row, Row]


@dataclass(frozen=True)
class Line:
    """One metric of one task on both sides; `flips` counts the items on which the two sides differ."""

    task: str
    metric: str
    n: int
    mlx: float | None
    hf: float | None
    flips: int
    largest: float | None = None
    at: str = ""

    def __str__(self) -> str:
        return "\t".join(_shown(value) for value in astuple(self))


@dataclass(frozen=True)
class Side:
    """What one engine said of one task: the document of results.json and the rows of samples.jsonl."""

    results: dict[str, Any]
    rows: list[Row]

    def metrics(self, task: str) -> dict[tuple[str, str], Any]:
        """Return a task's figures by metric and filter, without their standard errors."""
        found = self.results["results"][task]
        named = {tuple(key.split(",", 1)): value for key, value in found.items() if "," in key}
        return {(m, f): value for (m, f), value in named.items() if not m.endswith("_stderr")}


def compare(task: str, mlx: Side, hf: Side, tolerance: float) -> tuple[list[Line], list[str]]:
    """Return a task's lines and what is wrong, empty when both sides agree; `tolerance` is in nats.

    Rows that differ in document or prompt are not compared further: their numbers measure different things.
    """
    if wrong := [f"{task}: {text}" for text in unlike(mlx.rows, hf.rows)]:
        return [], wrong
    once = [pair for (_, name), pair in paired(mlx.rows, hf.rows).items() if name == mlx.rows[0]["filter"]]
    if mlx.results["configs"][task]["output_type"] == "generate_until":
        lines = metric_lines(task, mlx, hf, tolerance)
        return [*lines, text_line(task, once)], list(_metrics_wrong(lines, tolerance))
    worst = largest_difference(once)
    lines = [replace(line, largest=worst[0], at=worst[1]) for line in metric_lines(task, mlx, hf, tolerance)]
    return lines, [*_metrics_wrong(lines, tolerance), *_logprobs_wrong(task, once, worst, tolerance)]


def unlike(mlx: list[Row], hf: list[Row]) -> list[str]:
    """Return in what the two sides' documents, prompts, targets or requests differ, one sentence a kind."""
    if not mlx:
        return ["samples.jsonl holds no row; run the stage anew"]
    left, right = _keyed(mlx), _keyed(hf)
    found = [
        f"{len(keys)} rows are on the {side} side alone, the first doc_id {min(keys)[0]}"
        for side, keys in (("MLX", left.keys() - right.keys()), ("HF", right.keys() - left.keys()))
        if keys
    ]
    pairs = list(paired(mlx, hf).values())
    for field in HASHES:
        if ids := [a["doc_id"] for a, b in pairs if a[field] != b[field]]:
            found.append(f"{field} differs in {len(ids)} of {len(pairs)} rows, the first doc_id {ids[0]}")
    if not found and (ids := [a["doc_id"] for a, b in pairs if requests(a) != requests(b)]):
        found.append(f"requests differ in {len(ids)} of {len(pairs)} rows, the first doc_id {ids[0]}")
    return found


def paired(mlx: list[Row], hf: list[Row]) -> dict[tuple[int, str], Pair]:
    """Return the rows of both sides by doc_id and filter, in the order of the MLX rows."""
    right = _keyed(hf)
    return {key: (row, right[key]) for key, row in _keyed(mlx).items() if key in right}


def _keyed(rows: list[Row]) -> dict[tuple[int, str], Row]:
    return {(row["doc_id"], row["filter"]): row for row in rows}


def requests(row: Row) -> list[list[Any]]:
    """Return a row's requests, [context, continuation] each, from lm-eval's stored or its live form."""
    return [list(one.values()) if isinstance(one, dict) else list(one) for one in _values(row["arguments"])]


def _values(stored: Any) -> list[Any]:  # noqa: ANN401
    return list(stored.values() if isinstance(stored, dict) else stored)


def log_probabilities(row: Row) -> list[float]:
    """Return a row's log-probabilities in nats, one a request; stored as numbers or as their text."""
    first = [answers[0] for answers in row["resps"]]
    return [float(answer[0] if isinstance(answer, list | tuple) else answer) for answer in first]


def largest_difference(pairs: list[Pair]) -> tuple[float, str]:
    """Return the largest absolute difference of two log-probabilities in nats, and where it stands.

    A NaN on either side is the largest of all; equal infinities differ by nothing.
    """
    found = [(_distance(a, b), f"doc_id {d}, choice {i}") for d, i, a, b in _logprob_pairs(pairs)]
    return max(found, key=lambda one: math.inf if math.isnan(one[0]) else one[0])


def _logprob_pairs(pairs: list[Pair]) -> Iterator[tuple[int, int, float, float]]:
    for mlx, hf in pairs:
        both = zip(log_probabilities(mlx), log_probabilities(hf), strict=True)
        yield from ((mlx["doc_id"], index, a, b) for index, (a, b) in enumerate(both))


def _distance(a: float, b: float) -> float:
    return 0.0 if a == b else abs(a - b)


def same(a: object, b: object, tolerance: float) -> bool:
    """Return whether two values of a metric agree: numbers within the tolerance, NaN and null never."""
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(same(x, y, tolerance) for x, y in zip(a, b, strict=True))
    if isinstance(a, int | float) and isinstance(b, int | float):
        return _distance(a, b) <= tolerance
    return a is not None and a == b


def text_line(task: str, pairs: list[Pair]) -> Line:
    """Return how many generated texts there are, how many differ, and which is the first that does."""
    other = [a["doc_id"] for a, b in pairs if _texts(a) != _texts(b)]
    return Line(task, "text", len(pairs), None, None, len(other), at=f"doc_id {other[0]}" if other else "")


def _texts(row: Row) -> list[str]:
    return [str(answers[0]) for answers in row["resps"]]


def metric_lines(task: str, mlx: Side, hf: Side, tolerance: float) -> list[Line]:
    """Return a line a metric and filter: both sides' figures and on how many items they differ."""
    pairs, other, lines = paired(mlx.rows, hf.rows), hf.metrics(task), []
    for (metric, name), value in mlx.metrics(task).items():
        rows = [pair for (_, by), pair in pairs.items() if by == name]
        flips = sum(not same(a.get(metric), b.get(metric), tolerance) for a, b in rows)
        shown = metric if name == "none" else f"{metric},{name}"
        lines.append(Line(task, shown, len(rows), value, other.get((metric, name)), flips))
    return lines


def _metrics_wrong(lines: list[Line], tolerance: float) -> Iterator[str]:
    for line in lines:
        if line.flips or not same(line.mlx, line.hf, tolerance):
            values = f"{_shown(line.mlx)} with MLX, {_shown(line.hf)} with HF"
            yield f"{line.task}: {line.metric} is {values}, and {line.flips} of {line.n} items differ"


def _logprobs_wrong(task: str, pairs: list[Pair], worst: tuple[float, str], tolerance: float) -> list[str]:
    every = [_distance(a, b) for _, _, a, b in _logprob_pairs(pairs)]
    over = sum(not distance <= tolerance for distance in every)
    text = f"{over} of {len(every)} log-probabilities differ by more than {tolerance:g}, the most by "
    return [f"{task}: {text}{worst[0]:.3g} at {worst[1]}{_hint(pairs)}"] if over else []


def _hint(pairs: list[Pair]) -> str:
    if any(request[0] != request[0].rstrip() for row, _ in pairs for request in requests(row)):
        return "; perhaps because contexts end in white space, which the HF backend moves to the continuation"
    return ""


def _shown(value: object) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def settings(results: dict[str, Any], task: str) -> dict[str, Any]:
    """Return the arguments of simple_evaluate that a results.json states for one task.

    The template counts as applied where `chat_template` is any text: lm-eval writes "" for an engine that
    does not say which one it has, and null for none.
    """
    config = results["config"]
    return {
        "limit": config["limit"],
        "num_fewshot": results["n-shot"].get(task),
        "gen_kwargs": config.get("gen_kwargs"),
        "apply_chat_template": results.get("chat_template") is not None,
        "fewshot_as_multiturn": bool(results.get("fewshot_as_multiturn")),
        "system_instruction": results.get("system_instruction"),
        **{argument: config[key] for key, argument in SEEDS.items()},
    }


def stored(folder: Path) -> Side:
    """Return what the stage wrote for one task; ends the program with one line where a file is missing."""
    results, samples = folder / "results.json", folder / "samples.jsonl.bz2"
    for file in (results, samples):
        if not file.is_file():
            sys.exit(f"{file}: not there; run lem lm-eval or dvc pull first, in the folder of params.yaml")
    with bz2.open(samples, "rt", encoding="utf-8") as lines:
        return Side(json.loads(results.read_text("utf-8")), [json.loads(line) for line in lines])


def load(model: str) -> Any:  # noqa: ANN401
    """Return lm-eval's HF backend on a baseline's folder, float32 on the CPU."""
    folder = MODELS / model
    if not (folder / "config.json").is_file():
        sys.exit(
            f"{folder}: no config.json there; name a baseline whose weights were built (dvc repro convert)"
        )
    if json.loads((folder / "config.json").read_text("utf-8")).get("quantization"):
        sys.exit(f"{folder}: MLX's quantised weights; transformers reads float weights only")
    from lm_eval.models.huggingface import HFLM

    return HFLM(pretrained=str(folder), dtype="float32", device="cpu", batch_size=8)


def evaluate(engine: Any, task: str, stated: dict[str, Any]) -> Side:  # noqa: ANN401
    """Return what the HF backend says of one task, its rows in the JSON form of samples.jsonl."""
    import lm_eval
    from lm_eval.tasks import TaskManager
    from lm_eval.utils import handle_non_serializable

    manager = TaskManager(include_path=str(TASKS), include_defaults=False)
    found = lm_eval.simple_evaluate(
        engine, tasks=[task], task_manager=manager, bootstrap_iters=0, log_samples=True, **stated
    )
    rows = json.dumps(found["samples"][task], default=handle_non_serializable)
    return Side(found, json.loads(rows))


def check(model: str, tasks: list[str], tolerance: float) -> list[str]:
    """Print a line a metric of each task and return what is wrong, one sentence each."""
    names = tasks or sorted(file.parent.name for file in (RESULTS / model).glob("*/results.json"))
    if not names:
        sys.exit(f"{RESULTS / model}: no results.json below it; run lem lm-eval --model {model} first")
    for name in names:
        if not (TASKS / f"{name}.yaml").is_file():
            sys.exit(
                f"{TASKS / name}.yaml: no such file; only a study's own tasks are checked, without a network"
            )
    sides = {name: stored(RESULTS / model / name) for name in names}
    engine, wrong = load(model), []
    print(*HEADER, sep="\t", flush=True)
    for name, mlx in sides.items():
        lines, texts = compare(name, mlx, evaluate(engine, name, settings(mlx.results, name)), tolerance)
        wrong += texts
        for line in lines:
            print(line, flush=True)
    return wrong


def main() -> None:
    """Run the check of the arguments' model in the folder of params.yaml; exit 1 when anything differs."""
    parser = argparse.ArgumentParser(
        description="Compare lm-eval results around MLX with lm-eval's HF backend."
    )
    parser.add_argument("--model", required=True, help="a baseline: a folder of data/models")
    parser.add_argument(
        "--task", action="append", default=[], help="repeatable; default: every task with results"
    )
    parser.add_argument("--tolerance", type=float, default=1e-3, help="of log-probabilities, in nats")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_DATASETS_CACHE": cache}
        wrong = check(args.model, args.task, args.tolerance)
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
