"""`lem doctor`: what it finds and how it mends; the pins it writes, keeping those of other machines."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lem import engine
from lem.doctor import finding, looked, machine, repository
from lem.params import Memory, ModelSpec, Study
from lem.verify.integrity import Damage

OTHER = "made-for-another-machine"
THINGS = {
    *("python", "device", "blas", "memory", "disk", "temp", "versions"),
    *("git", "dvc lock", "remote", "journals", "integrity"),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def libraries() -> dict[str, str]:
    return yaml.safe_load(engine.FILE.read_text())["libraries"]


def found(lem, code: int = 0) -> dict[str, list[dict[str, str]]]:
    """Return what `lem doctor` says, by what it looked at."""
    rows = json.loads(lem("doctor", "--format", "json", code=code).stdout)
    said: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        said.setdefault(row["what"], []).append(row)
    return said


# The pins


def test_it_writes_what_is_installed_and_then_finds_no_difference(lem, folder):
    assert "no such file; write it with: lem doctor --pin" in lem("doctor", code=1).output
    assert lem("doctor", "--pin").output == "engine.yaml: as installed\n"
    assert yaml.safe_load(engine.FILE.read_text()) == engine.installed()
    assert [row["status"] for row in found(lem, code=1)["versions"]] == ["ok"]  # 1: there is no params.yaml


def test_it_names_each_difference_on_a_line_and_changes_nothing(lem, study):
    old = engine.FILE.read_text().replace(f"mlx: {libraries()['mlx']}", "mlx: 0.1").replace(": 1\n", ": 7\n")
    engine.FILE.write_text(old)
    said = lem("doctor", code=1).output
    assert "fault\tversions\tmlx: engine.yaml says 0.1, installed is" in said
    assert said.count("engine.yaml says 7") == list(engine.RECIPES.values()).count(1)
    assert "or accept what is installed with: lem doctor --pin\n" in said
    assert engine.FILE.read_text() == old


def test_a_pin_that_is_not_installed_here_is_kept(lem, folder, monkeypatch):
    monkeypatch.setitem(engine.SHAPED_BY, "items", (OTHER,))
    engine.FILE.write_text(yaml.safe_dump({"libraries": {OTHER: "9.1", "mlx": "0.1"}, "recipes": {}}))
    assert f"{OTHER}: engine.yaml says 9.1, installed is None" in lem("doctor", "--pin", code=1).output
    assert libraries()[OTHER] == "9.1"
    assert libraries()["mlx"] == engine.installed()["libraries"]["mlx"]


def test_a_library_that_no_stage_is_shaped_by_any_more_is_dropped(lem, folder):
    engine.FILE.write_text(yaml.safe_dump({"libraries": {"left-pad": "1.0"}, "recipes": {"old": 3}}))
    lem("doctor", "--pin")
    assert yaml.safe_load(engine.FILE.read_text()) == engine.installed()


def test_versions_stay_texts(lem, folder, monkeypatch):
    monkeypatch.setitem(engine.SHAPED_BY, "items", (OTHER,))
    monkeypatch.setattr(engine, "version", lambda name: "1.10")
    lem("doctor", "--pin")
    assert libraries()[OTHER] == "1.10"


def test_a_damaged_file_is_not_written_over(lem, folder):
    engine.FILE.write_text("<<<<<<< ours\nlibraries: {}\n")
    assert "engine.yaml: not YAML" in lem("doctor", "--pin", code=1).output
    assert engine.FILE.read_text().startswith("<<<<<<< ours")


# The whole look


def test_a_whole_study_has_no_fault_but_what_it_lacks_is_said(lem, study):
    said = found(lem)
    assert set(said) == THINGS
    assert "fault" not in {row["status"] for rows in said.values() for row in rows}
    assert "not in a DVC repository" in said["remote"][0]["finding"]
    assert "not in a git repository" in said["git"][0]["finding"]
    assert "GFLOP/s" in said["blas"][0]["finding"]


def test_in_an_empty_folder_each_lack_is_a_finding_and_none_a_traceback(lem, folder):
    said = found(lem, code=1)
    assert said["params.yaml"][0]["status"] == said["versions"][0]["status"] == "fault"
    assert set(said) > THINGS
    assert all(row["mend"] for rows in said.values() for row in rows if row["status"] != "ok")


def test_in_a_pipe_it_is_tab_separated_and_a_name_cannot_break_a_line(lem, study):
    (study / ".lem/journal").mkdir(parents=True)
    (study / ".lem/journal/a\x1b[31m\tb\nc.jsonl").touch()
    output = lem("doctor").output
    assert all(len(line.split("\t")) == 4 for line in output.splitlines())
    assert "\x1b" not in output and "1 unfinished: a?[31m b c" in output


def test_what_fails_while_it_is_looked_at_hides_nothing_else():
    def broken():
        raise OSError(5, "the disk is gone")

    one = looked("disk", broken)
    assert (one.status, one.what) == ("fault", "disk")
    assert "the disk is gone" in one.finding


def test_a_table_has_the_mend_below_its_line():
    rows = [finding.ok("git", "clean"), finding.warning("disk", "1 GiB free", "free some")]
    assert finding.lines(rows, "table") == (
        "ok       git   clean\nwarning  disk  1 GiB free\n               free some\n"
    )


# The machine


@pytest.mark.parametrize(
    ("name", "speed", "status"),
    [("stock", 6, "warning"), ("mkl 2026", 100, "ok"), ("mkl 2026", 6, "warning")],
)
def test_a_slow_blas_is_a_warning(monkeypatch, name, speed, status):
    monkeypatch.setattr(sys, "platform", "linux")
    one = machine.judged(name, speed)
    assert one.status == status
    assert f"{speed} GFLOP/s" in one.finding
    assert bool(one.mend) == (status == "warning")


def test_a_memory_limit_beyond_the_machine_is_a_warning():
    assert machine.memory(Memory(limit_gb=0.1, cache_limit_gb=0.1)).status == "ok"
    assert machine.memory(Memory(limit_gb=10**6)).status == "warning"
    assert "memory.limit_gb" in machine.memory(Memory(cache_limit_gb=10**6)).mend


def test_the_smallest_limit_of_the_cgroup_and_those_above_it_counts(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/memory.max").write_text("1000\n")
    (tmp_path / "a/b/memory.max").write_text("max\n")
    own = tmp_path / "own"
    own.write_text("0::/a/b\n")
    assert list(machine._cgroup_limits(tmp_path, own)) == [1000]
    (tmp_path / "memory").mkdir()
    (tmp_path / machine.OLD_LIMIT).write_text("77\n")
    assert list(machine._cgroup_limits(tmp_path, tmp_path / "none")) == [77]


@pytest.mark.parametrize(
    ("scale", "more", "size"),
    [
        ("135M", {"dtype": "float32"}, 540e6),
        ("1.5B", {"dtype": "bfloat16"}, 3e9),
        ("8b", {"quantize": True, "q_bits": 4}, 4e9),
        ("huge", {}, 0),
        (None, {}, 0),
    ],
)
def test_the_size_of_weights_by_their_scale(scale, more, size):
    assert machine.weights(ModelSpec("m", "baseline", scale=scale, **more)) == size


def test_models_that_do_not_fit_on_the_disk_are_a_warning(folder):
    big = ModelSpec("big", "baseline", scale="900T")
    assert machine.disk(Study(models={"big": big})).status == "warning"
    (folder / "data/models/big").mkdir(parents=True)
    (folder / "data/models/big/provenance.json").touch()
    assert "0 models to convert" in machine.disk(Study(models={"big": big})).finding


def test_an_old_python_is_a_fault():
    assert machine.python((3, 10)).status == "fault"
    assert machine.python().status == "ok"


# The folder


def test_a_live_dvc_process_is_named_and_a_dead_one_is_not(tmp_path):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as alive:
        entry = {"pid": alive.pid, "cmd": "dvc repro train"}
        (tmp_path / "rwlock").write_text(json.dumps({"read": {"/x": [entry]}, "write": {"/y": entry}}))
        one = repository.lock(tmp_path)
        assert (one.status, f"dvc repro train (process {alive.pid})" in one.finding) == ("warning", True)
        alive.communicate(b"\n")
    assert repository.lock(tmp_path).finding == "free"


KINDS = (
    *("", "{", "[]", '{"read": 3}'),
    *(json.dumps({"read": {"/x": [{"pid": pid}]}}) for pid in ("no", True, -1, 10**30)),
)


@pytest.mark.parametrize("content", KINDS)
def test_a_lock_file_of_any_kind_is_no_traceback(tmp_path, content):
    (tmp_path / "rwlock").write_text(content)
    assert repository.lock(tmp_path).status == "ok"


def test_damage_in_the_cache_is_a_fault_and_in_the_workspace_a_warning():
    def damage(place, what="damaged"):
        return Damage(place, "data/x.jsonl", "", what, "dvc checkout")

    assert repository.counted([]).status == "ok"
    assert repository.counted([damage("workspace"), damage("cache", "missing")]).status == "warning"
    both = repository.counted([damage("workspace", "changed"), damage("cache"), damage("cache")])
    assert (both.status, both.mend) == ("fault", "dvc checkout")
    assert both.finding == "2 in the cache, 1 in the workspace; such as data/x.jsonl: damaged"


def test_a_dvc_repository_with_its_remote(folder, monkeypatch):
    """No default remote, one without verify, one that lacks an object, a whole one, one that is gone."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")

    def run(*words):
        subprocess.run(words, cwd=folder, check=True, capture_output=True)

    run("git", "init", "-q")
    run("dvc", "init", "-q")
    (folder / "x.txt").write_text("x")
    run("dvc", "add", "-q", "x.txt")
    assert "no default remote" in repository.remote(60)[0].finding
    run("dvc", "remote", "add", "-d", "store", "store")
    first, second = repository.remote(60)
    assert "verify true" in first.mend
    assert "1 objects in use, 1 not there" in second.finding
    run("dvc", "remote", "modify", "store", "verify", "true")
    run("dvc", "push", "-q")
    (whole,) = repository.remote(60)
    assert (whole.status, whole.finding) == (
        "ok",
        "store: reachable, 1 objects in use, all there, verify true",
    )
    (folder / "dvc.yaml").write_text("stages: 7\n")
    assert repository.remote(60)[0].status == "fault"


def test_a_remote_that_does_not_answer_is_not_waited_for(monkeypatch):
    import threading

    never = threading.Event()
    monkeypatch.setattr(repository, "_dvc", lambda: never.wait(60) and [])
    one = repository.remote(0.05)[0]
    never.set()
    assert (one.status, "no answer" in one.finding) == ("warning", True)


def test_git_says_what_is_not_committed(folder):
    assert repository.git().status == "warning"
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    assert repository.git().status == "ok"
    (folder / "new.txt").touch()
    assert "1 files changed or not tracked" in repository.git().finding
