"""What SECURITY.md says of strangers' files, queries and models holds; the trials of it can fail."""

import json
import os
import pickle
import re
import signal
import sys
import threading
import time
from pathlib import Path

import click
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from torture import files as file_trial
from torture import statements as statement_trial
from torture.children import HUNG, Lost, outcomes
from torture.hostile_files import CANARY, FIELDS, LAUGHS, Case, Laid, _ingest, cases
from torture.hostile_sql import statements

import micro
from lem import convert, mlx_runtime, params_file, prompts, question_files, sources, time_limit
from lem.claims import files as claim_files
from lem.errors import LemError
from lem.run_log import Log
from lem.screen import visible

ROOT = Path(__file__).parents[1]
TURNS = [{"role": "user", "content": "Where does the river run?"}]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model folder that each test may change: it is written anew."""
    return micro.build(tmp_path_factory.mktemp("model") / "micro")


def source(folder):
    return sources.Source(f"mlx:{folder.name}", folder)


def copied(model, tmp_path):
    folder = tmp_path / "theirs"
    folder.mkdir()
    for file in model.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


# Model folders


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json", "processor_config.json"])
@pytest.mark.parametrize("key", ["auto_map", "model_file"])
def test_a_folder_that_asks_for_code_is_neither_converted_nor_loaded(model, tmp_path, file, key, monkeypatch):
    folder = copied(model, tmp_path)
    asked = {"model_type": "llama", key: {"AutoTokenizer": ["nobody/nowhere--evil.Tokenizer", None]}}
    (folder / file).write_text(json.dumps(asked))
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("it asked whether to run code"))
    for door in (
        lambda: convert.convert(source(folder), tmp_path / "out"),
        lambda: mlx_runtime.load(folder),
        lambda: mlx_runtime.load_tokenizer(folder),
    ):
        with pytest.raises(LemError, match=f"{file} asks for code of its own .*{key}"):
            door()
    assert not (tmp_path / "out").exists()


def test_a_link_out_of_a_model_folder_is_not_copied(model, tmp_path):
    folder = copied(model, tmp_path)
    (tmp_path / "secret").write_text("xyzzy")
    (folder / "vocab.txt").symlink_to(tmp_path / "secret")
    with pytest.raises(LemError, match=r"vocab\.txt is a link out of the model's folder"):
        convert.convert(source(folder), tmp_path / "out")
    (folder / "vocab.txt").unlink()
    (folder / "vocab.txt").symlink_to(folder / "chat_template.jinja")
    convert.convert(source(folder), tmp_path / "out")
    assert (tmp_path / "out/vocab.txt").is_file()


def test_a_snapshot_of_a_hub_links_to_its_blobs(model, tmp_path):
    blobs, folder = tmp_path / "models--a--b/blobs", tmp_path / "models--a--b/snapshots/1234"
    blobs.mkdir(parents=True)
    folder.mkdir(parents=True)
    for file in model.iterdir():
        (blobs / f"of-{file.name}").write_bytes(file.read_bytes())
        (folder / file.name).symlink_to(blobs / f"of-{file.name}")
    assert "model.safetensors" in convert.convert(source(folder), tmp_path / "out")["files"]


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_pickle_is_never_loaded_whatever_it_is_called(model, tmp_path, name):
    folder = copied(model, tmp_path)
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(LemError, match=r"not a safetensors file|pickled weights are not loaded"):
        convert.convert(source(folder), tmp_path / "out")


# Chat templates


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ cycler.__init__.__globals__.os.getcwd() }}",
        "{{ messages.append(1) }}",
        "{% include '/etc/passwd' %}",
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ 1 // 0 }}",
        "{% for",
    ],
)
def test_a_hostile_template_is_one_line_and_ends(model, monkeypatch, template):
    monkeypatch.setattr(prompts, "TEMPLATE_SECONDS", 0.2)
    tokenizer = mlx_runtime.load_tokenizer(model)
    tokenizer.chat_template = template
    with pytest.raises(LemError, match="the model's chat template refuses them: ") as caught:
        prompts.render(tokenizer, TURNS)
    assert "\n" not in caught.value.message
    assert len(caught.value.message) <= 300


def test_a_limit_of_time_leaves_the_alarm_as_it_was():
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(TimeoutError), time_limit.within(0.05):
        while True:
            time.sleep(0.01)
    with time_limit.within(60):
        pass
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_beside_the_main_thread_there_is_no_limit_and_no_error():
    done = []

    def work():
        with time_limit.within(0.001):
            done.append(1)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [1]


# What a terminal is sent


def test_what_a_terminal_would_obey_is_written_out():
    assert visible("a\x1b[2J\x9b\u202eb\r\x7f\ud800") == "a\\x1b[2J\\x9b\\u202eb\\r\\x7f\\ud800"
    kept = "é 你好 👩\u200d🚀\n\t~"
    assert visible(kept) == kept


def test_an_error_and_a_log_line_obey_it_too(capsys):
    with pytest.raises(LemError) as caught:
        raise LemError("file \x1b[31m.jsonl: no such file")
    caught.value.show()
    log = Log(1)
    log.line("[1/1] P01\x1b]0;title\x07 | 3 chars")
    said = "".join(capsys.readouterr())
    assert "\x1b" not in said + log.text
    assert "\\x1b[31m" in said
    assert isinstance(caught.value, click.ClickException)


# What the code never does, and what SECURITY.md says it does


@pytest.mark.parametrize(
    "never",
    [
        r"trust_remote_code",
        r"\bimport pickle\b|\bpickle\.loads?\b",
        r"\btorch\.load\b",
        r"\byaml\.(load|unsafe_load|full_load)\(",
        r"(?<![.\w])(eval|exec)\(",
        r"\bos\.system\(",
        r"shell=True",
    ],
)
def test_no_line_of_the_package(never):
    lines = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in (ROOT / "src").rglob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(never, line)
    ]
    assert lines == []


def test_every_file_and_function_that_security_names_is_there():
    text = (ROOT / "SECURITY.md").read_text()
    named = re.findall(r"`((?:\w+/)*\w+\.py)`(?:: ((?:`[\w.]+`(?:, )?)+))?", text)
    assert len(named) > 15
    for file, functions in named:
        code = (ROOT / "src/lem" / file).read_text()
        for name in re.findall(r"`([\w.]+)`", functions):
            last = name.rpartition(".")[2]
            assert re.search(rf"^\s*(def|class) {last}\b|^{last} = ", code, re.M), f"{file}: {name}"


# The trials


def test_a_child_that_hangs_or_dies_is_told_and_the_others_go_on():
    cases = ["1 + 1", "__import__('time').sleep(60)", "__import__('os')._exit(7)", "2 + 2"]
    found = dict(outcomes(cases, eval, seconds=0.5, count=1))
    assert found == {0: 2, 1: Lost(HUNG), 2: Lost("died with 7"), 3: 4}


def test_the_trial_of_statements_counts_what_it_sees(tmp_path):
    assert len(statements()) >= 1000
    asked = [
        "select count(*) from scores",
        "from read_text('{outside}/canary.csv')",
        "select getenv('CANARY')",
    ]
    trial = statement_trial.run(tmp_path, asked)
    assert trial.failures == []
    assert trial.figures["statements"] == 3
    assert trial.figures["harmless by lem sql"] == 1
    assert trial.figures["refused past the door"] == 2
    seen = statement_trial.told(
        [statement_trial.Case("copy", tmp_path, 1)],
        {0: statement_trial.Tried("harmless", "harmless", ("x",))},
        ["GET /"],
    )
    assert seen.figures["reached"] == 2
    assert len(seen.failures) == 2


def test_the_trial_of_files_sees_what_is_reached(tmp_path):
    assert len(cases()) >= 200
    row = b'{"prompt": "p", "response": "r"}\n'
    leak = row.replace(b'"r"', f'"{CANARY}"'.encode())
    trial = file_trial.run(
        tmp_path,
        [
            Case("plain", (Laid("dump/a.jsonl", row),), _ingest("jsonl", *FIELDS)),
            Case("a leak", (Laid("dump/a.jsonl", leak),), _ingest("jsonl", *FIELDS)),
            Case("refused", (Laid("dump/a.jsonl", b"\0"),), _ingest("jsonl", *FIELDS)),
            Case("code", (Laid("study/ran"),), _ingest("jsonl", *FIELDS)),
        ],
    )
    assert trial.figures["reached"] == 2
    assert [line.split(":")[0] for line in trial.failures] == ["a leak", "code"]
    assert trial.figures["refused with a clear line"] == 2


# Files that never end, and YAML that unfolds


@pytest.mark.parametrize("kind", ["pipe", "device", "ring"])
def test_what_never_ends_is_refused_at_once(tmp_path, kind):
    path = tmp_path / "rows.jsonl"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero" if kind == "device" else path)
    for read in (question_files.content, params_file.tree, claim_files.read):
        with pytest.raises(LemError, match=r"rows\.jsonl: .*expected a file"):
            read(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &a [1, *a]\n", "an alias in it holds itself"),
        (LAUGHS, "unfold to more than 1,000,000 values"),
        ("[" * 5000, "not YAML"),
        ("a: 1" + "0" * 5000, "not YAML that can be read"),
    ],
)
def test_yaml_that_unfolds_is_one_line(tmp_path, text, said):
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(LemError, match=said) as caught:
        params_file.tree(tmp_path / "params.yaml")
    assert len(caught.value.message) < 400
