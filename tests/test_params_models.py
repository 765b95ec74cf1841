"""The models of params.yaml: one a training seed, chained to a baseline, trained as `train` or they say."""

import dataclasses
from pathlib import Path

import pytest

from lem import layout, params
from lem.errors import LemError
from lem.params import Study, Training

BASES = "models:\n  baseline: {base: {from: x, family: f, scale: 1B}, b: {from: y}}\n"
CHAIN = """\
seeds: [7, 0]
train: {iters: 5, rank: 4, keys: [self_attn.q_proj]}
models:
  fine-tuned:
    base-lek-calm: {tune: base-lek, data: calm, iters: 3, keys: null, learning_rate: 2e-6}
    base-lek: {tune: base, data: lek}
    other: {tune: base-lek-calm, data: d, family: g, scale: 2B, variant: v, licence: MIT}
  baseline:
    base: {from: x, family: f, scale: 1B, variant: it, licence: L}
"""


@pytest.fixture
def load(tmp_path):
    def read(text: str) -> Study:
        file = tmp_path / "params.yaml"
        file.write_text(text)
        return params.load(file)

    return read


@pytest.fixture
def refused(load):
    def message(text: str) -> str:
        with pytest.raises(LemError) as caught:
            load(text)
        assert "\n" not in caught.value.message
        return caught.value.message

    return message


@pytest.fixture
def chain(load):
    return load(CHAIN)


def tuned(entries: str, seeds: str = "[0]") -> str:
    return f"seeds: {seeds}\n{BASES}  fine-tuned: {{{entries}}}\n"


def test_a_fine_tune_is_one_model_a_training_seed(chain):
    entries = ("base-lek-calm", "base-lek", "other")
    assert list(chain.models) == ["base", *(f"{entry}.s{seed}" for entry in entries for seed in (7, 0))]
    for entry in entries:
        assert [(m.entry, m.seed) for m in chain.entry(entry)] == [(entry, 7), (entry, 0)]
    assert [m.name for m in chain.entry("base")] == ["base"]
    assert [m.name for m in chain.entry("other.s0")] == ["other.s0"]


def test_one_without_seeds_is_trained_once(load):
    assert list(load(tuned("t: {tune: b, data: d}", "")).models) == ["base", "b", "t.s0"]


def test_an_entrys_name_alone_is_its_first_seed(chain):
    assert chain.model("other").name == "other.s7"
    assert chain.model("other.s0").seed == 0
    assert chain.model("base").seed is None
    with pytest.raises(LemError, match=r"no model named 'other\.s1' under models; did you mean other\.s\d\?"):
        chain.model("other.s1")
    with pytest.raises(LemError, match=r"no model named 'base-lex' under models; did you mean base-lek\?"):
        chain.model("base-lex")
    with pytest.raises(LemError, match=r"there are: base, base-lek-calm, base-lek-calm\.s0, base-lek"):
        chain.model("zzz")


def test_a_chain_goes_on_with_the_same_seed_down_to_its_baseline(chain):
    tunes = {name: spec.tune for name, spec in chain.models.items()}
    assert tunes == {
        "base": None,
        "base-lek.s7": "base", "base-lek.s0": "base",
        "base-lek-calm.s7": "base-lek.s7", "base-lek-calm.s0": "base-lek.s0",
        "other.s7": "base-lek-calm.s7", "other.s0": "base-lek-calm.s0",
    }  # fmt: skip
    assert {chain.root(spec).name for spec in chain.models.values()} == {"base"}


def test_family_and_scale_come_from_the_root_unless_they_are_stated(chain):
    told = {m.entry: (m.family, m.scale, m.variant, m.licence) for m in chain.models.values()}
    assert told == {
        "base": ("f", "1B", "it", "L"),
        "base-lek": ("f", "1B", "lek", None),
        "base-lek-calm": ("f", "1B", "lek-calm", None),
        "other": ("g", "2B", "v", "MIT"),
    }


def test_what_an_intermediate_says_of_itself_is_not_inherited(load):
    study = load(tuned("mine: {tune: base, data: d, family: g, variant: v}, c: {tune: mine, data: d}"))
    assert (study.model("c").family, study.model("c").variant) == ("f", "c")


def test_weights_are_the_roots_folder_and_the_own_adapter(chain):
    models = layout.DATA / "models"
    assert chain.weights(chain.model("base")) == (models / "base", None)
    assert chain.weights(chain.model("base-lek.s0")) == (models / "base", models / "base-lek/s0")
    assert chain.weights(chain.model("other")) == (models / "base", models / "other/s7")
    assert models == Path("data/models")


def test_an_entry_is_trained_as_train_says_but_for_what_it_says_itself(chain):
    plain = Training(iters=5, rank=4, keys=("self_attn.q_proj",))
    assert chain.train == chain.model("base-lek").training == chain.model("other.s0").training == plain
    own = dataclasses.replace(plain, iters=3, keys=None, learning_rate=2e-6)
    assert chain.model("base-lek-calm.s0").training == chain.model("base-lek-calm.s7").training == own
    assert chain.model("base").training is None


def test_every_training_key_can_be_overridden(load):
    other = {
        "iters": 1, "batch_size": 1, "learning_rate": 1.0, "fine_tune_type": "dora", "optimizer": "sgd",
        "rank": 1, "lora_scale": 1.0, "dropout": 0.5, "num_layers": 1, "keys": ["k"], "mask_prompt": False,
        "max_seq_length": 1, "save_every": 1, "steps_per_report": 1, "steps_per_eval": 1,
        "grad_checkpoint": True, "grad_accumulation_steps": 2,
    }  # fmt: skip
    assert set(other) == {f.name for f in dataclasses.fields(Training)}
    for key, value in other.items():
        found = load(tuned(f"t: {{tune: b, data: d, {key}: {value}}}")).model("t").training
        expected = Training(**{key: tuple(value) if isinstance(value, list) else value})
        assert found == expected != Training()


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        (
            "t: {data: d}",
            "t: 'tune' must name a baseline or another fine-tune, found None; there are: base, b",
        ),
        ("t: null", "t: 'tune' must name a baseline or another fine-tune, found None"),
        ("t: {tune: bse, data: d}", "t: 'tune' must name a baseline or another fine-tune, found 'bse'"),
        (
            "t: {tune: u, data: d}, u: {tune: w, data: d}",
            "u: 'tune' must name a baseline or another fine-tune, found 'w'; there are: base, b, t",
        ),
        ("t: {tune: b, data: d}, u: {tune: t.s0, data: d}", "u: 'tune' must name a baseline or another fine"),
        ("t: {tune: [b], data: d}", "t.tune: expected str, found ['b']"),
        ("t: {tune: {b: b}, data: d}", "t.tune: expected str, found {'b': 'b'}"),
        ("t: {tune: b}", "t: 'data' is missing; write a folder of train and valid.jsonl"),
        ("t: {tune: b, data: ''}", "t: 'data' is missing"),
        ("t: {tune: b, data: 3}", "t.data: expected str, found 3"),
        ("t: b", "t: expected 'name: value' entries, found 'b'"),
        ("t: {tune: b, data: d, from: x}", "t: 'from' is for models under baseline"),
        ("t: {tune: b, data: d, quantize: true}", "t: 'quantize' is for models under baseline"),
        ("t: {tune: b, data: d, dtype: float32}", "t: 'dtype' is for models under baseline"),
        ("t: {tune: b, data: d, q_bits: 4}", "t: 'q_bits' is for models under baseline"),
        ("t: {tune: b, data: d, itres: 3}", "t: unknown 'itres'; known are tune, data, iters, batch_size"),
        ("t: {tune: b, data: d, seed: 3}", "t: unknown 'seed'; known are tune"),
        ("t: {tune: b, data: d, iters: 0}", "t.iters: expected 1 or more, found 0"),
        ("t: {tune: b, data: d, dropout: 1.0}", "t.dropout: expected a share below 1, found 1.0"),
        ("t: {tune: b, data: d, keys: []}", "t.keys: expected at least one str, found an empty list"),
    ],
)
def test_a_fine_tune_that_cannot_be_is_named(refused, entries, says):
    assert refused(tuned(entries)).startswith(f"params.yaml: models.fine-tuned.{says}")


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ("t: {tune: t, data: d}", "t: 'tune' goes in a circle: t <- t"),
        ("t: {tune: u, data: d}, u: {tune: t, data: d}", "u: 'tune' goes in a circle: t <- u <- t"),
        (
            "t: {tune: u, data: d}, u: {tune: v, data: d}, v: {tune: u, data: d}",
            "v: 'tune' goes in a circle: t <- u <- v <- u",
        ),
    ],
)
def test_a_chain_in_a_circle_is_shown(refused, entries, says):
    assert refused(tuned(entries)) == f"params.yaml: models.fine-tuned.{says}"


@pytest.mark.parametrize("key", ["tune: b", "data: d", "iters: 3", "learning_rate: 1e-5", "keys: [k]"])
def test_training_is_no_matter_of_a_baseline(refused, key):
    says = refused(f"models: {{baseline: {{b: {{from: x}}, m: {{from: x, {key}}}}}}}")
    assert says == f"params.yaml: models.baseline.m: '{key.split(':')[0]}' is for models under fine-tuned"


def test_a_fault_in_train_is_named_there_and_not_at_an_entry(refused):
    assert refused("train: {itres: 3}\n" + tuned("t: {tune: b, data: d}")).startswith(
        "params.yaml: train: unknown 'itres'; known are iters"
    )


@pytest.mark.parametrize(
    ("entries", "doubled"),
    [
        ("base: {tune: b, data: d}", "base"),  # an entry of either role
        ("t: {tune: b, data: d}, t.s0: {tune: b, data: d}", "t.s0"),  # an entry and a model of another
    ],
)
def test_a_models_name_is_one_thing(refused, entries, doubled):
    assert f"models: {doubled!r} is there twice; each name is one thing" in refused(tuned(entries))


def test_a_baseline_is_not_called_as_a_fine_tunes_seed(refused):
    text = "models: {baseline: {b: {from: x}, t.s0: {from: x}}, fine-tuned: {t: {tune: b, data: d}}}"
    assert "models: 't.s0' is there twice" in refused(text)


def test_a_name_is_a_file_name_with_its_seed_too(load, refused):
    assert load(tuned(f"{'t' * 77}: {{tune: b, data: d}}")).model("t" * 77).name == "t" * 77 + ".s0"
    assert "a name is 1-80 of" in refused(tuned(f"{'t' * 78}: {{tune: b, data: d}}"))
