"""Evaluations as lm-evaluation-harness 0.4 writes them, small and made up: {file: bytes} of a dump."""

import json
from dataclasses import dataclass, field
from math import sqrt
from statistics import fmean

from lem.record_files import sha256

TIME = "2026-01-01T00-00-00.000000"
RIGHT = {"base": (0, 1, 2), "tuned": (1, 2, 3, 4, 5)}
"""The items of six that each model gets right: three gained, one lost."""


def chosen(n, right, shift=0.0, ask="Question", metrics=("acc", "acc_norm")):
    """Return a row of a multiple-choice task; shift: nats added to the second choice."""
    context = f"{ask}: colour {n}?\nAnswer:"
    nats = (-1.5 - n / 8, -2.5 + shift) if right else (-2.5 - n / 8, -1.5 + shift)
    said = [[str(one), str(one == max(nats))] for one in nats]
    return {
        "doc_id": n,
        "doc": {"question": f"colour {n}?", "choices": ["red", "blue"], "answer": 0},
        "target": "0",
        "arguments": {
            f"gen_args_{i}": {"arg_0": context, "arg_1": f" {text}"} for i, text in enumerate(("red", "blue"))
        },
        "resps": [[one] for one in said],
        "filtered_resps": said,
        "filter": "none",
        "metrics": list(metrics),
        **dict.fromkeys(metrics, float(right)),
    }


def written(n, right, text=None):
    """Return a row of a task that generates."""
    text = (f" It is {2 * n}" if right else " No idea") if text is None else text
    return {
        "doc_id": n,
        "doc": {"question": f"{n} + {n}?"},
        "target": str(2 * n),
        "arguments": {"gen_args_0": {"arg_0": f"Q: {n} + {n}?\nA:", "arg_1": {"until": ["\n"]}}},
        "resps": [[text]],
        "filtered_resps": [text.split()[-1]],
        "filter": "flexible-extract",
        "metrics": ["exact_match"],
        "exact_match": float(right),
    }


@dataclass(frozen=True)
class Task:
    """One task of an evaluation: its rows, and what its results say of it."""

    rows: list
    version: float = 1.0
    items: int = 6  # that the whole task has
    samples: bool = True  # whether they were logged
    sha: str | None = None  # of its items and prompts
    stated: dict = field(default_factory=dict)  # figures put in place of those computed


def evaluation(model, tasks, folder=None, template=None, time=TIME, limit=None, **config):
    """Return the files of one call of lm_eval over tasks by name."""
    told = {
        "results": {
            name: {"alias": name, **figures(task.rows), **task.stated} for name, task in tasks.items()
        },
        "configs": {name: {"task": name} for name in tasks},
        "versions": {name: task.version for name, task in tasks.items()},
        "n-shot": dict.fromkeys(tasks, 0),
        "higher_is_better": {
            name: dict.fromkeys(task.rows[0]["metrics"], True) for name, task in tasks.items()
        },
        "n-samples": {
            name: {"original": task.items, "effective": len(task.rows)} for name, task in tasks.items()
        },
        "config": {
            **{"model": "hf", "model_args": f"pretrained=org/{model},dtype=float32", "batch_size": "auto"},
            **{"device": "cpu", "limit": limit, "random_seed": 0, "numpy_seed": 1234, "torch_seed": 1234},
            **{"fewshot_seed": 1234, **config},
        },
        "task_hashes": {name: task.sha for name, task in tasks.items() if task.sha},
        "lm_eval_version": "0.4.11",
        "model_name": f"org/{model}",
    }
    if template:
        told |= {"chat_template": template, "chat_template_sha": sha256(template)}
    folder = folder or f"org__{model}"
    files = {f"{folder}/results_{time}.json": json.dumps(told).encode()}
    for name, task in tasks.items():
        if task.samples:
            lines = b"".join(json.dumps(row).encode() + b"\n" for row in task.rows)
            files[f"{folder}/samples_{name}_{time}.jsonl"] = lines
    return files


def figures(rows):
    """Return what lm-eval states of rows: the mean of each metric and its standard error."""
    told = {}
    for metric in rows[0]["metrics"]:
        p, reading = fmean(row[metric] for row in rows), rows[0]["filter"]
        told |= {f"{metric},{reading}": p, f"{metric}_stderr,{reading}": sqrt(p * (1 - p) / (len(rows) - 1))}
    return told


def choices(model, n=6, **more):
    """Return the rows of a multiple-choice task over n items, right where RIGHT says."""
    return [chosen(i, i in RIGHT[model], **more) for i in range(n)]


def write(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder
