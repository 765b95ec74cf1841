"""What a run will do: which stages are not as their lock says, which stand behind those, and about how long.

with opened() as repo:
    stages = chosen(repo, (), ("gemma*",))
    plan(repo, stages)      # [Planned('answer@m-gsm8k', 'lem generate ...', 'm', 'gsm8k', ...)]
"""

from __future__ import annotations

import contextlib
import itertools
import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from statistics import median
from typing import Any

from lem.errors import LemError
from lem.records import MODES

TIMES = Path(".lem/times.json")
BEHIND = ("check", "warehouse", "claims", "mapping", "report")
"""Commands that stand behind all cells, in order: a cell that failed is a hole in what they write."""

CHANGED, PERHAPS = "changed", "if what is before it changes"


@dataclass(frozen=True)
class Planned:
    """A stage that will run, or may; model, prompts and mode where its command names them."""

    stage: str
    command: str
    model: str | None
    prompts: str | None
    mode: str | None
    why: str
    seconds: float | None  # of its last run, or of stages of its kind; null where none has run


@contextlib.contextmanager
def opened() -> Iterator[Any]:
    """Yield the DVC repository of this folder; what DVC refuses ends in one line."""
    from dvc.exceptions import DvcException

    from lem.verify import objects

    with objects.opened() as repo:
        try:
            yield repo
        except DvcException as err:
            raise LemError(" ".join(f"{err}{f': {err.__cause__}' if err.__cause__ else ''}".split())) from err


def chosen(repo: Any, targets: Sequence[str], only: Sequence[str]) -> list[Any]:  # noqa: ANN401 (dvc is untyped)
    """Return the stages to go through, each behind those it needs: all, those named, or those of some models.

    Raises LemError where no model of a stage matches `only`.
    """
    from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro

    graph = get_active_graph(repo.index.graph)
    if targets:
        wanted = [stage for target in targets for stage in collect_stages(repo, [target])]
    else:
        wanted = collect_stages(repo, ["dvc.yaml"])
    steps = list(plan_repro(graph, wanted))
    if not only:
        return steps
    models = {named(stage.cmd)["model"] for stage in steps} - {None}
    cells = [stage for stage in steps if matches(named(stage.cmd)["model"], only)]
    if not cells:
        raise LemError(
            f"--only {' '.join(only)}: no such model; there are: {', '.join(sorted(map(str, models)))}"
        )
    return list(plan_repro(graph, cells))


def matches(model: str | None, patterns: Sequence[str]) -> bool:
    """Return whether a model, with or without its training seed, fits one of some shell patterns."""
    entry = model.rpartition(".s")[0] if model and model.rpartition(".s")[2].isdecimal() else model
    return any(fnmatchcase(name, pattern) for name in {model, entry} if name for pattern in patterns)


def named(command: str | Sequence[str] | None) -> dict[str, str | None]:
    """Return what a stage's command names: verb, model, mode, prompts (a benchmark or a task too)."""
    words = shlex.split(command if isinstance(command, str) else " ".join(command or ()))
    given = dict(itertools.pairwise(words))
    prompts = next((given[o] for o in ("--prompts", "--benchmark", "--task") if o in given), None)
    verb = words[1] if words[:1] == ["lem"] and len(words) > 1 else None
    mode = given.get("--mode", MODES[0]) if prompts else None
    return {"verb": verb, "model": given.get("--model"), "prompts": prompts, "mode": mode}


def plan(repo: Any, stages: Sequence[Any]) -> list[Planned]:  # noqa: ANN401
    """Return the stages that will run, or may, in order."""
    graph, times = repo.index.graph, recorded(stages)
    found: list[Planned] = []
    running: set[Any] = set()
    with repo.lock:
        for stage in stages:
            before = set(graph.successors(stage)) if stage in graph else set()
            why = PERHAPS if running & before else CHANGED if stage.changed(allow_missing=False) else None
            if why:
                running.add(stage)
                found.append(_planned(stage, why, times))
    return found


def _planned(stage: Any, why: str, times: dict[str, float]) -> Planned:  # noqa: ANN401
    given = named(stage.cmd)
    seconds = times.get(stage.addressing)
    if seconds is None:
        kind = [time for name, time in times.items() if kind_of(name) == kind_of(stage.addressing)]
        seconds = median(kind) if kind else None
    command = stage.cmd if isinstance(stage.cmd, str) else "; ".join(stage.cmd or ())
    return Planned(stage.addressing, command, given["model"], given["prompts"], given["mode"], why, seconds)


def kind_of(stage: str) -> str:
    """Return the stage less its cell: 'answer' of 'answer@m-gsm8k'."""
    return stage.partition("@")[0]


def recorded(stages: Sequence[Any]) -> dict[str, float]:
    """Return the seconds that stages took when they last ran: here, else as their run records say."""
    times = {}
    for stage in stages:
        for out in stage.outs:
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                file = Path(str(out.fs_path))
                if file.suffix == ".json" and file.parent.name == "logs":
                    times[stage.addressing] = float(json.loads(file.read_bytes())["wall_seconds"])
    return times | own_times()


def own_times() -> dict[str, float]:
    """Return the seconds of each stage that `lem run` has run here."""
    try:
        kept = json.loads(TIMES.read_bytes())
    except (OSError, ValueError):
        return {}
    return {str(name): float(seconds) for name, seconds in kept.items()} if isinstance(kept, dict) else {}


def total(planned: Sequence[Planned]) -> tuple[float, int]:
    """Return the seconds of the stages whose time is known, and how many have none."""
    known = [one.seconds for one in planned if one.seconds is not None]
    return sum(known), len(planned) - len(known)


def spoken(seconds: float) -> str:
    """Return a duration in words: '1 h 20 min', '41 s'."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
