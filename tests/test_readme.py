"""README.md against the code and the reference run: computed parts, SQL examples, options, targets."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from lem.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
sys.path.insert(0, str(ROOT / "tools"))

import readme  # noqa: E402


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """A fresh clone of this repository with a bare `dvc pull`: no account, the store is in the tree."""
    folder = tmp_path_factory.mktemp("clone") / "lem"
    subprocess.run(["git", "clone", "-q", ROOT, folder], check=True)
    dvc = [Path(sys.executable).parent / "dvc", "pull", "-q"]
    pulled = subprocess.run(dvc, cwd=folder, capture_output=True, text=True, check=False)
    assert pulled.returncode == 0, pulled.stderr
    return folder


@pytest.mark.parametrize("name", ["stages", "commands", "modules"])
def test_computed_parts_are_current(name):
    assert readme.part(README, name) == readme.PARTS[name](), "write them with: make docs"


@pytest.mark.parametrize("name", ["results", "comparisons"])
def test_results_are_those_of_the_reference_run(reference, monkeypatch, name):
    monkeypatch.setattr(readme, "ROOT", reference)
    assert readme.part(README, name) == readme.PARTS[name]()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.M | re.S)


@pytest.mark.parametrize("sql", blocks("sql"))
def test_sql_examples_find_rows(reference, sql):
    assert len(ask(reference, sql).splitlines()) > 1


SHELL = [line.split("  #")[0] for block in blocks("bash") for line in block.splitlines()]


@pytest.mark.parametrize(
    "line", [line for line in SHELL if line.startswith("lem sql") and "theirs" not in line]
)
def test_sql_commands_work(reference, line):
    assert len(ask(reference, *shlex.split(line)[2:]).splitlines()) > 1


def ask(folder, *words):
    call = [sys.executable, "-m", "lem", "sql", *words]
    done = subprocess.run(call, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "line", [part for line in SHELL for part in line.split(" && ") if part.startswith("lem ")]
)
def test_commands_and_options_exist(line):
    _, name, *words = shlex.split(line)
    command = main.get_command(click.Context(main), name)
    assert command
    if isinstance(command, click.Group):
        command = command.get_command(click.Context(command), words[0])
        assert command
    options = {opt for param in command.params for opt in param.opts}
    assert {word for word in words if word.startswith("--")} <= options


@pytest.mark.parametrize("line", [line for line in SHELL if line.startswith("make ")])
def test_make_targets_exist(line):
    assert re.search(rf"^{line.split()[1]}:", (ROOT / "Makefile").read_text(), re.M)


def test_ci_calls_the_test_command():
    assert "make test" in SHELL[1] and "make test" in (ROOT / ".ci/run").read_text()


def test_changelog_names_the_version_or_the_unreleased():
    from lem import __version__

    heads = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert heads[0] in ("Unreleased", __version__)
