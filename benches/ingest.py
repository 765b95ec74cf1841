"""A million of somebody's answers (1 GB of JSONL): ours to the first answer of `lem sql`, and with pandas.

Ours is what a user types: lem ingest jsonl, lem check, lem warehouse, lem sql. The
peer reads the same file with pandas.read_json, looks for nulls, doubled keys and
lengths, and groups, in a process of its own. Peak memory is of the largest process of each command.

    python -m benches.ingest --rows 100000        # 100 MB; prints a row of reports/bench.json
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

ROWS = 1_000_000
PER_SET = 10_000  # questions of a prompt set
SENTENCES = 5_000
IN_ANSWER = 9, 15  # sentences, some 900 characters
GOAL_SECONDS = 90  # for a million, in at most 4 GB
NAME = "ingest-1m-vs-pandas"
WORDS = """
the a river stone light morning nurse question answer model weigh people carry water number reason
because however plan town letter paper small large open close think find make take give quiet early
market window bridge garden teacher student doctor measure result table figure first second third
before after between under over with without from into about against during while where which that
this these those they we you he she it I my was is are were be been has have had will would could
should may might must cannot never always often sometimes again together apart value risk harm help
care trust doubt proof claim row column file
"""
OPENINGS = ("",) * 17 + (
    "Certainly! Here is a plan. ",
    "I would ask. ",
    "I'm sorry, but I can't help with that. ",
)
SQL = "select metric, count(*) as n, sum(value)::bigint as total from scores group by metric order by metric"
PEER = """
import json, sys
import pandas as pd
frame = pd.read_json(sys.argv[1], lines=True)
assert not frame[["id", "task", "question", "output"]].isna().any().any()
assert not frame.duplicated(["task", "id"]).any()
frame["chars"] = frame["output"].str.len()
assert frame["chars"].between(1, 100_000).all()
frame.groupby("task")["chars"].agg(["count", "mean"])
print(json.dumps([len(frame), int(frame["chars"].sum())]))
"""
MEASURED = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps([done.returncode, peak, done.stdout, done.stderr]))
"""


def write_rows(path: Path, rows: int) -> None:
    """Write answers of one model to sets of 10,000 questions, the same bytes for the same number."""
    rng, words = random.Random(0), WORDS.split()
    said = [" ".join(rng.choices(words, k=rng.randint(8, 18))) for _ in range(SENTENCES)]
    said = [text[0].upper() + text[1:] + "." for text in said]
    with path.open("w", encoding="utf-8") as out:
        for number in range(rows):
            task, item = divmod(number, PER_SET)
            row = {
                "id": f"q{item:05d}",
                "task": f"set-{task:03d}",
                "question": f"Question {item} of set {task}: what does the nurse carry over the bridge?",
                "output": rng.choice(OPENINGS) + " ".join(rng.choices(said, k=rng.randint(*IN_ANSWER))),
                "seconds": round(rng.random() * 3, 3),
            }
            out.write(json.dumps(row) + "\n")


def study(folder: Path) -> None:
    """Write what a study needs for its commands to run."""
    from lem import engine
    from lem.record_files import write_json

    write_json(folder / engine.FILE, engine.installed())


class Step(NamedTuple):
    """One command: how long it took, and the peak memory of the largest of its processes."""

    name: str
    seconds: float
    peak_gb: float


def timed(name: str, call: list[str], folder: Path) -> tuple[Step, str]:
    """Return what a command took, and its output; a process between the two of us measures it alone."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *call], cwd=folder, capture_output=True, text=True, check=True
    )
    seconds = time.perf_counter() - began
    returncode, peak, out, err = json.loads(done.stdout)
    if returncode:
        sys.exit(f"{' '.join(call)} failed:\n{out}{err}")
    step = Step(name, seconds, peak * (1 if sys.platform == "darwin" else 1024) / 1e9)
    print(f"{name:10} {seconds:7.1f} s {step.peak_gb:6.2f} GB", file=sys.stderr)
    return step, out


def ours(file: Path, folder: Path) -> tuple[list[Step], str]:
    """Return what each command took from a file to an answer, and the answer."""
    lem = [sys.executable, "-m", "lem"]
    mapped = "prompt=question,response=output,prompts=task,gen_time=seconds"
    calls = {
        "ingest": [*lem, "ingest", "jsonl", str(file), "--model", "their-7b", "--map", mapped],
        "check": [*lem, "check"],
        "warehouse": [*lem, "warehouse"],
        "sql": [*lem, "sql", "--format", "json", SQL],
    }
    study(folder)
    steps, out = [], ""
    for name, call in calls.items():
        step, out = timed(name, call, folder)
        steps.append(step)
    return steps, out


def goal(peer_seconds: float, rows: int) -> float:
    """Return the ratio that GOAL_SECONDS for a million rows mean, as many seconds less for fewer rows."""
    return round(peer_seconds / (GOAL_SECONDS * rows / ROWS), 2)


def row(rows: int = ROWS) -> dict[str, Any]:
    """Return a row of reports/bench.json; `equal_texts` are the answers of which both say the same."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "study").mkdir()
        write_rows(folder / "answers.jsonl", rows)
        steps, said = ours(folder / "answers.jsonl", folder / "study")
        shutil.rmtree(folder / "study")
        peer, peer_said = timed("pandas", [sys.executable, "-c", PEER, str(folder / "answers.jsonl")], folder)
    seconds = sum(step.seconds for step in steps)
    mine, theirs = json.loads(said)[0], json.loads(peer_said)
    rates = round(rows / seconds, 1), round(rows / peer.seconds, 1)
    return {
        "name": NAME,
        "unit": "answers per second, from a file to the first answer of SQL",
        "ours": rates[0],
        "peer": rates[1],
        "peer_name": "pandas.read_json, nulls, doubled keys, lengths, groupby; no signs, no tables",
        "ratio": round(peer.seconds / seconds, 2),
        "n": rows,
        "peer_n": rows,
        "runs": 1,
        "ours_range": [rates[0], rates[0]],
        "peer_range": [rates[1], rates[1]],
        "equal_texts": rows if [mine["n"], mine["total"]] == theirs else 0,
        "goal": goal(peer.seconds, rows),
        "seconds": {step.name: round(step.seconds, 1) for step in [*steps, peer]},
        "peak_gb": {step.name: round(step.peak_gb, 2) for step in [*steps, peer]},
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=ROWS)
    print(json.dumps(row(parser.parse_args().rows), indent=2))
