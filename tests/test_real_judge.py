"""Slow: a real server of the real model judges twenty answers, is killed half way, comes back. `make slow`.

What a judge of 135M parameters says means nothing; that nothing is made up, lost or
asked twice is what is shown.
"""

import json
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from lem.cli import main
from lem.record_files import read_jsonl, write_jsonl
from lem.records import Response

ROOT = Path(__file__).parents[1]
MODEL = ROOT / "data/models/smollm2-135m"
ANSWERS = Path("data/answers/truthfulqa/smollm2-135m.jsonl")
N = 20
SERVE = "from lem import mlx_runtime; mlx_runtime.core(); from mlx_lm.server import main; main()"

pytestmark = pytest.mark.slow


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """mlx_lm.server on loopback; stopped by its own pid only."""

    def __init__(self, port):
        self.port = port

    def __enter__(self):
        words = ["--model", str(MODEL), "--port", str(self.port), "--log-level", "ERROR"]
        self.process = subprocess.Popen([sys.executable, "-c", SERVE, *words])
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=1):
                    return self
            except OSError:
                time.sleep(0.2)
        raise AssertionError("no server within two minutes")

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def lem(*words):
    result = CliRunner().invoke(main, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Twenty real answers of the reference run, and a judge on a port of this machine."""
    if not (MODEL.is_dir() and (ROOT / ANSWERS).is_file()):
        pytest.skip("the reference run is not here; run: make repro")
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "engine.yaml", "engine.yaml")
    for name in ("kernel", "seeds"):
        Path(name).symlink_to(ROOT / name)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["benchmarks"] = {"truthfulqa": params["benchmarks"]["truthfulqa"] | {"limit": N}}
    params["compare"] = []
    port = free_port()
    params["judge"] = {
        "url": f"http://127.0.0.1:{port}/v1", "model": "default_model",
        "rubrics": {"truthfulqa": "truthfulness"}, "concurrency": 1, "timeout": 300, "patience": 2,
    }  # fmt: skip
    Path("params.yaml").write_text(yaml.safe_dump(params))
    lem("items", "--benchmark", "truthfulqa")
    write_jsonl(ANSWERS, list(read_jsonl(ROOT / ANSWERS, Response))[:N])
    for file in ("data/baseline/smollm2-135m/model.json", "data/logs/smollm2-135m-truthfulqa-naked.json"):
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        record = json.loads((ROOT / file).read_text())
        Path(file).write_text(json.dumps(record | ({"responses": N} if "responses" in record else {})))
    return port


def lines(journal):
    return journal.read_bytes().splitlines() if journal.is_file() else []


def judged():
    rows = Path("data/judged/truthfulqa/smollm2-135m.jsonl").read_text().splitlines()
    return [row for row in map(json.loads, rows) if row["metric"] == "truthful"]


def test_killed_half_way_the_rest_is_null_and_a_rerun_asks_only_that(study):
    journal = Path(".lem/journal/judge-truthfulqa-smollm2-135m.jsonl")
    call = [sys.executable, "-m", "lem", "judge", "--model", "smollm2-135m", "--benchmark", "truthfulqa"]
    with Server(study) as server:
        judge = subprocess.Popen(call, stdout=subprocess.PIPE, text=True)
        while (
            judge.poll() is None and len(journal.read_bytes().splitlines() if journal.is_file() else ()) < 8
        ):
            time.sleep(0.05)
        server.process.kill()
        told, _ = judge.communicate(timeout=600)
    assert judge.returncode == 0, told
    first = judged()
    scored = [row for row in first if row["value"] is not None]
    assert len(first) == N and 8 <= len(scored) < N
    assert all(row["error"] for row in first if row["value"] is None)
    lem("warehouse")
    table = lem(
        "sql",
        "--format",
        "json",
        "select n, unscored, worst, best from measurements where metric = 'truthful'",
    )
    (row,) = json.loads(table)
    assert (row["n"], row["unscored"]) == (len(scored), N - len(scored))
    assert 1 <= row["worst"] < row["best"] <= 10
    lem("report")
    shown = f"unscored {N - len(scored)} of {N}: within"
    assert shown in Path("reports/report.md").read_text()
    with Server(study):
        told = lem("judge", "--model", "smollm2-135m", "--benchmark", "truthfulqa")
    assert re.search(rf"\({len(scored)} kept, {N - len(scored)} to ask\)", told), told
    second = judged()
    kept = {row["item_id"]: row for row in scored}
    assert [row for row in second if row["item_id"] in kept] == scored
    assert sum(row["value"] is not None for row in second) >= len(scored)
