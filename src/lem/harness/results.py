"""lm-eval's evaluation of one task: its results and samples, under fixed names and without the hour.

    found = evaluate(model, opened, "smollm2-135m", model_args, facts)
    found.results["results"]["arc_like"]["acc,none"], found.samples[0]["doc_id"]

They are what lm-eval's own EvaluationTracker writes. What differs from one run to
the next of the same evaluation, and from machine to machine, stands apart.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lem.harness.model import Model
from lem.harness.tasks import Opened, configured, told

OF_THE_HOUR = (
    *("date", "start_time", "end_time", "total_evaluation_time_seconds", "git_hash"),
    *("pretty_env_info", "upper_git_hash", "model_source"),
)
"""What lm-eval records of the machine and the time."""


@dataclass(frozen=True)
class Found:
    """What an evaluation came to: results, one row a sample and filter, and what no two runs share."""

    results: dict[str, Any]
    samples: list[dict[str, Any]]
    about: dict[str, Any]


def evaluate(
    model: Model,
    opened: Opened,
    name: str,
    model_args: dict[str, str],
    facts: dict[str, Any],
    resamples: int = 100_000,
) -> Found:
    """Return what lm-eval says of a model over a task.

    model_args: what a reader needs to find the weights. facts: hashes and settings
    that are recorded in `config`. resamples: of the bootstrap, for the stderr of a metric
    that is no mean (lm-eval's own number; of mcc it takes minutes). Raises LemError where the
    task cannot be asked.
    """
    from lm_eval import simple_evaluate
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.tasks import TaskManager

    spec = opened.spec
    with tempfile.TemporaryDirectory() as scratch:
        tracker = EvaluationTracker(output_path=scratch)
        with told(opened, keys_only=True):
            found = simple_evaluate(
                model=model,
                model_args=model_args,
                tasks=[opened.task],
                task_manager=TaskManager(include_defaults=False),  # an index of all of its own takes seconds
                num_fewshot=None,  # set when the task was opened
                batch_size=spec.batch_size,
                limit=spec.limit,
                bootstrap_iters=resamples,
                log_samples=True,
                evaluation_tracker=tracker,
                apply_chat_template=spec.chat_template,
                random_seed=spec.seed,
                numpy_random_seed=spec.numpy_seed,
                torch_random_seed=spec.torch_seed,
                fewshot_random_seed=spec.fewshot_seed,
            )
        samples = found.pop("samples")
        found["config"] |= facts
        tracker.general_config_tracker.model_name = name
        tracker.general_config_tracker.model_name_sanitized = name
        tracker.save_results_aggregated(results=found, samples=samples)
        tracker.save_results_samples(task_name=spec.name, samples=samples[spec.name])
        return _read(Path(scratch) / name, opened)


def _read(folder: Path, opened: Opened) -> Found:
    """Return what the tracker wrote; it keeps its own errors to itself, so a missing file is one."""
    (results_file,), (samples_file,) = folder.glob("results_*.json"), folder.glob("samples_*.jsonl")
    whole = json.loads(results_file.read_text(encoding="utf-8"))
    whole["configs"] = {opened.spec.name: configured(opened)}  # theirs names a path and addresses
    about = {key: whole.pop(key) for key in OF_THE_HOUR if key in whole}
    with samples_file.open(encoding="utf-8", newline="\n") as lines:
        samples = [json.loads(line) for line in lines]
    return Found(whole, samples, about)
