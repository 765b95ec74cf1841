"""Section `harmony` of params.yaml: LM-Harmony's settings where it is silent, every fault in one line."""

from pathlib import Path

import pytest
import yaml

from lem import params
from lem.errors import LemError
from lem.params_harmony import Harmony, HarmonyModel, HarmonyTask, HarmonyTraining

ROOT = Path(__file__).parents[1]
STUDY = """\
seeds: [3, 4]
models:
  baseline:
    base: {from: x}
  fine-tuned:
    tuned: {tune: base, data: d}
benchmarks:
  sums: {file: f, prompt: question, answer: answer}
tasks:
  pick: {chat_template: false}
prompts:
  ask: {files: [f]}
distil:
  lek: {model: base, files: [f], mode: naked}
"""


@pytest.fixture
def load(tmp_path):
    """`load("{models: {...}}")` reads a study whose section `harmony` is that."""

    def read(harmony: str):
        file = tmp_path / "params.yaml"
        file.write_text(f"{STUDY}harmony: {harmony}\n")
        return params.load(file)

    return read


def test_the_section_is_read(load):
    study = load(
        """
  train: {epochs: 2, learning_rate: 1e-3, keys: [self_attn.q_proj], num_layers: 4, mask_prompt: false}
  models:
    base: {of: base}
    tuned: {of: tuned}
    base-4bit: {of: base, round_trip: 4}
    short: {of: tuned, without_blocks: [3, 1], round_trip: 2}
  tasks:
    one: {}
    two: {category: math, metric: acc, filter: strict, drop_shared: true}
"""
    )
    how = study.harmony.train
    assert (how.epochs, how.learning_rate, how.keys, how.num_layers) == (2, 1e-3, ("self_attn.q_proj",), 4)
    assert not how.mask_prompt and how.rank == 8, "what is not stated stays as it is"
    assert study.harmony_model("short") == HarmonyModel("short", "tuned", 2, (3, 1))
    assert [name for name, model in study.harmony.models.items() if model.is_altered] == [
        "base-4bit",
        "short",
    ]
    assert study.harmony_task("one") == HarmonyTask("one")
    assert study.harmony_task("two") == HarmonyTask("two", "math", "acc", "strict", True)


def test_the_defaults_are_those_of_lm_harmony(load):
    how = load("{models: {base: {of: base}}}").harmony.train
    assert how == HarmonyTraining()
    assert (how.epochs, how.rank, how.alpha, how.dropout, how.learning_rate) == (5, 8, 32, 0.1, 2e-5)
    assert (how.max_train, how.max_valid, how.max_test) == (50_000, 1_000, 10_000)
    assert (how.keys, how.num_layers, how.optimizer) == (None, None, "adamw"), "every matrix of every block"
    assert how.mask_prompt and not how.chat_template


@pytest.mark.parametrize("text", ["", "{}", "{train: , models: , tasks: }"])
def test_a_section_may_be_empty(load, text):
    assert load(text).harmony == Harmony()


def test_the_repositorys_own_section():
    study, tree = params.load(ROOT / "params.yaml"), yaml.safe_load((ROOT / "params.yaml").read_text())
    assert list(study.harmony.models) == list(tree["harmony"]["models"])
    assert list(study.harmony.tasks) == list(tree["harmony"]["tasks"])
    for key, value in tree["harmony"]["train"].items():
        found = getattr(study.harmony.train, key)
        assert (list(found) if isinstance(found, tuple) else found) == value


def test_a_name_that_is_not_there_has_a_hint(load):
    study = load("{models: {base: {of: base}}, tasks: {arithmetic: {}}}")
    for ask, told in (
        (lambda: study.harmony_model("bas"), "no model named 'bas' under harmony.models; did you mean base?"),
        (
            lambda: study.harmony_task("arithmatic"),
            "no task named 'arithmatic' under harmony.tasks; did you mean arithmetic?",
        ),
        (lambda: study.harmony_task("x"), "no task named 'x' under harmony.tasks; there are: arithmetic"),
    ):
        with pytest.raises(LemError) as caught:
            ask()
        assert caught.value.message == f"params.yaml: {told}"


TRAIN = {
    "epochs: 0": "epochs: expected 1 or more, found 0",
    "epochs: two": "epochs: expected int, found 'two'",
    "epochs: true": "epochs: expected int, found True",
    "epoch: 2": f"unknown 'epoch'; known are {', '.join(HarmonyTraining.__dataclass_fields__)}",
    "rank: 0": "rank: expected 1 or more, found 0",
    "alpha: 0": "alpha: expected more than 0, found 0",
    "learning_rate: 0": "learning_rate: expected more than 0, found 0",
    "learning_rate: -1e-5": "learning_rate: expected more than 0, found -1e-05",
    "learning_rate: .inf": "learning_rate: expected a finite number, found inf",
    "dropout: 1.0": "dropout: expected a share below 1, found 1.0",
    "dropout: -0.1": "dropout: expected a share below 1, found -0.1",
    "optimizer: lion": "optimizer: expected one of adam, adamw, sgd, adafactor, muon, found 'lion'",
    "keys: []": "keys: expected at least one str, found an empty list",
    "keys: [q, q]": "keys: something is there twice: ['q', 'q']",
    "num_layers: 0": "num_layers: expected 1 or more, found 0",
    "batch_size: 0": "batch_size: expected 1 or more, found 0",
    "eval_batch_size: 0": "eval_batch_size: expected 1 or more, found 0",
    "max_train: 0": "max_train: expected 1 or more, found 0",
    "max_valid: -1": "max_valid: expected 1 or more, found -1",
    "max_test: 0": "max_test: expected 1 or more, found 0",
    "max_seq_length: 0": "max_seq_length: expected 1 or more, found 0",
    "chat_template: 1": "chat_template: expected bool, found 1",
    "seed: -1": f"seed: expected 0 to {2**32 - 1}, found -1",
}


@pytest.mark.parametrize("text", TRAIN)
def test_what_is_wrong_with_a_training(load, text):
    with pytest.raises(LemError) as caught:
        load(f"{{train: {{{text}}}}}")
    where = "harmony.train: " if TRAIN[text].startswith("unknown") else "harmony.train."
    assert caught.value.message == f"params.yaml: {where}{TRAIN[text]}"


FAULTS = {
    "models: {m: {of: bass}}": "harmony.models.m.of: no model 'bass' under models; there are: base, tuned",
    "models: {m: {of: tuned.s4}}": (
        "harmony.models.m.of: 'tuned.s4' is one training seed; say 'tuned', of which the first is taken"
    ),
    "models: {m: {}}": "harmony.models.m: 'of' is missing",
    "models: {m: {of: base, roundtrip: 4}}": (
        "harmony.models.m: unknown 'roundtrip'; known are of, round_trip, without_blocks"
    ),
    "models: {m: base}": "harmony.models.m: expected 'name: value' entries, found 'base'",
    "models: [base]": "harmony.models: expected 'name: value' entries, found ['base']",
    "models: {../m: {of: base}}": (
        "harmony.models.../m '../m': a name is 1-80 of A-Z a-z 0-9 . _ - and begins with a letter or digit"
    ),
    "models: {base: {of: base, round_trip: 4}}": (
        "harmony.models.base: 'base' is a model under models, and this is another; rename it"
    ),
    "models: {base: {of: tuned}}": (
        "harmony.models.base: 'base' is a model under models, and this is another; rename it"
    ),
    "models: {tuned.s4: {of: tuned}}": (
        "harmony.models.tuned.s4: 'tuned.s4' is a model under models, and this is another; rename it"
    ),
    "models: {base: {of: base}, again: {of: base}}": (
        "harmony.models.again: 'base' is there already, as 'base'; take one of them out"
    ),
    "models: {m: {of: base, round_trip: 7}}": (
        "harmony.models.m.round_trip: expected bits of (2, 3, 4, 5, 6, 8), found 7"
    ),
    "models: {m: {of: base, round_trip: 4.0}}": "harmony.models.m.round_trip: expected int, found 4.0",
    "models: {m: {of: base, without_blocks: [1, -2]}}": (
        "harmony.models.m.without_blocks: expected 0 or more, found [1, -2]"
    ),
    "models: {m: {of: base, without_blocks: [1, 1]}}": (
        "harmony.models.m.without_blocks: something is there twice: [1, 1]"
    ),
    "models: {m: {of: base, without_blocks: 3}}": (
        "harmony.models.m.without_blocks: expected a list of int, found 3"
    ),
    "tasks: {t: {catgory: math}}": (
        "harmony.tasks.t: unknown 'catgory'; known are category, metric, filter, drop_shared"
    ),
    "tasks: {t: {drop_shared: 'yes'}}": "harmony.tasks.t.drop_shared: expected bool, found 'yes'",
    "task: {}": "harmony: unknown 'task'; known are train, models, tasks",
}


@pytest.mark.parametrize("text", FAULTS)
def test_what_is_wrong_with_a_model_or_a_task(load, text):
    with pytest.raises(LemError) as caught:
        load(f"{{{text}}}")
    assert caught.value.message.removeprefix("params.yaml: ") == FAULTS[text]
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("name", ["sums", "pick", "ask", "lek"])
def test_a_task_has_a_name_of_its_own(load, name):
    with pytest.raises(LemError) as caught:
        load(f"{{tasks: {{{name}: {{}}}}}}")
    sets = "prompts, benchmarks, tasks, harmony.tasks and distil"
    assert caught.value.message == f"params.yaml: {sets}: '{name}' is there twice; each name is one thing"


def test_a_model_under_its_own_name_and_a_seeds_name_is_itself(load):
    assert load("{models: {base: {of: base}}}").harmony_model("base").of == "base"
    assert load("{models: {tuned.s3: {of: tuned}}}").harmony_model("tuned.s3").of == "tuned"
    both = load("{models: {base: {of: base}, a: {of: base, round_trip: 4}, b: {of: base, round_trip: 2}}}")
    assert len(both.harmony.models) == 3
