"""`lem doctor`: does `engine.yaml` say what is installed? `--pin` writes it.

lem doctor
"""

from __future__ import annotations

import click

from lem import engine
from lem.errors import LemError
from lem.record_files import write_whole


@click.command()
@click.option("--pin", is_flag=True, help="Write engine.yaml from the installed versions and the recipes.")
def command(pin: bool) -> None:
    """Compare engine.yaml with this machine; exit 1 when they differ.

    \b
    Example:
        lem doctor --pin      # after an upgrade: the stages it shapes run again
    """
    if pin:
        write_pin()
    if found := engine.differences():
        raise LemError("\n".join([*found, "accept what is installed with: lem doctor --pin"]))
    click.echo(f"{engine.FILE}: as installed")


def write_pin() -> None:
    """Write `engine.yaml` from what is installed here; a version not installed keeps its old pin."""
    import yaml

    here = engine.installed()
    old = engine.pinned()["libraries"] if engine.FILE.exists() else {}
    here["libraries"] = {name: found or old.get(name) for name, found in here["libraries"].items()}
    head = "# Written by `lem doctor --pin`: what shapes the bytes of a stage besides its inputs.\n"
    write_whole(engine.FILE, head + yaml.safe_dump(here, sort_keys=True))
