"""A model that does not exist and a judge that goes down, among six cells: the others are in the table.

Six models are asked one benchmark, which is scored and judged. One model's folder is missing; the judge stops
listening after it has judged four. What `lem run` prints and what it exits with is what counts.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from torture.trial import Trial, environment, keep, study

MODELS = 6
KEPT = ("convert", "items", "answer", "score", "judge", "check", "warehouse")
QUESTIONS = 10
SAYS = '{"truthful": 7, "informative": 4}'


def run(folder: Path) -> Trial:
    """Return the cells that were filled and the holes with a reason, as `lem run` printed them."""
    from fake_judge import FakeJudge, fails

    here = study(folder / "study")

    def behaviour(request: object) -> object:
        return SAYS if request.number <= 4 * QUESTIONS else fails(503, "down for the night")  # type: ignore[attr-defined]

    with FakeJudge(behaviour) as judge:  # type: ignore[arg-type]
        declare(here, judge.url)
        done = subprocess.run(
            ["lem", "run"], cwd=here, env=environment(here), capture_output=True, text=True, check=False
        )
    lines = done.stdout.splitlines()
    start = next((n for n, line in enumerate(lines) if line.startswith("model\tprompts\tmode")), len(lines))
    rows = [dict(zip(lines[start].split("\t"), line.split("\t"), strict=True)) for line in lines[start + 1 :]]
    cells = {row["model"]: "" for row in rows}
    for row in rows:
        cells[row["model"]] = cells[row["model"]] or row["hole"]
    figures = {
        "cells": len(cells),
        "filled": sum(not hole for hole in cells.values()),
        "holes with their reason": sum(bool(hole) for hole in cells.values()),
        "exit code": done.returncode,
    }
    expected = {"cells": MODELS, "filled": 4, "holes with their reason": 2, "exit code": 1}
    failures = [
        f"{name}: {figures[name]}, expected {n}" for name, n in expected.items() if figures[name] != n
    ]
    reasons = " ".join(cells.values())
    failures += [f"no hole speaks of {word!r}" for word in ("mlx:nowhere", "503") if word not in reasons]
    return Trial("holes", figures, failures + ([done.stderr[-2000:]] if failures else []))


def declare(here: Path, url: str) -> None:
    """Write six models, one of them nowhere, and a judge into the study, and keep the stages they need."""
    import yaml

    params = yaml.safe_load((here / "params.yaml").read_text())
    (model,) = params["models"]["baseline"].values()
    names = [f"micro-{number}" for number in range(1, MODELS)]
    for name in names:
        shutil.copytree(here / "micro", here / name)
    baseline = {name: {**model, "from": f"mlx:{name}"} for name in names}
    params["models"] = {"baseline": {**baseline, "gone": {**model, "from": "mlx:nowhere"}}, "fine-tuned": {}}
    params["judge"] = {
        **{"url": url, "model": "a-judge", "key": None, "rubrics": {"sums": "truthfulness"}},
        **{"patience": 1, "concurrency": 1},
    }
    params |= {"compare": [], "distil": {}}
    (here / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    keep(here, KEPT)
