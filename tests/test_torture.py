"""Slow: the real model, killed ten times at random moments of its answers. `make slow`."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
KILLS = 10
TIMES = ("gen_time", "batch_size")  # a resumed batch is smaller and has its own clock

pytestmark = pytest.mark.slow


@pytest.fixture
def clone(tmp_path):
    """A fresh clone at this commit, pulled, its weights linked from here."""
    if not (ROOT / "data/models/smollm2-135m/provenance.json").is_file():
        pytest.skip("the weights are not built; run: make repro")
    folder = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", ROOT, folder], check=True)
    dvc(folder, "pull", "-q")
    (folder / "data/models").mkdir(parents=True, exist_ok=True)
    shutil.copytree(ROOT / "data/models/smollm2-135m", folder / "data/models/smollm2-135m")
    return folder


def dvc(folder, *words):
    return subprocess.run(
        [BIN / "dvc", *words], cwd=folder, env=env(), check=True, capture_output=True, text=True
    )


def env():
    return os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"}


def records(file):
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    return [{k: v for k, v in row.items() if k not in TIMES} for row in rows]


def whole_lines(journal):
    return journal.read_bytes().split(b"\n")[:-1] if journal.is_file() else []


def wait_for_more(journal, count):
    """Wait until an answer more is in the journal than there were."""
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and len(whole_lines(journal)) <= count:
        time.sleep(0.02)
    assert len(whole_lines(journal)) > count, "no answer in three minutes"


def test_ten_kills_leave_the_records_of_an_unbroken_run(clone):
    answers = clone / "data/answers/gsm8k/smollm2-135m.jsonl"
    unbroken = records(answers)
    answers.unlink()
    (clone / "data/logs/smollm2-135m-gsm8k-naked.json").unlink()
    journal = clone / ".lem/journal/generate-smollm2-135m-gsm8k-naked.jsonl"
    call = [BIN / "dvc", "repro", "-s", "answer@smollm2-135m-gsm8k"]
    draw = random.Random(0)
    kept = [0]
    for number in range(KILLS):
        run = subprocess.Popen(call, cwd=clone, env=env(), start_new_session=True, stdout=subprocess.DEVNULL)
        if number % 2 == 0:  # the others hit DVC's start, the loading of the model, or the first batch
            wait_for_more(journal, kept[-1])
        time.sleep(draw.uniform(0, 2) if number % 2 == 0 else draw.uniform(1, 8))
        assert run.poll() is None, f"ended before it was killed, {kept} answers in"
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        lines = whole_lines(journal)
        kept.append(len(lines))
        assert kept[-1] >= kept[-2], "an answer was lost"
        assert len({json.loads(line)["key"] for line in lines}) == len(lines), "an answer was asked for twice"
        assert not answers.exists(), "half a file was left"
    assert kept[-1] > 0, "no kill came after a finished answer: the test showed nothing"
    done = dvc(clone, *call[1:])
    assert f"Keeping {kept[-1]} answers, {len(unbroken) - kept[-1]} to ask" in done.stdout
    assert records(answers) == unbroken
