"""params.yaml: the repository's own loads, and whatever is not meant is named, not ignored."""

import re
from pathlib import Path

import pytest
import yaml

from lem import params
from lem.declared import parse
from lem.errors import LemError
from lem.judging.spec import JudgeSpec
from lem.params import BenchmarkSpec, Defaults, DistilSpec, Memory, Study, Training
from lem.prompts import Shot
from lem.records import MODES

ROOT = Path(__file__).parents[1]
SECTIONS = (
    "defaults, memory, seeds, train, distil, models, prompts, benchmarks, tasks, imports, judge, harmony, "
    "compare"
)
DISTIL = "models: {baseline: {m: {from: x}}}\ndistil: {d: {model: %s, files: [f]"


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
    seeded = [f"{name}.s{seed}" for name in tree["models"]["fine-tuned"] for seed in tree["seeds"]]
    assert list(study.models) == [*tree["models"]["baseline"], *seeded]
    for role, entries in tree["models"].items():
        for name, entry in entries.items():
            for spec in study.entry(name):
                assert (spec.role, spec.entry, spec.origin) == (role, name, entry.get("from"))
                assert spec.data == entry.get("data")
    assert list(study.prompts) == list(tree["prompts"])
    for name, entry in tree["benchmarks"].items():
        spec = study.benchmarks[name]
        shown = {**entry, "shots": tuple(Shot(**shot) for shot in entry.get("shots", ()))}
        score = entry.get("score", ["number"])
        shown["score"] = (score,) if isinstance(score, str) else tuple(score)
        assert spec == BenchmarkSpec(name=name, **shown)
    assert study.judge == JudgeSpec(**tree["judge"])
    assert study.defaults == Defaults(**tree["defaults"])
    assert study.memory == Memory(**tree["memory"])
    assert study.seeds == tuple(tree["seeds"])
    assert study.train == Training(**{**tree["train"], "keys": tuple(tree["train"]["keys"])})
    for name, entry in tree["distil"].items():
        assert study.distil[name] == DistilSpec(**{**entry, "name": name, "files": tuple(entry["files"])})
    assert [one.text for one in study.compare] == tree["compare"]


def test_the_repositorys_own_files_are_where_it_says():
    study = params.load(ROOT / "params.yaml")
    sets = [*study.prompts.values(), *study.distil.values()]
    named = [file for spec in sets for file in spec.files]
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
        ("modls: {}", "the file", f"unknown 'modls'; known are {SECTIONS}"),
        ("train: {itres: 3}", "train", "unknown 'itres'; known are iters, batch_size, learning_rate"),
        ("distil: {d: {modle: m}}", "distil.d", "unknown 'modle'; known are model, files, mode, samples"),
        (DISTIL % "m" + ", mode: sandwhich}}", "distil.d.mode", "expected one of naked, system"),
        ("defaults: {max_token: 3}", "defaults", "unknown 'max_token'; known are seed, max_tokens"),
        ("tasks: {t: {}}", "tasks.t", "'chat_template' is missing"),
        ("tasks: {t: {chat_template: false, shots: -1}}", "tasks.t.shots", "expected 0 to 4294967295"),
        ("tasks: {t: {chat_template: no, numpy_seed: -1}}", "tasks.t.numpy_seed", "expected 0 to"),
        ("models: {tuned: {}}", "models", "unknown 'tuned'; known are baseline, fine-tuned"),
        ("models: {baseline: {m: {form: x}}}", "models.baseline.m", "unknown 'form'; known are from, dtype"),
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
        ("prompts: {v: {files: a.json}}", "prompts.v.files: expected a list of str, found 'a.json'"),
        ("prompts: {v: {files: [3]}}", "prompts.v.files: expected a list of str, found [3]"),
        ("prompts: {v: {files: []}}", "prompts.v.files: expected at least one str, found an empty list"),
        ("prompts: {v: {files: [a, a]}}", "prompts.v.files: something is there twice: ['a', 'a']"),
        ("prompts: {v: {files: [a], first: ten}}", "prompts.v.first: expected int, found 'ten'"),
        (
            "benchmarks: {b: {file: a, prompt: q, shots: 3}}",
            "benchmarks.b.shots: expected a list of Shot, found 3",
        ),
        ("seeds: 0", "params.yaml: seeds: expected a list of int, found 0"),
        ("seeds: {s: 0}", "seeds: expected a list of int, found {'s': 0}"),
        ("seeds: [true]", "seeds: expected a list of int, found [True]"),
        ("seeds: [1.0]", "seeds: expected a list of int, found [1.0]"),
        ("compare: a > b", "compare: expected a list of str, found 'a > b'"),
        ("compare: [a: b]", "compare: expected a list of str, found [{'a': 'b'}]"),
        ("train: [iters]", "train: expected 'name: value' entries, found ['iters']"),
        ("train: {iters: 1e3}", "train.iters: expected int, found '1e3'"),
        ("train: {iters: null}", "train.iters: expected int, found None"),
        ("train: {learning_rate: fast}", "train.learning_rate: expected float, found 'fast'"),
        ("train: {mask_prompt: 1}", "train.mask_prompt: expected bool, found 1"),
        ("train: {keys: q_proj}", "train.keys: expected a list of str, found 'q_proj'"),
        ("train: {keys: [[q_proj]]}", "train.keys: expected a list of str, found [['q_proj']]"),
        ("train: {keys: []}", "train.keys: expected at least one str, found an empty list"),
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


def test_a_name_is_one_thing(refused):
    both = "models: {baseline: {m: {from: x}, n: {from: x}}, fine-tuned: {m: {tune: n, data: d}}}"
    assert "models: 'm' is there twice" in refused(both)
    for clash in (
        "benchmarks: {v: {file: a, prompt: q}}",
        DISTIL.replace("d:", "v:") % "m" + ", mode: naked}}",
    ):
        says = refused("prompts: {v: {files: [a]}}\n" + clash)
        assert "prompts, benchmarks, tasks, harmony.tasks and distil: 'v' is there twice" in says


BOTH = "models: {baseline: {%s: {from: x}, %s: {from: x}}}\n"
TUNED = "models: {baseline: {a: {from: x}}, fine-tuned: {a-b: {tune: a, data: d}}}\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            BOTH % ("x", "x-lek") + "prompts: {lek-v: {files: [f]}, v: {files: [f]}}",
            "('x', 'lek-v') and ('x-lek', 'v') would write the same logs; rename one of them",
        ),
        (
            BOTH % ("x", "x-lek") + "prompts: {v: {files: [f]}}\nbenchmarks: {lek-v: {file: f, prompt: q}}",
            "('x', 'lek-v') and ('x-lek', 'v') would write the same logs",
        ),
        (
            BOTH % ("x", "x-d") + "prompts: {d-d: {files: [f]}}\n"
            "distil: {d: {model: x, files: [f], mode: naked}}",
            "('x', 'd-d') and ('x-d', 'd') would write the same logs",
        ),
        (
            TUNED + "prompts: {b-train: {files: [f]}}",
            "('a', 'b-train') and ('a-b', 'train') would write the same logs",
        ),
        (
            TUNED + "prompts: {b.s0-v: {files: [f]}, v: {files: [f]}}",
            "('a', 'b.s0-v') and ('a-b.s0', 'v') would write the same logs",
        ),
        (
            BOTH % ("b-c", "c") + "benchmarks: {a: {file: f, prompt: q}, a-b: {file: f, prompt: q}}",
            "('a', 'b-c') and ('a-b', 'c') would write the same results",
        ),
    ],
)
def test_names_that_would_write_the_same_files_are_refused(refused, text, says):
    assert refused(text).startswith(f"params.yaml: {says}")


def test_a_set_may_be_called_train(load):
    assert load(TUNED + "prompts: {train: {files: [f]}, v: {files: [f]}}").prompts["train"].files == ("f",)


def test_a_training_set_is_drawn_from_a_model_that_is_there(load, refused):
    study = load(DISTIL % "m" + ", mode: sandwich, train: 3}}")
    assert study.distilled("d") == DistilSpec("d", "m", ("f",), "sandwich", train=3)
    for missing in ("n", "m.s0"):
        says = refused(DISTIL % missing + ", mode: sandwich}}")
        assert says == f"params.yaml: distil.d.model: no baseline {missing!r}; there are: m"
    says = refused("distil: {d: {model: m, files: [f], mode: naked}}")
    assert says == "params.yaml: distil.d.model: no baseline 'm'; there are: none"


SEEDED = "seeds: %s\nmodels: {baseline: {m: {from: x}}, fine-tuned: {m-lek: {tune: m, data: d}}}"


def test_seeds_are_of_training(load, refused):
    assert load("seeds:").seeds == load("").seeds == (0,)
    assert load("seeds: [3, 0, 4294967295]").seeds == (3, 0, 4294967295)
    assert list(load(SEEDED % [1, 0]).models) == ["m", "m-lek.s1", "m-lek.s0"]
    assert "seeds: expected 0 to 4294967295, found [0, -1]" in refused("seeds: [0, -1]")
    assert "seeds: expected 0 to 4294967295, found [4294967296]" in refused("seeds: [4294967296]")
    assert "seeds: something is there twice: [1, 2, 1]" in refused("seeds: [1, 2, 1]")
    assert "seeds: expected at least one int, found an empty list" in refused("seeds: []")


COMPARE = SEEDED % [0, 1] + "\nprompts: {v: {files: [f]}}\nbenchmarks: {b: {file: f, prompt: q}}\ncompare: %s"


def test_what_is_declared_is_of_entries_and_sets_that_are_there(load):
    declared = ["m-lek > m", "m-lek >= m - 2.5 on v", "m > m-lek on b"]
    assert load(COMPARE % declared).compare == tuple(map(parse, declared))
    assert load("compare:").compare == load("compare: []").compare == ()


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        ("m-lek > n", "no model 'n' under models; there are: m, m-lek"),
        ("n > m", "no model 'n' under models; there are: m, m-lek"),
        ("m-lek.s1 > m", "'m-lek.s1' is one training seed; compare 'm-lek', all its seeds as one"),
        ("m >= m-lek.s0 - 1", "'m-lek.s0' is one training seed; compare 'm-lek', all its seeds as one"),
        ("m-lek.s2 > m", "no model 'm-lek.s2' under models; there are: m, m-lek"),
        ("m-lek > m on w", "no benchmark, task or prompt set 'w'; there are: v, b"),
        ("m-lek > m - 1", "a margin goes with >=, and >= with a margin, found 'm-lek > m - 1'"),
        ("m > m", "a model is not compared with itself, found 'm > m'"),
        (
            "m-lek beats m",
            "expected 'A > B', 'A >= B - 2' or either with 'on BENCHMARK' behind it, found 'm-lek beats m'",
        ),
    ],
)
def test_a_declared_comparison_that_says_nothing_is_named(refused, declared, says):
    assert refused(COMPARE % ["m-lek > m", declared]) == f"params.yaml: compare[1]: {says}"


def test_a_comparison_is_declared_once(refused):
    says = refused(COMPARE % ["m-lek > m", "m-lek  >  m"])
    assert says.startswith("params.yaml: compare: 'm-lek > m' is there twice")


@pytest.mark.parametrize("name", ["../x", "a/b", ".x", "", " ", "/etc/passwd", "é", "x" * 81])
def test_a_name_that_is_no_file_name_is_refused(refused, name):
    for section in (
        "models: {baseline: {%s: {from: x}}}",
        "models: {baseline: {m: {from: x}}, fine-tuned: {%s: {tune: m, data: d}}}",
        "distil: {%s: {model: m, files: [a], mode: naked}}",
        "prompts: {%s: {files: [a]}}",
    ):
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
    with pytest.raises(LemError, match=r"no training set named 'lke' under distil; did you mean lek\?"):
        study.distilled("lke")


def test_a_benchmark_is_a_prompt_set_too():
    study = params.load(ROOT / "params.yaml")
    assert study.prompt_set("gsm8k") is study.benchmarks["gsm8k"]
    assert study.prompt_set("validation") is study.prompts["validation"]


TRAINING = [
    *((key, 0, "expected 1 or more, found 0") for key in (
        "iters", "batch_size", "rank", "num_layers", "max_seq_length", "save_every",
        "steps_per_report", "steps_per_eval", "grad_accumulation_steps",
    )),
    ("learning_rate", "0", "expected more than 0, found 0"),
    ("learning_rate", "-1e-5", "expected more than 0, found -1e-05"),
    ("learning_rate", "1e999", "expected a finite number, found inf"),
    ("learning_rate", ".nan", "expected a finite number, found nan"),
    ("lora_scale", "0.0", "expected more than 0, found 0.0"),
    ("dropout", "1", "expected a share below 1, found 1"),
    ("dropout", "-0.1", "expected a share below 1, found -0.1"),
    ("fine_tune_type", "lorra", "expected one of lora, dora, full, found 'lorra'"),
    ("optimizer", "adman", "expected one of adam, adamw, sgd, adafactor, muon, found 'adman'"),
]  # fmt: skip
DRAWN = {
    **dict.fromkeys(("samples", "max_tokens", "train", "valid"), "1 or more, found 0"),
    "top_p": "more than 0, found 0",
}


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
        *((f"train: {{{key}: {value}}}", f"train.{key}: {says}") for key, value, says in TRAINING),
        *(
            (DISTIL % "m" + f", mode: naked, {key}: 0}}}}", f"distil.d.{key}: expected {says}")
            for key, says in DRAWN.items()
        ),
        ("defaults: {temperature: .nan}", "defaults.temperature: expected a finite number, found nan"),
    ],
)
def test_a_number_out_of_range_is_named(refused, text, where):
    assert where in refused(text)


@pytest.mark.parametrize("written", ["1e-5", "1.0e-5", "'1e-5'", "+1E-5", "0.1e-4", "0.00001"])
def test_a_power_of_ten_is_a_number_with_or_without_a_point(load, written):
    """YAML 1.1 reads 1e-5 as text."""
    found = load(f"train: {{learning_rate: {written}}}").train.learning_rate
    assert (found, type(found)) == (1e-5, float)


@pytest.mark.parametrize("written", ["1e", "e5", "1e-5x", "' 1e-5'", "1_0e5", "'10'"])
def test_other_text_is_no_number(refused, written):
    assert "train.learning_rate: expected float, found '" in refused(f"train: {{learning_rate: {written}}}")


BENCHMARK = "benchmarks: {b: {file: f, prompt: q%s}}"


@pytest.mark.parametrize(
    ("written", "scorers"),
    [
        ("", ("number",)),
        (", score: number", ("number",)),
        (", score: [number]", ("number",)),
        (", score: [number, mine:fn]", ("number", "mine:fn")),
        (", score: 'mine:fn'", ("mine:fn",)),
        (", score: []", ()),
        (", score: multiple_choice, correct: a, incorrect: b", ("multiple_choice",)),
    ],
)
def test_a_benchmark_has_one_scorer_or_several_or_none(load, written, scorers):
    spec = load(BENCHMARK % written).benchmarks["b"]
    assert spec.score == scorers
    assert spec.is_choice == ("multiple_choice" in scorers)


NEEDED = "benchmarks.b: expected 'correct' and 'incorrect', both names of fields with a list of answers"


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("score: null", "benchmarks.b.score: expected a list of str, found None"),
        ("score: 3", "benchmarks.b.score: expected a list of str, found 3"),
        ("score: [3]", "benchmarks.b.score: expected a list of str, found [3]"),
        ("score: {number: 1}", "benchmarks.b.score: expected a list of str, found {'number': 1}"),
        ("score: [number, number]", "benchmarks.b.score: something is there twice"),
        ("scores: number", "benchmarks.b: unknown 'scores'; known are file, prompt, answer, correct"),
        ("score: multiple_choice", NEEDED),
        ("score: multiple_choice, correct: a", NEEDED),
        ("score: multiple_choice, incorrect: a", NEEDED),
        ("correct: a", NEEDED),
        ("incorrect: a", NEEDED),
        (
            "score: [multiple_choice, number], correct: a, incorrect: b",
            "benchmarks.b.score: multiple_choice stands alone: there is no text to score",
        ),
        ("prompt: null", "benchmarks.b.prompt: expected str, found None"),
        ("version: 2", "benchmarks.b.version: expected str, found 2"),
        ("hub: [x]", "benchmarks.b.hub: expected str, found ['x']"),
        ("max_tokens: 0", "benchmarks.b.max_tokens: expected 1 or more, found 0"),
    ],
)
def test_a_benchmark_that_cannot_be_scored_is_named(refused, written, says):
    text = BENCHMARK % f", {written}"
    if written.startswith("prompt"):
        text = text.replace("prompt: q, ", "")
    assert refused(text).startswith(f"params.yaml: {says}")


def test_a_benchmark_may_have_no_ids(load):
    spec = load(BENCHMARK % ", id: null, version: '2', hub: org/set@main/x").benchmarks["b"]
    assert (spec.id, spec.version, spec.hub) == (None, "2", "org/set@main/x")


CHOOSE = "c: {file: f, prompt: q, score: multiple_choice, correct: a, incorrect: b}"
JUDGED = "benchmarks: {b: {file: f, prompt: q, score: []}, limit: {file: f, prompt: q}, " + CHOOSE + "}\n"


def test_a_judge_has_a_rubric_a_benchmark(load):
    study = load(
        JUDGED + "judge: {url: u, model: m, key: null, rubrics: {b: safety, limit: mine.yaml}, repeats: 3}"
    )
    rubrics = {"b": "safety", "limit": "mine.yaml"}
    assert study.judge == JudgeSpec("u", "m", None, rubrics, repeats=3)
    assert load("judge:").judge == load("judge: {}").judge == JudgeSpec()


@pytest.mark.parametrize("name", ["limit", "mode", "score", "valid", "temperature", "dtype", "a.files"])
def test_a_benchmark_may_be_called_like_a_setting(load, name):
    text = f"benchmarks: {{{name}: {{file: f, prompt: q}}}}\njudge: {{rubrics: {{{name}: safety}}}}"
    assert load(text).judge.rubrics == {name: "safety"}


@pytest.mark.parametrize(
    ("judge", "says"),
    [
        ("rubrics: {d: safety}", "judge.rubrics: no benchmark 'd' with answers; there are: b, limit"),
        ("rubrics: {c: safety}", "judge.rubrics: no benchmark 'c' with answers; there are: b, limit"),
        ("rubrics: {b: 3}", "judge.rubrics.b: expected str, found 3"),
        ("rubrics: {b: null}", "judge.rubrics.b: expected str, found None"),
        ("rubrics: {b: [safety]}", "judge.rubrics.b: expected str, found ['safety']"),
        ("rubrics: [b]", "judge.rubrics: expected 'name: value' entries, found ['b']"),
        ("rubrics: {1: safety}", "judge.rubrics: expected 'name: value' entries"),
        ("repeats: 0", "judge.repeats: expected 1 or more, found 0"),
        ("concurrency: 0", "judge.concurrency: expected 1 or more, found 0"),
        ("timeout: 0", "judge.timeout: expected more than 0, found 0"),
        ("patience: -1", "judge.patience: expected more than 0, found -1"),
        ("temperature: -0.5", "judge.temperature: expected 0 (greedy) or more, found -0.5"),
        ("swap: 1", "judge.swap: expected bool, found 1"),
        ("seed: one", "judge.seed: expected int, found 'one'"),
        ("repeat: 2", "judge: unknown 'repeat'; known are url, model, key, rubrics, repeats, swap"),
    ],
)
def test_a_judge_that_cannot_be_asked_is_named(refused, judge, says):
    assert refused(f"{JUDGED}judge: {{{judge}}}").startswith(f"params.yaml: {says}")


def test_an_import_is_an_entry_with_what_its_files_do_not_say(load):
    entry = "{kind: jsonl, path: vendor/x, map: {prompt: question}, model: m, fine_tuned: [a], score: number}"
    spec = load(f"imports: {{theirs: {entry}}}").imported("theirs")
    assert (spec.name, spec.kind, spec.path, spec.model) == ("theirs", "jsonl", "vendor/x", "m")
    assert (dict(spec.map), spec.fine_tuned, spec.score) == ({"prompt": "question"}, ("a",), ("number",))
    assert load("imports: {}").imports == {}
    with pytest.raises(LemError, match="no import named 'thers' under imports; did you mean theirs"):
        load(f"imports: {{theirs: {entry}}}").imported("thers")


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("{path: x}", "imports.t: 'kind' is missing"),
        ("{kind: jsonl}", "imports.t: 'path' is missing"),
        ("{kind: jsonl, path: x, mpa: {}}", "imports.t: unknown 'mpa'; known are kind, path, fine_tuned"),
        ("{kind: jsonl, path: 7}", "imports.t.path: expected str, found 7"),
        ("{kind: jsonl, path: x, map: [a]}", "imports.t.map: expected 'name: value' entries"),
    ],
)
def test_an_import_that_cannot_be_is_named(load, entry, says):
    with pytest.raises(LemError, match=re.escape(says)):
        load(f"imports: {{t: {entry}}}")


def test_an_import_is_no_path(load):
    with pytest.raises(LemError, match="a name is 1-80 of"):
        load("imports: {../../x: {kind: jsonl, path: x}}")
