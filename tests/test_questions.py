"""The repository's own questions are what they claim to be, and a bad question file names its fault."""

import json
import operator
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lem import params, questions
from lem.errors import LemError
from lem.params import BenchmarkSpec, PromptSpec
from lem.prompts import Prompt
from lem.record_files import sha256

ROOT = Path(__file__).parents[1]
SEEDS = sorted((ROOT / "seeds").glob("P*.json"))
BENCHMARKS = ROOT / "seeds" / "benchmarks"
GENERATOR = BENCHMARKS / "make_gsm8k.py"


def seeds() -> list[dict[str, str]]:
    return [seed for file in SEEDS for seed in json.loads(file.read_text())]


def problems(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (BENCHMARKS / name).read_text().splitlines()]


def words(text: str) -> str:
    """Return a text as it would be recognised: lower case, without punctuation."""
    return " ".join(re.findall(r"\w+", text.lower()))


def test_there_are_100_seeds_each_once():
    assert len(seeds()) == 100
    assert len({seed["id"] for seed in seeds()}) == 100
    assert len({words(seed["prompt"]) for seed in seeds()}) == 100
    assert len({seed["domain"] for seed in seeds()}) >= 12


def test_a_seed_is_numbered_by_its_file_and_named_by_its_domain():
    assert [seed["id"].split("_")[0] for seed in seeds()] == [f"P{n:02}" for n in range(1, 101)]
    for file in SEEDS:
        ids = [seed["id"].split("_")[0] for seed in json.loads(file.read_text())]
        assert f"{ids[0]}-{ids[-1]}" == file.stem
    for seed in seeds():
        assert seed["id"].split("_")[1] == seed["domain"].upper()


def test_training_and_validation_seeds_are_disjoint():
    validation, training = seeds()[:40], seeds()[40:]
    assert validation[-1]["id"].startswith("P40") and training[0]["id"].startswith("P41")
    assert not {words(s["prompt"]) for s in validation} & {words(s["prompt"]) for s in training}
    assert not runs_of_words(validation) & runs_of_words(training)


def runs_of_words(part: list[dict[str, str]], length: int = 8) -> set[tuple[str, ...]]:
    said = [words(seed["prompt"]).split() for seed in part]
    return {tuple(text[i : i + length]) for text in said for i in range(len(text) - length + 1)}


def test_the_validation_set_is_the_first_forty(monkeypatch):
    monkeypatch.chdir(ROOT)
    found = questions.prompts(params.load().prompts["validation"])
    assert found == [Prompt(seed["id"], seed["prompt"]) for seed in seeds()[:40]]


def test_the_kernel_in_use_is_short_enough_for_a_small_model(monkeypatch):
    """Under the whole narrative a 135M model recited it instead of answering."""
    monkeypatch.chdir(ROOT)
    kernel = questions.kernel()
    assert 300 <= len(kernel.text) <= 1000
    assert 0 < len(kernel.signature) <= 300 and "\n" not in kernel.signature


def test_the_narrative_speaks_of_every_axiom_and_says_whose_text_it_is():
    text = (ROOT / "kernel/lek-1-narrative.txt").read_text()
    assert 3500 <= len(text) <= 4500
    assert text.startswith("This kernel is this project's own text")
    for axiom in json.loads((ROOT / "kernel/axioms.json").read_text())["axioms"]:
        assert axiom["name"].lower() in text.lower()


STEP = re.compile(r"(\d+ [-+*/] \d+) = <<(\d+)([-+*/])(\d+)=(\d+)>>(\d+)")
OPERATORS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}


@pytest.mark.parametrize("name", ["gsm8k.jsonl", "gsm8k-calibration.jsonl"])
def test_every_worked_answer_is_right(name):
    for problem in problems(name):
        *work, last = problem["answer_cot"].split("\n")
        steps = STEP.findall("\n".join(work))
        assert len(steps) == problem["answer_cot"].count("<<") >= 1, problem["id"]
        for shown, left, sign, right, value, said in steps:
            assert OPERATORS[sign](int(left), int(right)) == int(value) == int(said), problem["id"]
            assert shown == f"{left} {sign} {right}", problem["id"]
        assert last == f"#### {problem['correct_answer']}" == f"#### {steps[-1][-1]}", problem["id"]


def test_no_scored_question_is_a_calibration_question():
    scored, calibration = problems("gsm8k.jsonl"), problems("gsm8k-calibration.jsonl")
    assert not {p["id"] for p in scored} & {p["id"] for p in calibration}
    assert not {words(p["question"]) for p in scored} & {words(p["question"]) for p in calibration}
    same_sums = [
        {(p["cluster"], *re.findall(r"\d+", p["question"])) for p in part} for part in (scored, calibration)
    ]
    assert len(same_sums[0]) == len(scored)
    assert not same_sums[0] & same_sums[1]


def test_no_answer_stands_in_its_question():
    for problem in problems("gsm8k.jsonl"):
        assert problem["correct_answer"] not in re.findall(r"\d+", problem["question"]), problem["id"]


def test_no_worked_example_is_an_item():
    shots = params.load(ROOT / "params.yaml").benchmarks["gsm8k"].shots
    asked = {words(p["question"]) for n in ("gsm8k.jsonl", "gsm8k-calibration.jsonl") for p in problems(n)}
    assert shots
    assert not {words(shot.question) for shot in shots} & asked
    for shot in shots:
        work, answer = shot.answer.split("\n#### ")
        left, sign, right, _, value = work.split()
        assert OPERATORS[sign](int(left), int(right)) == int(value) == int(answer)


def test_the_question_files_are_what_their_script_writes(tmp_path):
    check = [sys.executable, GENERATOR, "--check"]
    assert subprocess.run(check, check=False).returncode == 0
    for file in (GENERATOR, *BENCHMARKS.glob("*.jsonl")):
        shutil.copyfile(file, tmp_path / file.name)
    changed = tmp_path / "gsm8k.jsonl"
    changed.write_text(changed.read_text().replace("WORD_007", "WORD_777"))
    check[1] = tmp_path / GENERATOR.name
    said = subprocess.run(check, check=False, capture_output=True, text=True)
    assert (said.returncode, said.stdout) == (1, "")
    assert said.stderr.startswith("gsm8k.jsonl differs")


def test_the_repositorys_own_items(monkeypatch):
    monkeypatch.chdir(ROOT)
    items = questions.read_items(params.load().benchmark("gsm8k"))
    assert [(i.item_id, i.question, i.gold) for i in items] == [
        (p["id"], p["question"], p["correct_answer"]) for p in problems("gsm8k.jsonl")
    ]
    assert items[0].sha == sha256(json.dumps(problems("gsm8k.jsonl")[0], sort_keys=True, ensure_ascii=False))
    assert {i.benchmark for i in items} == {"gsm8k"}
    assert {i.category for i in items} == {p["category"] for p in problems("gsm8k.jsonl")}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


SPEC = BenchmarkSpec("b", "b.jsonl", prompt="question", answer="gold", cluster="kind")
ITEM = {"id": "1", "question": "Wäre 2 + 2 …?", "gold": "4", "kind": "sum"}


def items_of(*rows: object, spec: BenchmarkSpec = SPEC):
    lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    Path(spec.file).write_bytes(b"".join(line + b"\n" for line in lines))
    return questions.read_items(spec)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({**ITEM, "id": "2", "gold": True}, ".gold: expected a non-empty string, found True"),
        ({**ITEM, "id": "2", "question": "  "}, ".question: expected a non-empty string, found '  '"),
        ({**ITEM, "id": None}, ".id: expected a non-empty string, found None"),
        ({"id": "2", "question": "?", "gold": "4"}, ".kind: is missing; the fields are: id, question, gold"),
        (ITEM, ".id: 1 is there twice"),
        (["1"], ".id: is missing; the fields are: list"),
        (b'{"id": "2", ', "not one line of JSON"),
    ],
)
def test_a_bad_item_is_named_by_file_line_and_field(row, says):
    with pytest.raises(LemError) as caught:
        items_of(ITEM, b"", row)
    assert caught.value.message.startswith("b.jsonl:3: ")
    assert says in caught.value.message


def test_items_carry_their_fields_and_the_sha_of_all_of_them():
    one, other = items_of(ITEM, {**ITEM, "id": "2", "note": "unread"})
    assert (one.item_id, one.question, one.gold, one.cluster) == ("1", "Wäre 2 + 2 …?", "4", "sum")
    assert (one.benchmark, one.category, one.source) == ("b", None, "own")
    assert one.sha == sha256(json.dumps(ITEM, sort_keys=True, ensure_ascii=False))
    assert other.sha != items_of({**ITEM, "id": "2"})[0].sha


def test_the_limit_is_of_the_first_items():
    rows = [{**ITEM, "id": str(n)} for n in range(5)]
    limited = BenchmarkSpec("b", "b.jsonl", prompt="question", limit=2)
    assert [item.item_id for item in items_of(*rows, spec=limited)] == ["0", "1"]
    assert items_of(*rows, spec=limited)[0].gold is None


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\n"])
def test_a_file_without_items_is_an_error(content):
    if content is not None:
        Path(SPEC.file).write_bytes(content)
    with pytest.raises(LemError, match=r"^b\.jsonl: (no such file|no items|not UTF-8)"):
        questions.read_items(SPEC)


SEED = {"id": "P1", "domain": "d", "prompt": "Why?"}


def prompts_of(*rows: object, first: int | None = None):
    Path("one.json").write_text(json.dumps(rows[:1]))
    Path("two.json").write_text(json.dumps(rows[1:]))
    return questions.prompts(PromptSpec("v", ("one.json", "two.json"), first=first))


def test_prompts_come_in_the_order_of_their_files():
    rows = [{**SEED, "id": f"P{n}"} for n in (3, 1, 2)]
    assert prompts_of(*rows) == [Prompt(f"P{n}", "Why?") for n in (3, 1, 2)]
    assert prompts_of(*rows, first=2) == [Prompt("P3", "Why?"), Prompt("P1", "Why?")]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({**SEED, "id": "P2", "prompt": ""}, "two.json: [1].prompt: expected a non-empty string, found ''"),
        ({"prompt": "Why?"}, "two.json: [1].id: is missing; the fields are: prompt"),
        ("P2", "two.json: [1].id: is missing"),
        (SEED, "two.json: [1].id: P1 is there twice"),
    ],
)
def test_a_bad_seed_is_named_by_file_place_and_field(row, says):
    with pytest.raises(LemError) as caught:
        prompts_of(SEED, {**SEED, "id": "P0"}, row)
    assert caught.value.message.startswith(says)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no such file"),
        (b"[", "not JSON"),
        (b"{}", "expected an array of {id, domain, prompt} objects"),
        (b'["\xff"]', "not UTF-8"),
    ],
)
def test_a_bad_seed_file_is_named(content, says):
    if content is not None:
        Path("one.json").write_bytes(content)
    with pytest.raises(LemError) as caught:
        questions.prompts(PromptSpec("v", ("one.json",)))
    assert caught.value.message.startswith(f"one.json: {says}")


def test_a_benchmarks_prompts_are_its_items(study, lem):
    lem("items", "--benchmark", "sums")
    spec = params.load().benchmark("sums")
    assert questions.items("sums") == questions.read_items(spec)
    assert questions.prompts(spec)[0] == Prompt("S01", "What is 1 + 1?")
    assert lem("items", "--benchmark", "sums").output == "data/items/sums.jsonl: 10 items\n"


def test_items_that_are_not_written_yet_name_their_stage():
    with pytest.raises(LemError, match=r"data/items/b\.jsonl: no such file.*dvc repro"):
        questions.prompts(SPEC)


def test_a_number_is_an_answer_and_a_missing_field_names_those_there_are(tmp_path):
    file = tmp_path / "q.jsonl"
    file.write_text('{"id": 1, "question": "1 + 1?", "answer": 2}\n')
    spec = params.BenchmarkSpec("q", str(file), "question", "answer")
    (item,) = questions.read_items(spec)
    assert (item.item_id, item.gold) == ("1", "2")
    with pytest.raises(LemError, match="questoin: is missing; the fields are: id, question, answer"):
        questions.read_items(params.BenchmarkSpec("q", str(file), "questoin", "answer"))
