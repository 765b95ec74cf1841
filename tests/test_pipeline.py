"""The pipeline as data: dvc.yaml, params.yaml, engine.yaml and the code say the same thing."""

import re
import shlex
from dataclasses import replace
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner

import micro
from fake_judge import FakeJudge
from lem import cli, engine, params, questions
from lem.errors import LemError
from lem.judging.spec import JudgeSpec

ROOT = Path(__file__).parents[1]
STUDY, BOARD = (
    {
        name: stage.get("do", stage)
        for name, stage in yaml.safe_load((ROOT / file).read_text())["stages"].items()
    }
    for file in ("dvc.yaml", "harmony/dvc.yaml")
)
BEHIND = list(STUDY)[list(STUDY).index("check") :]
"""What stands behind all records, those of the leaderboard too."""
STAGES = {name: stage for name, stage in STUDY.items() if name not in BEHIND} | BOARD
STAGES |= {name: STUDY[name] for name in BEHIND}
RECIPE_OF = {
    "format": "generate",
    "answer": "generate",
    "generate-tuned": "generate",
    "answer-tuned": "generate",
    "score-tuned": "score",
    "judge-tuned": "judge",
    "lm-eval-tuned": "lm-eval",
}
"""Stages whose command is another stage's."""


@pytest.fixture
def root(monkeypatch):
    monkeypatch.chdir(ROOT)


def lem_command(stage):
    program, name, *words = shlex.split(STAGES[stage]["cmd"])
    assert program == "lem"
    return name, words


@pytest.mark.parametrize("stage", STAGES)
def test_every_command_and_option_exists(stage):
    name, words = lem_command(stage)
    command = cli.main.get_command(click.Context(cli.main), name)
    assert command, name
    options = {opt for param in command.params for opt in param.opts}
    assert {word for word in words if word.startswith("-")} <= options


@pytest.mark.parametrize("stage", STAGES)
def test_engine_parameters_are_the_ones_the_stage_requires(stage):
    recipe = RECIPE_OF.get(stage, stage)
    (listed,) = [p["engine.yaml"] for p in STAGES[stage]["params"] if isinstance(p, dict)]
    expected = [f"libraries.{name}" for name in engine.SHAPED_BY[recipe]] + [f"recipes.{recipe}"]
    if also := ALSO.get(stage):
        expected.append(f"recipes.{also}")
    assert sorted(listed) == sorted(expected)


ALSO = {"distil": "generate", "ingest": "score", "answer": "weigh", "answer-tuned": "weigh"}
"""The recipe of what a stage does besides."""


def test_engine_yaml_knows_every_recipe(root):
    assert engine.pinned()["recipes"] == engine.RECIPES


SECTIONS = {
    "convert": ["models.baseline.${item.model}"],
    "ingest": ["imports.${key}"],
    "items": ["benchmarks.${key}"],
    "task": ["tasks.${key}"],
    "distil": ["defaults", "memory", "distil.${key}", "models.baseline.${item.model}"],
    "train": ["memory", "seeds", "train", "models.fine-tuned.${key}"],
    "generate": ["defaults", "memory", "models.baseline.${item.model}", "prompts.validation"],
    "format": ["defaults", "memory", "models.baseline.${item.model}", "prompts.format"],
    "answer": ["defaults", "memory", "models.baseline.${item.model}", "benchmarks.${item.benchmark}"],
    "score": ["models.baseline.${item.model}", "benchmarks.${item.benchmark}"],
    "judge": ["judge", "models.baseline.${item.model}", "benchmarks.${item.benchmark}"],
    "lm-eval": ["memory", "models.baseline.${item.model}", "tasks.${item.task}"],
    "generate-tuned": ["defaults", "memory", "models.fine-tuned.${item.model}", "prompts.validation"],
    "answer-tuned": ["defaults", "memory", "models.fine-tuned.${item.model}", "benchmarks.${item.benchmark}"],
    "score-tuned": ["models.fine-tuned.${item.model}", "benchmarks.${item.benchmark}"],
    "judge-tuned": ["judge", "models.fine-tuned.${item.model}", "benchmarks.${item.benchmark}"],
    "lm-eval-tuned": ["memory", "models.fine-tuned.${item.model}", "tasks.${item.task}"],
    "alter": ["seeds", "harmony.models.${key}"],
    "split": ["harmony.train", "harmony.tasks.${key}"],
    "harmony": ["memory", "harmony.train", "harmony.models.${item.model}", "harmony.tasks.${item.task}"],
    "check": [],
    "warehouse": ["compare"],
    "claims": [],
    "mapping": [],
    "report": [],
}
TUNED = "micro-lek.s0"


class Recorder(dict):
    """A params.yaml section that notes which of its entries somebody looks at."""

    def __init__(self, entries, seen, prefix):
        super().__init__(entries)
        self.seen, self.prefix = seen, prefix

    def __getitem__(self, key):
        self.seen.add(f"{self.prefix}.{key}")
        return super().__getitem__(key)

    def items(self):
        return [(key, self[key]) for key in self]


class Models(Recorder):
    """The same for models, whose role decides in which section they stand."""

    def __getitem__(self, key):
        spec = dict.__getitem__(self, key)
        self.seen.add(f"models.{spec.role}.{key}")
        return spec


@pytest.mark.parametrize("stage", STAGES)
def test_listed_sections(stage):
    listed = [p for p in STAGES[stage]["params"] if isinstance(p, str)]
    assert sorted(listed) == sorted(SECTIONS[stage])


CALLS = {
    "convert": ["--model", "micro"],
    "ingest": ["--import", "published"],
    "items": ["--benchmark", "sums"],
    "task": ["--task", "pick"],
    "distil": ["--set", "lek"],
    "train": ["--model", "micro-lek"],
    "generate": ["--model", "micro", "--prompts", "validation", "--mode", "naked"],
    "format": ["--model", "micro", "--prompts", "format", "--mode", "system"],
    "answer": ["--model", "micro", "--prompts", "sums"],
    "score": ["--model", "micro", "--benchmark", "sums"],
    "judge": ["--model", "micro", "--benchmark", "sums"],
    "lm-eval": ["--model", "micro", "--task", "pick"],
    "generate-tuned": ["--model", TUNED, "--prompts", "validation", "--mode", "naked"],
    "answer-tuned": ["--model", TUNED, "--prompts", "sums"],
    "score-tuned": ["--model", TUNED, "--benchmark", "sums"],
    "judge-tuned": ["--model", TUNED, "--benchmark", "sums"],
    "lm-eval-tuned": ["--model", TUNED, "--task", "pick"],
    "alter": ["--model", "micro-4bit"],
    "split": ["--task", "choose"],
    "harmony": ["--model", "micro-4bit", "--task", "choose"],
    "check": [],
    "warehouse": [],
    "claims": [],
    "mapping": [],
    "report": [],
}
GUARDS = {"train": {"models.baseline.micro", "prompts.validation", "prompts.format", "benchmarks.sums"}}
"""What a stage looks at only to refuse: no question of an evaluation may be trained on."""
LOADED = ("generate-tuned", "answer-tuned", "lm-eval-tuned", "alter", "harmony")
BENEATH = {key: {"models.baseline.micro"} for key in LOADED}
"""The base that a stage loads: what it depends on (an adapter, a description) was made of that very one."""
WHOLE = {"defaults", "memory", "seeds", "train", "judge", "compare", "harmony.train"}


def test_a_stage_reads_only_the_sections_it_lists(study, monkeypatch):
    """Noted while each command runs on a small study: which entries of params.yaml it looks at."""
    assert list(CALLS) == list(STAGES), "in the pipeline's order"
    micro.tasks(study)
    micro.harmony(study)
    with FakeJudge(lambda request: '{"truthful": 7, "informative": 4}') as judge:
        spec = JudgeSpec(judge.url, "a-judge", rubrics={"sums": "truthfulness"})
        for stage, args in CALLS.items():
            seen = set()
            watched = watch(replace(real_load(), judge=spec), seen)
            monkeypatch.setattr(params, "load", lambda watched=watched: watched)
            result = CliRunner().invoke(cli.main, [lem_command(stage)[0], *args], catch_exceptions=False)
            assert result.exit_code == 0, result.output
            listed = {NAMED.get(section, section) for section in SECTIONS[stage]}
            assert seen == (listed - WHOLE) | GUARDS.get(stage, set()) | BENEATH.get(stage, set()), stage


NAMED = {
    "models.baseline.${item.model}": "models.baseline.micro",
    "models.fine-tuned.${item.model}": f"models.fine-tuned.{TUNED}",
    "models.fine-tuned.${key}": f"models.fine-tuned.{TUNED}",
    "benchmarks.${item.benchmark}": "benchmarks.sums",
    "benchmarks.${key}": "benchmarks.sums",
    "tasks.${item.task}": "tasks.pick",
    "tasks.${key}": "tasks.pick",
    "distil.${key}": "distil.lek",
    "imports.${key}": "imports.published",
    "harmony.models.${key}": "harmony.models.micro-4bit",
    "harmony.models.${item.model}": "harmony.models.micro-4bit",
    "harmony.tasks.${key}": "harmony.tasks.choose",
    "harmony.tasks.${item.task}": "harmony.tasks.choose",
}


real_load = params.load


def watch(study, seen):
    return replace(
        study,
        distil=Recorder(study.distil, seen, "distil"),
        models=Models(study.models, seen, ""),
        prompts=Recorder(study.prompts, seen, "prompts"),
        benchmarks=Recorder(study.benchmarks, seen, "benchmarks"),
        tasks=Recorder(study.tasks, seen, "tasks"),
        imports=Recorder(study.imports, seen, "imports"),
        harmony=replace(
            study.harmony,
            models=Recorder(study.harmony.models, seen, "harmony.models"),
            tasks=Recorder(study.harmony.tasks, seen, "harmony.tasks"),
        ),
    )


def test_prompt_files_are_dependencies_of_their_stage(root):
    study = params.load()
    for stage, spec in (
        ("generate", study.prompts["validation"]),
        ("generate-tuned", study.prompts["validation"]),
        ("format", study.prompts["format"]),
        ("distil", study.distil["lek"]),
    ):
        assert set(spec.files) <= set(STAGES[stage]["deps"])


def test_outs_do_not_overlap(root):
    study = params.load()
    entries = {
        role: [s.entry for s in study.models.values() if s.role == role]
        for role in ("baseline", "fine-tuned")
    }
    keys = {"items": study.benchmarks, "distil": study.distil, "train": entries["fine-tuned"]}
    keys |= {"ingest": study.imports, "task": study.tasks}
    keys |= {"alter": study.harmony.models, "split": study.harmony.tasks}
    outs = []
    for name, stage in STAGES.items():
        names = {
            "${item.model}": list(study.harmony.models)
            if name == "harmony"
            else entries["fine-tuned" if name.endswith("-tuned") else "baseline"],
            "${item.seed}": ["0", "1"],
            "${item.mode}": ["sandwich"]
            if name == "distil"
            else ["naked", "system", "kernel-only", "sandwich"],
            "${item.benchmark}": list(study.benchmarks),
            "${item.task}": list(study.harmony.tasks if name == "harmony" else study.tasks),
            "${key}": list(keys.get(name, ())),
        }
        for out in stage.get("outs", []) + stage.get("metrics", []):
            paths = [out if isinstance(out, str) else next(iter(out))]
            for key, values in names.items():
                paths = [p.replace(key, v) for p in paths for v in (values if key in p else [""])]
            assert not any("${" in path for path in paths)
            outs += paths
    assert len(outs) == len(set(outs))
    inside = [(a, b) for a in outs for b in outs if a != b and b.startswith(a + "/")]
    assert inside == []


def test_no_stage_depends_on_data_as_a_whole():
    assert all(dep not in ("data", "data/") for stage in STAGES.values() for dep in stage.get("deps", []))


def test_weights_stay_out_of_the_cache_and_answers_persist():
    (weights,) = [o for o in STAGES["convert"]["outs"] if isinstance(o, dict)]
    assert weights == {"data/models/${item.model}": {"cache": False}}
    persisting = ("generate", "format", "answer", "distil", "generate-tuned", "answer-tuned")
    for stage in (*persisting, "judge", "judge-tuned"):
        kept = [o for o in STAGES[stage]["outs"] if isinstance(o, dict)]
        assert [next(iter(o.values())) for o in kept] == [{"persist": True}] * 2


def test_every_model_and_prompt_set_of_params_resolves(root):
    study = params.load()
    for prompt_set in study.prompts.values():
        assert questions.prompts(prompt_set)
    for benchmark in study.benchmarks.values():
        assert len(questions.read_items(benchmark)) >= 50
    with pytest.raises(LemError, match="did you mean smollm2-135m"):
        study.model("smollm2-135")


def test_lock_names_no_index():
    for lock in ("requirements.lock", "requirements-models.lock"):
        text = (ROOT / lock).read_text()
        assert not re.search(r"https?://|--(extra-)?index-url|--find-links", text)
        assert all("--hash=" in block for block in re.findall(r"^\S+==.*?(?=^\S+==|\Z)", text, re.S | re.M))


def test_lock_covers_linux_and_macos():
    text = (ROOT / "requirements.lock").read_text()
    assert "mlx-cpu==" in text and "mlx-metal==" in text
