"""The `lem` command: every command has help and an example, loads late and fails in one line."""

import json
import re
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from lem import __version__, cli

HEAVY = ("mlx", "mlx_lm", "pandas", "great_expectations", "duckdb", "numpy", "scipy", "statsmodels", "dvc")
CONTEXT = click.Context(cli.main)


def command(name: str) -> click.Command:
    found = cli.main.get_command(CONTEXT, name)
    assert found is not None
    return found


def run(*words: str, cwd=None) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does: a process of its own."""
    call = [sys.executable, "-c", "from lem.cli import main; main(prog_name='lem')", *words]
    return subprocess.run(call, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help_with_an_example_of_itself(name, lem):
    text = lem(name, "--help").output
    assert text.startswith("Usage: ")
    example = text.split("Example", 1)[1]
    assert f"lem {name}" in example


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_option_says_what_it_does(name):
    for option in command(name).params:
        if isinstance(option, click.Option):
            assert option.help, f"lem {name} {option.opts[0]}"


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_the_options_of_an_example_exist(name):
    known = {word for param in command(name).params for word in (*param.opts, *param.secondary_opts)}
    for line in command(name).help.split("Example", 1)[1].splitlines():
        for call in re.findall(rf"lem {name}\b[^&|]*", line):
            assert set(re.findall(r"(?<!\S)--[a-z-]+", call)) <= known, line


def test_help_lists_every_command_with_its_line(lem):
    shown = " ".join(lem("--help").output.split())
    for name, (_, line) in cli.COMMANDS.items():
        assert f"{name} {line}" in shown


def test_every_command_is_known_by_its_module():
    for name, (module, line) in cli.COMMANDS.items():
        assert command(name) is sys.modules[module].command
        assert line.endswith(".")


def loaded_by(*words: str) -> set[str]:
    """Return the top-level modules that a call of `lem` has loaded when it ends."""
    code = (
        "import json, sys\nfrom lem.cli import main\nmain(prog_name='lem', standalone_mode=False)\n"
        "print('\\n' + json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_help_loads_nothing_heavy():
    loaded = loaded_by("--help")
    assert "lem" in loaded
    assert not loaded & set(HEAVY)


def test_importing_every_module_of_a_command_loads_nothing_heavy():
    code = "import importlib, json, sys\nfrom lem.cli import COMMANDS\n"
    code += "for module, _ in COMMANDS.values(): importlib.import_module(module)\n"
    code += "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(json.loads(done.stdout)) & set(HEAVY)


def test_an_unknown_command_or_option_exits_2():
    assert run("genrate").returncode == 2
    for words in (("generate", "--modell", "m"), ("generate",), ("score", "--model", "m")):
        assert CliRunner().invoke(cli.main, words).exit_code == 2


@pytest.mark.parametrize(
    "words", [("items", "--benchmark", "gsm8k"), ("score", "--model", "m", "--benchmark", "b"), ("run",)]
)
def test_an_error_is_one_line_and_exit_code_1(words, tmp_path):
    done = run(*words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1


def test_it_says_its_version(lem):
    assert __version__ in lem("--version").output


def test_minus_h_is_help(lem):
    assert lem("-h").output == lem("--help").output
