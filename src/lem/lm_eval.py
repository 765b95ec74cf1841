"""`lem lm-eval`: a model over a task of lm-evaluation-harness, on MLX, as records like any other run's.

lm-eval's own results and samples go to `data/benchmarks/lm-eval/MODEL/TASK/` under
fixed names; the same answers, scores and figures go where every run's do. Each
answer is journaled under everything that shaped it: a killed run goes on where it
stopped, and no answer of one model is ever served as another's.

    lem lm-eval --model smollm2-135m --task arc_like
"""

from __future__ import annotations

import dataclasses
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lem import convert, engine, layout, params
from lem.adapters import adapter_sha
from lem.errors import LemError
from lem.journal import Journal
from lem.record_files import (
    file_sha,
    read_json,
    read_jsonl,
    settings_sha,
    write_json,
    write_jsonl,
    write_packed,
    write_whole,
)
from lem.records import Figure, Item, Run
from lem.run_log import Log, git_revision

if TYPE_CHECKING:
    from lem.harness.results import Found
    from lem.harness.rows import Records
    from lem.harness.tasks import Opened

MODE = "naked"


@click.command()
@click.option("--model", "name", required=True, help="A model of params.yaml.")
@click.option("--task", required=True, help="A task of params.yaml.")
@click.option(
    "--limit",
    type=click.IntRange(1),
    help="Only the first so many items, in place of the run there is; every table says so.",
)
@click.option("--shots", type=click.IntRange(0), help="Worked examples in front of each question.")
@click.option("--chat-template/--no-chat-template", default=None, help="Whether questions go through it.")
@click.option("--batch-size", type=click.IntRange(1), help="Answers weighed or written together.")
def command(name: str, task: str, **given: Any) -> None:  # noqa: ANN401
    """Run a model over a task of lm-evaluation-harness.

    Settings not given come from `tasks` in params.yaml. The items must be there: lem task --task NAME.

    \b
    Example:
        lem lm-eval --model smollm2-135m --task arc_like
        lem lm-eval --model smollm2-135m --task arc_like --limit 20
    """
    from lem.harness import tasks

    engine.require("lm-eval")
    study = params.load()
    chosen = {key: value for key, value in given.items() if value is not None}
    spec = dataclasses.replace(study.task(task), **chosen)
    model = study.model(name)
    with tasks.opened(spec) as found:
        Evaluating(study, model, found).run()


class Evaluating:
    """One model over one task: what shapes its answers, what is known of them, what is written."""

    def __init__(self, study: params.Study, model: params.ModelSpec, opened: Opened) -> None:
        from lem import mlx_runtime

        self.study, self.model, self.opened, self.spec = study, model, opened, opened.spec
        self.folder, self.adapter = study.weights(model)
        self.log_file, self.run_file = (
            layout.log(model.name, self.spec.name, MODE, kind) for kind in ("log", "json")
        )
        self.responses = layout.answers(self.spec.name, model.name)
        template = mlx_runtime.load_tokenizer(self.folder).chat_template
        if self.spec.chat_template and not template:
            raise LemError(f"params.yaml: tasks.{self.spec.name}.chat_template: {model.name} has none")
        self.identity = self._identity(template if self.spec.chat_template else None)
        self.settings_sha = settings_sha({**self.identity, "task": self._task()})
        self.run_id = settings_sha({"settings": self.settings_sha, "limit": self.spec.limit})[:16]

    def _identity(self, template: str | None) -> dict[str, Any]:
        """Return the fields of a Run that shape the answers."""
        from lem import mlx_runtime
        from lem.harness.generation import sampling

        config = self.opened.task.get_config
        writes = self.opened.task.OUTPUT_TYPE == "generate_until"
        drawn = sampling(config("generation_kwargs") or {}, self.spec.batch_size) if writes else None
        return {
            "model": self.model.name,
            "mode": MODE,
            "kernel_sha": None,
            "template": template,
            "weights_sha": convert.weights_sha(self.folder),
            "adapter_sha": adapter_sha(self.adapter) if self.adapter else None,
            "temperature": drawn.temperature if drawn else None,
            "top_p": drawn.top_p if drawn and drawn.temperature else None,
            "max_tokens": drawn.max_tokens if drawn else None,
            "samples": config("repeats") or 1,
            "batch_size": self.spec.batch_size,
            "seed": self.spec.seed,
            "engine": engine.describe("lm-eval"),
            "device": mlx_runtime.device(self.study.memory),
            "blas": mlx_runtime.blas(),
            "until": json.dumps(drawn.until) if drawn and drawn.until else None,
        }

    def _task(self) -> dict[str, Any]:
        """Return what an answer depends on of the task; LemError where its items are not as written."""
        from lem.harness.items import described, shas

        file, again = layout.task(self.spec.name), f"write it again: lem task --task {self.spec.name}"
        if not file.is_file():
            raise LemError(f"{file}: no such file; write it: lem task --task {self.spec.name}")
        try:
            stated = dict(json.loads(file.read_text(encoding="utf-8")))
        except (ValueError, TypeError, OSError) as err:
            raise LemError(f"{file}: not as lem task wrote it; {again}") from err
        rows = list(read_jsonl(layout.items(self.spec.name), Item))
        now = described(self.opened, rows)
        same = {row.item_id: row.sha for row in rows} == shas(self.opened)
        if not same or _less_shots(now) != _less_shots(stated):
            raise LemError(f"{file}: {self.opened.name} or its items have changed since; {again}")
        seeds = {key: getattr(self.spec, key) for key in ("numpy_seed", "torch_seed", "fewshot_seed")}
        return {**now, **seeds}

    def run(self) -> None:
        """Ask what is not known yet and write the files, each whole or not at all."""
        if self._holds():
            click.echo(f"All answers hold, nothing to ask: {self.responses}")
            Journal.forget(self._journal_file())
            return
        began, started = time.perf_counter(), datetime.now(UTC).isoformat(timespec="seconds")
        log = Log(0)
        with Journal(self._journal_file()) as journal:
            log.line(f"Loading model: {self.model.name}")
            found, asked = self._asked(journal, log)
            self._write(found, asked, log, started, time.perf_counter() - began)
            journal.delete()

    def _journal_file(self) -> Path:
        return layout.JOURNALS / f"lm-eval-{self.model.name}-{self.spec.name}.jsonl"

    def _asked(self, journal: Journal, log: Log) -> tuple[Found, int]:
        """Return the evaluation, and how many answers were asked for it now."""
        from lem import mlx_runtime
        from lem.harness.model import Answers, Model
        from lem.harness.results import evaluate

        loaded = mlx_runtime.load(self.folder, self.adapter, self.study.memory)
        log.line(f"Model loaded on {loaded.device} (BLAS: {loaded.blas}). Running {self.spec.name}...")
        known = Answers(journal, self.settings_sha)
        lm = Model(loaded, known, self.spec.batch_size, self.spec.seed, self.model.name)
        weights = {"pretrained": str(self.folder)} | ({"peft": str(self.adapter)} if self.adapter else {})
        found = evaluate(lm, self.opened, self.model.name, weights, self._facts())
        found.results["config"]["truncated_contexts"] = len(lm.cut)
        if lm.kept:
            log.line(f"Kept {lm.kept} answers, asked {lm.asked}")
        if lm.cut:
            log.line(
                f"{len(lm.cut)} texts of up to {max(lm.cut)} tokens were cut to the {lm.longest} it reads"
            )
        return found, lm.asked

    def _facts(self) -> dict[str, Any]:
        """Return what is recorded in lm-eval's own `config` beside its settings."""
        names = ("weights_sha", "adapter_sha", "engine", "device", "blas")
        return {"model": "mlx", **{key: self.identity[key] for key in names}, "run_id": self.run_id}

    def _files(self) -> dict[str, Path]:
        folder = layout.lm_eval(self.model.name, self.spec.name)
        return {
            "results": folder / "results.json",
            "samples": folder / "samples.jsonl.bz2",
            "about": folder / "about.json",
            "scores": layout.scores(self.spec.name, self.model.name),
            "figures": layout.figures(f"{self.model.name}-{self.spec.name}"),
            "log": self.log_file,
            "responses": self.responses,
        }

    def _holds(self) -> bool:
        """Return whether the last run was this very one and its files are as it wrote them."""
        files = self._files()
        if not all(file.is_file() for file in (*files.values(), self.run_file)):
            return False
        try:
            run, about = read_json(self.run_file, Run), json.loads(files["about"].read_bytes())
        except (LemError, ValueError):
            return False
        written = about.get("files") if isinstance(about, dict) else None
        return run.run_id == self.run_id and written == self._written()

    def _written(self) -> dict[str, str]:
        """Return the hashes of what was written, less the two files that hold times."""
        return {name: file_sha(file) for name, file in self._files().items() if name != "about"}

    def _write(self, found: Found, asked: int, log: Log, started: str, seconds: float) -> None:
        from lem.harness.rows import records

        kept = records(found, self.spec.name, self.model.name, self.run_id)
        files = self._files()
        for line in told(kept.figures):
            log.line(line)
        log.line(f"\nDone. {len(kept.responses)} answers saved to {self.responses}")
        write_json(files["results"], found.results)
        write_packed(files["samples"], "".join(f"{_line(row)}\n" for row in found.samples))
        write_jsonl(files["scores"], kept.scores)
        write_jsonl(files["figures"], kept.figures)
        write_whole(self.log_file, log.text)
        write_jsonl(self.responses, kept.responses)
        write_json(files["about"], {**found.about, "files": self._written()})
        write_json(self.run_file, self._record(kept, asked, started, seconds))

    def _record(self, kept: Records, asked: int, started: str, seconds: float) -> Run:
        from lem.ingest.lm_eval.samples import asked_sha

        return Run(
            run_id=self.run_id,
            source="own",
            prompts=self.spec.name,
            prompt_set_sha=asked_sha(kept.responses),
            settings_sha=self.settings_sha,
            shots=None,
            **self.identity,
            started=started,
            wall_seconds=round(seconds, 2),
            responses=len(kept.responses),
            asked=asked,
            responses_sha=file_sha(self.responses),
            git_revision=git_revision(),
        )


def _less_shots(about: dict[str, Any]) -> dict[str, Any]:
    """Return what is known of a task less the number of its worked examples, which an option may say."""
    return {**about, "config": {**(about.get("config") or {}), "num_fewshot": None}}


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False)


def told(figures: list[Figure]) -> list[str]:
    """Return a line a figure: `arc_like acc (none) 0.5833, stderr 0.0452, n = 120`."""
    return [
        f"{f.benchmark} {f.metric} ({f.filter}) {f.value if f.value is None else format(f.value, '.4f')}"
        + ("" if f.stderr is None else f", stderr {f.stderr:.4f}")
        + f", n = {f.n}"
        + (", limited" if f.limited else "")
        for f in figures
    ]
