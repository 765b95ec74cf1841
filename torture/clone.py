"""A clone elsewhere: other folder, other DVC cache, one thread; `make repro`'s commands, then `lem verify`.

What came out otherwise is counted. A record that is missing, or differs in more than a number, a stage
that ran though nothing had changed, and a clone that is not clean afterwards are failures.

    python -m torture clone
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from torture.trial import REPOSITORY, Figures, Trial, environment

ASKED = 10
"""Answers that the clone asks again."""
THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
VERDICTS = ("identical", "other_times", "within_tolerance", "different", "missing_there", "missing_here")
REBUILT = "convert@"
"""Weights are in no remote: their stage always runs."""


def run(folder: Path) -> Trial:
    """Clone the repository into a folder, reproduce it there, verify it; return what came of it."""
    clone = folder / "clone"
    trial = Trial("clone", {})
    ours = environment(clone) | THREAD | {"PYTHONPATH": str(clone / "src")}
    _run(("git", "clone", "-q", str(REPOSITORY), str(clone)), folder, ours)
    _run(("dvc", "cache", "dir", "--local", str(folder / "cache")), clone, ours)
    source = _run(("python", "-c", "import lem; print(lem.__file__)"), clone, ours).strip()
    if not source.startswith(str(clone)):
        trial.failures.append(f"the clone ran the code of {source}, not its own")
    ran = _reproduced(clone, ours)
    trial.figures["stages run"] = len(ran)
    trial.failures.extend(f"{stage} ran, though nothing had changed" for stage in ran if REBUILT not in stage)
    if changed := _run(("git", "status", "--porcelain"), clone, ours):
        trial.failures.append(f"git sees changes after the reproduction: {changed.splitlines()}")
    _verified(clone, ours, trial)
    return trial


def _run(words: tuple[str, ...], folder: Path, ours: dict[str, str]) -> str:
    """Return what a command printed; RuntimeError with its last words where it fails."""
    done = subprocess.run(words, cwd=folder, env=ours, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)} ended with {done.returncode}: {done.stderr[-500:]}")
    return done.stdout


def _reproduced(clone: Path, ours: dict[str, str]) -> list[str]:
    """Do what `make repro` does, less the environment; return the stages that ran."""
    imports = sorted(str(file.relative_to(clone)) for file in clone.glob("data/imported/*.dvc"))
    if imports:
        _run(("dvc", "pull", "-q", *imports), clone, ours)
    shown = [_run(("dvc", "repro", *words), clone, ours) for words in (("convert",), ("--pull",))]
    return re.findall(r"^Running stage '([^']+)'", "".join(shown), re.M)


def _verified(clone: Path, ours: dict[str, str], trial: Trial) -> None:
    """Hold the clone against the reference, and ask some answers again."""
    before = len(trial.failures)
    words = ("lem", "verify", "--rerun", str(ASKED), "--format", "json")
    done = subprocess.run(words, cwd=clone, env=ours, capture_output=True, text=True, check=False)
    try:
        told = json.loads(done.stdout)
    except ValueError:
        trial.failures.append(f"lem verify ended with {done.returncode}: {done.stderr[-500:]}")
        return
    trial.figures.update(figures(told))
    trial.failures.extend(otherwise(told))
    if len(trial.failures) == before and bool(done.returncode) != _differs(told):
        trial.failures.append(f"lem verify ended with {done.returncode}, which is not what it told")


def figures(told: dict[str, Any]) -> Figures:
    """Return the counts of what `lem verify --format json` told, by the names they are told under."""
    records, again = told["tables"][-1], told["rerun"]
    found: Figures = {"records compared": records["records"]}
    found |= {name.replace("_", " "): records[name] for name in VERDICTS}
    found |= {"asked again": again["drawn"]}
    verdicts = ("identical", "within_tolerance", "different", "not_as_recorded")
    return found | {f"asked again, {name.replace('_', ' ')}": again[name] for name in verdicts}


def otherwise(told: dict[str, Any]) -> list[str]:
    """Return a line for each table that lacks records or differs in more than numbers, each import that one
    side alone has, and each answer that came out otherwise.

    What differs in numbers alone, log-probabilities and what is made of them, is a figure.
    """
    lines = [
        f"{row[name]} {row['table']} {name.replace('_', ' ')}"
        for row in told["tables"]
        for name in ("missing_there", "missing_here")
        if row[name] and row["table"] != "all"
    ]
    lines += [f"the import {name}: only {place} has it" for name, place in told["not_compared"].items()]
    lines += [
        f"{one['records']} {one['table']} differ from the reference in {', '.join(one['fields'])}"
        for one in told["differing"]
        if not one["numbers"]
    ]
    items = (one for one in told["rerun"]["items"] if one["verdict"] in ("different", "not as recorded"))
    return lines + [
        f"{one['model']} {one['prompts']} {one['seed_id']}: {one['detail']}"
        for one in items
        if one["nats_apart"] is None
    ]


def _differs(told: dict[str, Any]) -> bool:
    records, again = told["tables"][-1], told["rerun"]
    wrong = ("different", "missing_there", "missing_here")
    return any(records[name] for name in wrong) or bool(again["different"] or again["not_as_recorded"])
