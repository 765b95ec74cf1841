"""`lem train` on a small study: what is written, what is kept, what is trained again, what is refused."""

import dataclasses
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from safetensors.numpy import load_file

import micro
from lem import adapters, convert, layout, mlx_runtime, mlx_training, params, train
from lem.journal import Journal
from lem.record_files import read_json, read_jsonl
from lem.records import Loss, Model
from lem.train import HALF_DONE, Losses

TRAIN = ("train", "--model", "micro-lek")
CHAINED = ("train", "--model", "micro-lek-composure")
DATA = Path("data/training/lek")
FOLDER = Path("data/models/micro-lek/s0")
CARD = Path("data/fine-tuned/micro-lek/s0.json")
LOSSES = Path("data/logs/micro-lek-train/s0.jsonl")
LOG = Path("data/logs/micro-lek-train/s0.log")
WEIGHTS = FOLDER / "adapters.safetensors"


def lessons(folder, splits):
    """Write a training set: {split: prompts}, each answered by a sentence."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, prompts in splits.items():
        answers = zip(prompts, micro.SENTENCES[:3] * 9, strict=False)
        (folder / f"{split}.jsonl").write_text("".join(micro.chat(prompt, text) for prompt, text in answers))


def asking(first, last):
    return [f"What is lesson {n}?" for n in range(first, last)]


@pytest.fixture
def ready(study, lem):
    """A study whose model is converted, with eight conversations to train on and three to validate."""
    lem("convert", "--model", "micro")
    lessons(DATA, {"train": asking(0, 8), "valid": asking(8, 11)})
    return study


def settings(**changed):
    """Change settings of micro-lek in params.yaml; None of the file's `seeds` is there unless given."""
    tree = yaml.safe_load(Path("params.yaml").read_text())
    tree["seeds"] = changed.pop("seeds", tree["seeds"])
    tree["models"]["fine-tuned"]["micro-lek"] |= changed
    Path("params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))


def losses(file=LOSSES):
    return [(r.split, r.iteration, r.loss) for r in read_jsonl(file, Loss)]


def valid(file=LOSSES):
    return [loss for split, _, loss in losses(file) if split == "valid"]


def was_trained(result):
    return "Done. Adapter saved to" in result.output


def as_typed(*words, **more):
    """Return the command line of `lem` in a process of its own."""
    return [sys.executable, "-m", "lem", *words]


def test_files_that_a_training_writes(ready, lem):
    before = {p for p in Path().rglob("*") if p.is_file()}
    lem(*TRAIN)
    written = {p for p in Path().rglob("*") if p.is_file()} - before
    assert written == {FOLDER / adapters.CONFIG, WEIGHTS, CARD, LOSSES, LOG}
    assert not list(HALF_DONE.iterdir())
    for file in written - {WEIGHTS}:
        assert str(ready) not in file.read_text()


def test_config_says_everything_that_made_the_adapter(ready, lem):
    lem(*TRAIN)
    config = json.loads((FOLDER / adapters.CONFIG).read_text())
    lora = {"rank": 2, "scale": 20.0, "dropout": 0.0, "keys": ["self_attn.q_proj"]}
    assert (config["fine_tune_type"], config["num_layers"], config["lora_parameters"]) == ("lora", 2, lora)
    assert config["base_weights_sha"] == convert.weights_sha(layout.model("micro"))
    assert (config["base"], config["tune"], config["tune_adapter_sha"]) == ("micro", "micro", None)
    assert (config["data"], config["seed"]) == ("data/training/lek", 0)
    assert config["training"]["iters"] == 4 and config["training"]["optimizer"] == "adam"
    assert "mlx-lm" in config["engine"] and config["blas"] == mlx_runtime.blas()
    assert set(load_file(WEIGHTS)) == {
        f"model.layers.{layer}.self_attn.q_proj.lora_{part}" for layer in range(2) for part in "ab"
    }


def test_record(ready, lem):
    lem(*TRAIN)
    card, config = read_json(CARD, Model), json.loads((FOLDER / adapters.CONFIG).read_text())
    base = read_json(layout.model_record("baseline", "micro"), Model)
    assert (card.name, card.entry, card.seed, card.role) == ("micro-lek.s0", "micro-lek", 0, "fine-tuned")
    assert (card.base, card.variant, card.family, card.scale) == ("micro", "lek", "micro", "0.1M")
    assert (card.weights_sha, card.origin, card.licence) == (base.weights_sha, base.origin, base.licence)
    assert card.adapter_sha == adapters.adapter_sha(FOLDER)
    assert (card.data, card.data_sha) == (config["data"], config["data_sha"])
    assert json.loads(card.training) == config["training"]


def test_losses_are_kept_as_they_come_and_shown(ready, lem, monkeypatch):
    seen, line = [], Losses.line

    def looking(self, text):
        live = HALF_DONE / "micro-lek.s0/losses.jsonl"
        seen.append(live.read_text() if live.is_file() else "")
        line(self, text)

    monkeypatch.setattr(Losses, "line", looking)
    shown = lem(*TRAIN)
    assert [text.count("\n") for text in seen] == [0, 1, 2, 3, 4, 5, 6, 6]
    assert LOSSES.read_text() == seen[-1]
    assert [(split, at) for split, at, _ in losses()] == [
        *(("valid", 0), ("valid", 1), ("train", 2), ("valid", 3), ("train", 4), ("valid", 4)),
    ]
    assert shown.output == LOG.read_text()
    head, *reports = LOG.read_text().splitlines()
    assert head == "micro-lek.s0: 4 iterations of 2 from data/training/lek (8 train, 3 valid), on micro"
    form = r"\[\d/4\] (train|valid) loss \d+\.\d{4} \| \d+\.\ds"
    assert all(re.fullmatch(form, report) for report in reports[:6])
    assert reports[6:] == ["", f"Done. Adapter saved to {FOLDER}"]


def test_the_same_seed_gives_the_same_bytes_in_another_process_and_folder(ready, lem, tmp_path):
    lem(*TRAIN)
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(ready, elsewhere)
    for made in ("data/models/micro-lek", "data/fine-tuned", "data/logs"):
        shutil.rmtree(elsewhere / made)
    done = subprocess.run(as_typed(*TRAIN), cwd=elsewhere, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for file in (WEIGHTS, FOLDER / adapters.CONFIG, CARD):
        assert (elsewhere / file).read_bytes() == file.read_bytes()
    assert losses(elsewhere / LOSSES) == losses()
    # and in a pipe there are lines alone
    assert done.stdout == (elsewhere / LOG).read_text()
    assert done.stderr == "" and "\x1b" not in done.stdout


def test_each_seed_is_a_model_and_those_no_longer_named_are_removed(ready, lem):
    settings(seeds=[0, 1])
    lem(*TRAIN)
    one, other = WEIGHTS.read_bytes(), Path("data/models/micro-lek/s1/adapters.safetensors")
    assert other.read_bytes() != one
    assert read_json(CARD.with_name("s1.json"), Model).name == "micro-lek.s1"
    (FOLDER.parent / "notes.txt").write_text("by hand")
    settings(seeds=[1, 2])
    assert not was_trained(lem("train", "--model", "micro-lek.s1"))
    assert WEIGHTS.is_file(), "one seed alone removes nothing"
    shown = lem(*TRAIN)
    assert (
        shown.output.startswith("micro-lek.s1: trained already")
        and "micro-lek.s2: 4 iterations" in shown.output
    )
    assert sorted(p.name for p in FOLDER.parent.iterdir()) == ["notes.txt", "s1", "s2"]
    assert sorted(p.name for p in CARD.parent.iterdir()) == ["s1.json", "s2.json"]
    assert sorted(p.name for p in LOG.parent.iterdir()) == ["s1.jsonl", "s1.log", "s2.jsonl", "s2.log"]


def test_a_finished_adapter_is_not_trained_again(ready, lem, monkeypatch):
    lem(*TRAIN)
    before = {p: (p.read_bytes()) for p in Path("data").rglob("*") if p.is_file()}
    monkeypatch.setattr(mlx_runtime, "load", lambda *a, **k: pytest.fail("the model was loaded"))
    shown = lem(*TRAIN)
    assert shown.output == f"micro-lek.s0: trained already, with the same data and settings: {FOLDER}\n"
    assert {p: (p.read_bytes()) for p in Path("data").rglob("*") if p.is_file()} == before


def test_another_name_for_the_same_adapter_changes_its_record_alone(ready, lem):
    lem(*TRAIN)
    settings(variant="kernel", licence="MIT")
    assert not was_trained(lem(*TRAIN))
    card = read_json(CARD, Model)
    assert (card.variant, card.licence) == ("kernel", "MIT")


def other_base():
    shutil.rmtree("micro")
    micro.build(Path("micro"), seed=1)


def patched():
    content = bytearray(WEIGHTS.read_bytes())
    content[-1] ^= 1
    WEIGHTS.write_bytes(content)


def in_config(**changed):
    file = FOLDER / adapters.CONFIG
    file.write_text(json.dumps(json.loads(file.read_text()) | changed))


AGAIN = {
    "other data": lambda: lessons(DATA, {"train": asking(20, 28)}),
    "other validation": lambda: lessons(DATA, {"valid": asking(20, 23)}),
    "a setting": lambda: settings(learning_rate=2e-3),
    "another base": other_base,
    "an adapter changed by hand": patched,
    "a config changed by hand": lambda: in_config(seed=7),
    "no config": lambda: (FOLDER / adapters.CONFIG).unlink(),
    "half a config": lambda: (FOLDER / adapters.CONFIG).write_text("{"),
    "no adapter": lambda: WEIGHTS.unlink(),
    "no record": lambda: CARD.unlink(),
    "half a record": lambda: CARD.write_text("{"),
    "no losses": lambda: LOSSES.unlink(),
}


@pytest.mark.parametrize("change", AGAIN)
def test_what_no_longer_holds_is_trained_again(ready, lem, change):
    lem(*TRAIN)
    first = WEIGHTS.read_bytes()
    AGAIN[change]()
    lem("convert", "--model", "micro")
    assert was_trained(lem(*TRAIN))
    as_before = change not in ("other data", "a setting", "another base")
    assert (WEIGHTS.read_bytes() == first) == as_before
    assert not was_trained(lem(*TRAIN))


def test_a_training_that_was_killed_starts_anew_and_says_so(ready, lem):
    settings(iters=4000)
    with subprocess.Popen(
        as_typed(*TRAIN), stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        for line in process.stdout:
            if "train loss" in line:
                break
        os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    live = HALF_DONE / "micro-lek.s0/losses.jsonl"
    assert [r.split for r in read_jsonl(live, Loss)][:3] == ["valid", "valid", "train"]
    assert not FOLDER.exists() and not CARD.exists(), "whole or not at all"
    settings(iters=4)
    shown = lem(*TRAIN)
    said = "micro-lek.s0: an interrupted training cannot go on (no optimiser state): starting anew\n"
    assert shown.output.startswith(said) and was_trained(shown)
    assert not live.exists() and len(losses()) == 6


def test_a_kill_between_the_files_leaves_nothing_that_counts(ready, lem, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Losses, "close", killed)
        lem(*TRAIN, code=1)
    assert FOLDER.exists() and not LOSSES.exists()
    assert "starting anew" in lem(*TRAIN).output
    assert not was_trained(lem(*TRAIN))


def test_two_processes_do_not_train_the_same_model(ready, lem):
    with Journal(HALF_DONE / "micro-lek.s0.lock"):
        said = lem(*TRAIN, code=1).stderr
    assert "micro-lek.s0.lock: another process is at this very stage" in said
    assert was_trained(lem(*TRAIN))


def test_chained_it_goes_on_from_where_the_other_ended(ready, lem):
    """The second training's first loss is the first one's last on the same data."""
    lem(*TRAIN)
    lessons(Path("seeds/training/composure"), {"train": asking(30, 38), "valid": asking(8, 11)})
    lem(*CHAINED)
    file = Path("data/logs/micro-lek-composure-train/s0.jsonl")
    assert valid(file)[0] == pytest.approx(valid()[-1], rel=1e-5)
    assert valid(file)[0] != pytest.approx(valid()[0], rel=1e-3)
    folder = layout.adapter("micro-lek-composure", 0)
    config, card = (
        adapters.config(folder),
        read_json(layout.model_record("fine-tuned", folder.parent.name, 0), Model),
    )
    assert (config["base"], config["tune"]) == ("micro", "micro-lek.s0")
    assert config["tune_adapter_sha"] == adapters.adapter_sha(FOLDER) != card.adapter_sha
    assert (card.base, card.variant) == ("micro-lek.s0", "lek-composure")
    assert not was_trained(lem(*CHAINED))
    settings(learning_rate=2e-3)
    lem(*TRAIN)
    assert was_trained(lem(*CHAINED)), "what it starts from has changed"


def test_chained_each_seed_goes_on_from_the_same_seed(ready, lem):
    settings(seeds=[0, 1])
    lem(*TRAIN)
    lem(*CHAINED)
    for seed in (0, 1):
        config = adapters.config(layout.adapter("micro-lek-composure", seed))
        assert config["tune_adapter_sha"] == adapters.adapter_sha(layout.adapter("micro-lek", seed))


@pytest.mark.parametrize("kind", ["dora", "full"])
def test_chained_by_other_kinds_of_tuning(ready, lem, kind):
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("{iters: 4,", f"{{iters: 4, fine_tune_type: {kind},"))
    lessons(Path("seeds/training/composure"), {"train": asking(30, 38), "valid": asking(8, 11)})
    lem(*TRAIN)
    lem(*CHAINED)
    file = Path("data/logs/micro-lek-composure-train/s0.jsonl")
    assert valid(file)[0] == pytest.approx(valid()[-1], rel=1e-5)


def test_a_trained_model_has_learned_and_answers_otherwise(ready, lem):
    settings(iters=30, learning_rate=5e-3, keys=["self_attn.q_proj", "self_attn.v_proj", "mlp.down_proj"])
    settings(lora_scale=2.0, steps_per_eval=30)
    lem(*TRAIN)
    assert valid()[-1] < valid()[0] / 2
    ask = ("--prompts", "validation")
    lem("generate", "--model", "micro", *ask)
    lem("generate", "--model", "micro-lek.s0", *ask)
    said = [
        [json.loads(line)["response"] for line in Path(file).read_text().splitlines()]
        for file in (
            "data/baseline/micro/validation-naked.jsonl",
            "data/fine-tuned/micro-lek.s0/validation-naked.jsonl",
        )
    ]
    assert sum(a != b for a, b in zip(*said, strict=True)) > 8


def test_a_completion_model_is_trained_and_asked_without_a_template(study, lem):
    Path("micro/chat_template.jinja").unlink()
    lem("convert", "--model", "micro")
    lessons(DATA, {"train": asking(0, 8), "valid": asking(8, 11)})
    settings(iters=30, learning_rate=5e-3, lora_scale=2.0)
    lem(*TRAIN)
    assert valid()[-1] < valid()[0]
    plain = lem("generate", "--model", "micro", "--ask", "What is lesson 3?").output
    assert lem("generate", "--model", "micro-lek", "--ask", "What is lesson 3?").output not in ("", plain)


def test_what_fills_no_batch_is_said(ready, lem):
    lessons(DATA, {"train": asking(0, 7)})
    assert "\nThe 1 longest of train fill no batch of 2: left out\n" in lem(*TRAIN).output


def test_a_terminal_has_a_bar_and_every_line(ready):
    """In a pipe there is none of it, as the test of the same bytes holds."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        as_typed(*TRAIN), stdin=theirs, stdout=theirs, stderr=theirs, env=os.environ | {"TERM": "xterm"}
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            more = os.read(ours, 65536)
        except OSError:  # Linux says so when the other end is closed
            break
        if not more:
            break
        shown += more
    os.close(ours)
    assert process.wait() == 0
    text = shown.decode()
    assert "iterations" in text and "\x1b[" in text and "4/4" in text
    assert "tok/s" not in text, "mlx-lm's own table"
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    for line in LOG.read_text().splitlines():
        assert line in plain


def line_of(split, text, number=2):
    """Put a line into a split, as its second."""
    file = DATA / f"{split}.jsonl"
    kept = file.read_text().splitlines(keepends=True)
    file.write_text("".join([*kept[: number - 1], text, *kept[number - 1 :]]))


def turns(*pairs):
    return json.dumps({"messages": [{"role": role, "content": text} for role, text in pairs]}) + "\n"


def replace(file, old, new):
    text = Path(file).read_text()
    assert old in text
    Path(file).write_text(text.replace(old, new, 1))


SUM = micro.chat("what is 3 + 3", "6")
ERRORS = {
    "an empty train.jsonl": (
        lambda: (DATA / "train.jsonl").write_text(""),
        "train.jsonl: empty; expected one",
    ),
    "no valid.jsonl": (
        lambda: (DATA / "valid.jsonl").unlink(),
        "valid.jsonl: no such file; 'data' names a folder",
    ),
    "no training set": (lambda: shutil.rmtree(DATA), "train.jsonl: no such file; 'data' names a folder"),
    "malformed JSON": (lambda: line_of("train", '{"messages"\n'), "train.jsonl:2: not one line of JSON"),
    "no messages": (lambda: line_of("valid", '{"text": "a"}\n'), "valid.jsonl:2: messages: expected a list"),
    "a role unknown": (
        lambda: line_of("train", turns(("user", "a"), ("bot", "b"))),
        "train.jsonl:2: messages[1].role: expected one of system, user, assistant",
    ),
    "empty content": (
        lambda: line_of("train", turns(("user", ""), ("assistant", "b"))),
        "train.jsonl:2: messages[0].content: expected a non-empty string",
    ),
    "the user last": (
        lambda: line_of("train", turns(("user", "a"), ("assistant", "b"), ("user", "c"))),
        "train.jsonl:2: messages: expected to end with a user's turn and the assistant's answer",
    ),
    "not UTF-8": (lambda: (DATA / "train.jsonl").write_bytes(b"\xff\n"), "train.jsonl: not UTF-8"),
    "a prompt in both splits": (
        lambda: line_of("valid", micro.chat("what is LESSON 2", "b")),
        "valid.jsonl:2: its prompt is in data/training/lek/train.jsonl:3 too",
    ),
    "a prompt of the validation": (
        lambda: line_of("train", micro.chat(micro.QUESTIONS[1].lower(), "b")),
        "train.jsonl:2: its prompt is a question of ",
    ),
    "a question of a benchmark": (
        lambda: line_of("valid", SUM),
        "valid.jsonl:2: its prompt is a question of sums",
    ),
    "a long sequence": (
        lambda: line_of("train", micro.chat("And?", " ".join(micro.SENTENCES * 3))),
        "train.jsonl:2: ",
        " tokens, the limit is 256; shorten it, or raise max_seq_length",
    ),
    "less than a batch": (
        lambda: lessons(DATA, {"valid": asking(8, 9)}),
        "valid.jsonl: 1 examples, fewer than one batch of 2",
    ),
    "not converted": (
        lambda: shutil.rmtree("data/models/micro"),
        "data/models/micro/config.json: no such file; it is written by: lem convert",
    ),
    "no record of the base": (
        lambda: Path("data/baseline/micro/model.json").unlink(),
        "data/baseline/micro/model.json: no such file",
    ),
    "too many layers": (lambda: settings(num_layers=3), "num_layers: 3, but data/models/micro has 2 blocks"),
    "keys of no module": (
        lambda: settings(keys=["self_attn.q_proj", "attention.wq"]),
        "keys: attention.wq is no module of data/models/micro",
    ),
    "steps thrown away": (
        lambda: settings(grad_accumulation_steps=3),
        "params.yaml: micro-lek: iters 4 is no multiple of grad_accumulation_steps 3: the last 1 would be",
    ),
    "another engine": (
        lambda: replace("engine.yaml", "train: ", "train: 9"),
        "recipe of train: engine.yaml says",
    ),
}


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_is_one_clear_line_before_any_compute(ready, lem, monkeypatch, error):
    breaks, *expected = ERRORS[error]
    breaks()
    before = {p for p in Path().rglob("*") if p.is_file()}
    monkeypatch.setattr(mlx_runtime, "load", lambda *a, **k: pytest.fail("the model was loaded"))
    shown = lem(*TRAIN, code=1)
    assert shown.stderr.startswith("Error: ") and shown.stderr.count("\n") == 1
    assert all(text in shown.stderr for text in expected), shown.stderr
    assert shown.stdout == ""
    assert {p for p in Path().rglob("*") if p.is_file()} == before


NAMES = {
    "micro": "micro is a baseline: there is nothing to train; give a name under fine-tuned",
    "micro-lex": "no model named 'micro-lex' under models; did you mean micro-lek?",
    "micro-lek.s7": "no model named 'micro-lek.s7' under models; did you mean micro-lek.s0?",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_cannot_be_trained(ready, lem, name):
    assert NAMES[name] in lem("train", "--model", name, code=1).stderr


def own_shape(**changed):
    tree = yaml.safe_load(Path("params.yaml").read_text())
    tree["models"]["fine-tuned"]["micro-lek-composure"] |= changed
    Path("params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))


CHAINS = {
    "none there": (
        lambda: shutil.rmtree(FOLDER),
        "micro-lek/s0/adapter_config.json: no such file; it is written by: lem train",
    ),
    "no weights": (WEIGHTS.unlink, "micro-lek/s0/adapters.safetensors: no such file"),
    "a corrupt config": (
        lambda: (FOLDER / adapters.CONFIG).write_text('{"num_layers": 2'),
        "micro-lek/s0/adapter_config.json: not JSON",
    ),
    "for another base": (
        lambda: in_config(base_weights_sha="0" * 64),
        "micro-lek/s0: trained on weights 000000000000, but data/models/micro holds ",
    ),
    "another rank": (lambda: own_shape(rank=3), "micro-lek/s0: its lora_parameters is "),
    "other layers": (
        lambda: own_shape(num_layers=1),
        "micro-lek/s0: its num_layers is 2, that of micro-lek-composure is 1",
    ),
    "another kind": (
        lambda: own_shape(fine_tune_type="dora"),
        "micro-lek/s0: its fine_tune_type is lora, that of",
    ),
}


@pytest.mark.parametrize("error", CHAINS)
def test_an_adapter_that_cannot_be_gone_on_from(ready, lem, monkeypatch, error):
    micro.adapter(FOLDER, convert.weights_sha(layout.model("micro")))
    lora = {"rank": 2, "scale": 20.0, "dropout": 0.0, "keys": ["self_attn.q_proj"]}
    in_config(lora_parameters=lora)
    monkeypatch.setattr(mlx_runtime, "load", lambda *a, **k: pytest.fail("the model was loaded"))
    breaks, expected = CHAINS[error]
    breaks()
    shown = lem(*CHAINED, code=1)
    assert expected in shown.stderr and shown.stderr.count("\n") == 1


def test_mlx_training_is_not_imported_with_mlx():
    code = "import sys, lem.train; print('mlx.core' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_an_error_of_mlx_comes_through(ready, lem, monkeypatch):
    def full(*_):
        raise RuntimeError("[metal::malloc] out of memory")

    monkeypatch.setattr(mlx_training, "answer_loss", full)
    with pytest.raises(RuntimeError, match="out of memory"):
        lem(*TRAIN)
    assert (HALF_DONE / "micro-lek.s0").is_dir() and not FOLDER.exists()


def test_answers_of_a_seed_no_longer_named_go_and_no_others(study):
    """A fine-tune whose name ends alike, and a baseline that is called like a seed, keep theirs."""
    named = params.load()
    named = dataclasses.replace(named, models={**named.models, "micro-lek.s7": named.models["micro"]})
    files = {
        "answers/sums/micro-lek.s5.jsonl": False,
        "logs/micro-lek.s5-sums-naked.json": False,
        "fine-tuned/micro-lek.s5/validation-naked.jsonl": False,
        "answers/sums/micro-lek.s0.jsonl": True,
        "answers/sums/micro-lek.s7.jsonl": True,
        "answers/sums/other-micro-lek.s5.jsonl": True,
        "logs/micro-lek-composure.s5-sums-naked.json": True,
    }
    for file in files:
        (layout.DATA / file).parent.mkdir(parents=True, exist_ok=True)
        (layout.DATA / file).write_text("{}\n")
    train._forget_answers("micro-lek", named)
    assert {file: (layout.DATA / file).exists() for file in files} == files
