"""Eight readers and one writer for five minutes: every answer is of one whole state of the tables.

The writer counts: it puts the same number into a question file and into one of published figures, and runs
`dvc repro`; in every third turn it also has DVC check the tables of the turn before out of its cache, file by
file. The readers are `lem sql`, a process each time, and ask for the number in both tables. Once in a while a
second `dvc repro` starts beside the first, and has to wait, or to say who is at work.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

from torture.trial import Trial, environment, keep, study

READERS = 8
SECONDS = 300.0
KEPT = ("ingest", "items", "check", "warehouse")
QUESTION = (
    "select min(value), max(value), (select min(cluster::int) from items), "
    "(select max(cluster::int) from items) from figures where metric = 'state'"
)
BUSY = ("is busy, it is being blocked by", "Unable to acquire lock")


def run(folder: Path) -> Trial:
    """Return how often was read and written, and how many answers were errors or of two states."""
    here = study(folder / "study")
    keep(here, KEPT)
    shutil.rmtree(here / "seeds/published")
    write(here, 1)
    dvc(here, "repro", "-q", check=True)
    told: Counter[str] = Counter()
    failures: list[str] = []
    ending = threading.Event()
    readers = [threading.Thread(target=read, args=(here, ending, told, failures)) for _ in range(READERS)]
    for one in readers:
        one.start()
    try:
        writing(here, time.monotonic() + SECONDS, told, failures)
    finally:
        ending.set()
        for one in readers:
            one.join()
    figures = {"readers": READERS, "seconds of it": round(SECONDS)}
    names = (
        "answers",
        "errors",
        "of two states",
        "states written",
        "checked out of the cache",
        "told to wait",
    )
    return Trial("readers", {**figures, **{name: told[name] for name in names}}, failures)


def write(here: Path, state: int) -> None:
    """Put a number into both files."""
    (here / "seeds/published").mkdir(exist_ok=True)
    head = "document,place,model,benchmark,metric,value,unit\n"
    rows = "".join(f"a page,row {n},m{n},b,state,{state},points\n" for n in range(200))
    (here / "seeds/published/figures.csv").write_text(head + rows)
    items = [
        {"id": f"S{n}", "question": f"What is {n} + 1?", "answer": str(n + 1), "cluster": str(state)}
        for n in range(200)
    ]
    text = "".join(json.dumps(item) + "\n" for item in items)
    (here / "seeds/benchmarks/sums.jsonl").write_text(text)


def writing(here: Path, until: float, told: Counter[str], failures: list[str]) -> None:
    """Write state after state until the time is over."""
    state, lock = 1, here / "dvc.lock"
    while time.monotonic() < until:
        state += 1
        before = lock.read_bytes()
        write(here, state)
        second = subprocess.Popen(
            ["dvc", "repro"],  # with -q it would not say why it ends
            cwd=here,
            env=environment(here),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        done = dvc(here, "repro")
        _, said = second.communicate()
        for code, text in ((done.returncode, done.stderr), (second.returncode, said)):
            if code and not any(words in text for words in BUSY):
                failures.append(f"dvc repro: {text[-300:]}")
            told["told to wait"] += code != 0
        dvc(here, "repro", "-q", check=True)
        told["states written"] += 1
        if state % 3 == 0:
            after = lock.read_bytes()
            lock.write_bytes(before)
            dvc(here, "checkout", "-q", "--force", "reports/tables", check=True)
            lock.write_bytes(after)
            dvc(here, "checkout", "-q", "--force", "reports/tables", check=True)
            told["checked out of the cache"] += 2


def read(here: Path, ending: threading.Event, told: Counter[str], failures: list[str]) -> None:
    """Ask for the number in both tables until the writer has ended."""
    while not ending.is_set():
        done = subprocess.run(
            ["lem", "sql", QUESTION],
            cwd=here,
            env=environment(here),
            capture_output=True,
            text=True,
            check=False,
        )
        told["answers"] += 1
        if done.returncode:
            told["errors"] += 1
            failures.append(f"lem sql: {done.stderr[-300:]}")
        elif len(states := {float(value) for value in done.stdout.splitlines()[1].split("\t")}) != 1:
            told["of two states"] += 1
            failures.append(f"one answer, the states {sorted(states)}")


def dvc(here: Path, *words: str, check: bool = False) -> subprocess.CompletedProcess[str]:
    """Run dvc in a study."""
    done = subprocess.run(
        ["dvc", *words], cwd=here, env=environment(here), capture_output=True, text=True, check=False
    )
    if check and done.returncode:
        raise RuntimeError(f"dvc {' '.join(words)}: {done.stderr[-2000:]}")
    return done
