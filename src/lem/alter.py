"""`lem alter`: which weights a model of the leaderboard has, and how they differ from the model it is of.

Nothing is computed and no weights are written: an altered model is made when it is
loaded. The description is what the cells of the leaderboard depend on.

    lem alter --model smollm2-135m-4bit
"""

from __future__ import annotations

import shutil

import click

from lem import engine, layout, params
from lem.record_files import write_json


@click.command()
@click.option("--model", "name", required=True, help="A model under harmony.models in params.yaml.")
def command(name: str) -> None:
    """Describe the weights of a model of the leaderboard: of what, altered how, with which hash.

    \b
    Example:
        lem alter --model smollm2-135m-4bit
    """
    from lem.harmony import altered

    engine.require("alter")
    study = params.load()
    model = study.harmony_model(name)
    folder, about = layout.harmony_model(name), altered.described(study, model)
    shutil.rmtree(folder, ignore_errors=True)
    write_json(folder / "weights.json", about)
    if model.is_altered:
        write_json(folder / "model.json", altered.record(study, model))
    click.echo(f"{folder}: {about['model']}, of {about['of']}, weights {about['weights_sha'][:12]}")
