"""A base and its adapter become one folder that says the same: mlx-lm's formulas, the same bytes anywhere."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import micro
from lem import adapters, convert, fuse, layout, mlx_runtime, tensors
from lem.errors import LemError

BASE, OUT = Path("data/models/micro"), Path("data/fused/micro-lek.s0")
INNER = [f"model.layers.{layer}.self_attn.{part}_proj" for layer in range(micro.LAYERS) for part in "qv"]
KINDS = ("lora", "dora", "full", "lora embedding", "dora embedding")
PARAMS = """\
memory: {cache_limit_gb: 1, limit_gb: 2}
models:
  baseline:
    micro: {from: mlx:micro, licence: CC0-1.0}
  fine-tuned:
    micro-lek: {tune: micro, data: seeds/training/lek}
"""
CHATS = [
    [{"role": "user", "content": question}, {"role": "assistant", "content": micro.SENTENCES[0]}]
    for question in micro.QUESTIONS[:10]
]


def settings(kind, modules=INNER):
    keys = sorted({re.sub(r"model\.layers\.\d+\.", "", module) for module in modules})
    lora = {"rank": 4, "scale": 2.0, "dropout": 0.0, "keys": keys}
    return {"fine_tune_type": kind, "num_layers": micro.LAYERS, "lora_parameters": lora}


def tuned(kind):
    """Return (settings, tensors) of an adapter of a kind for the micro model."""
    draw, base = np.random.default_rng(3), micro.weights()
    kind, _, embedding = kind.partition(" ")
    modules = ["model.embed_tokens"] if embedding else INNER
    tensors = {}
    for name in modules:
        rows, columns = base[f"{name}.weight"].shape
        first, last = (rows, columns) if embedding else (columns, rows)
        if kind == "full":
            tensors[f"{name}.weight"] = draw.standard_normal((rows, columns)).astype(np.float32) * 0.2
            continue
        tensors[f"{name}.lora_a"] = draw.standard_normal((first, 4)).astype(np.float32) * 0.2
        tensors[f"{name}.lora_b"] = draw.standard_normal((4, last)).astype(np.float32)
        if kind == "dora":
            tensors[f"{name}.m"] = draw.uniform(0.5, 2, rows).astype(np.float32)
    return settings(kind, modules), tensors


def adapter(kind, folder=None, **changes):
    """Write an adapter of a kind where the study expects its own."""
    folder = folder or layout.adapter("micro-lek", 0)
    folder.mkdir(parents=True, exist_ok=True)
    config, tensors = tuned(kind)
    config |= {"base_weights_sha": convert.weights_sha(BASE), **changes}
    (folder / adapters.CONFIG).write_text(json.dumps(config))
    save_file(tensors, folder / adapters.WEIGHTS)
    return folder


@pytest.fixture
def tune(study, lem):
    """A study with a converted base, a fine-tune of it and its adapter; the folder of the study."""
    Path("params.yaml").write_text(PARAMS)
    Path("seeds/training/lek").mkdir(parents=True)
    rows = "".join(json.dumps({"messages": chat}) + "\n" for chat in CHATS)
    for split in ("train", "valid"):
        Path(f"seeds/training/lek/{split}.jsonl").write_text(rows)
    lem("convert", "--model", "micro")
    micro.adapter(layout.adapter("micro-lek", 0), convert.weights_sha(BASE))
    return study


def calm():
    """Make the micro model's head small: half the digits then move its log-probabilities little."""
    file = Path("micro/model.safetensors")
    tensors = load_file(file)
    save_file(tensors | {"lm_head.weight": tensors["lm_head.weight"] * np.float32(0.01)}, file)


def files(folder=OUT):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def provenance(folder=OUT):
    return json.loads((folder / "provenance.json").read_text())


def says(folder, adapter=None):
    loaded = mlx_runtime.load(folder, adapter)
    asked = [mlx_runtime.encode(loaded.tokenizer, text) for text in micro.QUESTIONS]
    done = mlx_runtime.generate(loaded, asked, mlx_runtime.Sampling(max_tokens=12))
    return {d.index: d.text for d in done}


def one_line(result, expected):
    assert re.sub(r"\s+", " ", expected) in result.stderr, result.output
    assert result.stderr.startswith("Error: ") and result.stderr.count("\n") == 1


# The fold itself.


@pytest.mark.parametrize("kind", KINDS)
def test_fold_gives_what_mlx_lm_fuses(tune, kind):
    loaded = mlx_runtime.load(BASE, adapter(kind))
    theirs = {f"{n}.weight": m.fuse().weight for n, m in loaded.model.named_modules() if hasattr(m, "fuse")}
    config, tensors = tuned(kind)
    ours, base = dict(fuse.fold(micro.weights(), tensors, config)), micro.weights()
    assert list(ours) == list(base)
    assert {a.dtype for a in ours.values()} == {np.dtype(np.float32)}
    assert len(theirs) == (0 if kind == "full" else 1 if "embedding" in kind else len(INNER))
    for name, weight in theirs.items():
        assert not np.allclose(ours[name], base[name], atol=0.01)
        np.testing.assert_allclose(ours[name], np.array(weight), rtol=2e-6, atol=2e-6)
    changed = tensors if kind == "full" else theirs
    assert all(np.array_equal(ours[name], base[name]) for name in base.keys() - changed.keys())
    if kind == "full":
        assert all(np.array_equal(ours[name], tensors[name]) for name in tensors)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_fold_rounds_once_to_the_bases_type(dtype):
    base = {name: array.astype(dtype) for name, array in micro.weights().items()}
    config, tensors = tuned("lora")
    folded = dict(fuse.fold(base, tensors, config))
    for name in INNER:
        a, b = (tensors[f"{name}.lora_{part}"].astype(np.longdouble) for part in "ab")
        exact = base[f"{name}.weight"].astype(np.longdouble) + (2 * (a @ b)).T
        assert folded[f"{name}.weight"].dtype == dtype
        assert np.array_equal(folded[f"{name}.weight"], exact.astype(np.float64).astype(dtype))


FOLDS = {
    "of another model": (
        {"model.layers.9.self_attn.q_proj.lora_a": np.ones((64, 4))},
        {},
        "layers.9.self_attn",
    ),
    "no adapter tensor": ({"model.norm.weight": np.ones(64)}, {}, "model.norm.weight: the base has no place"),
    "m in lora": (
        {f"{INNER[0]}.m": np.ones(64)},
        {},
        f"{INNER[0]}.m: the base has no place for this tensor of a lora",
    ),
    "b alone": ({f"{INNER[0]}.lora_b": np.ones((4, 64))}, {}, f"{INNER[0]}.lora_a: the adapter lacks"),
    "experts": (
        {f"{INNER[0]}.lora_a": np.ones((8, 4, 64)), f"{INNER[0]}.lora_b": np.ones((8, 64, 4))},
        {},
        "do not fit the base's (64, 64)",
    ),
    "shape": (
        {f"{INNER[0]}.lora_a": np.ones((63, 4)), f"{INNER[0]}.lora_b": np.ones((4, 64))},
        {},
        f"{INNER[0]}.weight: the adapter's lora_a (63, 4), lora_b (4, 64) do not fit the base's (64, 64)",
    ),
    "rank": (
        {f"{INNER[0]}.lora_a": np.ones((64, 3)), f"{INNER[0]}.lora_b": np.ones((4, 64))},
        {},
        "do not fit the base's",
    ),
    "m of another length": (
        {
            f"{INNER[0]}.lora_a": np.ones((64, 4)),
            f"{INNER[0]}.lora_b": np.ones((4, 64)),
            f"{INNER[0]}.m": np.ones(63),
        },
        {"fine_tune_type": "dora"},
        "m (63,) do not fit",
    ),
    "full of another shape": (
        {"model.norm.weight": np.ones(63)},
        {"fine_tune_type": "full"},
        "model.norm.weight: the adapter's full (63,) do not fit the base's (64,)",
    ),
    "full unknown": (
        {"model.nor.weight": np.ones(64)},
        {"fine_tune_type": "full"},
        "model.nor.weight: the base",
    ),
    "infinite": (
        {f"{INNER[0]}.lora_a": np.full((64, 4), 1e30), f"{INNER[0]}.lora_b": np.full((4, 64), 1e30)},
        {},
        f"{INNER[0]}.weight: folded, it holds values that are no finite float32",
    ),
    "kind": ({}, {"fine_tune_type": "ia3"}, "fine_tune_type 'ia3': expected one of lora, dora, full"),
    "scale": ({}, {"lora_parameters": {"alpha": 16}}, "lora_parameters.scale: expected a number, found None"),
}


@pytest.mark.parametrize("case", FOLDS)
def test_fold_names_the_tensor_that_does_not_fit(case):
    tensors, config, expected = FOLDS[case]
    with pytest.raises(LemError, match=re.escape(expected)):
        dict(fuse.fold(micro.weights(), tensors, {**settings("lora"), **config}))


# The command.


def test_a_fused_folder_is_the_base_with_other_weights(tune, lem):
    (BASE / "LICENSE").write_text("CC0")
    (BASE / "consolidated.safetensors").write_bytes(b"a second copy that mlx-lm never reads")
    shown = lem("fuse", "--model", "micro-lek").output
    made, base = files(), files(BASE)
    assert made.keys() == base.keys() - {"consolidated.safetensors"}
    same = {name for name in made if made[name] == base[name]}
    assert made.keys() - same == {"model.safetensors", "provenance.json"}
    assert (OUT / "model.safetensors").stat().st_mode & 0o777 == 0o644
    assert load_file(OUT / "model.safetensors").keys() == micro.weights().keys()
    written = provenance()
    assert re.fullmatch(
        rf"data/fused/micro-lek.s0: 0 MiB, weights {written['weights_sha'][:12]}, log-probabilities within "
        r"\d\.\de-0\d of base \+ adapter over \d{3} tokens \(tolerance 2e-03\)\n",
        shown,
    )
    assert [p.name for p in Path("data/fused").iterdir()] == [OUT.name], "nothing is left beside it"


def test_provenance_leads_back(tune, lem):
    lem("fuse", "--model", "micro-lek.s0", "--out", "publish/lek")
    folder = Path("publish/lek")
    written = provenance(folder)
    assert written["origin"] == "fused:micro-lek.s0"
    assert (written["base"], written["base_weights_sha"]) == ("micro", convert.weights_sha(BASE))
    assert written["adapter_sha"] == adapters.adapter_sha(layout.adapter("micro-lek", 0))
    assert written["licence"] == "CC0-1.0", "the entry's, where the base's files state none"
    assert written["files"].keys() == files(folder).keys() - {"provenance.json"}
    assert written["weights_sha"] == convert.weights_sha(folder) != written["base_weights_sha"]
    assert str(tune) not in json.dumps(written)


@pytest.mark.parametrize("kind", KINDS)
def test_it_says_what_base_and_adapter_say(tune, lem, kind):
    place = adapter(kind)
    lem("fuse", "--model", "micro-lek")
    assert says(OUT) == says(BASE, place) != says(BASE)


@pytest.mark.parametrize("kind", ["lora", "dora"])
def test_the_same_bytes_again_on_other_numbers_of_threads_and_a_plainer_cpu(tune, lem, kind):
    from numpy._core import _multiarray_umath as loops

    plain = [name for name in loops.__cpu_dispatch__ if loops.__cpu_features__[name]]
    adapter(kind)
    lem("fuse", "--model", "micro-lek")
    first = files()
    lem("fuse", "--model", "micro-lek")
    assert files() == first
    code = "from lem.cli import main; main()"
    words = [sys.executable, "-c", code, "fuse", "--model", "micro-lek", "--out", "other/micro-lek"]
    env = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run(
        words, check=True, capture_output=True, env=env | {"NPY_DISABLE_CPU_FEATURES": " ".join(plain)}
    )
    assert files(Path("other/micro-lek")) == first


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_half_base_stays_one(tune, lem, dtype):
    calm()
    lem("convert", "--model", "micro", "--dtype", dtype)
    adapter("dora")
    shown = lem("fuse", "--model", "micro-lek").output
    kind = {"float16": "F16", "bfloat16": "BF16"}[dtype]
    made = tensors.Tensors([OUT / "model.safetensors"])
    assert {made.dtype(name) for name in made} == {kind}
    assert provenance()["dtype"] == dtype
    assert f"(tolerance {fuse.TOLERANCE[kind]:.0e})" in shown


def test_a_base_in_parts_keeps_its_parts(tune, lem):
    tensors = load_file("micro/model.safetensors")
    Path("micro/model.safetensors").unlink()
    names = {1: sorted(tensors)[::2], 2: sorted(tensors)[1::2]}
    for part, chosen in names.items():
        file = Path(f"micro/model-0000{part}-of-00002.safetensors")
        save_file({name: tensors[name] for name in chosen}, file, {"format": "mlx"})
    places = {n: f"model-0000{part}-of-00002.safetensors" for part, chosen in names.items() for n in chosen}
    index = {"metadata": {"total_size": sum(a.nbytes for a in tensors.values())}, "weight_map": places}
    Path("micro/model.safetensors.index.json").write_text(json.dumps(index))
    lem("convert", "--model", "micro")
    place = adapter("lora")
    lem("fuse", "--model", "micro-lek")
    assert files().keys() == files(BASE).keys()
    for part, chosen in names.items():
        assert set(load_file(OUT / f"model-0000{part}-of-00002.safetensors")) == set(chosen)
    assert files()["model.safetensors.index.json"] == files(BASE)["model.safetensors.index.json"]
    assert says(OUT) == says(BASE, place)


def test_a_quantised_base_needs_a_word(tune, lem):
    lem("convert", "--model", "micro", "-q", "--q-group-size", "32")
    place = adapter("lora")
    one_line(lem("fuse", "--model", "micro-lek", code=1), "quantised; add --dequantize")
    assert not OUT.exists()
    lem("fuse", "--model", "micro-lek", "--dequantize")
    config = json.loads((OUT / "config.json").read_text())
    assert not [key for key in config if key.startswith("quantization")]
    written = load_file(OUT / "model.safetensors")
    assert written.keys() == micro.weights().keys()
    assert {a.dtype for a in written.values()} == {np.dtype(np.float32)}
    index = json.loads((OUT / "model.safetensors.index.json").read_text())
    assert index["weight_map"] == dict.fromkeys(sorted(written), "model.safetensors")
    assert index["metadata"]["total_size"] == sum(a.nbytes for a in written.values())
    assert provenance()["quantization"] is None and "mlx" in provenance()["engine"]
    assert says(OUT) == says(BASE, place)


def test_layers_quantised_in_their_own_way_and_half_scales(tune, lem):
    calm()
    lem("convert", "--model", "micro", "-q", "--q-bits", "8", "--q-group-size", "32", "--dtype", "float16")
    mixed = json.loads((BASE / "config.json").read_text())
    module = "model.layers.0.mlp.up_proj"
    mixed["quantization"][module] = {"bits": 4, "group_size": 64}
    mx = mlx_runtime.core()
    tensors = load_file(BASE / "model.safetensors")
    packed = mx.quantize(mx.array(micro.weights()[f"{module}.weight"]).astype(mx.float16), 64, 4)
    for part, array in zip(("weight", "scales", "biases"), packed, strict=True):
        tensors[f"{module}.{part}"] = np.array(array)
    save_file(tensors, BASE / "model.safetensors", {"format": "mlx"})
    (BASE / "config.json").write_text(json.dumps(mixed))
    adapter("lora")
    lem("fuse", "--model", "micro-lek", "--dequantize")
    written = load_file(OUT / "model.safetensors")
    assert {a.dtype for a in written.values()} == {np.dtype(np.float16)}
    np.testing.assert_allclose(
        written[f"{module}.weight"], np.array(mx.dequantize(*packed, 64, 4)), rtol=2e-3, atol=2e-3
    )


def test_only_what_mlx_quantised_is_undone(tune, lem):
    config = json.loads((BASE / "config.json").read_text())
    (BASE / "config.json").write_text(json.dumps(config | {"quantization_config": {"quant_method": "gptq"}}))
    one_line(lem("fuse", "--model", "micro-lek", "--dequantize", code=1), "only MLX's affine quantisation")


# The check.


def wrong_scale(base, adapter, settings):
    lora = settings["lora_parameters"]
    return RIGHT(base, adapter, settings | {"lora_parameters": lora | {"scale": lora["scale"] * 1.01}})


def not_at_all(base, adapter, settings):
    return iter(base.items())


def one_row(base, adapter, settings):
    """Return what is no number, where only one of the texts meets it."""
    tokens = set(micro.tokenizer().encode(micro.QUESTIONS[1]).ids)
    others = [micro.tokenizer().encode(text).ids for text in (*micro.SENTENCES[:1], *micro.QUESTIONS[:1])]
    (row, *_) = sorted(tokens - {token for ids in others for token in ids})
    for name, tensor in RIGHT(base, adapter, settings):
        tensor = np.array(tensor)
        if name == "model.embed_tokens.weight":
            tensor[row] = np.nan
        yield name, tensor


RIGHT = fuse.fold


@pytest.mark.parametrize("wrong", [wrong_scale, not_at_all, one_row])
def test_a_wrong_fold_is_caught_and_leaves_nothing(tune, lem, monkeypatch, wrong):
    monkeypatch.setattr(fuse, "fold", wrong)
    one_line(lem("fuse", "--model", "micro-lek", code=1), "folded, a token's log-probability differs by")
    assert not list(Path("data/fused").iterdir())


def test_a_run_that_fails_leaves_the_older_folder(tune, lem, monkeypatch):
    lem("fuse", "--model", "micro-lek")
    before = files(Path("data"))
    monkeypatch.setattr(fuse, "fold", wrong_scale)
    lem("fuse", "--model", "micro-lek", code=1)
    assert files(Path("data")) == before


def test_the_check_reads_the_validation_set(tune):
    texts = fuse._texts(BASE, "seeds/training/lek")
    assert len(texts) == fuse.TEXTS
    assert micro.QUESTIONS[0] in texts[0] and micro.SENTENCES[0] in texts[0]
    assert "<|im_start|>assistant" in texts[0]
    assert fuse._texts(BASE, "nowhere") == fuse._texts(BASE, None) == list(fuse.PLAIN)


def test_log_probabilities_are_those_of_the_model(tune):
    (ours,) = fuse.log_probabilities(BASE, None, [micro.QUESTIONS[1]], fuse.params.Memory())
    loaded = mlx_runtime.load(BASE)
    mx = mlx_runtime.core()
    tokens = mlx_runtime.encode(loaded.tokenizer, micro.QUESTIONS[1])
    logits = np.array(loaded.model(mx.array([tokens])))[0].astype(np.float64)
    every = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    np.testing.assert_allclose(ours, [every[i, t] for i, t in enumerate(tokens[1:])], atol=1e-4)


# What a person can do wrong.


def other_base():
    micro.adapter(layout.adapter("micro-lek", 0) / "x", "0" * 64)
    for file in (layout.adapter("micro-lek", 0) / "x").iterdir():
        file.rename(layout.adapter("micro-lek", 0) / file.name)


def half_an_adapter():
    file = layout.adapter("micro-lek", 0) / adapters.WEIGHTS
    file.write_bytes(file.read_bytes()[:-20])


def occupied():
    Path("publish").mkdir()
    Path("publish/README.md").write_text("mine")


def a_converted_model():
    convert.convert(convert.Source("mlx:micro", Path("micro")), Path("publish"))


FAULTS = {
    "a baseline": (lambda: None, "--model micro", "micro is a baseline: it has no adapter to fold in"),
    "unknown": (lambda: None, "--model micro-lke", "did you mean micro-lek"),
    "no base": (lambda: (BASE / "provenance.json").unlink(), "", "lem convert --model micro"),
    "no weights": (lambda: (BASE / "model.safetensors").unlink(), "", "it holds no model*.safetensors"),
    "no adapter": (
        lambda: (layout.adapter("micro-lek", 0) / adapters.CONFIG).unlink(),
        "",
        "it is written by: lem train",
    ),
    "no adapter weights": (
        lambda: (layout.adapter("micro-lek", 0) / adapters.WEIGHTS).unlink(),
        "",
        "adapters.safetensors: no such file",
    ),
    "half an adapter": (half_an_adapter, "", "adapters.safetensors: not a safetensors file"),
    "another base": (other_base, "", "trained on weights 000000000000, but data/models/micro holds"),
    "occupied": (occupied, "--out publish", "publish: is there and is not fused:micro-lek.s0"),
    "a model": (a_converted_model, "--out publish", "publish: is there and is not fused:micro-lek.s0"),
    "a file": (lambda: Path("publish").touch(), "--out publish", "publish: is there and is not fused:"),
    "below the adapter": (lambda: None, "--out data/models/micro-lek/fused", "what lies there is DVC's"),
    "a DVC output": (lambda: None, "--out reports/tables/x", "what lies there is DVC's"),
    "a broken chat": (
        lambda: Path("seeds/training/lek/valid.jsonl").write_text("{\n"),
        "",
        "valid.jsonl:1: not one line of JSON",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_clear_line_and_changes_nothing(tune, lem, fault):
    breaks, words, expected = FAULTS[fault]
    breaks()
    before = files(tune)
    words = words if "--model" in words else f"--model micro-lek {words}"
    one_line(lem("fuse", *words.split(), code=1), expected)
    assert files(tune) == before
