"""The whole path through a real DVC repository in a temporary folder, on the micro model.

What runs again after an edit, what does not, what a fresh clone pulls, and what
a broken record or a kill does. The figures of the README come from SmolLM2.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

import micro
from fake_judge import FakeJudge

TUNED = ("micro-lek", "micro-lek-composure")
BIN = Path(sys.executable).parent
ROOT = Path(__file__).parents[1]


def run(*words, cwd, check=True, env=None):
    done = subprocess.run(
        [str(w) for w in words],
        cwd=cwd,
        env=os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"} | (env or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    if check:
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done


def ran(done):
    """Return the stages that a dvc repro ran, of those it went through."""
    return re.findall(r"^Running stage '([^']+)'", done.stdout, re.M)


def commit(folder, message="change"):
    run("git", "add", "-A", cwd=folder)
    run("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", message, cwd=folder)


@pytest.fixture(scope="module")
def reference(make_study, tmp_path_factory):
    """A study that has run once, is committed, and is pushed to a remote inside its tree."""
    folder = make_study(tmp_path_factory.mktemp("reference"))
    run("git", "init", "-q", cwd=folder)
    run("dvc", "init", "-q", cwd=folder)
    run("dvc", "remote", "add", "-d", "store", "store", cwd=folder)
    (folder / ".gitignore").write_text((ROOT / ".gitignore").read_text())
    shutil.copytree(ROOT / ".dvc/plots", folder / ".dvc/plots", dirs_exist_ok=True)
    run("dvc", "repro", cwd=folder)
    run("dvc", "push", cwd=folder)
    commit(folder, "reference run")
    return folder


def make_repro(folder):
    """What `make repro` does: the weights first, then the rest, pulling what did not change."""
    done = [run("dvc", "repro", *words, cwd=folder) for words in (["convert"], ["--pull"])]
    return [stage for one in done for stage in ran(one)]


@pytest.fixture(scope="module")
def pulled(reference, tmp_path_factory):
    """A fresh clone with everything pulled and the weights rebuilt; nobody writes there."""
    folder = tmp_path_factory.mktemp("pulled") / "clone"
    run("git", "clone", "-q", reference, folder, cwd=folder.parent)
    make_repro(folder)
    return folder


@pytest.fixture
def clone(pulled, tmp_path):
    """A copy of the pulled clone to work in."""
    return shutil.copytree(pulled, tmp_path / "clone", symlinks=True)


def replace(path, old, new):
    text = path.read_text()
    assert text.count(old) >= 1
    path.write_text(text.replace(old, new, 1))


def test_bare_pull_succeeds_on_a_fresh_clone(reference, tmp_path):
    folder = tmp_path / "clone"
    run("git", "clone", "-q", reference, folder, cwd=tmp_path)
    run("dvc", "pull", cwd=folder)
    assert (folder / "data/baseline/micro/validation-naked.jsonl").is_file()
    assert not (folder / "data/models/micro").exists(), "weights are rebuilt, not shipped"
    shown = run("lem", "sql", "select count(*) as n from summary", cwd=folder).stdout
    assert int(shown.split()[1]) > 0


def test_repro_on_a_fresh_clone_rebuilds_only_the_weights(reference, tmp_path):
    folder = tmp_path / "clone"
    run("git", "clone", "-q", reference, folder, cwd=tmp_path)
    assert make_repro(folder) == ["convert@micro"]
    assert make_repro(folder) == []
    assert run("git", "status", "--porcelain", cwd=folder).stdout == ""
    replace(folder / "params.yaml", "micro-lek >= micro - 20 on sums", "micro-lek >= micro - 30 on sums")
    assert make_repro(folder) == ["warehouse", "claims", "mapping", "report"]


def test_an_edited_prompt_is_the_only_one_asked_again(clone):
    seeds = clone / "seeds/P21-P40.json"
    entries = json.loads(seeds.read_text())
    entries[0]["prompt"] += " Answer in one line."
    seeds.write_text(json.dumps(entries))
    done = run("dvc", "repro", cwd=clone)
    assert set(ran(done)) == {
        "generate@micro-naked",
        "generate@micro-sandwich",
        *(f"generate-tuned@{tuned}-0-{mode}" for tuned in TUNED for mode in ("naked", "sandwich")),
        *AFTER,
    }
    assert len(re.findall(r"Keeping 11 answers, 1 to ask", done.stdout)) == 6


@pytest.mark.slow
def test_an_answer_changed_by_hand_is_asked_again(clone):
    """A response file that is not as its run wrote it is not trusted, whatever it says."""
    file = clone / "data/baseline/micro/format-naked.jsonl"
    whole = records(file)
    replace(file, '"response": "', '"response": "I would rather ')
    done = run("dvc", "repro", "--pull", cwd=clone)
    assert "format@micro-naked" in ran(done)
    assert records(file) == whole


def test_a_damaged_response_file_is_named_before_it_is_healed(clone):
    """`dvc repro -s check` names the line; a plain `dvc repro` has its own stage ask again."""
    file = clone / "data/baseline/micro/format-naked.jsonl"
    file.write_text(file.read_text()[:-30])
    done = run("dvc", "repro", "-s", "check", cwd=clone, check=False)
    assert done.returncode != 0
    assert f"data/baseline/micro/format-naked.jsonl:{len(file.read_text().splitlines())}" in done.stderr


def test_a_docstring_edit_runs_nothing(clone):
    """Stages depend on recipes and versions, not on the text of the code."""
    study = yaml.safe_load((clone / "dvc.yaml").read_text())
    deps = [d for stage in study["stages"].values() for d in stage.get("do", stage).get("deps", [])]
    assert not [d for d in deps if d.endswith(".py") or d.startswith("src")]
    (clone / "params.yaml").write_text("# a comment\n" + (clone / "params.yaml").read_text())
    assert ran(run("dvc", "repro", cwd=clone)) == []


@pytest.mark.slow
def test_a_new_model_and_a_new_benchmark_run_only_their_cells(clone):
    params = yaml.safe_load((clone / "params.yaml").read_text())
    models = params["models"]["baseline"]
    params["models"]["baseline"] = {"half": {**models["micro"], "dtype": "float16"}, **models}
    (clone / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    stages = set(ran(run("dvc", "repro", cwd=clone)))
    assert {s for s in stages if "@" in s and "half" not in s} == set()
    assert {s.split("@")[0] for s in stages} == {
        "convert",
        "generate",
        "format",
        "answer",
        "score",
        *AFTER,
    }
    params["benchmarks"]["more"] = {**params["benchmarks"]["sums"], "limit": 5}
    (clone / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    stages = set(ran(run("dvc", "repro", cwd=clone)))
    cells = {f"{stage}@{model}-more" for stage in ("answer", "score") for model in ("half", "micro")}
    cells |= {f"{stage}-tuned@{tuned}-0-more" for stage in ("answer", "score") for tuned in TUNED}
    assert stages == {"items@more", *cells, *AFTER}


def test_another_recipe_runs_its_stage_again(clone):
    engine = yaml.safe_load((clone / "engine.yaml").read_text())
    engine["recipes"]["score"] += 1
    (clone / "engine.yaml").write_text(yaml.safe_dump(engine))
    done = run("dvc", "repro", cwd=clone, check=False)
    assert done.returncode != 0
    now = engine["recipes"]["score"]
    assert f"recipe of score: engine.yaml says {now}, the code says {now - 1}" in done.stdout + done.stderr


BREAK = {
    "a torn line": lambda lines: [*lines[:-1], lines[-1][:40]],
    "a missing field": lambda lines: [*lines[:-1], lines[-1].replace('"prompt_sha"', '"prompt_shah"')],
    "a doubled key": lambda lines: [*lines, lines[0]],
}


@pytest.mark.parametrize(
    "fault",
    [
        "a torn line",
        *(pytest.param(fault, marks=pytest.mark.slow) for fault in BREAK if fault != "a torn line"),
    ],
)
def test_a_broken_record_stops_the_pipeline_at_check(clone, fault):
    """A response file damaged after its stage has run, with a later stage asked for anew."""
    file = clone / "data/baseline/micro/format-naked.jsonl"
    lines = BREAK[fault](file.read_text().splitlines())
    file.unlink()
    file.write_text("\n".join(lines) + "\n")
    run("dvc", "commit", "-f", "format@micro-naked", cwd=clone)
    done = run("dvc", "repro", "check", "warehouse", cwd=clone, check=False)
    assert done.returncode != 0
    assert ran(done) == ["check"]
    where = f"data/baseline/micro/format-naked.jsonl:{len(lines)}"
    assert where in done.stdout + done.stderr
    assert json.loads((clone / "reports/checks.json").read_text())["ok"] is False


def records(file):
    return [
        {k: v for k, v in json.loads(line).items() if k not in ("gen_time", "batch_size")}
        for line in file.read_text().splitlines()
    ]


def test_killed_dvc_goes_on_where_it_stopped(clone):
    """kill -9 of the process group during generate; afterwards the records of an unbroken run."""
    replace(clone / "params.yaml", "max_tokens: 12", "max_tokens: 300")
    replace(clone / "params.yaml", "batch_size: 4", "batch_size: 1")
    command = [str(BIN / "dvc"), "repro", "-s", "generate@micro-sandwich"]
    run(*command, cwd=clone)
    file = clone / "data/baseline/micro/validation-sandwich.jsonl"
    whole = records(file)
    file.unlink()
    (clone / "data/logs/micro-validation-sandwich.json").unlink()
    env = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"}
    journal = clone / ".lem/journal/generate-micro-validation-sandwich.jsonl"
    killed = subprocess.Popen(
        [*command, "--no-run-cache"], cwd=clone, env=env, start_new_session=True, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (journal.is_file() and journal.stat().st_size):
        time.sleep(0.005)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    kept = len(journal.read_bytes().split(b"\n")) - 1
    assert 0 < kept < len(whole) and not file.exists()
    done = run(*command, "--no-run-cache", cwd=clone)
    assert f"Keeping {kept} answers, {len(whole) - kept} to ask" in done.stdout
    assert records(file) == whole


@pytest.mark.slow
def test_imports_are_in_the_tables_and_stay_there(clone):
    """An import is a dependency: check and warehouse run again for it, and dvc repro keeps its rows."""
    theirs = clone / "data/imported/theirs"
    theirs.mkdir()
    item = {
        "benchmark": "b",
        "item_id": "1",
        "question": "q",
        "gold": "1",
        "sha": "0" * 64,
        "source": "theirs",
    }
    (theirs / "items").mkdir()
    (theirs / "items/b.jsonl").write_text(json.dumps(item) + "\n")
    count = ("lem", "sql", "select count(*) from items where source = 'theirs'")
    assert ran(run("dvc", "repro", cwd=clone)) == [*AFTER]
    assert run(*count, cwd=clone).stdout.split()[1] == "1"
    assert ran(run("dvc", "repro", cwd=clone)) == []
    assert run(*count, cwd=clone).stdout.split()[1] == "1"


def cells(entry, seed):
    """Return the stages that a fine-tune's seed has beyond its training."""
    modes = {f"generate-tuned@{entry}-{seed}-{mode}" for mode in ("naked", "sandwich")}
    return modes | {f"{stage}-tuned@{entry}-{seed}-sums" for stage in ("answer", "score")}


AFTER = ("check", "warehouse", "claims", "mapping", "report")


@pytest.mark.slow
def test_a_judge_that_is_away_leaves_nulls_and_a_later_call_asks_only_those(clone):
    """A stage with nobody to ask ends well; `lem judge` and `dvc commit` bring in what was missing."""
    with FakeJudge(lambda request: '{"truthful": 7, "informative": 4}') as judge:
        spec = f"url: '{judge.url}', model: a-judge, rubrics: {{sums: truthfulness}}, patience: 1"
        replace(clone / "params.yaml", "judge: {rubrics: {}}", f"judge: {{{spec}}}")
        judge.stop()
        stages = set(ran(run("dvc", "repro", cwd=clone)))
    assert stages == {
        "judge@micro-sums",
        *(f"judge-tuned@{tuned}-0-sums" for tuned in TUNED),
        *AFTER,
    }
    judged = clone / "data/judged/sums/micro.jsonl"
    assert {row["value"] for row in map(json.loads, judged.read_text().splitlines())} == {None}
    with FakeJudge(lambda request: '{"truthful": 7, "informative": 4}') as judge:
        params = clone / "params.yaml"
        params.write_text(re.sub(r"http://127\.0\.0\.1:\d+/v1", judge.url, params.read_text()))
        run("dvc", "repro", "judge@micro-sums", cwd=clone)
        asked = len(judge.requests)
        run("lem", "judge", "--model", "micro", "--benchmark", "sums", cwd=clone)
        assert len(judge.requests) == asked > 0
    assert {row["value"] for row in map(json.loads, judged.read_text().splitlines())} == {7.0, 4.0}


@pytest.mark.slow
def test_a_third_fine_tune_is_three_lines_and_runs_only_its_cells(clone):
    replace(
        clone / "params.yaml",
        "judge:",
        "    micro-third:\n      tune: micro-lek\n      data: seeds/training/composure\njudge:",
    )
    stages = ran(run("dvc", "repro", cwd=clone))
    assert set(stages) == {"train@micro-third", *cells("micro-third", 0), *AFTER}
    tuned = "select count(*) from scale_delta where fine_tuned = 'micro-third'"
    assert int(run("lem", "sql", tuned, cwd=clone).stdout.split()[1]) > 0


@pytest.mark.slow
def test_a_task_of_lm_eval_is_one_entry_and_runs_only_its_cells(clone):
    micro.tasks(clone)
    replace(clone / "params.yaml", "  tell: {chat_template: false, batch_size: 8}\n", "")
    tuned = {f"lm-eval-tuned@{entry}-0-pick" for entry in TUNED}
    assert set(ran(run("dvc", "repro", cwd=clone))) == {"task@pick", "lm-eval@micro-pick", *tuned, *AFTER}
    shown = run("lem", "compare", "micro-lek", "micro", "--on", "pick", cwd=clone).stdout
    assert "| Task | Metric | micro | micro-lek.s0 |" in shown
    assert "of 36 log-probabilities are equal to the last bit" in shown
    assert "### Aggregated metrics" in (clone / "reports/report.md").read_text()
    seeds = clone / "seeds/tasks/pick.yaml"
    replace(seeds, "metadata:", "# only said otherwise\nmetadata:")
    assert ran(run("dvc", "repro", cwd=clone)) == ["task@pick"], "what a task says is the same"


@pytest.mark.slow
def test_more_training_seeds_train_only_the_new_ones_and_show_their_spread(clone):
    replace(clone / "params.yaml", "seeds: [0]", "seeds: [0, 1]")
    done = run("dvc", "repro", cwd=clone)
    assert done.stdout.count("trained already, with the same data and settings") == len(TUNED)
    trained = {f"train@{entry}" for entry in TUNED}
    assert set(ran(done)) == {*trained, *(cell for entry in TUNED for cell in cells(entry, 1)), *AFTER}
    spread = "select min(seeds), count(seed_sd), count(*) from scale_delta where n > 0"
    seeds, known, rows = map(int, run("lem", "sql", spread, cwd=clone).stdout.split()[-3:])
    assert seeds == 2
    assert known == rows > 0
    replace(clone / "params.yaml", "seeds: [0, 1]", "seeds: [0]")
    run("dvc", "repro", cwd=clone)
    assert not (clone / "data/models/micro-lek/s1").exists(), "a seed no longer named leaves nothing behind"


@pytest.mark.slow
def test_dvc_draws_the_losses_and_runs_experiments(clone):
    """What a DVC user types: plots of this revision and of two, an experiment with another setting."""
    shown = run("dvc", "plots", "show", "--json", cwd=clone).stdout
    assert "reports/plots/losses.json" in shown
    assert '"micro-lek.s0"' in shown.replace("\\", "")
    setting = "models.fine-tuned.micro-lek.iters=6"
    replace(clone / "params.yaml", "data: data/training/lek}", "data: data/training/lek, iters: 4}")
    run("dvc", "repro", cwd=clone)
    commit(clone, "iters stated")
    done = run("dvc", "exp", "run", "-S", setting, cwd=clone)
    assert {"train@micro-lek", "train@micro-lek-composure"} <= set(ran(done)), (
        "the chained one goes on from it"
    )
    table = run("dvc", "exp", "show", "--csv", cwd=clone).stdout
    assert "models.fine-tuned.micro-lek.iters" in table.splitlines()[0]
    assert "6" in table
    diff = run("dvc", "plots", "diff", "--json", "HEAD", cwd=clone).stdout
    assert "reports/plots/losses.json" in diff
