"""Where everything lies: the one place that knows a path below `data/` and `reports/`.

layout.responses("baseline", "smollm2-135m", "validation", "naked")
layout.files("responses")   # every response file, own and imported, sorted
"""

from __future__ import annotations

import re
from pathlib import Path

from lem.errors import LemError

DATA = Path("data")
REPORTS = Path("reports")
TABLES = REPORTS / "tables"
JOURNALS = Path(".lem/journal")

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")

GLOBS = {
    "responses": ("baseline/*/*.jsonl", "fine-tuned/*/*.jsonl", "answers/*/*.jsonl"),
    "scores": ("scores/*/*.jsonl", "judged/*/*.jsonl", "harmony/results/*/*/scores.jsonl"),
    "runs": ("logs/*.json", "harmony/results/*/*/run.json"),
    "models": (
        *("baseline/*/model.json", "fine-tuned/*/model.json", "fine-tuned/*/s*.json"),
        "harmony/models/*/model.json",
    ),
    "items": ("items/*.jsonl", "harmony/tasks/*/items.jsonl"),
    "losses": ("logs/*-train/*.jsonl", "distilled/*/losses.jsonl", "harmony/results/*/*/losses.jsonl"),
    "distilled": ("distilled/*/answers.jsonl",),
    "figures": ("figures/*.jsonl", "harmony/results/*/*/figures.jsonl"),
    "log_entries": ("logs/*.jsonl",),
    "notes": ("notes.jsonl", "logs/failed/*.jsonl"),
    "quarantined": ("quarantine.jsonl",),
}
OF_IMPORTS = ("figures", "log_entries", "notes", "quarantined")
"""Tables that only imports have: what others state, and what was seen of their files."""


def files(table: str, data: Path = DATA) -> list[Path]:
    """Return every file that holds records of `table`, own ones and imported ones, sorted.

    Names that begin with a dot are somebody's unfinished or hidden work and are left out.
    """
    found = {
        path
        for root in (data, *(data / "imported").glob("*"))
        for glob in GLOBS[table]
        for path in root.glob(glob)
    }
    return sorted(p for p in found if not any(part[0] == "." for part in p.relative_to(data).parts))


def confined(name: str, what: str) -> str:
    """Return `name` when it can be a file name of ours and nothing else.

    Raises LemError for anything with a separator, a leading dot or control characters.
    """
    if not NAME.fullmatch(name):
        raise LemError(
            f"{what} {name!r}: a name is 1-80 of A-Z a-z 0-9 . _ - and begins with a letter or digit"
        )
    return name


def model(name: str) -> Path:
    """Return the folder of a model's weights."""
    return DATA / "models" / name


def adapter(entry: str, seed: int | None) -> Path:
    """Return the folder of the adapter of a fine-tune's entry with a training seed."""
    return model(entry) / f"s{seed}"


def fused(name: str) -> Path:
    """Return the folder of a fine-tune that is folded into its base, to publish."""
    return DATA / "fused" / name


def model_record(role: str, entry: str, seed: int | None = None) -> Path:
    """Return the file of a model's record; it stays when the weights go."""
    return DATA / role / entry / ("model.json" if seed is None else f"s{seed}.json")


def training_log(entry: str, seed: int | None, suffix: str) -> Path:
    """Return the log of a training: suffix 'log' for people, 'jsonl' for the losses."""
    return DATA / "logs" / f"{entry}-train" / f"s{seed}.{suffix}"


def training_set(name: str) -> Path:
    """Return the folder of a distilled training set: train.jsonl and valid.jsonl."""
    return DATA / "training" / name


def distilled(name: str) -> Path:
    """Return what became of each answer that a training set was drawn from."""
    return DATA / "distilled" / name / "answers.jsonl"


def distil_losses(name: str) -> Path:
    """Return the base's losses over a distilled set's held-out answers, with the kernel and without."""
    return DATA / "distilled" / name / "losses.jsonl"


def responses(role: str, name: str, prompts: str, mode: str) -> Path:
    """Return the response file of a model over a prompt set in a mode."""
    return DATA / role / name / f"{prompts}-{mode}.jsonl"


def answers(benchmark: str, name: str) -> Path:
    """Return the response file of a model over a benchmark's questions."""
    return DATA / "answers" / benchmark / f"{name}.jsonl"


def log(name: str, prompts: str, mode: str, suffix: str) -> Path:
    """Return the run log: suffix 'log' for people, 'json' for programs."""
    return DATA / "logs" / f"{name}-{prompts}-{mode}.{suffix}"


def scores(benchmark: str, name: str) -> Path:
    """Return the score records of a model over a benchmark."""
    return DATA / "scores" / benchmark / f"{name}.jsonl"


def judged(benchmark: str, name: str) -> Path:
    """Return the judge's score records of a model's answers to a benchmark."""
    return DATA / "judged" / benchmark / f"{name}.jsonl"


def items(benchmark: str) -> Path:
    """Return the item records of a benchmark."""
    return DATA / "items" / f"{benchmark}.jsonl"


def task(name: str) -> Path:
    """Return what an evaluation of a task of lm-eval depends on besides its items."""
    return DATA / "tasks" / f"{name}.json"


def harmony_model(name: str) -> Path:
    """Return what is known of a model of the leaderboard: its weights' hashes, and its record if altered."""
    return DATA / "harmony" / "models" / name


def harmony_task(name: str) -> Path:
    """Return what is known of a task of the leaderboard: its splits, and the items it is tested on."""
    return DATA / "harmony" / "tasks" / name


def harmony_cell(name: str, task: str) -> Path:
    """Return the results of a model that was trained on a task and tested before and after."""
    return DATA / "harmony" / "results" / name / task


def lm_eval(name: str, task: str) -> Path:
    """Return the folder of lm-eval's own files of a model over a task."""
    return DATA / "benchmarks" / "lm-eval" / name / task


def benchmark_file(benchmark: str, name: str) -> Path:
    """Return the benchmark result in the data mapping's own JSON shape."""
    return DATA / "benchmarks" / f"{benchmark}-{name}.json"


def figures(document: str) -> Path:
    """Return the figures that one document of an import states; `document` is a name for a file."""
    return DATA / "figures" / f"{document}.jsonl"


def log_entries(name: str) -> Path:
    """Return what the log of a foreign run says of each answer."""
    return DATA / "logs" / f"{name}.jsonl"


def imported(source: str) -> Path:
    """Return the root of an ingested dump; below it lies the same layout as in `data/`."""
    return DATA / "imported" / source
