"""A stage whose output changes must have its recipe number raised, or nobody's cells run again.

The golden hashes are of the micro model's outputs without times, versions and
the ids made from them. After a meant change: raise the recipe in lem/engine.py, then

    LEM_WRITE_GOLDEN=1 python -m pytest tests/test_golden.py
"""

import contextlib
import hashlib
import json
import os
import re
from pathlib import Path

import duckdb
import pytest
from safetensors.numpy import load_file

import micro
from fake_judge import FakeJudge
from lem import convert, engine, layout, sources
from test_gguf_files import small_gguf

GOLDEN = Path(__file__).with_name("golden.json")
CHOOSE = """\
  chosen:
    {file: seeds/benchmarks/choose.jsonl, id: null, prompt: q, answer: a,
     correct: right, incorrect: wrong, score: multiple_choice}
"""
CHOICES = [
    {"q": f"What is {n} + {n}?", "a": str(2 * n), "right": [str(2 * n)], "wrong": [str(n), "No."]}
    for n in range(1, 7)
]
VOLATILE = {
    "gen_time", "avg_time", "started", "wall_seconds", "tokens_per_second", "speed",
    "git_revision", "engine", "device", "blas", "run_id", "settings_sha", "responses_sha",
    "seconds", "loss", "adapter_sha",  # of a training, whose sums another processor rounds differently
}  # fmt: skip
MEASURED = re.compile(r"`?[0-9a-f]{12}`?|-?\d+\.\d+|(mkl|mlx|numpy|tokenizers|transformers|openblas) [\d.]+")


def stable(value):
    if isinstance(value, dict):
        return {k: stable(v) for k, v in value.items() if k not in VOLATILE}
    return [stable(v) for v in value] if isinstance(value, list) else value


def digest(values):
    return hashlib.sha256(json.dumps(stable(values), sort_keys=True).encode()).hexdigest()


def of_json(*files):
    return digest([[json.loads(line) for line in Path(f).read_text().splitlines()] for f in files])


def of_adapter(folder, losses):
    """Return the hash of an adapter: settings, tensors, losses as exactly as processors agree on them."""
    config = json.loads((folder / "adapter_config.json").read_text())
    tensors = load_file(folder / "adapters.safetensors")
    rows = [json.loads(line) for line in losses.read_text().splitlines()]
    curve = [[row["split"], row["iteration"], f"{row['loss']:.2g}"] for row in rows]
    return digest([config, sorted((name, array.shape) for name, array in tensors.items()), curve])


def of_cell(folder):
    """Return the hash of a leaderboard's cell: what was measured where; of a trained model not how much."""
    text = "".join((folder / f"{name}.jsonl").read_text() for name in ("figures", "scores"))
    rows = [json.loads(line) for line in text.splitlines()]
    return digest([{**row, "value": None, "stderr": None} if "regime" in row else row for row in rows])


def of_tables():
    rows = []
    for file in sorted(layout.TABLES.glob("*.parquet")):
        table = duckdb.sql(f"from '{file}'")
        kept = [c for c in table.columns if c not in VOLATILE]
        rows.append([file.stem, kept, sorted(table.project(", ".join(kept)).fetchall(), key=repr)])
    return digest(rows)


def of_mapping():
    """Return the hash of the page less its example rows, which hold times."""
    lines = Path("reports/DATA_MAPPING.md").read_text().splitlines()
    return digest([MEASURED.sub("#", line) for line in lines if not line.startswith("{")])


@pytest.fixture(scope="module")
def outputs(make_study, tmp_path_factory):
    """Return {stage: hash} of one run of every stage on the micro model."""
    from click.testing import CliRunner

    from lem.cli import main

    folder = make_study(tmp_path_factory.mktemp("golden"))
    micro.tasks(folder)
    judge = FakeJudge(lambda request: '{"truthful": 7, "informative": 4}')
    with judge, contextlib.chdir(folder):
        judged = f"judge: {{url: '{judge.url}', model: a-judge, rubrics: {{sums: truthfulness}}}}"
        text = Path("params.yaml").read_text()
        Path("params.yaml").write_text(text.replace("judge: {rubrics: {}}", judged) + CHOOSE)
        micro.harmony(folder)
        Path("seeds/benchmarks/choose.jsonl").write_text("".join(json.dumps(row) + "\n" for row in CHOICES))
        for words in (
            "ingest --import published",
            "items --benchmark sums",
            "convert --model micro",
            "distil --set lek",
            "train --model micro-lek",
            "generate --model micro --prompts validation --mode sandwich",
            "generate --model micro --prompts sums",
            "score --model micro --benchmark sums",
            "judge --model micro --benchmark sums",
            "task --task pick",
            "lm-eval --model micro --task pick",
            "items --benchmark chosen",
            "generate --model micro --prompts chosen",
            "score --model micro --benchmark chosen",
            "alter --model micro-4bit",
            "split --task write",
            "harmony --model micro-4bit --task write",
            "check",
            "warehouse",
            "claims",
            "mapping",
            "report",
        ):
            result = CliRunner().invoke(main, words.split(), catch_exceptions=False)
            assert result.exit_code == 0, result.output
        unpacked = convert.convert(sources.resolve(str(small_gguf(folder / "small.gguf"))), Path("small"))
        return {
            "ingest": of_json("data/imported/published/figures/paper.csv.jsonl"),
            "items": of_json("data/items/sums.jsonl"),
            "convert": digest([unpacked["files"], convert.weights_sha(Path("data/models/micro"))]),
            "distil": of_json("data/training/lek/train.jsonl", "data/distilled/lek/answers.jsonl"),
            "train": of_adapter(Path("data/models/micro-lek/s0"), Path("data/logs/micro-lek-train/s0.jsonl")),
            "generate": of_json(
                "data/baseline/micro/validation-sandwich.jsonl", "data/answers/sums/micro.jsonl"
            ),
            "score": of_json("data/scores/sums/micro.jsonl"),
            "task": digest(json.loads(Path("data/tasks/pick.json").read_text())),
            "weigh": of_json("data/answers/chosen/micro.jsonl"),
            "alter": digest(json.loads(Path("data/harmony/models/micro-4bit/weights.json").read_text())),
            "split": digest(json.loads(Path("data/harmony/tasks/write/task.json").read_text())),
            "harmony": of_cell(Path("data/harmony/results/micro-4bit/write")),
            "lm-eval": of_json("data/scores/pick/micro.jsonl", "data/figures/micro-pick.jsonl"),
            "judge": of_json("data/judged/sums/micro.jsonl"),
            "check": digest(json.loads(Path("reports/checks.json").read_text())),
            "warehouse": of_tables(),
            "claims": digest([MEASURED.sub("#", Path("reports/claims.md").read_text())]),
            "mapping": of_mapping(),
            "report": digest([MEASURED.sub("#", Path("reports/report.md").read_text())]),
        }


def test_golden_covers_every_recipe(outputs):
    assert set(outputs) == set(engine.RECIPES)


def test_output_changes_only_with_the_recipe(outputs):
    now = {stage: {"recipe": engine.RECIPES[stage], "sha256": sha} for stage, sha in outputs.items()}
    if os.environ.get("LEM_WRITE_GOLDEN"):
        GOLDEN.write_text(json.dumps(now, indent=2, sort_keys=True) + "\n")
    golden = json.loads(GOLDEN.read_text())
    forgotten = [
        stage
        for stage in now
        if stage in golden and now[stage] != golden[stage] and now[stage]["recipe"] == golden[stage]["recipe"]
    ]
    assert not forgotten, f"the output of {forgotten} changed: raise the recipe in lem/engine.py"
    assert now == golden, "a recipe was raised: write the golden hashes anew (see this file's docstring)"
