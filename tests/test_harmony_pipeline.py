"""harmony/dvc.yaml in a DVC repository, on the micro model: which cells run, and which are left alone."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import micro

BIN = Path(sys.executable).parent
ROOT = Path(__file__).parents[1]
BOARD = "harmony/dvc.yaml"
MODELS, TASKS = ("micro", "micro-4bit"), ("choose", "write")
NEW_MODEL = "micro-4bit: {of: micro, round_trip: 4}\n"

pytestmark = pytest.mark.slow  # cells of a real DVC repository, a process each


def run(*words, cwd, check=True):
    path = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"}
    done = subprocess.run(words, cwd=cwd, env=path, capture_output=True, text=True, check=False)
    assert done.returncode == 0 or not check, f"{words}\n{done.stdout}\n{done.stderr}"
    return done


def repro(folder, *words):
    """Return the stages that a dvc repro of the leaderboard ran, without the name of its file."""
    done = run("dvc", "repro", BOARD, *words, cwd=folder)
    return sorted(re.findall(r"^Running stage '(?:harmony/dvc.yaml:)?([^']+)'", done.stdout, re.M))


def would_run(folder):
    """Return the stages that a dvc repro would run; those that only depend on them are among them."""
    return repro(folder, "--dry")


def replace(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def cells(models=MODELS, tasks=TASKS):
    return [f"harmony@{model}-{task}" for model in models for task in tasks]


def results(folder):
    """Return the bytes and the hour of every file of every cell."""
    found = sorted((folder / "data/harmony/results").rglob("*.*"))
    return {str(p.relative_to(folder)): (p.read_bytes(), p.stat().st_mtime_ns) for p in found if p.is_file()}


def added_task(folder, name):
    """Add a task: its file, its data, one entry."""
    seeds = folder / "seeds/tasks"
    (seeds / f"{name}.yaml").write_text((seeds / "choose.yaml").read_text().replace("choose", name))
    for split in ("train", "valid", "test"):
        text = (seeds / f"choose-{split}.jsonl").read_text(encoding="utf-8")
        (seeds / f"{name}-{split}.jsonl").write_text(text.replace("Where", "Whence"), encoding="utf-8")
    params = folder / "params.yaml"
    params.write_text(params.read_text() + f"    {name}: {{category: choosing}}\n")


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """A repository whose leaderboard, of one model and one task, has been computed once."""
    folder = micro.study(tmp_path_factory.mktemp("leaderboard") / "study")
    micro.harmony(folder)
    replace(folder / "params.yaml", f"    {NEW_MODEL}", "")
    replace(folder / "params.yaml", "    write: {category: writing}\n", "")
    (folder / "harmony").mkdir()
    shutil.copyfile(ROOT / BOARD, folder / BOARD)
    run("git", "init", "-q", cwd=folder)
    run("dvc", "init", "-q", cwd=folder)
    (folder / ".gitignore").write_text((ROOT / ".gitignore").read_text())
    assert repro(folder) == ["alter@micro", "convert@micro", "harmony@micro-choose", "split@choose"]
    return folder


@pytest.fixture
def clone(reference, tmp_path):
    return shutil.copytree(reference, tmp_path / "clone", symlinks=True)


def test_every_cell_is_there_and_a_second_repro_runs_nothing(reference):
    before = results(reference)
    assert {Path(name).name for name in before} == {
        *("cell.json", "figures.jsonl", "log.txt", "losses.jsonl", "run.json", "scores.jsonl")
    }
    assert repro(reference) == []
    assert results(reference) == before
    status = run("git", "status", "--porcelain", "--ignored", "data", cwd=reference).stdout
    assert "?? data/harmony" not in status, "what DVC keeps is nothing for git"


def test_one_more_task_runs_its_own_cells_alone(clone):
    before = results(clone)
    replace(clone / "params.yaml", "    choose: {", "    write: {category: writing}\n    choose: {")
    assert repro(clone) == ["harmony@micro-write", "split@write"]
    after = results(clone)
    assert {name: after[name] for name in before} == before
    assert len(after) == 2 * len(before)


@pytest.mark.slow
def test_one_more_model_runs_its_own_cells_alone(clone):
    replace(clone / "params.yaml", "    micro: {of: micro}\n", f"    {NEW_MODEL}    micro: {{of: micro}}\n")
    before = results(clone)
    assert repro(clone) == ["alter@micro-4bit", "harmony@micro-4bit-choose"]
    assert {name: found for name, found in results(clone).items() if "4bit" not in name} == before


@pytest.mark.slow
def test_what_runs_every_cell_again(clone):
    text = (clone / "params.yaml").read_text()
    for old, new in (("learning_rate: 2.0e-2", "learning_rate: 1.0e-2"), ("rank: 8,", "rank: 8, seed: 1,")):
        (clone / "params.yaml").write_text(text.replace(old, new))
        assert would_run(clone) == ["harmony@micro-choose", "split@choose"]
    (clone / "params.yaml").write_text("# a comment\n" + text.replace("    choose: {", "    choose:   {"))
    assert would_run(clone) == []


@pytest.mark.slow
def test_the_whole_board(clone):
    """Two models on two tasks, other settings, other data, and a recipe that is raised."""
    params = clone / "params.yaml"
    replace(params, "    micro: {of: micro}\n", f"    micro: {{of: micro}}\n    {NEW_MODEL}")
    replace(params, "    choose: {", "    write: {category: writing}\n    choose: {")
    rest = [cell for cell in cells() if cell != "harmony@micro-choose"]
    assert repro(clone) == sorted(["alter@micro-4bit", "split@write", *rest])
    before = results(clone)
    replace(params, "learning_rate: 2.0e-2", "learning_rate: 1.0e-2")
    assert repro(clone) == sorted([*cells(), *(f"split@{task}" for task in TASKS)])
    after = results(clone)
    assert after.keys() == before.keys()
    ids = [
        {name: json.loads(found[0])["run_id"] for name, found in some.items() if name.endswith("cell.json")}
        for some in (before, after)
    ]
    assert all(ids[0][name] != ids[1][name] for name in ids[0])
    replace(clone / "seeds/tasks/write-train.jsonl", "(train 3)", "(train three)")
    assert repro(clone) == sorted(["split@choose", "split@write", *cells(tasks=["write"])])
    added_task(clone, "third")
    assert repro(clone) == sorted(["split@choose", "split@write", "split@third", *cells(tasks=["third"])])
    assert repro(clone) == []


@pytest.mark.slow
def test_other_weights_run_the_cells_of_their_models(clone):
    shutil.rmtree(clone / "micro")
    micro.build(clone / "micro", seed=1)
    run("lem", "convert", "--model", "micro", cwd=clone)
    assert repro(clone) == ["alter@micro", "convert@micro", "harmony@micro-choose"]


@pytest.mark.slow
def test_a_cell_that_is_changed_by_hand_is_computed_again(clone):
    file = clone / "data/harmony/results/micro/choose/scores.jsonl"
    before = file.read_bytes()
    file.unlink()
    file.write_bytes(before.replace(b"1.0", b"0.0"))
    assert repro(clone) == ["harmony@micro-choose"]
    assert file.read_bytes() == before
