"""`lem lm-eval` on a micro study: what is written, what is asked again, what a kill leaves behind."""

import bz2
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

import micro
from lem import convert, layout, mlx_runtime, mlx_weighing
from lem.journal import Journal
from lem.record_files import file_sha, read_json, read_jsonl, sha256
from lem.records import Figure, Response, Run, Score

PICK, TELL = Path("seeds/tasks/pick.yaml"), Path("seeds/tasks/tell.yaml")
DATA = Path("seeds/tasks/pick.jsonl")
PARAMS = Path("params.yaml")
TUNED = "micro-lek.s0"


def run(name="micro", task="pick", *more):
    return ("lm-eval", "--model", name, "--task", task, *more)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A study with two baselines of other weights, one fine-tune, and the items of both tasks."""
    from click.testing import CliRunner

    from lem.cli import main

    folder = micro.study(tmp_path_factory.mktemp("lm-eval") / "study")
    micro.tasks(folder)
    micro.build(folder / "other", seed=1)
    before = Path.cwd()
    os.chdir(folder)
    try:
        replace(PARAMS, "  baseline:\n", "  baseline:\n    other: {from: mlx:other}\n")
        for words in (["convert", "--model", "micro"], ["convert", "--model", "other"]):
            assert CliRunner().invoke(main, words).exit_code == 0
        for task in micro.TASKS:
            assert CliRunner().invoke(main, ["task", "--task", task]).exit_code == 0
        micro.adapter(layout.adapter("micro-lek", 0), convert.weights_sha(layout.model("micro")))
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def ready(built, tmp_path, monkeypatch):
    """A copy of that study, which is also the working folder."""
    folder = tmp_path / "study"
    shutil.copytree(built, folder)
    monkeypatch.chdir(folder)
    return folder


def replace(path, old, new):
    text = Path(path).read_text(encoding="utf-8")
    assert old in text
    Path(path).write_text(text.replace(old, new, 1), encoding="utf-8")


def files(name="micro", task="pick"):
    """Return what a run writes, by a name for each."""
    folder = layout.lm_eval(name, task)
    return {
        "results": folder / "results.json",
        "samples": folder / "samples.jsonl.bz2",
        "about": folder / "about.json",
        "scores": layout.scores(task, name),
        "figures": layout.figures(f"{name}-{task}"),
        "responses": layout.answers(task, name),
        "log": layout.log(name, task, "naked", "log"),
        "run": layout.log(name, task, "naked", "json"),
    }


def lasting(name="micro", task="pick"):
    """Return the bytes of what a run writes, less what depends on the hour and on what was kept."""
    found = files(name, task)
    whole = {kind: found[kind].read_bytes() for kind in found if kind not in ("about", "log", "run")}
    record = json.loads(found["run"].read_text())
    whole["run"] = {k: v for k, v in record.items() if k not in ("started", "wall_seconds", "asked")}
    whole["log"] = re.sub(r"^Kept .*\n", "", found["log"].read_text(), flags=re.M)
    return whole


def record(name="micro", task="pick"):
    return read_json(files(name, task)["run"], Run)


def answers(name="micro", task="pick"):
    return list(read_jsonl(files(name, task)["responses"], Response))


def logprobs(name="micro"):
    return {(r.seed_id, r.sample): r.logprob for r in answers(name)}


def results(name="micro", task="pick"):
    return json.loads(files(name, task)["results"].read_text())


def samples(name="micro", task="pick"):
    return [json.loads(line) for line in bz2.open(files(name, task)["samples"], "rt", encoding="utf-8")]


def journal(name="micro", task="pick"):
    return layout.JOURNALS / f"lm-eval-{name}-{task}.jsonl"


def test_what_is_written_and_nothing_else(ready, lem):
    before = {p for p in Path().rglob("*") if p.is_file()}
    shown = lem(*run())
    assert {p for p in Path().rglob("*") if p.is_file()} - before == set(files().values())
    assert shown.stdout == files()["log"].read_text()
    device, blas = record().device, mlx_runtime.blas()
    assert shown.stdout.splitlines()[:2] == [
        "Loading model: micro",
        f"Model loaded on {device} (BLAS: {blas}). Running pick...",
    ]
    assert shown.stdout.endswith(f"\nDone. 36 answers saved to {files()['responses']}\n")
    for file in files().values():
        content = file.read_bytes()
        told = bz2.decompress(content) if file.suffix == ".bz2" else content
        assert str(ready).encode() not in told, "a path of this machine"


def test_answers_are_given_choices_with_the_models_own_log_probability(ready, lem):
    lem(*run())
    rows = [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]
    found, loaded = answers(), mlx_runtime.load(layout.model("micro"))
    expected = [(n, text) for n, row in enumerate(rows) for text in row["choices"]]
    assert [(int(r.seed_id), r.response) for r in found] == expected
    assert [r.sample for r in found] == [0, 1, 2] * 12
    for r in found:
        assert r.prompt == f"Question: {micro.QUESTIONS[int(r.seed_id)]}\nAnswer:"
        assert (r.prompt_sha, r.finish_reason, r.run_id) == (sha256(r.prompt), "given", record().run_id)
        given = mlx_weighing.seam(loaded.tokenizer.encode, r.prompt, f" {r.response}")
        assert r.logprob == pytest.approx(mlx_weighing.loglikelihoods(loaded, [given])[0], rel=1e-6, abs=5e-4)


def test_scores_and_figures_are_those_of_the_answers(ready, lem):
    lem(*run())
    rows = [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]
    said, right = logprobs(), {"acc": [], "acc_norm": []}
    for n, row in enumerate(rows):
        nats = [said[str(n), place] for place in range(3)]
        by_length = [value / len(text) for value, text in zip(nats, row["choices"], strict=True)]
        right["acc"].append(float(nats.index(max(nats)) == row["label"]))
        right["acc_norm"].append(float(by_length.index(max(by_length)) == row["label"]))
    scores = list(read_jsonl(files()["scores"], Score))
    for metric, values in right.items():
        assert 0 < sum(values) < 12, "else nothing is told apart"
        assert [s.value for s in scores if s.metric == metric] == values
        (figure,) = (f for f in read_jsonl(files()["figures"], Figure) if f.metric == metric)
        assert (figure.value, figure.n) == (pytest.approx(statistics.mean(values)), 12)
        assert figure.stderr == pytest.approx(statistics.stdev(values) / 12**0.5)
        assert results()["results"]["pick"][f"{metric},none"] == figure.value
        log = f"pick {metric} (none) {figure.value:.4f}, stderr {figure.stderr:.4f}, n = 12"
        assert log in files()["log"].read_text().splitlines()
    assert [row["acc"] for row in samples()] == right["acc"]


def test_written_answers_end_where_the_task_says(ready, lem):
    lem(*run(task="tell"))
    loaded, found = mlx_runtime.load(layout.model("micro")), answers(task="tell")
    for r in found:
        ids = loaded.tokenizer.encode(f"Question: {micro.QUESTIONS[int(r.seed_id)]}\nAnswer:")
        (done,) = mlx_runtime.generate(loaded, [ids], mlx_runtime.Sampling(max_tokens=8))
        assert r.response == re.split("Question:|\n", done.text)[0]
    assert [row["resps"] for row in samples(task="tell")] == [[[r.response]] for r in found]
    said = record(task="tell")
    assert (said.temperature, said.max_tokens, said.batch_size, said.samples) == (0.0, 8, 8, 1)
    assert json.loads(said.until) == ["Question:", "\n"]
    (figure,) = read_jsonl(files(task="tell")["figures"], Figure)
    assert (figure.metric, figure.value, figure.n) == ("exact_match", 0.0, 12)


def test_run_record(ready, lem):
    lem(*run())
    said, config = record(), results()["config"]
    assert (said.model, said.prompts, said.mode, said.source) == ("micro", "pick", "naked", "own")
    assert said.weights_sha == convert.weights_sha(layout.model("micro")) == config["weights_sha"]
    assert (said.adapter_sha, said.template, said.temperature, said.max_tokens) == (None,) * 4
    assert (said.responses, said.asked, said.batch_size) == (36, 36, 8)
    assert said.responses_sha == file_sha(files()["responses"])
    assert config["run_id"] == said.run_id and "lm-eval" in said.engine
    assert datetime.fromisoformat(said.started).utcoffset().total_seconds() == 0
    about = json.loads(files()["about"].read_text())
    assert not set(about) & set(results()), "a thing of the hour stands in the results too"
    assert "date" in about and "total_evaluation_time_seconds" in about


def test_the_check_passes(ready, lem):
    for task in micro.TASKS:
        lem(*run(task=task))
    shown = lem("check").output
    assert re.search(r"^figures +2 files +3 rows .* ok$", shown, re.M), shown


def test_a_second_call_asks_nothing(ready, lem):
    lem(*run())
    before = {kind: file.read_bytes() for kind, file in files().items()}
    assert lem(*run()).output == f"All answers hold, nothing to ask: {files()['responses']}\n"
    assert {kind: file.read_bytes() for kind, file in files().items()} == before
    assert not journal().exists()


@pytest.mark.parametrize("task", micro.TASKS)
def test_two_studies_write_the_same_bytes(built, tmp_path, monkeypatch, lem, task):
    said = []
    for name in ("a", "b"):
        shutil.copytree(built, tmp_path / name)
        monkeypatch.chdir(tmp_path / name)
        lem(*run(task=task))
        said.append(lasting(task=task))
    assert said[0] == said[1]


def test_no_model_is_served_the_answers_of_another(ready, lem):
    names, said = ("micro", TUNED, "other"), {}
    for name in names:
        lem(*run(name))
        said[name] = logprobs(name)
        assert record(name).asked == 36
    for one, two in ((names[0], names[1]), (names[0], names[2]), (names[1], names[2])):
        assert all(said[one][key] != said[two][key] for key in said[one])
    assert len({record(name).run_id for name in names}) == 3
    assert record(TUNED).adapter_sha and record(TUNED).weights_sha == record("micro").weights_sha
    args = results(TUNED)["config"]["model_args"]
    assert args == {"pretrained": "data/models/micro", "peft": "data/models/micro-lek/s0"}


def test_a_journal_of_other_weights_is_not_taken(ready, lem):
    """Every answer that there is of the other model stands in the journal, and none is served."""
    lem(*run("micro"))
    plain = logprobs("micro")
    kept = every_answer("other")
    journal("micro").parent.mkdir(parents=True, exist_ok=True)
    journal("micro").write_bytes(kept)
    files("micro")["responses"].unlink()
    shown = lem(*run("micro"))
    assert "Kept" not in shown.output and record().asked == 36
    assert logprobs("micro") == plain


def every_answer(name, task="pick"):
    """Return the whole journal of a run: it ends where its results cannot be written."""
    blocked = files(name, task)["results"]
    blocked.mkdir(parents=True)  # a folder where a file has to be
    from click.testing import CliRunner

    from lem.cli import main

    assert CliRunner().invoke(main, run(name, task)).exit_code == 1
    blocked.rmdir()
    kept = journal(name, task).read_bytes()
    assert kept.count(b"\n") == (36 if task == "pick" else 12)
    journal(name, task).unlink()
    return kept


def test_other_settings_ask_anew_and_an_answer_of_the_same_question_is_kept(ready, lem):
    """One journal, kept by a failure to write: what shaped its answers decides whether they count."""
    kept = every_answer("micro")
    for words, asked in (
        ((), 0),
        (("--shots", "1"), 36),
        (("--chat-template",), 36),
        (("--batch-size", "4"), 36),
    ):
        journal().write_bytes(kept)
        lem(*run("micro", "pick", *words))
        assert record().asked == asked, words
    journal().write_bytes(kept)
    lem(*run())
    assert "Kept 36 answers, asked 0" in files()["log"].read_text()


def test_edited_weights_are_asked_anew(ready, lem):
    lem(*run())
    before, said = logprobs(), record()
    shutil.copyfile("other/model.safetensors", "micro/model.safetensors")
    lem("convert", "--model", "micro")
    lem(*run())
    assert record().asked == 36 and record().settings_sha != said.settings_sha
    assert all(before[key] != value for key, value in logprobs().items())


def edited_data():
    times = DATA.stat()
    replace(DATA, "How sure", "How sore")
    os.utime(DATA, ns=(times.st_atime_ns, times.st_mtime_ns))


EDITS = {
    "data, of the same length and hour": edited_data,
    "a template": lambda: replace(PICK, "Answer:", "Reply:"),
    "a version": lambda: replace(PICK, "version: 1.0", "version: 2.0"),
    "a metric": lambda: replace(
        PICK, "  - {metric: acc_norm, aggregation: mean, higher_is_better: true}\n", ""
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_task_is_written_again_first(ready, lem, edit):
    lem(*run())
    before = lasting()
    EDITS[edit]()
    shown = lem(*run(), code=1)
    again = "or its items have changed since; write it again: lem task --task pick"
    assert shown.stderr == f"Error: data/tasks/pick.json: {PICK} {again}\n"
    assert lasting() == before
    lem("task", "--task", "pick")
    lem(*run())
    assert record().asked == 36 and record().run_id != before["run"]["run_id"]
    if edit.startswith("data"):
        assert answers()[6].prompt == "Question: How sore are you of it?\nAnswer:"


def test_items_by_hand_or_none_are_an_error(ready, lem):
    layout.items("pick").write_text(layout.items("pick").read_text().replace('"sha": "', '"sha": "0', 1))
    assert "have changed since; write it again: lem task --task pick" in lem(*run(), code=1).stderr
    for text in ("{", "5", "[]"):
        layout.task("pick").write_text(text)
        assert lem(*run(), code=1).stderr.startswith("Error: data/tasks/pick.json: ")
    layout.task("pick").unlink()
    shown = lem(*run(), code=1).stderr
    assert shown == "Error: data/tasks/pick.json: no such file; write it: lem task --task pick\n"
    assert not files()["run"].exists() and not files()["responses"].exists()


def test_worked_examples_that_are_edited_are_asked_anew(ready, lem):
    replace(PICK, "pick.jsonl}", "pick.jsonl, shots: seeds/tasks/shots.jsonl}")
    PICK.write_text(
        PICK.read_text() + "fewshot_split: shots\nfewshot_config: {sampler: first_n}\nnum_fewshot: 1\n"
    )
    row = json.loads(DATA.read_text(encoding="utf-8").splitlines()[0])
    for text in ("Which?", "Who?"):
        Path("seeds/tasks/shots.jsonl").write_text(json.dumps({**row, "question": text}) + "\n")
        if text == "Who?":
            assert "have changed since" in lem(*run(), code=1).stderr
        lem("task", "--task", "pick")
        lem(*run())
        assert answers()[0].prompt.startswith(f"Question: {text}\nAnswer: the sum\n\nQuestion: What is asked")


@pytest.mark.parametrize("damage", [kind for kind in files() if kind != "run"])
def test_files_that_are_not_as_they_were_written_are_written_again(ready, lem, damage):
    lem(*run())
    before, file = lasting(), files()[damage]
    file.write_bytes(file.read_bytes()[:-1] + b"1")
    if damage == "about":
        file.unlink()
    assert "All answers hold" not in lem(*run()).output
    assert lasting() == before


def test_a_limit_is_told_in_every_file(ready, lem):
    lem(*run("micro", "pick", "--limit", "5"))
    assert {r.seed_id for r in answers()} == set("01234")
    assert {s.item_id for s in read_jsonl(files()["scores"], Score)} == set("01234")
    assert {(f.n, f.limited) for f in read_jsonl(files()["figures"], Figure)} == {(5, True)}
    assert results()["config"]["limit"] == 5
    assert ", n = 5, limited" in files()["log"].read_text()
    limited = record()
    lem(*run())
    assert (record().settings_sha, record().asked) == (limited.settings_sha, 36)
    assert record().run_id != limited.run_id
    assert {f.limited for f in read_jsonl(files()["figures"], Figure)} <= {False, None}
    lem(*run("micro", "pick", "--limit", "1"))
    assert {f.stderr for f in read_jsonl(files()["figures"], Figure)} == {None}, "of one item there is none"


def test_a_limited_run_is_marked_wherever_its_figures_stand(ready, lem):
    for name in ("micro", TUNED, "other"):
        lem(*run(name, "pick", "--limit", "5"))
    lem("check")
    lem("warehouse")
    for table in ("summary where benchmark is not null", "variant_detail", "basis"):
        assert lem("sql", f"select distinct limited from {table}").stdout == "limited\ntrue\n", table
    assert json.loads(Path("data/benchmarks/summary.json").read_text())["limited"]
    lem("report")
    shown = Path("reports/report.md").read_text().splitlines()
    told = [line for line in shown if line.startswith("| pick ")]
    assert told and all("limited" in line for line in told), told
    assert "| micro | 40.0 (11.8-76.9), limited |" in "\n".join(shown)
    said = lem("compare", "other", "micro").stdout
    assert all("limited" in line for line in said.splitlines() if "n = 5" in line)


def test_a_full_disk_is_no_fault_of_the_task(ready, lem, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Journal, "add", full)
    assert "No space left" in lem(*run(), code=1).stderr


def test_options_say_otherwise_than_params(ready, lem):
    lem(*run("micro", "pick", "--shots", "2", "--batch-size", "3"))
    assert all(r.prompt.count("Question: ") == 3 for r in answers())
    assert results()["n-shot"] == {"pick": 2} and record().batch_size == 3
    replace(
        PARAMS,
        "pick: {chat_template: false, batch_size: 8}",
        "pick: {chat_template: false, shots: 2, batch_size: 3}",
    )
    assert "All answers hold" not in lem("task", "--task", "pick").output
    assert "All answers hold" in lem(*run()).output, "said in params.yaml it is the same run"


def test_the_batch_size_changes_no_answer(ready, lem):
    lem(*run())
    before = logprobs()
    for size in ("1", "100"):
        lem(*run("micro", "pick", "--batch-size", size))
        assert logprobs() == pytest.approx(before, rel=1e-6, abs=5e-4)


def test_through_the_chat_template(ready, lem):
    lem(*run("micro", "tell", "--chat-template"))
    for r in answers(task="tell"):
        asked = f"Question: {micro.QUESTIONS[int(r.seed_id)]}\nAnswer:"
        assert r.prompt == f"<|im_start|>user\n{asked}<|im_end|>\n<|im_start|>assistant\n"
    assert record(task="tell").template == micro.TEMPLATE
    assert results(task="tell")["chat_template"] == micro.TEMPLATE
    (Path("micro") / "chat_template.jinja").unlink()
    lem("convert", "--model", "micro")
    shown = lem(*run("micro", "tell", "--chat-template"), code=1)
    assert shown.stderr == "Error: params.yaml: tasks.tell.chat_template: micro has none\n"


def test_what_is_drawn_is_told_and_drawn_again(ready, lem):
    replace(TELL, "do_sample: false, temperature: 0.0", "do_sample: true, temperature: 15.0, top_p: 0.9")
    lem("task", "--task", "tell")
    lem(*run(task="tell"))
    said = record(task="tell")
    assert (said.temperature, said.top_p) == (15.0, 0.9)
    first = [r.response for r in answers(task="tell")]
    files(task="tell")["responses"].unlink()
    lem(*run("micro", "tell", "--batch-size", "5"))
    assert [r.response for r in answers(task="tell")] == first, "a draw depends on its question alone"
    replace(TELL, "temperature: 15.0, top_p: 0.9, ", "")
    lem("task", "--task", "tell")
    lem(*run(task="tell"))
    assert (record(task="tell").temperature, record(task="tell").top_p) == (1.0, 1.0), "drawn, so not greedy"


def test_functions_of_a_task_leave_no_trace_of_this_machine(ready, lem):
    (Path("seeds/tasks") / "asking.py").write_text("def ask(doc):\n    return 'Say: ' + doc['question']\n")
    replace(PICK, 'doc_to_text: "Question: {{question}}\\nAnswer:"', "doc_to_text: !function asking.ask")
    lem("task", "--task", "pick")
    lem(*run("micro", "pick", "--limit", "2"))
    assert answers()[0].prompt == "Say: What is asked for before and not after?"
    assert not re.search("0x[0-9a-f]{8}", files()["results"].read_text()), "an address, another each time"


ERRORS = {
    "no such model": (
        lambda: None,
        run("mirco"),
        "params.yaml: no model named 'mirco' under models; did you mean",
    ),
    "no such task": (
        lambda: None,
        run("micro", "pikc"),
        "params.yaml: no task named 'pikc' under tasks; did you mean",
    ),
    "not converted": (
        lambda: shutil.rmtree(layout.model("other")),
        run("other"),
        "it is written by: lem convert",
    ),
    "not trained": (lambda: shutil.rmtree(layout.model("micro-lek")), run(TUNED), "lem train"),
    "settings not understood": (
        lambda: replace(TELL, "max_gen_toks: 8", "max_gen_toks: 8, top_k: 4"),
        run("micro", "tell"),
        f"{TELL}: generation_kwargs: top_k: expected one of until, do_sample, temperature",
    ),
}


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_is_one_clear_line_and_nothing_is_written(ready, lem, error):
    breaks, words, expected = ERRORS[error]
    breaks()
    before = {p for p in Path("data").rglob("*") if p.is_file()}
    shown = lem(*words, code=1)
    assert shown.stderr.startswith("Error: ") and expected in shown.stderr
    assert shown.stderr.count("\n") == 1
    assert {p for p in Path("data").rglob("*") if p.is_file()} == before


# Killed and started again.

SLOW = """
import sys, time
from lem.journal import Journal
add = Journal.add
def slowly(self, key, record):
    add(self, key, record)
    time.sleep(0.1)
Journal.add = slowly
from lem.cli import main
main()
"""


def started(*words):
    """Start `lem` in a process group of its own, slow enough to be alive when it is killed."""
    return subprocess.Popen(
        [sys.executable, "-c", SLOW, *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def journaled(name="micro", task="pick"):
    """Return how many whole lines a journal has."""
    return journal(name, task).read_bytes().count(b"\n") if journal(name, task).exists() else 0


def kill_when(process, enough):
    while not enough():
        assert process.poll() is None, "it ended before the kill"
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it ended before the kill"


def goes_on(lem, task, unbroken, total, least, most):
    """Start again over a journal with a torn line; so many answers at least and at most are kept."""
    with journal(task=task).open("ab") as torn:
        torn.write(b'{"key": "0123", "record": {"nats": -1')
    shown = lem(*run(task=task))
    kept = total - record(task=task).asked
    assert least <= kept <= most
    assert f"Kept {kept} answers, asked {total - kept}" in shown.stdout.splitlines()
    assert lasting(task=task) == unbroken
    assert not journal(task=task).exists()


def test_killed_while_it_weighs_it_goes_on_to_the_same_bytes(ready, lem):
    lem(*run())
    unbroken = lasting()
    for file in files().values():
        file.unlink()
    kill_when(started(*run()), lambda: journaled() >= 14)
    assert not any(file.exists() for file in files().values()), "whole or not at all"
    # a batch holds at most eight and is weighed whole
    goes_on(lem, "pick", unbroken, 36, journaled() - 7, journaled())


def test_killed_while_it_writes_it_goes_on_to_the_same_bytes(ready, lem):
    lem(*run(task="tell"))
    unbroken = lasting(task="tell")
    for file in files(task="tell").values():
        file.unlink()
    kept = every_answer("micro", "tell").splitlines(keepends=True)
    journal(task="tell").write_bytes(b"".join(kept[:5]))
    goes_on(lem, "tell", unbroken, 12, 5, 5)


def test_that_a_text_was_cut_is_said_in_the_log(ready, lem):
    config = layout.model("micro") / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"max_position_embeddings": 40}))
    lem(*run())
    (line,) = (one for one in files()["log"].read_text().splitlines() if "were cut to" in one)
    assert re.fullmatch(r"[1-9]\d* texts of up to \d+ tokens were cut to the 40 it reads", line)
