"""A training that goes epoch by epoch: what is learned, what its loss is, that it survives the process."""

import json
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

import micro
from lem import mlx_runtime, mlx_training
from lem.errors import LemError
from lem.mlx_epochs import Epochs, adapted, asked_loss, head_of
from lem.params import Training

SHAPE = {
    "fine_tune_type": "lora",
    "num_layers": 2,
    "lora_parameters": {"rank": 2, "scale": 4.0, "dropout": 0.1},
}
SETTINGS = Training(batch_size=4, iters=3, learning_rate=1e-2, optimizer="adamw", steps_per_report=1)


def settings(**changed):
    return Training(**{**vars(SETTINGS), **changed})


@pytest.fixture(scope="module")
def examples(micro_folder):
    """Ten examples of several lengths: the tokens of a question, the answer's behind them."""
    encode = mlx_runtime.load_tokenizer(micro_folder).encode
    texts = zip(
        micro.QUESTIONS[:10], [*micro.SENTENCES[:5], *("the sum", "the sea", "no", "yes", "so")], strict=True
    )
    return [([*encode(question), *encode(answer)], len(encode(question))) for question, answer in texts]


@pytest.fixture
def begun(micro_folder, examples):
    """`begun()` is a training that has not begun, on a model of its own."""

    def new(seed=0, how=SETTINGS, learned=examples):
        model = mlx_runtime.load(micro_folder).model
        adapted(model, micro_folder, SHAPE, seed)
        return Epochs(model, learned, how, seed)

    return new


def ran(epochs, *numbers):
    """Return the losses of each epoch."""
    losses = []
    for number in numbers:
        epochs.run(number, lambda split, at, loss, **more: losses.append(loss), lambda count: None)
    return losses


def order(epochs, number):
    """Return the batches of an epoch: the tokens of each row, without the padding."""
    return [np.array(rows).tolist() for rows, _, _ in epochs._batches(number, lambda count: None)]


def logits(model):
    mx = mlx_runtime.core()
    return np.array(model(mx.array([[5, 6, 7, 8, 9, 10]])))


def test_an_epoch_goes_over_every_example_once(begun, examples):
    epochs, steps = begun(), []
    asked, seen = Counter(), Counter()
    for rows, places, wanted in epochs._batches(1, steps.append):
        rows, places, wanted = (np.array(one).tolist() for one in (rows, places, wanted))
        width = len(rows[0])
        assert width % 8 == 0 and {len(row) for row in rows} == {width} and len(rows) <= 4
        for place, token in zip(places, wanted, strict=True):
            row, at = divmod(place, width)
            asked[(tuple(rows[row][: at + 1]), token)] += 1
        seen.update(tuple(row) for row in rows)
    assert steps == [1, 1, 1] and epochs.steps == 3
    expected = Counter((tuple(t[:at]), t[at]) for t, begins in examples for at in range(begins, len(t)))
    assert asked == expected, "each token of each answer, behind what stands before it"
    assert sum(asked.values()) == sum(len(tokens) - begins for tokens, begins in examples)
    assert set(seen.values()) == {1} and len(seen) == len(examples)


def test_the_order_is_that_of_the_seed_and_the_epoch_alone(begun):
    epochs = begun()
    first = order(epochs, 1)
    ran(epochs, 1)
    assert order(epochs, 1) == first == order(begun(how=settings(learning_rate=1.0)), 1)
    assert order(epochs, 2) != first != order(begun(seed=1), 1)


def test_batches_hold_examples_of_about_one_length(begun, examples):
    lengths = sorted(len(tokens) - 1 for tokens, _ in examples)
    wide = sorted(-(-max(lengths[at : at + 4]) // 8) * 8 for at in range(0, 10, 4))
    assert sorted(len(rows[0]) for rows in order(begun(), 1)) == wide


def test_it_learns(begun, examples):
    epochs = begun(how=settings(batch_size=2))
    before = mlx_training.mean_loss(epochs.model, examples)
    ran(epochs, *range(1, 9))
    assert mlx_training.mean_loss(epochs.model, examples) < before / 2


def test_a_kept_state_goes_on_to_the_byte(begun, tmp_path):
    unbroken = begun()
    ran(unbroken, 1)
    unbroken.save(tmp_path / "deep/1.safetensors")
    after_one, losses = unbroken.adapter_sha(), ran(unbroken, 2)
    unbroken.save(tmp_path / "2.safetensors")
    other = begun()
    assert other.adapter_sha() != after_one
    other.load(tmp_path / "deep/1.safetensors")
    assert other.adapter_sha() == after_one
    assert ran(other, 2) == losses
    assert other.adapter_sha() == unbroken.adapter_sha() != after_one
    other.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "2.safetensors").read_bytes()
    assert {p.name for p in tmp_path.iterdir()} == {"deep", "2.safetensors", "again.safetensors"}


def test_the_optimisers_state_is_part_of_it(begun, tmp_path):
    """Without it the second epoch is another: the test of the bytes above could not fail otherwise."""
    epochs, other = begun(), begun()
    ran(epochs, 1)
    epochs.save(tmp_path / "1.safetensors")
    ran(epochs, 2)
    fresh = other.optimizer
    other.load(tmp_path / "1.safetensors")
    other.optimizer = type(fresh)(learning_rate=1e-2)
    ran(other, 2)
    assert other.adapter_sha() != epochs.adapter_sha()


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "adafactor", "muon"])
def test_every_optimiser_goes_on(begun, tmp_path, optimizer):
    unbroken, other = begun(how=settings(optimizer=optimizer)), begun(how=settings(optimizer=optimizer))
    ran(unbroken, 1)
    unbroken.save(tmp_path / "1.safetensors")
    other.load(tmp_path / "1.safetensors")
    assert ran(other, 2) == ran(unbroken, 2)
    assert other.adapter_sha() == unbroken.adapter_sha()


def test_the_seed_draws_the_adapter_and_the_dropout(begun):
    one, same, other = begun(), begun(), begun(seed=1)
    assert one.adapter_sha() == same.adapter_sha() != other.adapter_sha()
    assert ran(one, 1) == ran(same, 1) != ran(other, 1)


def test_an_epoch_that_is_loaded_answers_as_one_that_was_trained(begun, tmp_path):
    """Dropout is over: an adapter put in place anew has it switched on."""
    trained, loaded = begun(), begun()
    ran(trained, 1)
    trained.save(tmp_path / "1.safetensors")
    loaded.load(tmp_path / "1.safetensors")
    assert np.array_equal(logits(loaded.model), logits(loaded.model))
    assert np.array_equal(logits(loaded.model), logits(trained.model))


def test_an_adapter_changes_nothing_before_it_has_learned(begun, micro_folder):
    assert np.array_equal(logits(begun().model), logits(mlx_runtime.load(micro_folder).model))


def test_the_hash_is_of_every_matrix(begun):
    mx = mlx_runtime.core()
    epochs = begun()
    before = epochs.adapter_sha()
    part = epochs.model.layers[-1].mlp.down_proj
    part.lora_b = part.lora_b + mx.array(1e-3)
    assert epochs.adapter_sha() != before
    part.lora_b = mx.zeros(part.lora_b.shape)
    assert epochs.adapter_sha() == before


@pytest.mark.parametrize("headed", [True, False])
def test_the_loss_is_that_of_a_training_over_the_same_batch(begun, examples, headed):
    mx = mlx_runtime.core()
    epochs = begun()
    ran(epochs, 1)
    head = head_of(epochs.model) if headed else None
    for rows, places, wanted in epochs._batches(1, lambda count: None):
        mine, count = asked_loss(epochs.model, rows, places, wanted, head)
        texts = [np.array(row).tolist() for row in rows]
        batch = [one for text in texts for one in examples if text[: len(one[0]) - 1] == one[0][:-1]]
        assert len(batch) == len(texts)
        width = max(len(tokens) for tokens, _ in batch)
        padded = mx.array([tokens + [0] * (width - len(tokens)) for tokens, _ in batch])
        ends = mx.array([[begins, len(tokens)] for tokens, begins in batch])
        theirs, tokens = mlx_training.answer_loss(epochs.model, padded, ends)
        assert count.item() == tokens.item()
        assert mine.item() == pytest.approx(theirs.item(), abs=1e-4)


def test_the_head_is_found_and_makes_the_same_logits(micro_folder):
    mx = mlx_runtime.core()
    model = mlx_runtime.load(micro_folder).model
    tokens = mx.array([[9, 8, 7], [1, 2, 3]])
    head = head_of(model)
    assert head is model.lm_head
    assert np.allclose(np.array(head(model.model(tokens))), np.array(model(tokens)), atol=1e-5)


class Scaled:
    """A model that does something to its logits on their way out."""

    def __init__(self, whole, change):
        self.model, self.lm_head, self.whole, self.change = whole.model, whole.lm_head, whole, change

    def __call__(self, tokens):
        return self.change(self.whole(tokens))


def test_a_model_that_changes_its_logits_has_no_head(micro_folder):
    mx = mlx_runtime.core()
    whole = mlx_runtime.load(micro_folder).model
    changes = (
        lambda x: x * 2,
        lambda x: 30 * mx.tanh(x / 30),
        lambda x: x[..., :-1],
        lambda x: x * float("nan"),
    )
    assert head_of(Scaled(whole, lambda x: x)) is whole.lm_head
    assert [head_of(Scaled(whole, change)) for change in changes] == [None] * 4


def test_a_model_of_another_build_has_no_head(micro_folder):
    class Bare:
        def __call__(self, tokens):
            raise AssertionError

    class Otherwise(Bare):
        lm_head = staticmethod(lambda states: states)

        def __call__(self, tokens):
            return mlx_runtime.core().zeros((1, 4, 8))

        def model(self, tokens):
            raise TypeError("it is asked with a mask")

    assert head_of(Bare()) is None
    assert head_of(Otherwise()) is None


def test_without_a_head_the_training_is_about_the_same(begun):
    one, other = begun(), begun()
    other.loss = asked_loss
    assert ran(one, 1, 2) == pytest.approx(ran(other, 1, 2), rel=1e-3)


def test_tied_embeddings_are_a_head(tmp_path):
    """Gemma 3's output is its embeddings', and its blocks are others than Llama's."""
    folder = micro.build(tmp_path / "gemma3")
    micro._json(folder / "config.json", micro.gemma3_config())
    from safetensors.numpy import save_file

    save_file(micro.gemma3_weights(), folder / "model.safetensors", {"format": "mlx"})
    assert head_of(mlx_runtime.load(folder).model) is not None


def test_a_loss_that_is_no_number_is_heard_as_it_is(begun):
    epochs = begun(how=settings(learning_rate=float("inf")))
    assert np.isnan(ran(epochs, 1)[-1])


def test_what_the_hearer_raises_ends_the_training(begun, capsys):
    def stop(split, iteration, loss, **more):
        raise LemError(f"at {iteration}")

    with pytest.raises(LemError, match="at 1"):
        begun().run(1, stop, lambda count: None)
    print("still shown")
    assert capsys.readouterr().out == "still shown\n", "nothing of the trainer's own, and no silence after it"


DAMAGE = {
    "cut short": lambda content: content[:-100],
    "its head alone": lambda content: content[:20],
    "empty": lambda content: b"",
    "no such file": None,
    "other bytes": lambda content: b"not safetensors at all" * 9,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_named(begun, tmp_path, damage):
    epochs, file = begun(), tmp_path / "epoch-1.safetensors"
    epochs.save(file)
    before = epochs.adapter_sha()
    file.write_bytes(DAMAGE[damage](file.read_bytes())) if DAMAGE[damage] else file.unlink()
    with pytest.raises(LemError) as caught:
        epochs.load(file)
    said = caught.value.message
    assert said.startswith(f"{file}: ") and said.endswith("; delete it, and the epoch runs again")
    assert "\n" not in said and epochs.adapter_sha() == before


def test_a_kill_while_it_saves_leaves_the_file_as_it_was(begun, tmp_path, monkeypatch):
    epochs, file = begun(), tmp_path / "epoch-1.safetensors"
    epochs.save(file)
    kept = file.read_bytes()
    ran(epochs, 1)
    mx, save = mlx_runtime.core(), mlx_runtime.core().save_safetensors

    def half(path, tensors):
        save(path, dict(list(tensors.items())[:2]))
        raise KeyboardInterrupt

    monkeypatch.setattr(mx, "save_safetensors", half)
    with pytest.raises(KeyboardInterrupt):
        epochs.save(file)
    assert file.read_bytes() == kept


ELSEWHERE = """
import json
import sys
from pathlib import Path
from lem import mlx_runtime
from lem.mlx_epochs import Epochs, adapted
from lem.params import Training
folder, kept, learned, shape, how = json.loads(sys.stdin.read())
model = mlx_runtime.load(Path(folder)).model
adapted(model, Path(folder), shape, 0)
epochs = Epochs(model, [(tokens, begins) for tokens, begins in learned], Training(**how), 0)
epochs.load(Path(kept))
epochs.run(2, lambda *a, **k: None, lambda count: None)
print(epochs.adapter_sha())
"""


def test_another_process_goes_on_to_the_byte(begun, tmp_path, micro_folder, examples):
    epochs, kept = begun(), tmp_path / "1.safetensors"
    ran(epochs, 1)
    epochs.save(kept)
    ran(epochs, 2)
    told = json.dumps([str(micro_folder), str(kept), examples, SHAPE, vars(SETTINGS)])
    done = subprocess.run([sys.executable, "-c", ELSEWHERE], input=told, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{epochs.adapter_sha()}\n"
