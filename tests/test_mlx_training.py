"""The trainer: what is learned, what its losses are, and that mlx-lm keeps quiet."""

import json
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file

import micro
from lem import mlx_runtime, mlx_training
from lem.errors import LemError
from lem.mlx_training import answer_loss, must_carry, prepared
from lem.params import Memory, Training
from lem.training_data import Example, encode

LORA = {"rank": 2, "scale": 2.0, "dropout": 0.0}
SHAPE = {"fine_tune_type": "lora", "num_layers": 2, "lora_parameters": LORA}
QUICK = Training(iters=2, batch_size=2, learning_rate=5e-3, max_seq_length=256, steps_per_report=1)
MEMORY = Memory(1, 2)


@pytest.fixture(scope="module")
def loaded(micro_folder):
    return mlx_runtime.load(micro_folder)


@pytest.fixture(scope="module")
def sets(loaded):
    """Eight examples to train on, three (and batches are of two) to validate."""
    tokens = [
        encode(loaded.tokenizer, Example("x:1", ({"role": "user", "content": question},), answer), 256, True)
        for question, answer in zip(micro.QUESTIONS, micro.SENTENCES[:3] * 4, strict=True)
    ]
    return {"train": tokens[:8], "valid": tokens[8:11]}


def shaped(kind="lora", layers=2, **lora):
    return {"fine_tune_type": kind, "num_layers": layers, "lora_parameters": LORA | lora}


def names(model):
    from mlx.utils import tree_flatten

    return dict(tree_flatten(model.trainable_parameters()))


def trained(folder, sets, file, settings=QUICK, shape=SHAPE, seed=0):
    """Return (losses heard, model) of a training."""
    model, heard = prepared(folder, shape, None, seed, MEMORY), []
    mlx_training.train(model, sets, settings, file, lambda *loss, **more: heard.append((*loss, more)))
    return heard, model


def by_hand(model, tokens, begin):
    """Return the cross entropies of one sequence's tokens from `begin` on, in numpy."""
    mx = mlx_runtime.core()
    logits = np.array(model(mx.array([tokens[:-1]]))[0], np.float64)
    logits -= logits.max(-1, keepdims=True)
    logprobs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    return [-logprobs[position - 1, tokens[position]] for position in range(begin, len(tokens))]


def batch_of(examples, padding=0, longer=5):
    """Return a batch as mlx-lm pads it, with `longer` more tokens of padding than the longest has."""
    mx = mlx_runtime.core()
    width = max(len(tokens) for tokens, _ in examples) + longer
    rows = [tokens + [padding] * (width - len(tokens)) for tokens, _ in examples]
    return mx.array(rows), mx.array([[begin, len(tokens)] for tokens, begin in examples])


def test_the_loss_is_the_cross_entropy_of_the_answers_tokens_alone(loaded, sets):
    examples = sets["train"][:4]
    assert len({len(tokens) for tokens, _ in examples}) > 1, "some are padded"
    expected = [loss for tokens, begin in examples for loss in by_hand(loaded.model, tokens, begin)]
    loss, count = answer_loss(loaded.model, *batch_of(examples))
    assert count.item() == len(expected) == sum(len(tokens) - begin for tokens, begin in examples)
    assert loss.item() == pytest.approx(np.mean(expected), rel=1e-5)


@pytest.mark.parametrize("padding, longer", [(0, 0), (micro.END, 1), (77, 30)])
def test_padding_counts_for_nothing(loaded, sets, padding, longer):
    examples = sets["train"][:3]
    plain = answer_loss(loaded.model, *batch_of(examples))
    padded = answer_loss(loaded.model, *batch_of(examples, padding, longer))
    assert padded[1].item() == plain[1].item()
    assert padded[0].item() == pytest.approx(plain[0].item(), rel=1e-5)


def test_without_a_mask_the_prompt_counts_too(loaded, sets):
    """All tokens but the first, which nothing comes before."""
    (tokens, begin), *_ = sets["train"]
    loss, count = answer_loss(loaded.model, *batch_of([(tokens, 1)]))
    assert count.item() == len(tokens) - 1 > len(tokens) - begin
    assert loss.item() == pytest.approx(np.mean(by_hand(loaded.model, tokens, 1)), rel=1e-5)


def test_only_the_adapter_learns(micro_folder):
    model = prepared(micro_folder, shaped(keys=["self_attn.v_proj"]), None, 0, MEMORY)
    assert sorted(names(model)) == [
        f"model.layers.{layer}.self_attn.v_proj.lora_{part}" for layer in range(2) for part in "ab"
    ]
    assert {
        name.split(".")[2] for name in names(prepared(micro_folder, shaped(layers=1), None, 0, MEMORY))
    } == {"1"}
    assert {
        name.rpartition(".")[2] for name in names(prepared(micro_folder, shaped("dora"), None, 0, MEMORY))
    } == {
        "lora_a",
        "lora_b",
        "m",
    }


def test_a_full_fine_tune_learns_its_last_blocks(micro_folder):
    shape = {"fine_tune_type": "full", "num_layers": 1, "lora_parameters": None}
    found = names(prepared(micro_folder, shape, None, 0, MEMORY))
    assert found and all(name.startswith("model.layers.1.") for name in found)
    assert "model.layers.1.mlp.down_proj.weight" in found


def test_the_seed_draws_the_first_weights(micro_folder):
    first, same, other = (
        np.array(
            names(prepared(micro_folder, SHAPE, None, seed, MEMORY))["model.layers.0.self_attn.q_proj.lora_a"]
        )
        for seed in (0, 0, 1)
    )
    assert (first == same).all() and (first != other).any()


TOO_MUCH = {
    "num_layers: 3, but {} has 2 blocks": shaped(layers=3),
    "keys: self_attn.w_proj is no module of {}; a block has: input_layernorm, mlp.down_proj, ": shaped(
        keys=["self_attn.q_proj", "self_attn.w_proj"]
    ),
    "keys: q_proj is no module of {}": shaped(keys=["q_proj"]),
    "keys: {}: mlx-lm cannot adapt it: Can't convert layer of type RMSNorm": shaped(keys=["input_layernorm"]),
}


@pytest.mark.parametrize("said", TOO_MUCH)
def test_what_a_model_cannot_carry_is_refused_before_its_weights_are_read(micro_folder, monkeypatch, said):
    monkeypatch.setattr(mlx_runtime, "load", lambda *a, **k: pytest.fail("the model was loaded"))
    must_carry(micro_folder, SHAPE)
    with pytest.raises(LemError) as caught:
        must_carry(micro_folder, TOO_MUCH[said])
    assert caught.value.message.startswith(said.format(micro_folder)) and "\n" not in caught.value.message


def test_a_folder_that_mlx_lm_cannot_read_is_one_clear_line(tmp_path):
    file = micro.build(tmp_path / "m") / "model.safetensors"
    for content, said in (
        (file.read_bytes()[:300], "the file is only 300 bytes"),
        (None, "No safetensors found"),
    ):
        file.unlink() if content is None else file.write_bytes(content)
        with pytest.raises(LemError, match=f"mlx-lm cannot load it: .*{said}"):
            must_carry(file.parent, SHAPE)


def test_losses_are_heard_in_order_and_end_with_the_whole_validation_set(micro_folder, sets, tmp_path):
    settings = Training(
        iters=5, batch_size=2, learning_rate=5e-3, max_seq_length=256, steps_per_report=2, steps_per_eval=2
    )
    heard, model = trained(micro_folder, sets, tmp_path / "a.safetensors", settings)
    assert [(split, iteration) for split, iteration, *_ in heard] == [
        *(("valid", 0), ("valid", 1), ("train", 2), ("valid", 3), ("train", 4)),
        *(("valid", 4), ("train", 5), ("valid", 5)),
    ]
    learning = [more for split, *_, more in heard if split == "train"]
    assert [more["learning_rate"] for more in learning] == [0.005] * 3, "as stated, not as float32 has it"
    assert 0 < learning[0]["trained_tokens"] < learning[1]["trained_tokens"] < learning[2]["trained_tokens"]
    assert len(sets["valid"]) % settings.batch_size, "one fills no batch"
    whole = [loss for tokens, begin in sets["valid"] for loss in by_hand(model, tokens, begin)]
    assert heard[-1][2] == pytest.approx(np.mean(whole), rel=1e-4)


@pytest.mark.parametrize("kind", ["lora", "dora", "full"])
def test_thirty_iterations_teach_something_that_loading_brings_back(micro_folder, sets, tmp_path, kind):
    settings = Training(
        iters=30, batch_size=2, learning_rate=5e-3, max_seq_length=256, steps_per_eval=30, save_every=100
    )
    shape = shaped(kind) if kind != "full" else {**SHAPE, "fine_tune_type": kind, "lora_parameters": None}
    heard, _ = trained(micro_folder, sets, tmp_path / "adapters.safetensors", settings, shape)
    valid = [loss for split, _, loss, _ in heard if split == "valid"]
    assert valid[-1] < valid[0] / 2
    (tmp_path / "adapter_config.json").write_text(json.dumps(shape))
    again = mlx_runtime.load(micro_folder, tmp_path).model
    whole = [loss for tokens, begin in sets["valid"] for loss in by_hand(again, tokens, begin)]
    assert np.mean(whole) == pytest.approx(valid[-1], rel=1e-4)


@pytest.mark.parametrize("optimizer", mlx_training.OPTIMIZERS)
def test_each_optimiser_moves_the_adapter(micro_folder, sets, tmp_path, optimizer):
    settings = Training(iters=2, batch_size=2, learning_rate=1e-3, max_seq_length=256, optimizer=optimizer)
    trained(micro_folder, sets, tmp_path / "a.safetensors", settings)
    file = load_file(tmp_path / "a.safetensors")
    assert all(array.any() for name, array in file.items() if name.endswith("lora_b")), "they begin at 0"


def test_gradient_checkpoints_change_no_loss_and_no_later_training(micro_folder, sets, tmp_path):
    from mlx_lm.models.llama import TransformerBlock

    call = TransformerBlock.__call__
    plain, _ = trained(micro_folder, sets, tmp_path / "a.safetensors")
    settings = Training(**{**vars(QUICK), "grad_checkpoint": True})
    saving, _ = trained(micro_folder, sets, tmp_path / "b.safetensors", settings)
    assert [loss for _, _, loss, _ in saving] == pytest.approx([loss for _, _, loss, _ in plain], rel=1e-4)
    assert TransformerBlock.__call__ is call


def test_accumulated_batches_are_one_step(micro_folder, sets, tmp_path):
    settings = Training(**{**vars(QUICK), "iters": 4, "grad_accumulation_steps": 4, "steps_per_eval": 1})
    heard, _ = trained(micro_folder, sets, tmp_path / "a.safetensors", settings)
    valid = [loss for split, _, loss, _ in heard if split == "valid"]
    assert valid[0] == valid[1] == valid[2] == valid[3] != valid[4]


def test_mlx_lm_keeps_quiet_and_what_is_heard_may_speak(micro_folder, sets, tmp_path, capsys):
    model = prepared(micro_folder, SHAPE, None, 0, MEMORY)
    mlx_training.train(model, sets, QUICK, tmp_path / "a", lambda split, at, *_, **__: print(split, at))
    out, err = capsys.readouterr()
    assert out.splitlines() == ["valid 0", "train 1", "valid 1", "train 2", "valid 2"]
    assert err == ""


def test_an_error_comes_through_and_stdout_is_whole_again(micro_folder, sets, tmp_path, monkeypatch):
    def broken(*args):
        raise RuntimeError("out of memory")

    model, before = prepared(micro_folder, SHAPE, None, 0, MEMORY), sys.stdout
    monkeypatch.setattr(mlx_training, "answer_loss", broken)
    with pytest.raises(RuntimeError, match="out of memory"):
        mlx_training.train(model, sets, QUICK, tmp_path / "a", lambda *_, **__: None)
    assert sys.stdout is before
