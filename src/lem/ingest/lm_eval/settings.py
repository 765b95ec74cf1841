"""What a results file of lm-evaluation-harness states of how its figures and answers came about.

settings(results, "piqa", "acc")    # JSON text of a Figure: seeds, hashes, arguments; no time
run_settings(results, "piqa")       # the fields of a Run that it states
"""

from __future__ import annotations

import json
from typing import Any

from lem.ingest.lines import AMOUNT_LIMIT
from lem.ingest.lm_eval.runs import Results

STATED = ("model", "model_args", "limit", "batch_size", "gen_kwargs")
SEEDS = ("random_seed", "numpy_seed", "torch_seed", "fewshot_seed")
HASHES = (
    "chat_template_sha",
    "system_instruction_sha",
    "fewshot_as_multiturn",
    "git_hash",
    "lm_eval_version",
)


def version(results: Results, task: str) -> str | None:
    """Return a task's version as text, 1.0 as 1; null where none is stated."""
    stated = results.part("versions").get(task)
    if isinstance(stated, bool) or not isinstance(stated, int | float | str):
        return None
    return stated if isinstance(stated, str) else f"{stated:g}" if abs(stated) < AMOUNT_LIMIT else None


def settings(results: Results, task: str, metric: str) -> str:
    """Return as JSON what a file states of how a figure came about; no time, and no null."""
    config, whole = results.part("config"), results.whole
    found = {
        "n-shot": results.part("n-shot").get(task),
        "aggregation": _aggregation(results, task, metric),
        **{key: config.get(key) for key in (*STATED, *SEEDS)},
        "task_hash": results.part("task_hashes").get(task),
        **{key: whole.get(key) for key in HASHES},
    }
    return json.dumps({key: value for key, value in found.items() if _sayable(value)}, ensure_ascii=False)


def _aggregation(results: Results, task: str, metric: str) -> Any:  # noqa: ANN401
    config = results.part("configs").get(task)
    stated = config.get("metric_list") if isinstance(config, dict) else None
    entries = [entry for entry in stated if isinstance(entry, dict)] if isinstance(stated, list) else []
    return next((entry.get("aggregation") for entry in entries if entry.get("metric") == metric), None)


def _sayable(value: object) -> bool:
    if value is None or value == {}:
        return False
    try:
        return bool(json.dumps(value, allow_nan=False))
    except (ValueError, RecursionError):
        return False


def run_settings(results: Results, name: str) -> dict[str, Any]:
    """Return the settings of a Run that a results file states; what is none is left null."""
    config, whole = results.part("config"), results.whole
    of_task = results.part("configs").get(name)
    generation = of_task.get("generation_kwargs") if isinstance(of_task, dict) else None
    asked = generation if isinstance(generation, dict) else {}
    engine = whole.get("lm_eval_version")
    return {
        "template": _text(whole.get("chat_template")),
        "temperature": 0.0 if asked.get("do_sample") is False else _amount(asked.get("temperature"), float),
        "max_tokens": _amount(asked.get("max_gen_toks"), int) or None,
        "batch_size": _amount(config.get("batch_size"), int) or None,
        "seed": _amount(config.get("random_seed"), int),
        "engine": f"lm-eval {engine}" if isinstance(engine, str) else None,
        "device": _text(config.get("device")),
        "git_revision": _text(whole.get("git_hash")),
    }


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _amount(value: object, cls: type) -> Any:  # noqa: ANN401
    sound = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < AMOUNT_LIMIT
    return cls(value) if sound and value == cls(value) else None
