"""`lem run` and `lem status`: what will run, what goes on when something fails, what the table says of it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from lem import beat
from lem.journal import Journal
from lem.run import failures, merge
from lem.run.plan import Planned, matches, named, spoken, total

KEPT = ("convert", "items", "answer", "score", "check", "warehouse")
FOLDERS = (
    "answers",
    "baseline",
    "distilled",
    "figures",
    "fine-tuned",
    "harmony",
    "imported",
    "judged",
    "logs",
)


def sh(*words, code=0):
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment())
    assert done.returncode == code, f"{words}\n{done.stdout}\n{done.stderr}"
    return done


def environment():
    return os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


@pytest.fixture
def small(study):
    """The study with its baselines on one benchmark: one model that is there and one that is not."""
    pipeline = yaml.safe_load(Path("dvc.yaml").read_text())
    stages = {name: pipeline["stages"][name] for name in KEPT}
    stages["warehouse"].pop("metrics")
    stages["warehouse"]["outs"] = [{"reports/tables": {"persist": True}}]
    Path("dvc.yaml").write_text(yaml.safe_dump({"stages": stages}, sort_keys=False))
    params = Path("params.yaml").read_text()
    entry = "    micro: {from: mlx:micro, family: micro, scale: 0.1M, variant: random, licence: CC0-1.0}\n"
    assert entry in params
    gone = "    gone: {from: mlx:nowhere, family: micro, scale: 0.1M, variant: random}\n"
    Path("params.yaml").write_text(params.replace(entry, gone + entry))
    for name in (*FOLDERS, "items", "scores"):
        Path("data", name).mkdir(parents=True, exist_ok=True)
    sh("git", "init", "-q")
    sh("dvc", "init", "-q")
    return study


def test_a_model_that_is_not_there_is_a_hole_and_the_rest_goes_on(small):
    plan = sh("lem", "run", "--dry")
    rows = [line.split("\t") for line in plan.stdout.splitlines()]
    assert rows[0] == ["stage", "model", "prompts", "mode", "why", "seconds"]
    assert ["answer@gone-sums", "gone", "sums", "naked", "if what is before it changes", ""] in rows
    assert "9 stages to go through" in plan.stderr and "disk: " in plan.stderr and "memory: " in plan.stderr
    assert not Path("data/models").exists(), "--dry runs nothing"

    done = sh("lem", "run", code=1)
    assert "convert@gone failed: from: 'mlx:nowhere'" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("Error: 1 of 9 stages failed: convert@gone; 1 rows of")
    table = [dict(zip(*pair, strict=True)) for pair in pairs(done.stdout)]
    filled = [row for row in table if row["model"] == "micro"]
    assert {row["n"] for row in filled} == {"10"} and not any(row["hole"] for row in filled)
    (hole,) = [row for row in table if row["model"] == "gone"]
    assert (hole["prompts"], hole["mode"], hole["value"]) == ("sums", "naked", "")
    assert hole["hole"].startswith("convert@gone failed: from: 'mlx:nowhere'")
    found = sh(
        "lem", "sql", "select model, prompts, severity from quality_findings where rule = 'failed_cell'"
    )
    assert found.stdout.splitlines()[1:] == ["gone\tsums\terror"]


def pairs(stdout):
    """Return (columns, values) of each row of the table at the end of a run's output."""
    lines = stdout.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("model\tprompts\tmode\tmetric"))
    return [(lines[start].split("\t"), line.split("\t")) for line in lines[start + 1 :]]


@pytest.mark.slow
def test_what_has_been_mended_is_a_hole_no_longer(small):
    sh("lem", "run", code=1)
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("mlx:nowhere", "mlx:micro"))
    mended = sh("lem", "run")
    assert {row["model"] for row in (dict(zip(*pair, strict=True)) for pair in pairs(mended.stdout))} == {
        "gone",
        "micro",
    }
    assert not failures.file_of("x").parent.exists(), "the notes of what has been mended are gone"
    assert "Nothing to run" in sh("lem", "run", "--dry").stderr


def test_only_some_models(small):
    done = sh("lem", "run", "--dry", "--only", "mic*")
    stages = [line.split("\t")[0] for line in done.stdout.splitlines()[1:]]
    assert set(stages) == {"convert@micro", "items@sums", "answer@micro-sums", "score@micro-sums"}
    refused = sh("lem", "run", "--dry", "--only", "gemma*", code=1)
    assert "--only gemma*: no such model; there are: gone, micro" in refused.stderr


def test_outside_a_repository_it_says_so(study):
    assert sh("lem", "run", "--dry", code=1).stderr.startswith("Error: ")


@pytest.fixture
def plain(study):
    """A study whose two stages are shell commands: `write(a=..., b=...)` says which."""
    sh("git", "init", "-q")
    sh("dvc", "init", "-q")

    def write(**commands):
        stages = {name: {"cmd": command, "outs": [name]} for name, command in commands.items()}
        Path("dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))

    return write


def test_a_note_goes_with_its_stage(plain):
    plain(a="false", b="touch b")
    assert "a failed: failed to run: false, exited with 1" in sh("lem", "run", code=1).stderr
    assert Path("b").is_file() and failures.file_of("a").is_file()
    sh("dvc", "repro", "a", code=255)
    assert failures.file_of("a").is_file(), "tried again is not done"
    plain(a="touch a", b="touch b")
    sh("lem", "run", "a")
    assert not failures.FOLDER.exists()
    plain(a="touch a", b="false")
    sh("lem", "run", code=1)
    plain(a="touch a")
    sh("lem", "run")
    assert not failures.FOLDER.exists(), "who takes the stage out has mended it"


def test_ctrl_c_ends_it_and_is_no_failure_of_the_stage(plain):
    plain(a="touch begun; sleep 60", b="touch b")
    run = subprocess.Popen(
        ["lem", "run", "a", "b"],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not Path("begun").exists():
        assert run.poll() is None
        time.sleep(0.05)
    os.killpg(run.pid, signal.SIGINT)
    _, said = run.communicate()
    assert run.returncode == 1 and said.splitlines()[-1] == "Aborted!"
    assert not failures.FOLDER.exists() and not Path("b").exists() and not Path(".lem/run.json").exists()


# What a command names


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("lem generate --model m.s0 --prompts gsm8k", ("generate", "m.s0", "gsm8k", "naked")),
        (
            "lem generate --model m --prompts validation --mode sandwich",
            ("generate", "m", "validation", "sandwich"),
        ),
        ("lem score --model m --benchmark b", ("score", "m", "b", "naked")),
        ("lem lm-eval --model m --task t", ("lm-eval", "m", "t", "naked")),
        ("lem train --model m", ("train", "m", None, None)),
        ("lem check", ("check", None, None, None)),
        ("python own.py --model m", (None, "m", None, None)),
        (None, (None, None, None, None)),
    ],
)
def test_a_command_names_its_cell(command, expected):
    given = named(command)
    assert (given["verb"], given["model"], given["prompts"], given["mode"]) == expected


def test_a_pattern_names_a_model_with_or_without_its_seed():
    assert matches("gemma-lek.s0", ["gemma-lek"]) and matches("gemma-lek.s0", ["gemma*"])
    assert not matches("smollm2.s0", ["gemma*"]) and not matches(None, ["*"])


def test_times_that_nobody_knows_are_counted_apart():
    one = Planned("a@m", "lem generate", "m", "p", "naked", "changed", 30.0)
    other = Planned("b@m", "lem generate", "m", "p", "naked", "changed", None)
    assert total([one, other]) == (30.0, 1)
    assert [spoken(s) for s in (0.4, 59, 61, 3600, 4800)] == [
        "0 s",
        "59 s",
        "1 min",
        "1 h 0 min",
        "1 h 20 min",
    ]


# Two machines


def test_locks_are_merged_stage_by_stage():
    old, new, other = ({"cmd": "lem generate --model m", "outs": n} for n in range(3))
    base = {"a": old, "b": old}
    assert merge.merged(base, base | {"c": new}, base | {"d": other}) == (
        {"a": old, "b": old, "c": new, "d": other},
        [],
    )
    assert merge.merged(base, {"a": new, "b": old}, {"a": old}) == ({"a": new}, [])
    assert merge.merged(base, {"a": new, "b": old}, {"a": other, "b": old}) == ({"a": new, "b": old}, ["a"])
    tables = ({"cmd": "lem warehouse", "outs": n} for n in range(3))
    was, mine, theirs = ({"warehouse": one} for one in tables)
    assert merge.merged(was, mine, theirs) == ({}, []), "tables are built again, of the rows of both"


def test_git_merges_what_two_machines_ran(small):
    """Each adds a stage at the end of dvc.lock, which git alone calls a conflict."""
    git = ("git", "-c", "user.name=t", "-c", "user.email=t@example.org")
    Path(".gitattributes").write_text("dvc.lock merge=dvc-lock\n")
    sh("lem", "run", "items@sums")
    sh(*git, "add", "-A")
    sh(*git, "commit", "-qm", "base")
    sh("git", "branch", "-q", "other")
    lock = yaml.safe_load(Path("dvc.lock").read_text())

    def added(name):
        more = {**lock["stages"], name: {"cmd": f"lem generate --model {name}"}}
        Path("dvc.lock").write_text(yaml.safe_dump({**lock, "stages": more}, sort_keys=False))
        sh(*git, "commit", "-qam", name)

    added("answer@here")
    sh("git", "checkout", "-q", "other")
    added("answer@there")
    sh(*git, "merge", "-q", "-m", "both", "-")
    assert list(yaml.safe_load(Path("dvc.lock").read_text())["stages"]) == [
        "items@sums",
        "answer@there",
        "answer@here",
    ]


# How far it is


def test_status_says_how_far_a_living_process_is(study, lem, monkeypatch):
    monkeypatch.setenv(beat.STAGE, "answer@m-sums")
    assert lem("status").output == "Nothing runs here.\n"
    with beat.beating(200, "tokens at most", items=4) as one:
        one.item()
        one.told -= 2
        one.move(50)
        (said,) = json.loads(lem("status", "--format", "json").output)["stages"]
        assert (said["stage"], said["done"], said["total"], said["items_done"]) == (
            "answer@m-sums",
            50,
            200,
            1,
        )
        assert lem("status").output.startswith("answer@m-sums: 1 of 4 answers, 50 of 200 tokens at most, ")
    assert lem("status").output == "Nothing runs here.\n"


def test_a_dead_process_says_nothing(study, lem):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    beat.FOLDER.mkdir(parents=True)
    (beat.FOLDER / f"{gone.pid}.json").write_text('{"stage": "answer@m"}')
    Path(".lem/run.json").write_text(json.dumps({"pid": gone.pid}))
    assert lem("status").output == "Nothing runs here.\n"
    assert not list(beat.FOLDER.iterdir())


@pytest.mark.parametrize("pid", [None, True, -1, 0, 1.5, 10**30, "", "x", "-1", "9" * 5000, [1]])
def test_what_is_no_process_id_names_no_process(pid):
    assert not beat.lives(pid)


def test_a_process_lives_by_its_number_or_its_digits():
    assert beat.lives(os.getpid()) and beat.lives(str(os.getpid()))


@pytest.mark.parametrize("said", ["{", "[1]", "[" * 10**5, "null", '{"pid": "x"}', '{"pid": %d}'])
def test_status_survives_any_json(study, lem, said):
    text = said.replace("%d", str(os.getpid()))
    beat.FOLDER.mkdir(parents=True)
    (beat.FOLDER / f"{os.getpid()}.json").write_text(text)
    Path(".lem/run.json").write_text(text)
    assert lem("status").output == "Nothing runs here.\n"
    state = {"pid": os.getpid(), "stage": "x", "done": 1, "stages": 2, "failed": {}, "unknown": 0}
    for seconds in (float("nan"), 10**400):
        Path(".lem/run.json").write_text(json.dumps(state | {"seconds": seconds, "seconds_left": 1}))
        assert lem("status").output == "Nothing runs here.\n"


def test_a_stage_that_begins_sweeps_what_killed_ones_left(study):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    beat.FOLDER.mkdir(parents=True)
    left = beat.FOLDER / f"{gone.pid}.json"
    left.write_text("{}")
    with Journal(Path(".lem/journal/judge-m.jsonl")):
        assert not left.exists()


def test_status_of_a_run(study, lem):
    state = {
        "pid": os.getpid(),
        "stage": "answer@m-sums",
        "done": 3,
        "stages": 9,
        "failed": {"convert@x": "no"},
    }
    Path(".lem").mkdir(exist_ok=True)
    Path(".lem/run.json").write_text(json.dumps(state | {"seconds": 61, "seconds_left": 120, "unknown": 2}))
    assert lem("status").output == (
        "lem run: 3 of 9 stages done in 1 min, now answer@m-sums; about 2 min left, "
        "without 2 that have never run; failed: convert@x\n"
    )
