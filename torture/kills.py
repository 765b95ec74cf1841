"""Two hundred `kill -9` at random moments of every long stage, ten of them on the real model.

A stage is started in a process group of its own, the group is killed, what lies there
is looked at, and the stage is started again: sometimes to be killed again, sometimes
under other settings or through `dvc repro`, until it ends by itself. Then its rows must
be those of an unbroken run, and nothing else may lie in the study.

    python -m torture kills                      # KILLS=40 in the environment: fewer, to try
"""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from torture import outcomes, stages
from torture.outcomes import Kept, Marks, marks
from torture.stages import BEFORE, REAL_STAGE, STAGES, Stage, copy
from torture.trial import Trial, environment

KILLS = int(os.environ.get("KILLS", "200"))
AIMED, THROUGH_DVC, OTHERWISE, AGAIN = 0.3, 0.15, 0.25, 0.65
"""Shares: of kills aimed at the writing of files, through DVC, under other settings, followed by another."""
PATIENCE = 300.0
"""Seconds that an unbroken run may take."""
PHASES = ("before the first row", "in the work", "while files were written")


@dataclass
class Unbroken:
    """An unbroken run of a stage: what it leaves, how long it takes, how long of that it writes files."""

    kept: Kept
    tree: set[str]
    seconds: float
    writing: float


@dataclass
class Told:
    """What the kills of one or all stages came to."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


def run(folder: Path) -> Trial:
    """Kill every stage its share of times, two stages side by side; return what became of their rows."""
    from fake_judge import FakeJudge, says

    seed = secrets.randbelow(2**32)
    print(f"kills: seed {seed}", flush=True)
    told = Told()
    reply = '{"truthful": 7, "informative": 4, "reason": "so"}'
    with FakeJudge(lambda _: says(reply, delay=0.03)) as judge:
        base = stages.slow_study(folder / "base/study", judge.url)
        wholes = unbroken(base)
        overhead = time_of_dvc(base, wholes["report"])
        jobs = [(base, stage, wholes[stage.name], count) for stage, count in shares(KILLS - KILLS // 20)]
        if stages.with_real_model(real := copy(base, folder / "real/study")):
            jobs.insert(0, (real, REAL_STAGE, measured(real, REAL_STAGE), KILLS // 20))
        else:
            told.failures.append("the real model is not built: none of its kills were made; run: make repro")
        with ThreadPoolExecutor(2) as pool:
            ended = [
                pool.submit(Killing(folder / f"job{n}", *job, overhead, random.Random(seed + n)).run)
                for n, job in enumerate(jobs)
            ]
            for job in ended:
                told.counts.update(job.result().counts)
                told.failures += job.result().failures
    return Trial("kills", figures(told, len(jobs), seed), told.failures)


def figures(told: Told, jobs: int, seed: int) -> dict[str, int | float | str]:
    """Return what is told of all kills, in order."""
    names = (
        "kills",
        "kills of the real model",
        "kills through dvc repro",
        "kills under other settings",
        *PHASES,
    )
    ends = ("runs ended by themselves and compared", "rows", "lost", "doubled", "mixed", "unlike")
    counts = {name: told.counts[name] for name in (*names, *ends)}
    return {"kills": counts.pop("kills"), "stages": jobs, **counts, "seed": seed}


def shares(kills: int) -> list[tuple[Stage, int]]:
    """Return how often each stage is killed: in all exactly `kills` times, the long jobs first."""
    total, given, ends = sum(stage.weight for stage in STAGES), 0, 0
    counted = []
    for stage in STAGES:
        ends += stage.weight
        counted.append((stage, kills * ends // total - given))
        given += counted[-1][1]
    return sorted(((s, n) for s, n in counted if n), key=lambda pair: -pair[1])


def unbroken(folder: Path) -> dict[str, Unbroken]:
    """Run every stage once in its order, and return what each left; the trees are those of the end."""
    found = {}
    for stage in STAGES:
        for words in BEFORE.get(stage.name, ()):
            subprocess.run(lem(words), cwd=folder, env=environment(folder), check=True, capture_output=True)
        found[stage.name] = measured(folder, stage)
    for one in found.values():
        one.tree = outcomes.tree(folder)
    return found


def measured(folder: Path, stage: Stage) -> Unbroken:
    """Run a stage to its end, and measure."""
    began, first, before = time.perf_counter(), None, marks(folder, stage.outs)
    process = start(folder, lem(stage.words))
    while process.poll() is None:
        if first is None and marks(folder, stage.outs) != before:
            first = time.perf_counter()
        time.sleep(0.005)
    ended = time.perf_counter()
    assert process.returncode == 0, f"{stage.name} does not end well even when nobody kills it"
    kept = outcomes.held(folder, stage.outs)
    return Unbroken(kept, outcomes.tree(folder), ended - began, ended - (first or began))


def time_of_dvc(folder: Path, report: Unbroken) -> float:
    """Return how many seconds `dvc repro` adds to a stage."""
    began = time.perf_counter()
    subprocess.run(dvc("report"), cwd=folder, env=environment(folder), check=True, capture_output=True)
    return max(0.0, time.perf_counter() - began - report.seconds)


def lem(words: tuple[str, ...]) -> list[str]:
    """Return a command as a process is started with it."""
    return [sys.executable, "-m", "lem", *words]


def dvc(stage: str) -> list[str]:
    """Return the call that runs one stage through DVC, whatever it thinks of it."""
    return ["dvc", "repro", "-q", "--force", "--no-run-cache", "--single-item", stage]


def start(folder: Path, words: list[str]) -> subprocess.Popen[bytes]:
    """Start a process group in a study; what it prints goes to a file beside the study."""
    (folder.parent / "tmp").mkdir(exist_ok=True)
    env = environment(folder) | {"TMPDIR": str(folder.parent / "tmp")}
    with (folder.parent / "printed.txt").open("wb") as out:
        return subprocess.Popen(words, cwd=folder, env=env, stdout=out, stderr=out, start_new_session=True)


class Killing:
    """One stage in a study of its own: killed so many times, each time brought to its end."""

    def __init__(
        self,
        place: Path,
        base: Path,
        stage: Stage,
        whole: Unbroken,
        kills: int,
        dvc: float,
        dice: random.Random,
    ) -> None:
        self.place, self.base, self.stage, self.whole = place, base, stage, whole
        self.left, self.dvc, self.dice = kills, dvc, dice
        self.folder, self.told, self.other = place / "study", Told(), False

    def run(self) -> Told:
        """Kill and start again until all kills are made and the stage has ended by itself."""
        copy(self.base, self.folder)
        while self.left:
            self._begin_anew()
            while self.left and self._killed():
                if self.dice.random() > AGAIN:
                    break
            self._end()
        shutil.rmtree(self.place)
        print(f"  {self.stage.name}: {self.told.counts['kills']} kills", flush=True)
        return self.told

    def _begin_anew(self) -> None:
        """Remove what the stage wrote; what it would replace in any case may stay, to be killed over."""
        self.other = False
        if self.dice.random() < 0.5 and (self.stage.other or not self.stage.traces):
            return
        for out in (*self.stage.outs, *self.stage.traces):
            path = self.folder / out
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def _killed(self) -> bool:
        """Start the stage and kill it at a random moment; return False where it ended before."""
        otherwise = bool(self.stage.other) and self.dice.random() < OTHERWISE
        through = not otherwise and bool(self.stage.dvc) and self.dice.random() < THROUGH_DVC
        words = dvc(str(self.stage.dvc)) if through else lem(self.stage.words + self.stage.other * otherwise)
        before, lines = marks(self.folder, self.stage.outs), self._lines()
        process = start(self.folder, words)
        aimed = not through and self.dice.random() < AIMED
        self._wait(process, before if aimed else None, self.dvc * through)
        if process.poll() is not None:
            self.other = self.other or otherwise
            self._must_be(process.returncode == 0, "ended with an error before the kill: " + self._printed())
            return False
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self.left -= 1
        self.other = self.other or otherwise
        phase = self._phase(before, lines)
        real = self.stage is REAL_STAGE
        names = {"kills": True, "kills through dvc repro": through, "kills under other settings": otherwise}
        self.told.counts.update([name for name, so in names.items() if so] + [phase])
        self.told.counts["kills of the real model"] += real
        self._look(lines, phase)
        return True

    def _wait(self, process: subprocess.Popen[bytes], before: Marks | None, more: float) -> None:
        """Wait for a random moment: of the whole run, or of its writing where `before` is given."""
        if before is None:
            wait = self.dice.uniform(0, self.whole.seconds + more)
        else:
            while process.poll() is None and marks(self.folder, self.stage.outs) == before:
                time.sleep(0.001)
            wait = self.dice.uniform(0, self.whole.writing)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(wait)

    def _lines(self) -> int:
        """Return how many whole lines the stage's journal has, -1 where there is none."""
        journals = [self.folder / trace for trace in self.stage.traces]
        return sum(file.read_bytes().count(b"\n") for file in journals if file.is_file()) if journals else -1

    def _phase(self, before: Marks, lines: int) -> str:
        if marks(self.folder, self.stage.outs) != before:
            return PHASES[2]
        return PHASES[1] if self._lines() > lines else PHASES[0]

    def _look(self, lines: int, phase: str) -> None:
        """Hold what a kill has left against what a reader may find: nothing torn, nothing lost."""
        for line in outcomes.broken(self.folder):
            self._must_be(False, f"after a kill {phase}: {line}")
        anew = (
            self.stage.name == "train" or phase == PHASES[2]
        )  # a training has no journal; files replace one
        self._must_be(anew or self._lines() >= lines, "journaled rows are gone after a kill")
        if not self.other:
            for file, rows in outcomes.held(self.folder, self.stage.outs).items():
                whole = self.whole.kept.get(file)
                short = isinstance(rows, list) and isinstance(whole, list) and len(rows) != len(whole)
                self._must_be(not short, f"after a kill {phase}: {file} has another number of rows")

    def _end(self) -> None:
        """Let the stage end by itself, and compare."""
        process = start(self.folder, lem(self.stage.words))
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if not self._must_be(process.returncode == 0, "does not go on after a kill: " + self._printed()):
            return self._restore()
        found = outcomes.difference(self.whole.kept, outcomes.held(self.folder, self.stage.outs))
        self.told.counts.update({**found.counts(), "runs ended by themselves and compared": 1})
        same = self._must_be(not found.told(), f"after kills its rows differ: {found.told()}")
        more = sorted(outcomes.tree(self.folder) ^ self.whole.tree)
        clean = self._must_be(not more, f"left behind or missing after kills: {', '.join(more[:5])}")
        if not (same and clean):
            self._restore()
        return None

    def _restore(self) -> None:
        """Begin with the study as it was, so that one fault is told once."""
        shutil.rmtree(self.place)
        copy(self.base, self.folder)

    def _must_be(self, so: bool, what: str) -> bool:
        if not so:
            self.told.failures.append(f"{self.stage.name}: {what}")
        return so

    def _printed(self) -> str:
        lines = (self.place / "printed.txt").read_text(errors="replace").splitlines()
        return next((line for line in reversed(lines) if line.strip()), "nothing was printed")[:300]
