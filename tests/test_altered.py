"""The models of a leaderboard: what fewer bits and fewer blocks do, and what is recorded of them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import micro
from lem import convert, layout, mlx_runtime, params
from lem.errors import LemError
from lem.harmony import altered
from lem.record_files import read_json
from lem.records import Model

TOKENS = [[5, 9, 17, 33, 65, 129], [6, 10, 18, 34, 66, 130]]
MODELS = """\
    micro-2bit: {of: micro, round_trip: 2}
    micro-8bit: {of: micro, round_trip: 8}
    micro-lek: {of: micro-lek}
    lek-4bit: {of: micro-lek, round_trip: 4}
    deep: {of: deep}
    deep-cut: {of: deep, without_blocks: [3, 1]}
    deep-cut-4bit: {of: deep, without_blocks: [1, 3], round_trip: 4}
    two-left: {of: deep, without_blocks: [0, 1, 2]}
    one-left: {of: deep, without_blocks: [0, 1, 2, 3]}
    none-such: {of: deep, without_blocks: [1, 5]}
    gemma: {of: gemma}
    gemma-4bit: {of: gemma, round_trip: 4}
    gemma-cut: {of: gemma, without_blocks: [0]}
    narrow-4bit: {of: narrow, round_trip: 4}
    bits: {of: bits}
    bits-4bit: {of: bits, round_trip: 4}
"""
SOURCES = """\
  baseline:
    deep: {from: mlx:deep}
    gemma: {from: mlx:gemma}
    narrow: {from: mlx:narrow}
    bits: {from: mlx:micro, quantize: true, q_bits: 8, q_group_size: 32}
"""


def deep(folder, blocks=5):
    """Write a micro model of more blocks, each of other weights."""
    micro.build(folder)
    tensors = dict(micro.weights())
    for block in range(micro.LAYERS, blocks):
        other = micro.weights(seed=block)
        of = f"model.layers.{block}."
        tensors |= {of + k.removeprefix("model.layers.0."): v for k, v in other.items() if ".layers.0." in k}
    save_file(tensors, folder / "model.safetensors", {"format": "mlx"})
    micro._json(folder / "config.json", micro.config() | {"num_hidden_layers": blocks})


def gemma(folder):
    """Write a micro Gemma 3 as a folder, with the tokenizer of the other."""
    micro.build(folder)
    micro._json(folder / "config.json", micro.gemma3_config())
    save_file(micro.gemma3_weights(), folder / "model.safetensors", {"format": "mlx"})


def narrow(folder):
    """Write a micro model one of whose matrices is not of whole groups: 96 wide."""
    micro.build(folder)
    tensors = {}
    for name, array in micro.weights().items():
        wide = array[:96] if "gate" in name or "up_proj" in name else array
        tensors[name] = np.ascontiguousarray(wide[:, :96] if "down_proj" in name else wide)
    save_file(tensors, folder / "model.safetensors", {"format": "mlx"})
    micro._json(folder / "config.json", micro.config() | {"intermediate_size": 96})


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A study with five baselines, all converted, and a fine-tune of one."""
    import contextlib

    from click.testing import CliRunner

    from lem.cli import main

    folder = micro.study(tmp_path_factory.mktemp("altered") / "study")
    micro.harmony(folder, MODELS)
    for write in (deep, gemma, narrow):
        write(folder / write.__name__)
    file = folder / "params.yaml"
    file.write_text(file.read_text().replace("  baseline:\n", SOURCES, 1))
    with contextlib.chdir(folder):
        for name in ("micro", "deep", "gemma", "narrow", "bits"):
            done = CliRunner().invoke(main, ["convert", "--model", name])
            assert done.exit_code == 0, done.output
        micro.adapter(layout.adapter("micro-lek", 0), convert.weights_sha(layout.model("micro")))
    return folder


@pytest.fixture(autouse=True)
def here(built, monkeypatch):
    """That study is the working folder; who changes it copies it."""
    monkeypatch.chdir(built)
    return built


@pytest.fixture
def copy(built, tmp_path, monkeypatch):
    shutil.copytree(built, tmp_path / "study")
    monkeypatch.chdir(tmp_path / "study")


def load(name):
    study = params.load()
    return altered.load(study, study.harmony_model(name)).model


def described(name):
    study = params.load()
    return altered.described(study, study.harmony_model(name))


def plain(name, adapter=None):
    return mlx_runtime.load(layout.model(name), adapter).model


def tensors(model):
    from mlx.utils import tree_flatten

    return dict(tree_flatten(model.parameters()))


def arrays(model):
    return {name: np.array(value) for name, value in tensors(model).items()}


def logits(model):
    return np.array(model(mlx_runtime.core().array(TOKENS)))


def refused(name):
    with pytest.raises(LemError) as caught:
        load(name)
    assert "\n" not in caught.value.message
    return caught.value.message


# Whole


@pytest.mark.parametrize("name", ["micro", "gemma"])
def test_a_whole_model_is_itself(name):
    assert np.array_equal(logits(load(name)), logits(plain(name)))


def test_a_fine_tune_is_its_base_with_the_adapter_folded_in():
    adapter = layout.adapter("micro-lek", 0)
    model, apart = load("micro-lek"), plain("micro", adapter)
    assert not [name for name in tensors(model) if "lora" in name]
    assert {name: value.shape for name, value in tensors(model).items()} == {
        name: value.shape for name, value in tensors(plain("micro")).items()
    }
    assert np.allclose(logits(model), logits(apart), rtol=1e-4, atol=1e-3)
    assert np.abs(logits(model) - logits(plain("micro"))).max() > 1


def test_a_fine_tune_takes_another_adapter_on_top():
    from lem.mlx_epochs import adapted

    model = load("micro-lek")
    before = logits(model)
    shape = {
        "fine_tune_type": "lora",
        "num_layers": 2,
        "lora_parameters": {"rank": 2, "scale": 4.0, "dropout": 0},
    }
    adapted(model, layout.model("micro"), shape, 0)
    assert len([name for name in tensors(model) if "lora_a" in name]) == 2 * 7
    assert np.array_equal(logits(model), before)


# Fewer bits


def test_a_round_trip_changes_the_weights_a_little_and_nothing_else():
    before, after = tensors(plain("micro")), tensors(load("micro-4bit"))
    assert list(after) == list(before)
    for name in before:
        assert (after[name].shape, after[name].dtype) == (before[name].shape, before[name].dtype)
    one, other = arrays(plain("micro")), arrays(load("micro-4bit"))
    for name, value in one.items():
        off = np.abs(other[name] - value).max()
        groups = value.reshape(-1, 64)
        step = (groups.max(-1) - groups.min(-1)).max() / 15
        assert off <= step if "norm" not in name else off == 0, name
        assert "norm" in name or off > 0, name


def far(name, of="micro"):
    one, other = arrays(plain(of)), arrays(load(name))
    return sum(float(np.abs(other[key] - value).sum()) for key, value in one.items())


def test_fewer_bits_lose_more():
    assert 0 < far("micro-8bit") < far("micro-4bit") / 8 < far("micro-2bit") / 16


def test_a_group_has_as_many_values_as_its_bits_hold():
    matrix = arrays(load("micro-2bit"))["model.layers.0.self_attn.q_proj.weight"]
    assert {len(set(group.tolist())) for group in matrix.reshape(-1, altered.GROUP)} <= {2, 3, 4}


def test_a_second_round_trip_is_the_same_to_the_bit():
    for name in ("micro-4bit", "deep-cut-4bit"):
        one, other = arrays(load(name)), arrays(load(name))
        assert all(np.array_equal(one[key], other[key]) for key in one)


def test_a_fine_tune_loses_its_adapters_bits_too():
    one, other = arrays(load("micro-lek")), arrays(load("lek-4bit"))
    name = "model.layers.0.self_attn.q_proj.weight"
    assert 0 < np.abs(one[name] - other[name]).max() < np.abs(one[name]).max()
    assert len(set(other[name].reshape(-1, 64)[0].tolist())) <= 16


def test_a_matrix_that_is_not_of_whole_groups_stays():
    one, other = arrays(plain("narrow")), arrays(load("narrow-4bit"))
    same = {name for name in one if np.array_equal(one[name], other[name])}
    assert {name for name in same if "norm" not in name} == {
        f"model.layers.{block}.mlp.down_proj.weight" for block in range(2)
    }


def test_tied_embeddings_go_there_and_back():
    model = load("gemma-4bit")
    assert tensors(model).keys() == tensors(plain("gemma")).keys()
    assert np.abs(logits(model) - logits(plain("gemma"))).max() > 0


def test_a_model_that_is_quantised_already_goes_through_both():
    stored, model = plain("bits"), load("bits-4bit")
    assert any(name.endswith("scales") for name in tensors(stored))
    assert not any(name.endswith("scales") for name in tensors(model))
    off = np.abs(logits(model) - logits(stored)).max()
    assert off > np.abs(logits(stored) - logits(plain("micro"))).max()


# Fewer blocks


def test_blocks_are_left_out_and_the_others_stay_in_order():
    whole, model = plain("deep"), load("deep-cut")
    assert len(model.layers) == 3 == model.args.num_hidden_layers
    kept = arrays(whole)
    for place, block in enumerate((0, 2, 4)):
        for name, value in arrays(model.layers[place]).items():
            assert np.array_equal(value, kept[f"model.layers.{block}.{name}"]), (block, name)
    assert {name for name in kept if ".layers." not in name} == {
        name for name in arrays(model) if ".layers." not in name
    }


def test_it_answers_as_the_blocks_that_are_left():
    mx = mlx_runtime.core()
    whole, model = plain("deep"), load("deep-cut")
    states = whole.model.embed_tokens(mx.array(TOKENS))
    for block in (0, 2, 4):
        states = whole.layers[block](states, "causal")
    expected = np.array(whole.lm_head(whole.model.norm(states)))
    assert np.allclose(logits(model), expected, atol=1e-3)
    assert not np.allclose(logits(model), logits(whole), atol=1)


def test_it_writes_and_has_a_cache_of_its_own_depth():
    study = params.load()
    loaded = altered.load(study, study.harmony_model("deep-cut"))
    (done,) = mlx_runtime.generate(loaded, [TOKENS[0]], mlx_runtime.Sampling(max_tokens=3))
    mx, ids = mlx_runtime.core(), list(TOKENS[0])
    for _ in range(done.tokens):
        ids.append(int(np.array(loaded.model(mx.array([ids])))[0, -1].argmax()))
    said = [token for token in ids[len(TOKENS[0]) :] if token != micro.END]
    assert loaded.tokenizer.decode(said) == done.text


def test_both_at_once():
    model = load("deep-cut-4bit")
    assert len(model.layers) == 3
    pruned, coarse = arrays(load("deep-cut")), arrays(model)
    assert all((np.array_equal(coarse[name], value)) == ("norm" in name) for name, value in pruned.items())


def test_two_blocks_are_enough_and_one_is_not():
    assert len(load("two-left").layers) == 2
    where = "params.yaml: harmony.models.one-left.without_blocks"
    assert refused("one-left") == f"{where}: 1 blocks are left, at least 2 must be"


def test_a_block_that_there_is_none_of():
    where = "params.yaml: harmony.models.none-such.without_blocks"
    assert refused("none-such") == f"{where}: no block 5; deep has 5, from 0"


def test_where_a_blocks_place_decides_none_is_left_out():
    where = "params.yaml: harmony.models.gemma-cut.without_blocks"
    said = refused("gemma-cut")
    assert said == f"{where}: the blocks of a mlx_lm.models.gemma3_text are not all alike"


def test_blocks_of_two_kinds_are_not_left_out():
    class Args:
        pass

    class Network:
        args = Args()

    class Block:
        use_sliding = False

    class Other(Block):
        pass

    class Sliding(Block):
        use_sliding = True

    differ = [
        altered._differ(Network(), blocks) for blocks in ([Block(), Block()], [Block(), Other()], [Sliding()])
    ]
    assert differ == [False, True, True]


# What is said of them


def test_what_is_described():
    about = described("deep-cut-4bit")
    assert (about["model"], about["of"], about["round_trip"], about["group_size"]) == (
        "deep-cut-4bit",
        "deep",
        4,
        64,
    )
    assert (about["without_blocks"], about["adapter_sha"]) == ([1, 3], None)
    assert about["base_weights_sha"] == convert.weights_sha(layout.model("deep"))
    whole = described("micro-lek")
    assert (whole["model"], whole["of"], whole["group_size"]) == ("micro-lek.s0", "micro-lek.s0", None)
    assert whole["adapter_sha"] and whole["base_weights_sha"] == described("micro")["base_weights_sha"]


def test_every_alteration_is_another_hash():
    names = list(params.load().harmony.models)
    shas = {name: described(name)["weights_sha"] for name in names if name not in ("one-left", "none-such")}
    assert len(set(shas.values())) == len(shas)
    assert shas == {name: described(name)["weights_sha"] for name in shas}


def test_what_changes_no_weight_changes_no_hash(copy):
    before = described("deep-cut")
    file = Path("params.yaml")
    file.write_text(file.read_text().replace("without_blocks: [3, 1]}", "without_blocks: [1, 3]}"))
    assert described("deep-cut") == before
    file.write_text(file.read_text().replace("deep-cut: {", "shallow: {").replace("epochs: 2", "epochs: 1"))
    renamed = described("shallow")
    assert renamed["model"] == "shallow" and {**renamed, "model": "deep-cut"} == before


def test_other_weights_and_another_adapter_are_another_hash(copy, lem):
    whole, tuned = described("micro-4bit"), described("lek-4bit")
    shutil.rmtree(layout.adapter("micro-lek", 0))
    micro.adapter(layout.adapter("micro-lek", 0), whole["base_weights_sha"], seed=1)
    assert described("micro-4bit") == whole and described("lek-4bit")["weights_sha"] != tuned["weights_sha"]
    shutil.rmtree("micro")
    micro.build(Path("micro"), seed=1)
    lem("convert", "--model", "micro")
    assert described("micro-4bit")["weights_sha"] != whole["weights_sha"]


def test_record_of_an_altered_model():
    study = params.load()
    card = altered.record(study, study.harmony_model("micro-4bit"))
    assert (card.name, card.role, card.base, card.family) == ("micro-4bit", "baseline", "micro", "micro")
    assert (card.variant, card.quantization) == (
        "random, 4 bits and back",
        "4 bits, group 64, held in float32",
    )
    assert (card.origin, card.licence, card.dtype) == ("mlx:micro", "CC0-1.0", "float32")
    assert card.weights_sha == described("micro-4bit")["weights_sha"]
    card = altered.record(study, study.harmony_model("deep-cut-4bit"))
    assert card.variant == "4 bits and back, without blocks 1 3"
    assert altered.record(study, study.harmony_model("deep-cut")).quantization is None


def test_lem_alter_writes_what_is_described(copy, lem):
    shown = lem("alter", "--model", "deep-cut")
    folder, about = layout.harmony_model("deep-cut"), described("deep-cut")
    assert shown.output == f"{folder}: deep-cut, of deep, weights {about['weights_sha'][:12]}\n"
    assert json.loads((folder / "weights.json").read_text()) == about
    assert read_json(folder / "model.json", Model).name == "deep-cut"
    assert layout.files("models").count(folder / "model.json") == 1
    before = {p: p.read_bytes() for p in folder.iterdir()}
    lem("alter", "--model", "deep-cut")
    assert {p: p.read_bytes() for p in folder.iterdir()} == before
    assert "of micro-lek.s0, weights" in (shown := lem("alter", "--model", "micro-lek").output), shown
    assert [p.name for p in layout.harmony_model("micro-lek").iterdir()] == ["weights.json"]


def test_a_model_that_is_whole_again_has_no_record_left(copy, lem):
    lem("alter", "--model", "micro-4bit")
    file = Path("params.yaml")
    file.write_text(
        file.read_text()
        .replace("    micro: {of: micro}\n", "")
        .replace("micro-4bit: {of: micro, round_trip: 4}", "micro-4bit: {of: micro}")
    )
    lem("alter", "--model", "micro-4bit")
    assert [p.name for p in layout.harmony_model("micro-4bit").iterdir()] == ["weights.json"]
    assert described("micro-4bit")["model"] == "micro", "it goes by its own name"


def test_a_model_that_is_not_there(copy, lem):
    assert lem("alter", "--model", "micro-3bit", code=1).stderr == (
        "Error: params.yaml: no model named 'micro-3bit' under harmony.models; did you mean micro-8bit?\n"
    )
    shutil.rmtree(layout.model("deep"))
    said = lem("alter", "--model", "deep-cut", code=1).stderr
    again = "convert the model first: lem convert --model deep"
    assert said == f"Error: data/models/deep/provenance.json: no such file; {again}\n"
    shutil.rmtree(layout.adapter("micro-lek", 0))
    said = lem("alter", "--model", "micro-lek", code=1).stderr
    assert said.endswith("no such file; it is written by: lem train (or dvc repro)\n")
