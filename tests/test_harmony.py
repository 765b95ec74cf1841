"""Train before test on the micro model: what is written, what a kill leaves, what is trained again."""

import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.numpy import load_file

import micro
from lem import convert, journal, layout, mlx_epochs, mlx_runtime, params
from lem.errors import LemError
from lem.harmony import altered, cell, examples, marks, tasks, work
from lem.journal import Journal
from lem.record_files import read_json, read_jsonl, sha256
from lem.records import Figure, Loss, Run, Score

TASKS = ("choose", "write")
WRITTEN = ("cell.json", "figures.jsonl", "log.txt", "losses.jsonl", "run.json", "scores.jsonl")
HALF_DONE = Path(".lem/harmony")
PARAMS = Path("params.yaml")
EPOCHS = 2


def lem_(*words):
    """Run `lem` outside of a test's own fixture."""
    from click.testing import CliRunner

    from lem.cli import main

    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A study with a leaderboard of a model, its altered copy and a fine-tune, everything described."""
    folder = micro.study(tmp_path_factory.mktemp("harmony") / "study")
    micro.harmony(folder, "    micro-lek: {of: micro-lek}\n")
    with contextlib.chdir(folder):
        lem_("convert", "--model", "micro")
        micro.adapter(layout.adapter("micro-lek", 0), convert.weights_sha(layout.model("micro")))
        for name in ("micro", "micro-4bit", "micro-lek"):
            lem_("alter", "--model", name)
        for task in TASKS:
            lem_("split", "--task", task)
    return folder


@pytest.fixture(scope="module")
def done(built, tmp_path_factory):
    """That study with both cells of the whole model, in runs that nothing broke off; nobody writes there."""
    folder = tmp_path_factory.mktemp("done") / "study"
    shutil.copytree(built, folder)
    with contextlib.chdir(folder):
        for task in TASKS:
            lem_(*run(task))
    return folder


@pytest.fixture
def ready(built, tmp_path, monkeypatch):
    """A copy of the study, which is also the working folder."""
    return at_work(built, tmp_path, monkeypatch)


@pytest.fixture
def ended(done, tmp_path, monkeypatch):
    """A copy of the study with both cells, which is also the working folder."""
    return at_work(done, tmp_path, monkeypatch)


def at_work(study, tmp_path, monkeypatch):
    folder = shutil.copytree(study, tmp_path / "study")
    monkeypatch.chdir(folder)
    return folder


def run(task="choose", name="micro"):
    return ("harmony", "--model", name, "--task", task)


def replace(path, old, new):
    text = Path(path).read_text(encoding="utf-8")
    assert old in text
    Path(path).write_text(text.replace(old, new, 1), encoding="utf-8")


def folder_of(task="choose", name="micro"):
    return layout.harmony_cell(name, task)


def about(task="choose", name="micro"):
    return json.loads((folder_of(task, name) / "cell.json").read_text())


def figures(task="choose", name="micro"):
    return list(read_jsonl(folder_of(task, name) / "figures.jsonl", Figure))


def scores(task="choose", name="micro"):
    return list(read_jsonl(folder_of(task, name) / "scores.jsonl", Score))


def lasting(folder):
    """Return what no kill may change: the bytes of scores and figures, the cell's description, the losses."""
    losses = [(r.iteration, r.loss, r.trained_tokens) for r in read_jsonl(folder / "losses.jsonl", Loss)]
    return {
        **{name: (folder / name).read_bytes() for name in ("scores.jsonl", "figures.jsonl", "cell.json")},
        "losses": losses,
        "run": {k: v for k, v in vars(read_json(folder / "run.json", Run)).items() if k in cell_fields()},
    }


def cell_fields():
    return set(Run.__dataclass_fields__) - {"started", "wall_seconds", "git_revision"}


# What a cell writes


def test_what_is_written_and_nothing_else(ready, lem):
    before = {p for p in Path().rglob("*") if p.is_file()}
    shown = lem(*run())
    assert {p for p in Path().rglob("*") if p.is_file()} - before == {folder_of() / name for name in WRITTEN}
    assert shown.stdout == (folder_of() / "log.txt").read_text()
    for name in WRITTEN:
        assert str(ready) not in (folder_of() / name).read_text(encoding="utf-8"), "a path of this machine"
    first, *_ = shown.stdout.splitlines()
    assert first == "Loading model: micro" and "Epoch 2: 10 batches, loss " in shown.stdout


@pytest.mark.parametrize("task", TASKS)
def test_figures_say_where_and_when(ended, task):
    found = figures(task)
    trained = "train_before_test"
    assert [(f.place, f.regime, f.n) for f in found] == [
        ("test", "direct", 6),
        ("validation, before", "direct", 4),
        ("validation, epoch 1", trained, 4),
        ("validation, epoch 2", trained, 4),
        ("test", trained, 6),
    ]
    metric, reading = {"choose": ("acc", "none"), "write": ("exact_match", "stripped")}[task]
    for f in found:
        assert (f.source, f.model, f.benchmark, f.metric, f.filter) == ("own", "micro", task, metric, reading)
        assert (f.unit, f.higher_is_better, f.limited) == ("rate", True, False)
        assert f.document == f"harmony/results/micro/{task}/figures.jsonl"
        assert f.category == {"choose": "choosing", "write": "writing"}[task]
    log = (folder_of(task) / "log.txt").read_text()
    assert f"test, {trained}: {metric} {found[-1].value:.4f}, stderr {found[-1].stderr:.4f}, n = 6" in log


@pytest.mark.parametrize("task", TASKS)
def test_scores_are_those_of_the_figures_in_both_regimes(ended, task):
    found = scores(task)
    assert [(s.regime, s.item_id) for s in found] == [
        (regime, str(n)) for regime in ("direct", "train_before_test") for n in range(6)
    ]
    for figure in (figures(task)[0], figures(task)[-1]):
        values = [s.value for s in found if s.regime == figure.regime]
        assert figure.value == pytest.approx(statistics.mean(values))
        assert figure.stderr == pytest.approx(statistics.stdev(values) / 6**0.5)
    assert {(s.run_id, s.scorer, s.model) for s in found} == {(about(task)["run_id"], "harmony", "micro")}
    assert len({(s.metric, s.filter) for s in found}) == 1


def test_training_tells_something(ended):
    """Else the tests of kills would compare zeros with zeros."""
    for task in TASKS:
        direct, *_, trained = figures(task)
        assert trained.value > direct.value


def test_the_direct_scores_are_the_plain_models(ended, lem):
    """As `lem lm-eval` has them, which knows nothing of training."""
    replace(PARAMS, "tasks: {}\n", "tasks: {plain: {chat_template: false}}\n")
    text = Path("seeds/tasks/choose.yaml").read_text().replace("task: choose", "task: plain")
    Path("seeds/tasks/plain.yaml").write_text(text)
    lem("task", "--task", "plain")
    lem("lm-eval", "--model", "micro", "--task", "plain")
    plain = [s.value for s in read_jsonl(layout.scores("plain", "micro"), Score) if s.metric == "acc"]
    assert [s.value for s in scores() if s.regime == "direct"] == plain


def test_run_record(ended):
    said = read_json(folder_of() / "run.json", Run)
    assert (said.run_id, said.model, said.prompts) == (about()["run_id"], "micro", "choose")
    assert (said.mode, said.template, said.adapter_sha, said.batch_size, said.seed) == (
        "naked",
        None,
        None,
        4,
        0,
    )
    study = params.load()
    assert said.weights_sha == altered.described(study, study.harmony_model("micro"))["weights_sha"]
    assert "mlx-lm" in said.engine and said.run_id == said.settings_sha[:16]


def test_losses_count_on_over_the_epochs(ended):
    found = list(read_jsonl(folder_of() / "losses.jsonl", Loss))
    assert [r.iteration for r in found] == [*range(2, 21, 2)]
    assert {(r.split, r.model, r.data) for r in found} == {("train", "micro", "data/harmony/tasks/choose")}
    tokens, seconds = [r.trained_tokens for r in found], [r.seconds for r in found]
    assert tokens == sorted(tokens) and tokens[4] * 2 == tokens[9] and seconds == sorted(seconds)


def test_cell_says_what_the_adapter_is(ended):
    for task in TASKS:
        told, validation = about(task), [f.value for f in figures(task)[2:4]]
        assert (told["examples"], told["shortened_examples"]) == (10, 0)
        assert told["best_epoch"] == 1 + validation.index(max(validation))
        assert len(told["adapter_sha"]) == 64
    assert about("choose")["adapter_sha"] != about("write")["adapter_sha"]


def test_the_check_passes(ended, lem):
    shown = lem("check").output
    assert "figures" in shown and "fault" not in shown.lower(), shown


def test_altered_models_and_fine_tunes_have_cells_of_their_own(ended, lem):
    lem(*run(name="micro-4bit"))
    lem(*run(name="micro-lek"))
    assert {s.model for s in scores(name="micro-4bit")} == {"micro-4bit"}
    assert {s.model for s in scores(name="micro-lek")} == {"micro-lek.s0"}, "as its other records call it"
    shas = {about(name=name)["adapter_sha"] for name in ("micro", "micro-4bit", "micro-lek")}
    runs = {about(name=name)["run_id"] for name in ("micro", "micro-4bit", "micro-lek")}
    assert len(shas) == len(runs) == 3


# The best epoch


def mark(value):
    figure = Figure("own", "d", "validation", "m", "t", "acc", value)
    return marks.Mark("validation", figure, [])


def test_the_best_epoch_by_direction():
    found = [mark(value) for value in (0.25, 0.75, 0.5, 0.75, 0.25)]
    assert marks.best(found, higher_is_better=True) == 2
    assert marks.best(found, higher_is_better=False) == 1
    assert marks.best([mark(0.0), mark(-0.5)], higher_is_better=False) == 2
    assert marks.best([mark(-0.5), mark(-0.25)], higher_is_better=True) == 2


def test_of_a_metric_that_is_better_where_it_is_lower_the_lowest_epoch_is_best(ready, lem):
    """The Brier score is of all items at once: the items' scores are their accuracy."""
    brier = "  - {metric: acc, aggregation: mean, higher_is_better: true}\n" + (
        "  - {metric: brier_score, aggregation: brier_score, higher_is_better: false}\n"
    )
    replace(
        "seeds/tasks/choose.yaml", "  - {metric: acc, aggregation: mean, higher_is_better: true}\n", brier
    )
    replace(PARAMS, "choose: {", "choose: {metric: brier_score, ")
    lem("split", "--task", "choose")
    lem(*run())
    found = figures()
    assert {(f.metric, f.higher_is_better) for f in found} == {("brier_score", False)}
    validation = [f.value for f in found[2:4]]
    assert validation[0] != validation[1]
    assert about()["best_epoch"] == 1 + validation.index(min(validation))
    assert {s.metric for s in scores()} == {"acc"} and len(scores()) == 12


def sha_of_adapter(file):
    """Return the hash of the adapter that a kept epoch holds, matrices by name."""
    kept = load_file(file)
    named = {name.removeprefix("adapter."): kept[name] for name in kept if name.startswith("adapter.")}
    return sha256(b"".join(name.encode() + named[name].tobytes() for name in sorted(named)))


@pytest.mark.parametrize("best", [1, 2])
def test_it_is_the_best_epochs_adapter_that_is_tested(ready, lem, monkeypatch, best):
    monkeypatch.setattr(marks, "best", lambda found, higher_is_better: best)
    files = half_done("in front of the last file")
    shas = [sha_of_adapter(file) for file in files]
    assert f"Epoch {best} is best on validation; testing it" in lem(*run()).output
    assert about()["adapter_sha"] == shas[best - 1] != shas[2 - best]


# What a model learns from


def learned(task, **changed):
    """Return (examples as text and as the part to learn, how many were cut)."""
    import dataclasses

    study = params.load()
    how = dataclasses.replace(study.harmony.train, **changed)
    loaded = altered.load(study, study.harmony_model("micro"))
    from lem.harness.model import Answers, Model

    with tasks.opened(study, task) as found, Journal(Path("j.jsonl")) as kept:
        lm = Model(loaded, Answers(kept, ""), 4)
        lm.templated = how.chat_template
        pairs, cut = examples.examples(found, lm, how)
    decode = loaded.tokenizer.decode
    return [(decode(tokens[:begins]), decode(tokens[begins:])) for tokens, begins in pairs], cut


def rows(task, split="train"):
    lines = Path(f"seeds/tasks/{task}-{split}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("task", TASKS)
def test_examples_are_the_questions_with_the_right_answer(ready, task):
    found, cut = learned(task)
    end = "" if task == "choose" else "<|im_end|>"
    assert cut == 0
    assert found == [
        (f"Question: {row['question']}\nAnswer:", f" {row['choices'][row['label']]}{end}")
        for row in rows(task)
    ]


def test_a_prompt_is_learned_too_where_it_is_asked_for(ready):
    found, _ = learned("choose", mask_prompt=False)
    row = rows("choose")[0]
    assert "".join(found[0]) == f"Question: {row['question']}\nAnswer: {row['choices'][row['label']]}"
    assert found[0][0] == "Q" or len(found[0][0]) < 4, "all but the first token"


def test_a_long_example_loses_its_beginning(ready):
    whole, _ = learned("write")
    found, cut = learned("write", max_seq_length=40)
    assert 0 < cut < len(found)
    for (asked, answer), (all_asked, all_of_it) in zip(found, whole, strict=True):
        assert answer == all_of_it and all_asked.endswith(asked)


def test_an_answer_that_is_longer_than_the_limit(ready):
    with pytest.raises(LemError) as caught:
        learned("write", max_seq_length=3)
    said = "seeds/tasks/write.yaml: example 0 of train: its answer has "
    assert caught.value.message.startswith(said)
    assert caught.value.message.endswith("in params.yaml, which is 3")


@pytest.mark.parametrize(
    "target, choices",
    [
        ('"{{choices[label]}}"', None),
        ("choices", None),
        ("label", '"{{choices}}"'),
    ],
)
def test_the_right_answer_of_a_written_task_is_what_lm_eval_takes_for_right(ready, target, choices):
    """A text, the first of several, or the place of a choice."""
    file = Path("seeds/tasks/write.yaml")
    more = f"\ndoc_to_choice: {choices}" if choices else ""
    replace(file, 'doc_to_target: "{{choices[label]}}"', f"doc_to_target: {target}{more}")
    found, _ = learned("write")
    right = [row["choices"][0 if target == "choices" else row["label"]] for row in rows("write")]
    assert [answer for _, answer in found] == [f" {text}<|im_end|>" for text in right]


@pytest.mark.parametrize("target", ['"{{choices[label]}}"', '"{{label}}"'])
def test_the_right_choice_is_named_by_its_place_or_its_text(ready, target):
    replace("seeds/tasks/choose.yaml", "doc_to_target: label", f"doc_to_target: {target}")
    found, _ = learned("choose")
    assert [answer for _, answer in found] == [f" {row['choices'][row['label']]}" for row in rows("choose")]


def test_a_right_choice_that_there_is_none_of(ready):
    file = Path("seeds/tasks/choose-train.jsonl")
    file.write_text(file.read_text(encoding="utf-8").replace('"label": 1', '"label": 7', 1), encoding="utf-8")
    with pytest.raises(LemError, match="doc_to_target: 7 is none of 3 choices"):
        learned("choose")


@pytest.mark.parametrize("task", TASKS)
def test_with_the_chat_template(ended, lem, task):
    plain = lasting(folder_of(task))
    replace(PARAMS, "  train: {epochs", "  train: {chat_template: true, epochs")
    found, _ = learned(task)
    row, end = rows(task)[0], "" if task == "choose" else "<|im_end|>"
    asked = f"<|im_start|>user\nQuestion: {row['question']}\nAnswer:<|im_end|>\n<|im_start|>assistant"
    assert found[0] == (asked, f"\n{row['choices'][row['label']]}{end}"), "no blank in front, as it is asked"
    if task == "write":
        lem("split", "--task", task)
        lem(*run(task))
        assert read_json(folder_of(task) / "run.json", Run).template == micro.TEMPLATE
        assert lasting(folder_of(task))["losses"] != plain["losses"]


@pytest.mark.slow
def test_a_completion_model_has_no_chat_template(study, lem):
    Path("micro/chat_template.jinja").unlink()
    micro.harmony(study)
    lem("convert", "--model", "micro")
    lem("alter", "--model", "micro")
    lem("split", "--task", "choose")
    lem(*run())
    replace(PARAMS, "  train: {epochs", "  train: {chat_template: true, epochs")
    lem("split", "--task", "choose")
    said = lem(*run(), code=1).stderr
    assert said == "Error: params.yaml: harmony.train.chat_template: micro has none\n"


# What is done again


def test_a_second_call_trains_and_asks_nothing(ended, lem, monkeypatch):
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder_of().iterdir()}
    monkeypatch.setattr(mlx_runtime, "load", lambda *a, **k: pytest.fail("the model was loaded"))
    assert lem(*run()).output == f"All holds, nothing to train or ask: {folder_of()}\n"
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder_of().iterdir()} == before
    assert not list(HALF_DONE.rglob("*.jsonl")) and not list(HALF_DONE.rglob("*.safetensors"))


@pytest.mark.slow
def test_the_order_of_the_cells_and_the_folder_change_nothing(done, built, tmp_path, monkeypatch, lem):
    at_work(built, tmp_path, monkeypatch)
    for task in reversed(TASKS):
        lem(*run(task))
        assert lasting(folder_of(task)) == lasting(done / folder_of(task))


def trained_again(lem, task="choose"):
    """Return whether a cell runs, after which it holds."""
    shown = lem(*run(task)).output
    assert holds(task)
    return "is best on validation; testing it" in shown


def holds(task="choose", name="micro"):
    """Return whether a cell is as its last run wrote it."""
    study = params.load()
    with tasks.opened(study, task) as found:
        return cell.Cell(study, study.harmony_model(name), found).holds()


SETTINGS = {
    "learning_rate: 2.0e-2": "learning_rate: 1.0e-2",
    "epochs: 2": "epochs: 3",
    "alpha: 16": "alpha: 8",
    "batch_size: 1": "batch_size: 5",
    "eval_batch_size: 4": "eval_batch_size: 2",
    "rank: 8,": "rank: 8, seed: 1,",
    "rank: 8": "rank: 8, keys: [self_attn.q_proj]",
    "rank: 8, ": "rank: 8, dropout: 0.0, ",
}


def set_to(old):
    text = PARAMS.read_text()
    at = text.index(old, text.index("harmony:"))
    PARAMS.write_text(text[:at] + SETTINGS[old] + text[at + len(old) :])


def test_every_other_setting_is_another_run(ended):
    before, found = PARAMS.read_text(), set()
    for old in SETTINGS:
        PARAMS.write_text(before)
        set_to(old)
        assert not holds()
        study = params.load()
        with tasks.opened(study, "choose") as task:
            found.add(cell.Cell(study, study.harmony_model("micro"), task).run_id)
    assert len(found) == len(SETTINGS)
    PARAMS.write_text(before.replace("memory: {cache_limit_gb: 1", "memory: {cache_limit_gb: 2"))
    assert holds(), "how much memory there is shapes nothing"


@pytest.mark.parametrize("old", ["learning_rate: 2.0e-2", "eval_batch_size: 4"])
def test_another_setting_runs_again(ended, lem, old):
    before = about()
    set_to(old)
    assert trained_again(lem)
    assert about()["run_id"] != before["run_id"]
    assert (about()["adapter_sha"] == before["adapter_sha"]) == old.startswith("eval")


def test_files_that_are_not_as_they_were_written_do_not_hold(ended, lem):
    before = lasting(folder_of())
    for name in WRITTEN:
        file = folder_of() / name
        kept = file.read_bytes()
        file.unlink()
        assert not holds(), name
        if name in ("scores.jsonl", "figures.jsonl", "cell.json"):
            file.write_bytes(kept.replace(b"0", b"1", 1) if name != "cell.json" else b"{")
            assert not holds(), name
        file.write_bytes(kept)
        assert holds()
    (folder_of() / "scores.jsonl").write_text("")
    assert trained_again(lem)
    assert lasting(folder_of()) == before


TASK_EDITS = {
    "a test item": ("seeds/tasks/choose-test.jsonl", "(test 3)", "(test three)"),
    "a training item": ("seeds/tasks/choose-train.jsonl", "(train 3)", "(train three)"),
    "a validation item": ("seeds/tasks/choose-valid.jsonl", "(valid 3)", "(valid three)"),
    "a template": ("seeds/tasks/choose.yaml", "Answer:", "Reply:"),
    "the metric": ("params.yaml", "choose: {", "choose: {metric: acc_norm, "),
    "the category": ("params.yaml", "category: choosing", "category: picking"),
}


@pytest.mark.parametrize("edit", TASK_EDITS)
def test_an_edited_task_is_split_again_first(ended, lem, edit):
    before = lasting(folder_of())
    replace(*TASK_EDITS[edit])
    said = lem(*run(), code=1).stderr
    again = "not what the task is now; write it: lem split --task choose"
    assert said == f"Error: data/harmony/tasks/choose/task.json: {again}\n"
    assert lasting(folder_of()) == before
    lem("split", "--task", "choose")
    assert not holds()
    if edit == "a training item":
        assert trained_again(lem)
        assert about()["adapter_sha"] != json.loads(before["cell.json"])["adapter_sha"]


def test_other_weights_are_described_again_first(ended, lem):
    before = lasting(folder_of())
    shutil.rmtree("micro")
    micro.build(Path("micro"), seed=1)
    lem("convert", "--model", "micro")
    said = lem(*run(), code=1).stderr
    again = "not what the weights are now; write it: lem alter --model micro"
    assert said == f"Error: data/harmony/models/micro/weights.json: {again}\n"
    assert lasting(folder_of()) == before
    lem("alter", "--model", "micro")
    assert trained_again(lem)
    assert lasting(folder_of())["losses"] != before["losses"]


@pytest.mark.parametrize("damage", ["none", "half", "a list", "items by hand", "no items"])
def test_descriptions_that_are_damaged_or_not_there(ended, lem, damage):
    weights, task = (
        layout.harmony_model("micro") / "weights.json",
        layout.harmony_task("choose") / "task.json",
    )
    items = task.with_name("items.jsonl")
    if damage == "items by hand":
        items.write_text(items.read_text().replace('"sha": "', '"sha": "0', 1))
    elif damage == "no items":
        items.unlink()
    else:
        for file in (weights, task):
            file.write_text({"half": "{", "a list": "[]", "none": ""}[damage])
            if damage == "none":
                file.unlink()
            assert lem(*run(), code=1).stderr.startswith(f"Error: {file}: not what the ")
            lem("alter", "--model", "micro")
        return
    assert str(items.parent) in lem(*run(), code=1).stderr


def test_names_that_there_are_none_of(ready, lem):
    assert "no model named 'macro' under harmony.models" in lem(*run(name="macro"), code=1).stderr
    assert (
        "no task named 'choos' under harmony.tasks; did you mean choose?" in lem(*run("choos"), code=1).stderr
    )


# A kill


def killed():
    """End as a pulled plug does."""
    os.kill(os.getpid(), signal.SIGKILL)


def interrupted():
    raise KeyboardInterrupt


def on_call(patch, owner, name, number, die, after=False):
    """Die before (or after) a function is called for the so manieth time."""
    whole, calls = getattr(owner, name), []

    def counted(*words, **more):
        calls.append(1)
        if len(calls) == number and not after:
            die()
        found = whole(*words, **more)
        if len(calls) == number and after:
            die()
        return found

    patch.setattr(owner, name, counted)


def in_the_middle_of_an_epoch(patch, die, epoch):
    whole = mlx_epochs.Epochs._batches

    def batches(self, number, step):
        for at, batch in enumerate(whole(self, number, step)):
            if (number, at) == (epoch, 5):
                die()
            yield batch

    patch.setattr(mlx_epochs.Epochs, "_batches", batches)


def in_the_middle_of_saving(patch, die):
    mx, save = mlx_runtime.core(), mlx_runtime.core().save_safetensors

    def half(path, tensors, *more):
        save(path, tensors, *more)
        if "epoch-2" in str(path):
            Path(path).write_bytes(Path(path).read_bytes()[:100])
            die()

    patch.setattr(mx, "save_safetensors", half)


def measuring(patch, die, phase, answers=3):
    """Die in a phase when so many answers of it are kept."""
    whole, add, now = work.Work._lm, Journal.add, []

    def lm(self, name):
        now[:] = [name]
        return whole(self, name)

    def adding(self, key, record):
        add(self, key, record)
        now.append(key)
        if now[0] == phase and len(now) > answers:
            die()

    patch.setattr(work.Work, "_lm", lm)
    patch.setattr(journal.Journal, "add", adding)


KILLS = {
    "in the direct test": lambda p, die: measuring(p, die, "direct"),
    "in the validation before": lambda p, die: measuring(p, die, "before"),
    "in the first epoch": lambda p, die: in_the_middle_of_an_epoch(p, die, 1),
    "between journal and file": lambda p, die: on_call(p, mlx_epochs.Epochs, "save", 1, die),
    "behind the file": lambda p, die: on_call(p, mlx_epochs.Epochs, "save", 1, die, after=True),
    "in the validation of the first epoch": lambda p, die: measuring(p, die, "epoch 1"),
    "in the middle of the second epoch": lambda p, die: in_the_middle_of_an_epoch(p, die, 2),
    "in the middle of saving": in_the_middle_of_saving,
    "in the validation of the second epoch": lambda p, die: measuring(p, die, "epoch 2"),
    "in the final test": lambda p, die: measuring(p, die, "trained"),
    "between the files": lambda p, die: on_call(p, cell, "write_jsonl", 2, die, after=True),
    "in front of the last file": lambda p, die: on_call(p, cell, "write_json", 2, die),
    "behind the last file": lambda p, die: on_call(p, Journal, "delete", 1, die),
}


SLOW = (
    *("in the validation before", "in the first epoch", "in the middle of saving"),
    *("in the validation of the second epoch", "between the files"),
)
"""The others show as much, in less time."""
PLACES = [
    pytest.param(place, task, marks=[pytest.mark.slow] if place in SLOW else [])
    for place, task in zip(KILLS, TASKS * 7, strict=False)
]


@pytest.mark.parametrize("place, task", PLACES)
def test_what_is_broken_off_goes_on_as_if_it_had_not_been(ready, done, lem, place, task):
    with pytest.MonkeyPatch.context() as patch:
        KILLS[place](patch, interrupted)
        lem(*run(task), code=1)
    assert (folder_of(task) / "cell.json").exists() == (place == "behind the last file")
    shown = lem(*run(task)).output
    assert lasting(folder_of(task)) == lasting(done / folder_of(task))
    late = list(KILLS).index(place) - list(KILLS).index("behind the file")
    if late >= 0 and place != "behind the last file":
        assert "Epoch 1 was trained already" in shown
    assert not list(HALF_DONE.rglob("*.safetensors")) or place == "behind the last file"


@pytest.mark.slow
def test_what_is_broken_off_again_and_again(ready, done, lem):
    for place in (
        "in the direct test",
        "behind the file",
        "in the middle of the second epoch",
        "in the final test",
    ):
        with pytest.MonkeyPatch.context() as patch:
            KILLS[place](patch, interrupted)
            lem(*run("write"), code=1)
    lem(*run("write"))
    assert lasting(folder_of("write")) == lasting(done / folder_of("write"))


ELSEWHERE = """
import sys
sys.path.insert(0, sys.argv[1])
import pytest, test_harmony
from lem.cli import main
with pytest.MonkeyPatch.context() as patch:
    test_harmony.KILLS[sys.argv[2]](patch, test_harmony.killed)
    main(sys.argv[3:])
"""


@pytest.mark.parametrize(
    "task, place",
    [
        ("choose", "in the middle of the second epoch"),
        ("write", "in the final test"),
    ],
)
def test_kill_9_of_a_process(ready, done, lem, task, place):
    words = [sys.executable, "-c", ELSEWHERE, str(Path(__file__).parent), place, *run(task)]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert (HALF_DONE / "micro" / f"{task}.jsonl").stat().st_size and not folder_of(task).exists()
    lem(*run(task))
    assert lasting(folder_of(task)) == lasting(done / folder_of(task))


def test_a_second_process_at_the_same_cell_is_refused(ready, lem):
    with Journal(HALF_DONE / "micro/choose.jsonl"):
        said = lem(*run(), code=1).stderr
    told = "another process is at this very stage; wait for it to end"
    assert said == f"Error: .lem/harmony/micro/choose.jsonl: {told}\n"
    lem(*run())


def half_done(place="in the final test", task="choose"):
    """Return the files of the epochs of a cell that was broken off."""
    from click.testing import CliRunner

    from lem.cli import main

    with pytest.MonkeyPatch.context() as patch:
        KILLS[place](patch, interrupted)
        assert CliRunner().invoke(main, run(task)).exit_code == 1
    return sorted(HALF_DONE.rglob("epoch-?.safetensors"))


def test_a_damaged_epoch_is_named_and_runs_again_when_it_is_deleted(ready, done, lem):
    first, _ = half_done()
    first.write_bytes(first.read_bytes()[:-64])
    said = lem(*run(), code=1).stderr
    assert said.startswith(f"Error: {first}: ") and said.endswith("; delete it, and the epoch runs again\n")
    assert said.count("\n") == 1
    first.unlink()
    shown = lem(*run()).output
    assert "Epoch 1: 10 batches" in shown and "Epoch 2 was trained already" in shown
    assert lasting(folder_of()) == lasting(done / folder_of())


@pytest.mark.slow
def test_epochs_of_other_settings_are_not_gone_on_from(ready, lem):
    half_done()
    replace(PARAMS, "learning_rate: 2.0e-2", "learning_rate: 1.0e-2")
    shown = lem(*run()).output
    assert "was trained already" not in shown
    assert "Epoch 1: 10 batches" in shown
    assert not list(HALF_DONE.rglob("*.safetensors"))


def test_what_another_task_has_half_done_is_left_alone(ready, lem):
    """choose-more begins as choose does."""
    other, stale = (HALF_DONE / "micro" / f"{name}-{'0a' * 8}" for name in ("choose-more", "choose"))
    for folder in (other, stale):
        folder.mkdir(parents=True)
        (folder / "epoch-1.safetensors").write_text("somebody's")
    lem(*run())
    assert (other / "epoch-1.safetensors").exists() and not stale.exists()


def test_a_training_that_diverges_says_so(ready, lem):
    replace(PARAMS, "learning_rate: 2.0e-2", "learning_rate: 1.0e+30")
    said = lem(*run(), code=1).stderr
    told = "loss is nan; lower harmony.train.learning_rate in params.yaml"
    assert said == f"Error: micro on choose, epoch 1: {told}\n"
    assert not folder_of().exists() and not list(HALF_DONE.rglob("*.safetensors"))
    replace(PARAMS, "learning_rate: 1.0e+30", "learning_rate: 2.0e-2")
    lem(*run())


def test_another_engine_is_refused(ready, lem):
    replace("engine.yaml", "harmony: ", "harmony: 9")
    assert "recipe of harmony: engine.yaml says 9" in lem(*run(), code=1).stderr
