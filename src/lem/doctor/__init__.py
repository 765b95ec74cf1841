"""`lem doctor`: what this machine and this study have and lack, and the mend; `--pin` writes engine.yaml.

lem doctor
lem doctor --format json
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import click

from lem import engine, layout, params
from lem.doctor import machine, repository
from lem.doctor.finding import FAULT, FORMATS, Finding, fault, lines, ok
from lem.errors import LemError
from lem.record_files import write_whole

ACCEPT = "accept what is installed with: lem doctor --pin"


@click.command()
@click.option(
    "--pin", is_flag=True, help="Write engine.yaml from the installed versions and the recipes, no more."
)
@click.option("--format", "fmt", type=click.Choice(FORMATS), help="Default: table; in a pipe, tsv.")
def command(pin: bool, fmt: str | None) -> None:
    """Look over machine and study: one line a thing, ok, warning or fault; exit 1 when there is a fault.

    \b
    Example:
        lem doctor
        lem doctor --format json
        lem doctor --pin      # after an upgrade: the stages it shapes run again
    """
    if pin:
        write_pin()
        if found := engine.differences():
            raise LemError("\n".join([*found, ACCEPT]))
        click.echo(f"{engine.FILE}: as installed")
        return
    findings = list(examined())
    click.echo(lines(findings, fmt or ("table" if sys.stdout.isatty() else "tsv")), nl=False)
    if any(one.status == FAULT for one in findings):
        raise SystemExit(1)


def examined() -> Iterator[Finding]:
    """Yield everything there is to say, the machine first; what cannot be looked at is a fault of its own."""
    try:
        study = params.load()
    except LemError as err:
        study = params.Study()
        yield fault("params.yaml", err.message, "run this in the folder of a study, or mend the file")
    looks: dict[str, Callable[[], Finding | list[Finding]]] = {
        "python": machine.python,
        "device": lambda: machine.device(study.memory),
        "blas": machine.blas,
        "memory": lambda: machine.memory(study.memory),
        "disk": lambda: machine.disk(study),
        "temp": machine.temporary,
        "versions": versions,
        "git": repository.git,
        "dvc lock": repository.lock,
        "remote": repository.remote,
        "journals": lambda: repository.journals(layout.JOURNALS),
        "integrity": repository.integrity,
    }
    for what, look in looks.items():
        found = looked(what, look)
        yield from found if isinstance(found, list) else [found]


def looked(what: str, look: Callable[[], Finding | list[Finding]]) -> Finding | list[Finding]:
    """Return what a look found; its own failure is a finding, so that one sick part hides no other."""
    try:
        return look()
    except LemError as err:
        return fault(what, err.message, "")
    except Exception as err:  # a broken wheel, a device that is gone, a file that nobody may read
        return fault(what, f"could not be looked at: {type(err).__name__}: {err}"[:300], "see the message")


def versions() -> list[Finding]:
    """Return one fault for each library or recipe in which engine.yaml and this machine differ."""
    try:
        found = engine.differences()
    except LemError as err:
        return [fault("versions", err.message, "lem doctor --pin")]
    mend = f"install the pinned versions (make clean, then make repro), or {ACCEPT}"
    return [fault("versions", one, mend) for one in found] or [ok("versions", f"{engine.FILE}: as installed")]


def write_pin() -> None:
    """Write `engine.yaml` from what is installed here; a version not installed keeps its old pin."""
    import yaml

    here = engine.installed()
    old = engine.pinned()["libraries"] if engine.FILE.exists() else {}
    here["libraries"] = {name: found or old.get(name) for name, found in here["libraries"].items()}
    head = "# Written by `lem doctor --pin`: what shapes the bytes of a stage besides its inputs.\n"
    write_whole(engine.FILE, head + yaml.safe_dump(here, sort_keys=True))
