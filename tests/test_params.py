"""params.yaml: the repository's own loads, and whatever is not meant is named, not ignored."""

from pathlib import Path

import pytest
import yaml

from lem import params
from lem.errors import LemError
from lem.params import Defaults, Memory, Study
from lem.prompts import Shot
from lem.records import MODES

ROOT = Path(__file__).parents[1]


@pytest.fixture
def load(tmp_path):
    def read(text: str | bytes) -> Study:
        file = tmp_path / "params.yaml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return params.load(file)

    return read


@pytest.fixture
def refused(load):
    """Return the message, one line, with which a params.yaml is refused."""

    def message(text: str | bytes) -> str:
        with pytest.raises(LemError) as caught:
            load(text)
        assert "\n" not in caught.value.message
        return caught.value.message

    return message


def test_the_repositorys_own_file_says_what_it_holds():
    study, tree = params.load(ROOT / "params.yaml"), yaml.safe_load((ROOT / "params.yaml").read_text())
    assert list(study.models) == [name for role in tree["models"].values() for name in role]
    for role, entries in tree["models"].items():
        for name, entry in entries.items():
            assert (study.models[name].role, study.models[name].origin) == (role, entry.get("from"))
    assert list(study.prompts) == list(tree["prompts"])
    for name, entry in tree["benchmarks"].items():
        spec = study.benchmarks[name]
        assert (spec.file, spec.prompt, spec.answer) == (entry["file"], entry["prompt"], entry["answer"])
        assert spec.shots == tuple(Shot(**shot) for shot in entry["shots"])
    assert study.defaults == Defaults(**tree["defaults"])
    assert study.memory == Memory(**tree["memory"])


def test_the_repositorys_own_files_are_where_it_says():
    study = params.load(ROOT / "params.yaml")
    named = [file for spec in study.prompts.values() for file in spec.files]
    for file in [*named, *(spec.file for spec in study.benchmarks.values())]:
        assert (ROOT / file).is_file(), file


def test_an_empty_file_is_a_study_of_nothing(load):
    assert load("") == load("models:\nprompts:\n") == Study()


def test_what_is_left_out_has_its_default(load):
    study = load("models: {baseline: {m: {from: 'pypi:x'}}}\nprompts: {v: {files: [a.json]}}")
    assert study.defaults == Defaults(temperature=0.0, samples=1)
    assert study.prompts["v"].modes == MODES
    assert study.models["m"].quantize is False


def test_a_whole_number_is_a_float_and_null_is_none(load):
    study = load("defaults: {temperature: 1}\nmodels: {baseline: {m: {from: x, scale: null}}}")
    assert study.defaults.temperature == 1
    assert study.models["m"].scale is None


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("modls: {}", "the file", "unknown 'modls'; known are defaults, memory, models, prompts, benchmarks"),
        ("defaults: {max_token: 3}", "defaults", "unknown 'max_token'; known are seed, max_tokens"),
        ("models: {tuned: {}}", "models", "unknown 'tuned'; known are baseline, fine-tuned"),
        ("models: {baseline: {m: {form: x}}}", "models.baseline.m", "unknown 'form'; known are from, tune"),
        ("models: {baseline: {m: {origin: x}}}", "models.baseline.m", "unknown 'origin'"),
        ("models: {baseline: {m: {from: x, name: y}}}", "models.baseline.m", "unknown 'name'"),
        ("prompts: {v: {files: [a], modes: [nakd]}}", "prompts.v.modes", "unknown 'nakd'; known are naked"),
        (
            "benchmarks: {b: {file: a, prompt: q, shots: [{question: a, anser: b}]}}",
            "benchmarks.b.shots[0]",
            "unknown 'anser'; known are question, answer",
        ),
    ],
)
def test_an_unknown_key_is_named_with_those_there_are(refused, text, place, says):
    assert refused(text).startswith(f"params.yaml: {place}: {says}")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("defaults: {seed: true}", "defaults.seed: expected int, found True"),
        ("defaults: {seed: 1.5}", "defaults.seed: expected int, found 1.5"),
        ("defaults: {top_p: '1'}", "defaults.top_p: expected float, found '1'"),
        ("defaults: {seed: null}", "defaults.seed: expected int, found None"),
        ("models: {baseline: {m: {from: 3}}}", "models.baseline.m.from: expected str, found 3"),
        ("models: {baseline: {m: {from: x, quantize: 1}}}", "quantize: expected bool, found 1"),
        ("models: {baseline: {m: pypi}}", "models.baseline.m: expected 'name: value' entries, found 'pypi'"),
        ("models: {baseline: {m: null}}", "models.baseline.m: expected 'name: value' entries, found None"),
        ("models: {baseline: {1: {from: x}}}", "models.baseline: expected 'name: value' entries"),
        ("models: [baseline]", "models: expected 'name: value' entries, found ['baseline']"),
        ("models: 5", "models: expected 'name: value' entries, found 5"),
        ("[models]", "expected 'name: value' entries, found ['models']"),
        ("prompts: {v: {files: a.json}}", "prompts.v.files: expected tuple[str, ...], found 'a.json'"),
        ("prompts: {v: {files: [3]}}", "prompts.v.files: expected tuple[str, ...], found [3]"),
        ("prompts: {v: {files: [a], first: ten}}", "prompts.v.first: expected int, found 'ten'"),
        ("benchmarks: {b: {file: a, prompt: q, shots: 3}}", "benchmarks.b.shots: expected tuple[Shot, ...]"),
    ],
)
def test_a_wrong_type_is_named_with_the_expected_one(refused, text, says):
    assert says in refused(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("models: {baseline: {m: {}}}", "models.baseline.m: 'from' is missing; write e.g. from: pypi:"),
        ("models: {fine-tuned: {m: {}}}", "models.fine-tuned.m: 'tune' must name a baseline"),
        ("prompts: {v: {}}", "prompts.v: 'files' is missing"),
        ("benchmarks: {b: {file: a}}", "benchmarks.b: 'prompt' is missing"),
        ("benchmarks: {b: {file: a, prompt: q, shots: [{answer: b}]}}", "shots[0]: 'question' is missing"),
    ],
)
def test_a_missing_key_is_named(refused, text, says):
    assert says in refused(text)


BASE = "models: {baseline: {base: {from: x}}, fine-tuned: {one: {tune: base}, two: {tune: %s}}}"


def test_a_model_is_tuned_from_a_baseline_of_the_file(load, refused):
    assert load(BASE % "base").models["two"].tune == "base"
    for not_one in ("bse", "one", "two"):  # an adapter on an adapter, or on itself, has no weights of its own
        says = f"models.fine-tuned.two: 'tune' must name a baseline of this file, found {not_one!r}"
        assert says in refused(BASE % not_one)
    assert "'tune' is for models under fine-tuned" in refused("models: {baseline: {m: {from: x, tune: m}}}")


def test_a_name_is_one_thing(refused):
    both = "models: {baseline: {m: {from: x}, n: {from: x}}, fine-tuned: {m: {tune: n}}}"
    assert "models: 'm' is there twice" in refused(both)
    clash = "prompts: {v: {files: [a]}}\nbenchmarks: {v: {file: a, prompt: q}}"
    assert "prompts and benchmarks: 'v' is there twice" in refused(clash)


@pytest.mark.parametrize("name", ["../x", "a/b", ".x", "", " ", "/etc/passwd", "é", "x" * 81])
def test_a_name_that_is_no_file_name_is_refused(refused, name):
    for section in ("models: {baseline: {%s: {from: x}}}", "prompts: {%s: {files: [a]}}"):
        assert f"{name!r}: a name is 1-80 of" in refused(section % f'"{name}"')
    assert "a name is 1-80 of" in refused(f'benchmarks: {{"{name}": {{file: a, prompt: q}}}}')


@pytest.mark.parametrize("text", ["a: b: c", "models: {", "\t", "a: &x\nb: *y", b"a: \xff"])
def test_what_is_no_yaml_is_named(refused, text):
    assert "params.yaml: not YAML: " in refused(text)


def test_a_missing_file_says_where_to_stand(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LemError, match=r"params\.yaml: no such file; run this in the folder of a study"):
        params.load()


def test_a_misspelt_name_is_answered_with_the_near_one_or_all():
    study = params.load(ROOT / "params.yaml")
    with pytest.raises(LemError, match=r"no model named 'smolm2-135m' .*did you mean smollm2-135m\?"):
        study.model("smolm2-135m")
    with pytest.raises(LemError, match=r"no benchmark named 'gsm8' .*did you mean gsm8k\?"):
        study.benchmark("gsm8")
    with pytest.raises(LemError, match=r"no prompt set named 'zzz' .*; there are: .*gsm8k"):
        study.prompt_set("zzz")
    with pytest.raises(LemError, match="there are: none"):
        Study().model("m")


def test_a_benchmark_is_a_prompt_set_too():
    study = params.load(ROOT / "params.yaml")
    assert study.prompt_set("gsm8k") is study.benchmarks["gsm8k"]
    assert study.prompt_set("validation") is study.prompts["validation"]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("defaults: {samples: 0}", "defaults.samples: expected 1 or more, found 0"),
        ("defaults: {temperature: -0.1}", "defaults.temperature: expected 0 (greedy) or more"),
        ("defaults: {top_p: 0}", "defaults.top_p: expected more than 0"),
        ("memory: {limit_gb: 0}", "memory.limit_gb: expected more than 0"),
        ("benchmarks: {b: {file: f, prompt: q, limit: -1}}", "benchmarks.b.limit: expected 1 or more"),
        (
            "models: {baseline: {m: {from: x, dtype: float23}}}",
            "models.baseline.m.dtype: expected one of float32",
        ),
        ("prompts: {p: {files: [f], first: 0}}", "prompts.p.first: expected 1 or more"),
    ],
)
def test_a_number_out_of_range_is_named(refused, text, where):
    assert where in refused(text)
