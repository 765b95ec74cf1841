"""What an adapter folder says of itself, and what becomes of one that says nothing sensible."""

import json
import re

import pytest

import micro
from lem import adapters
from lem.errors import LemError


@pytest.fixture
def adapter(tmp_path):
    return micro.adapter(tmp_path / "adapter", "a" * 64)


def settings(adapter, **changed):
    """Rewrite the adapter's config; None takes a key out."""
    file = adapter / adapters.CONFIG
    kept = {k: v for k, v in (json.loads(file.read_text()) | changed).items() if v is not None}
    file.write_text(json.dumps(kept))


def base(folder, weights_sha):
    folder.mkdir(exist_ok=True)
    (folder / "provenance.json").write_text(json.dumps({"weights_sha": weights_sha}))
    return folder


def test_config_is_the_object_that_was_written(adapter):
    assert adapters.config(adapter) == json.loads((adapter / "adapter_config.json").read_text())


LORA = {"rank": 4, "scale": 2.0, "dropout": 0.0}
BAD = {
    b"": "not JSON: Expecting value",
    b'{"num_layers": 2': "not JSON: Expecting ',' delimiter",
    b"\xff\xfe{}": "not JSON: ",
    b"[]": "expected an object with fine_tune_type, num_layers, lora_parameters",
    b"{}": "fine_tune_type: expected one of lora, dora, full, found None",
    json.dumps({"fine_tune_type": "lorax", "num_layers": 2, "lora_parameters": LORA}).encode(): "'lorax'",
    json.dumps({"fine_tune_type": "lora", "num_layers": "2", "lora_parameters": LORA}).encode(): (
        "num_layers: expected int, found '2'"
    ),
    json.dumps(
        {"fine_tune_type": "full", "num_layers": True}
    ).encode(): "num_layers: expected int, found True",
    json.dumps({"fine_tune_type": "dora", "num_layers": 2, "lora_parameters": {"rank": 4}}).encode(): (
        "lora_parameters: expected rank, scale and dropout, found {'rank': 4}"
    ),
}


@pytest.mark.parametrize("content", BAD, ids=lambda content: content.decode("latin1")[:60] or "empty")
def test_a_config_that_mlx_lm_could_not_load_by_is_one_clear_line(adapter, content):
    (adapter / adapters.CONFIG).write_bytes(content)
    for ask in (adapters.config, adapters.adapter_sha):
        with pytest.raises(LemError) as caught:
            ask(adapter)
        said = caught.value.message
        assert said.startswith(f"{adapter}/adapter_config.json: ") and said.endswith(
            "train it again: lem train"
        )
        assert BAD[content] in said and "\n" not in said


def test_a_full_fine_tune_has_no_lora_parameters(adapter):
    settings(adapter, fine_tune_type="full", lora_parameters=None)
    assert "lora_parameters" not in adapters.config(adapter)


def test_a_missing_config_names_the_command_that_writes_it(tmp_path):
    with pytest.raises(LemError, match=r"adapter_config\.json: no such file; it is written by: lem train"):
        adapters.config(tmp_path)


def test_the_hash_is_of_the_weights_and_of_what_shapes_answers(adapter, tmp_path):
    first = adapters.adapter_sha(adapter)
    assert re.fullmatch("[0-9a-f]{64}", first)
    settings(adapter, seed=3, data="elsewhere")
    assert adapters.adapter_sha(adapter) == first, "where it came from shapes no answer"
    (adapter / adapters.CONFIG).write_text(json.dumps(dict(reversed(adapters.config(adapter).items()))))
    assert adapters.adapter_sha(adapter) == first, "nor does the order of keys"
    seen = {first}
    for changed in (
        {"lora_parameters": {**LORA, "scale": 3.0}},
        {"num_layers": 1},
        {"fine_tune_type": "dora"},
    ):
        settings(adapter, **changed)
        seen.add(adapters.adapter_sha(adapter))
    file = adapter / adapters.WEIGHTS
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    seen.add(adapters.adapter_sha(adapter))
    assert len(seen) == 5


def test_an_adapter_without_weights_has_no_hash(adapter):
    (adapter / adapters.WEIGHTS).unlink()
    with pytest.raises(LemError, match=r"adapters\.safetensors: no such file"):
        adapters.adapter_sha(adapter)


def test_an_adapter_fits_the_weights_it_was_trained_on(adapter, tmp_path):
    adapters.must_fit(adapter, base(tmp_path / "base", "a" * 64))
    with pytest.raises(
        LemError, match=rf"trained on weights {'a' * 12}, but \S+base holds {'b' * 12}; train"
    ):
        adapters.must_fit(adapter, base(tmp_path / "base", "b" * 64))


def test_what_does_not_say_where_it_comes_from_is_not_refused(adapter, tmp_path):
    """mlx-lm's own adapters name no hash; a base that was not converted here has none."""
    (tmp_path / "plain").mkdir()
    adapters.must_fit(adapter, tmp_path / "plain")
    settings(adapter, base_weights_sha=None)
    adapters.must_fit(adapter, base(tmp_path / "base", "b" * 64))
