"""The `lem` command: a click group that imports a command's module only when it is called.

lem generate --model smollm2-135m --prompts validation --mode naked
"""

from __future__ import annotations

import importlib
import os

import click

from lem.errors import INTERRUPTED, tell
from lem.refusals import refusal

COMMANDS = {
    "convert": ("lem.convert", "A GGUF, hub or MLX model becomes an MLX folder with provenance."),
    "items": ("lem.questions", "A question file becomes item records."),
    "task": ("lem.task", "A task of lm-evaluation-harness becomes item records; its faults are named."),
    "distil": ("lem.distil", "A model's answers under the kernel become a training set without it."),
    "train": ("lem.train", "Train a fine-tune's LoRA adapter, once for each training seed."),
    "fuse": ("lem.fuse", "Fold a fine-tune's adapter into its base: one folder to publish."),
    "generate": ("lem.generate", "Ask a model a prompt set: response JSONL, log, run record."),
    "lm-eval": ("lem.lm_eval", "Run a model over a task of lm-evaluation-harness."),
    "alter": ("lem.alter", "Say which weights a model of the leaderboard has, and how they are altered."),
    "split": ("lem.split", "The three splits of a task of the leaderboard, apart from each other."),
    "harmony": ("lem.harmony", "Test a model on a task, train it on the task, test it again."),
    "score": ("lem.score", "Score the answers to a benchmark, one record an item."),
    "judge": ("lem.judge", "Have answers scored by a model behind an OpenAI-compatible endpoint."),
    "ingest": ("lem.ingest", "Bring somebody else's results into the same records."),
    "check": ("lem.checks", "Hold every record against the rules; name file, line and field."),
    "warehouse": ("lem.warehouse", "Build the tables: records, SQL, Parquet."),
    "claims": ("lem.claims", "Hold published claims against the rows; one computed verdict each."),
    "mapping": ("lem.mapping", "Write reports/DATA_MAPPING.md: what lies in data/, and its shapes."),
    "report": ("lem.report", "Write reports/report.md and its plots from the tables."),
    "compare": ("lem.compare", "Two models on the same items: paired difference, interval, verdict."),
    "sql": ("lem.sql_command", "Ask the tables a question in SQL."),
    "run": ("lem.run", "Run what is to be run, through the night; what fails is told, the rest goes on."),
    "status": ("lem.status", "What is running now: stage, items done, rate, time left."),
    "verify": ("lem.verify", "Hold this folder's records against the reference run's; say what differs."),
    "remote": ("lem.remote", "Where the data are shared: add a remote, push to it, pull from it."),
    "doctor": (
        "lem.doctor",
        "What this machine has and lacks, and the mend; --pin writes engine.yaml.",
    ),
}


class LazyGroup(click.Group):
    """Know every command's name and one-line help; import its module on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0])
        command: click.Command = module.command
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; what the disk refuses it ends in one line."""
        try:
            done: object = super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort):
            tell(INTERRUPTED)
            raise
        except Exception as err:
            if told := refusal(err):
                raise told from err
            raise
        if "DVC_STAGE" in os.environ:
            from lem.run import failures

            failures.ended_well()
        return done

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lem")
def main() -> None:
    """Data-versioned reproducibility for fine-tuned language models.

    Runs in the folder of a study; see README.md. Every command has an example:

        lem generate --help
    """
