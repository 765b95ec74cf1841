"""`lem task`: items, and what an evaluation depends on; a fault of a YAML or its data is one clear line."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

import micro
from lem import layout
from lem.record_files import read_jsonl, sha256
from lem.records import Item

PICK, TELL = Path("seeds/tasks/pick.yaml"), Path("seeds/tasks/tell.yaml")
DATA, CODE = Path("seeds/tasks/pick.jsonl"), Path("seeds/tasks/own.py")
ASK = 'doc_to_text: "Question: {{question}}\\nAnswer:"'
RUN = ("task", "--task", "pick")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One study for all tests: each puts back what it changed."""
    folder = micro.study(tmp_path_factory.mktemp("task") / "study")
    micro.tasks(folder)
    return folder


@pytest.fixture(autouse=True)
def whole(home, monkeypatch):
    """Work in the study, and leave its inputs as they were and no output behind."""
    monkeypatch.chdir(home)
    kept = {path: path.read_bytes() for path in (PICK, TELL, DATA, Path("params.yaml"))}
    yield
    for path, content in kept.items():
        path.write_bytes(content)
    for path in set(Path("seeds/tasks").iterdir()) - set(kept):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for folder in (layout.items("pick").parent, layout.task("pick").parent):
        shutil.rmtree(folder, ignore_errors=True)
    sys.modules.pop("own", None)


def replace(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def rows():
    return [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]


def write_rows(changed):
    DATA.write_text("".join(json.dumps(row) + "\n" for row in changed), encoding="utf-8")


def row(number, **changed):
    write_rows([{**one, **changed} if n == number else one for n, one in enumerate(rows())])


def described(task="pick"):
    return json.loads(layout.task(task).read_text(encoding="utf-8"))


def items(task="pick"):
    return list(read_jsonl(layout.items(task), Item))


def test_items(lem):
    lem(*RUN)
    found = items()
    assert [(i.benchmark, i.item_id, i.source) for i in found] == [("pick", str(n), "own") for n in range(12)]
    assert [i.question for i in found] == list(micro.QUESTIONS)
    for item, stated in zip(found, rows(), strict=True):
        right = stated["choices"][stated["label"]]
        wrong = [text for text in stated["choices"] if text != right]
        assert (item.gold, json.loads(item.correct)) == (right, [right])
        assert json.loads(item.incorrect) == wrong
        assert item.sha == sha256(json.dumps(stated))


def test_items_of_a_written_task_have_a_gold_answer_and_a_cluster_where_the_data_say_one(lem):
    write_rows([{**one, "cluster": f"c{n % 2}"} for n, one in enumerate(rows())])
    lem("task", "--task", "tell")
    assert [i.gold for i in items("tell")] == [one["choices"][one["label"]] for one in rows()]
    assert {i.correct for i in items("tell")} == {None}
    assert [i.cluster for i in items("tell")] == ["c0", "c1"] * 6


def test_what_an_evaluation_depends_on(lem):
    lem(*RUN)
    about = described()
    assert (about["task"], about["version"], about["items"]) == ("pick", "1", 12)
    assert about["config"]["doc_to_text"] == "Question: {{question}}\nAnswer:"
    assert about["config"]["dataset_kwargs"] == {"data_files": {"test": str(DATA)}}
    text = layout.task("pick").read_text(encoding="utf-8")
    assert str(Path.cwd()) not in text and str(Path.home()) not in text and "/tmp" not in text


def test_it_shows_the_first_thing_that_is_asked(lem):
    first = "Question: What is asked for before and not after?\\nAnswer:"
    assert lem(*RUN).stdout.splitlines() == [
        "data/items/pick.jsonl: 12 items",
        f'it is asked: "{first}"',
        'and: " the sum"',
    ]
    shown = lem("task", "--task", "tell").stdout.splitlines()
    assert shown[:2] == ["data/items/tell.jsonl: 12 items", f'it is asked: "{first}"']
    assert json.loads(json.loads(shown[2].removeprefix("and: ")))["max_gen_toks"] == 8


def test_worked_examples_are_shown_and_recorded(lem):
    replace(Path("params.yaml"), "pick: {", "pick: {shots: 2, ")
    shown = lem(*RUN).stdout.splitlines()[1]
    assert shown.count("Question: ") == 3 and shown.count("Answer: ") == 2
    assert described()["config"]["num_fewshot"] == 2
    assert len(items()) == 12


def test_two_runs_write_the_same_bytes_and_leave_nothing_else(lem, home, tmp_path, monkeypatch):
    before = {p for p in Path().rglob("*") if p.is_file()}
    lem(*RUN)
    written = {p for p in Path().rglob("*") if p.is_file()} - before
    assert written == {layout.items("pick"), layout.task("pick")}
    first = [path.read_bytes() for path in sorted(written)]
    lem(*RUN)
    assert [path.read_bytes() for path in sorted(written)] == first
    shutil.copytree("seeds", tmp_path / "other/seeds")
    for name in ("params.yaml", "engine.yaml"):
        shutil.copyfile(name, tmp_path / "other" / name)
    monkeypatch.chdir(tmp_path / "other")
    lem(*RUN)
    assert [path.read_bytes() for path in sorted(written)] == first, "the folder's name is in them"


def test_edited_data_of_the_same_length_and_hour_are_seen(lem):
    """What a library keeps of the data under their size and time is never taken for them."""
    lem(*RUN)
    before, about, times = items(), described(), DATA.stat()
    replace(DATA, "How sure", "How sore")
    os.utime(DATA, ns=(times.st_atime_ns, times.st_mtime_ns))
    lem(*RUN)
    changed = [b.question for a, b in zip(before, items(), strict=True) if a.sha != b.sha]
    assert changed == ["How sore are you of it?"]
    assert described()["items_sha"] != about["items_sha"]
    assert {**described(), "items_sha": None} == {**about, "items_sha": None}


def examples(text):
    """Give the task worked examples of their own."""
    (Path("seeds/tasks") / "shots.jsonl").write_text(json.dumps({**rows()[0], "question": text}) + "\n")


SHOTS = """\
fewshot_split: shots
fewshot_config: {sampler: first_n}
num_fewshot: 1
"""


def test_the_data_of_worked_examples_and_the_code_of_functions_are_part_of_what_it_depends_on(lem):
    lem(*RUN)
    plain = described()
    replace(
        PICK,
        "{test: seeds/tasks/pick.jsonl}",
        "{test: seeds/tasks/pick.jsonl, shots: seeds/tasks/shots.jsonl}",
    )
    PICK.write_text(PICK.read_text() + SHOTS)
    examples("Which?")
    assert "Which?" in lem(*RUN).stdout
    first = described()
    examples("Who?")
    lem(*RUN)
    again = described()
    assert again["items_sha"] == plain["items_sha"]
    assert {key for key in again if again[key] != first[key]} == {"shots_sha"}
    replace(PICK, ASK, "doc_to_text: !function own.ask")
    (Path("seeds/tasks") / "help.py").write_text("WORD = 'Say'\n")
    CODE.write_text("WORD = 'Say'\ndef ask(doc):\n    return f'{WORD}: ' + doc['question']\n")
    assert "Say: What is asked" in lem(*RUN).stdout
    said = described()
    sys.modules.pop("own", None)
    replace(CODE, "WORD = 'Say'", "WORD = 'Tell'")
    lem(*RUN)
    assert described()["code_sha"] != said["code_sha"], "what a function calls is part of it"


def function(body):
    CODE.write_text(body)
    replace(PICK, ASK, "doc_to_text: !function own.ask")


def outside():
    shutil.copyfile(DATA, "outside.jsonl")
    replace(PICK, "seeds/tasks/pick.jsonl", "outside.jsonl")


def right(**sevenths):
    """Let the answer be looked up among the choices; the seventh item's is another."""
    replace(PICK, "doc_to_target: label", 'doc_to_target: "{{choices.index(right)}}"')
    write_rows([{**one, "right": "the sum"} for one in rows()])
    row(6, **sevenths)


def edits(old, new, path=PICK):
    return lambda: replace(path, old, new)


def adds(text):
    return lambda: PICK.write_text(PICK.read_text() + text)


RAISES = """\
def ask(doc):
    if 'consent' in doc['question']:
        raise TypeError('too many')
    return 'Why?'
"""
FILTER = "filter_list: [{name: x, filter: [{function: %s}]}]\n"
KWARGS = "dataset_kwargs:\n  data_files: {test: seeds/tasks/pick.jsonl}"
FILES = "dataset_kwargs.data_files.test: "
TARGET = "doc_to_target: item 6: expected one of its 3 choices or its place from 0, found "
PARAMS = Path("params.yaml")
IN_THE_YAML = {
    "no data": (DATA.unlink, f"{FILES}{DATA}: no such file"),
    "data elsewhere": (outside, f"{FILES}outside.jsonl: expected a file below seeds/"),
    "no data files": (edits("data_files:", "data_file:"), "dataset_path: "),
    "data files no mapping": (
        edits(KWARGS, "dataset_kwargs: [1]"),
        "dataset_kwargs: expected a mapping, found",
    ),
    "empty data": (lambda: DATA.write_text(""), f"{FILES}{DATA}: expected at least one row"),
    "a broken row": (
        edits('"question": "Who', '"question "Who', DATA),
        f"{FILES}{DATA}:4: not one line of JSON",
    ),
    "unknown key": (
        edits("doc_to_text", "doc_to_txt"),
        "doc_to_txt: lm-eval knows no such key of a task; did",
    ),
    "a hint": (
        edits("test_split", "tset_split"),
        "tset_split: lm-eval knows no such key of a task; did you mean",
    ),
    "template syntax": (edits("{{question}}", "{{question"), "doc_to_text: TemplateSyntaxError: "),
    "undefined name": (edits("{{choices}}", "{{choises}}"), "doc_to_choice: UndefinedError: 'choises'"),
    "a target that the seventh lacks": (lambda: right(right="none"), "doc_to_target: 'none' is not in list"),
    "label too high": (lambda: row(6, label=3), f"{TARGET}3"),
    "label below 0": (lambda: row(6, label=-1), f"{TARGET}-1"),
    "label null": (lambda: row(6, label=None), f"{TARGET}None"),
    "no choices": (lambda: row(6, choices=[]), "doc_to_choice: item 6: expected a list, found []"),
    "no split": (edits("split: test", "split: tset"), "test_split: the task's data have no split 'tset'"),
    "another name": (
        edits("task: pick", "task: pack"),
        "task: expected 'pick', the file's name, found 'pack'",
    ),
    "no YAML": (lambda: PICK.write_text("a: [1,\n"), "not a YAML mapping: ParserError: "),
    "no mapping": (lambda: PICK.write_text("- a\n"), "not a YAML mapping: "),
    "empty YAML": (lambda: PICK.write_text(""), "not a YAML mapping: "),
    "no include": (
        edits("task: pick", "include: no.yaml\ntask: pick"),
        "include: seeds/tasks/no.yaml: no such file",
    ),
    "no module": (edits(ASK, "doc_to_text: !function nomod.ask"), "!function: ImportError: "),
    "no function": (lambda: function("def other(doc): ...\n"), "!function: AttributeError: "),
    "a module that cannot be read": (lambda: function("def ask(doc:\n"), "!function: SyntaxError: "),
    "a module that raises": (lambda: function("1 / 0\n"), "!function: ZeroDivisionError: "),
    "a function that raises": (lambda: function(RAISES), "doc_to_text: TypeError: too many"),
    "no such metric": (
        edits("metric: acc_norm", "metric: ack"),
        "metric_list: no 'ack'; the task measures acc",
    ),
    "no such aggregation": (edits(": mean", ": meen"), "metric_list: acc: no such aggregation: 'meen'"),
    "no such filter": (adds(FILTER % "regx"), "filter_list: "),
    "a filter's pattern": (adds(FILTER % 'regex, regex_pattern: "(("'), "filter_list: "),
    "too few worked examples": (edits("pick: {", "pick: {shots: 13, ", PARAMS), ""),
}
NOWHERE = "there is no seeds/tasks/pick.yaml, and pick is no task of lm-eval"
ELSEWHERE = {
    "worked examples fixed at none": (
        lambda: (adds("num_fewshot: 0\n")(), edits("pick: {", "pick: {shots: 1, ", PARAMS)()),
        f"params.yaml: tasks.pick.shots: 1: {PICK} has num_fewshot fixed at 0",
    ),
    "no chat_template": (
        edits("pick: {chat_template: false, ", "pick: {", PARAMS),
        "params.yaml: tasks.pick: 'chat_template' is missing",
    ),
    "no such task": (
        edits("pick: {", "pcik: {", PARAMS),
        "no task named 'pick' under tasks; did you mean pcik?",
    ),
    "neither here nor in lm-eval": (PICK.unlink, f"tasks.pick: {NOWHERE}"),
}
ERRORS = {name: (breaks, f"{PICK}: {line}") for name, (breaks, line) in IN_THE_YAML.items()} | ELSEWHERE


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(name, marks=pytest.mark.slow if name == "neither here nor in lm-eval" else ())  # 10 s
        for name in ERRORS
    ],
)
def test_an_error_is_one_clear_line_and_nothing_is_written(lem, error):
    breaks, expected = ERRORS[error]
    breaks()
    one_line(lem(*RUN, code=1), expected)


def one_line(shown, expected):
    assert shown.stderr.startswith("Error: ") and expected in shown.stderr
    assert shown.stderr.count("\n") == 1, "one line"
    assert str(Path.cwd()) not in shown.stderr
    assert not layout.items("pick").exists() and not layout.task("pick").exists()


STATED = {
    "top_k: 8": "top_k: expected one of until, do_sample, temperature, top_p, max_gen_toks",
    "max_gen_toks: 0": "max_gen_toks: expected 1 or more, found 0",
    "max_gen_toks: many": "max_gen_toks: expected 1 or more, found 'many'",
    "temperature: -1": "temperature: expected 0 (greedy) or more, found -1",
    "top_p: 2": "top_p: expected more than 0 and at most 1, found 2",
    "do_sample: 1": "do_sample: expected true or false, found 1",
}


@pytest.mark.parametrize("stated", STATED)
def test_settings_of_a_generation_that_are_not_understood(lem, stated):
    replace(TELL, "do_sample: false, temperature: 0.0, max_gen_toks: 8", stated)
    one_line(lem("task", "--task", "tell", code=1), f"{TELL}: generation_kwargs: {STATED[stated]}")
    assert not layout.items("tell").exists()


def test_old_records_stay_where_a_task_is_at_fault(lem):
    lem(*RUN)
    before = layout.items("pick").read_bytes(), layout.task("pick").read_bytes()
    replace(PICK, "{{question}}", "{{query}}")
    shown = lem(*RUN, code=1)
    assert f"{PICK}: doc_to_text: " in shown.stderr
    assert (layout.items("pick").read_bytes(), layout.task("pick").read_bytes()) == before


def entry(name):
    replace(Path("params.yaml"), "  pick: {", f"  {name}: {{chat_template: false}}\n  pick: {{")


def test_tasks_that_lm_eval_comes_with(lem):
    """Their data lie on a hub, which no test reaches; a group has none of its own."""
    for name in ("arc_easy", "mmlu", "arc_eazy"):
        entry(name)
    one_line(lem("task", "--task", "arc_easy", code=1), "task arc_easy: its data could not be reached: ")
    group = "tasks.mmlu: there is no seeds/tasks/mmlu.yaml, and mmlu is a group of tasks; name each of them"
    one_line(lem("task", "--task", "mmlu", code=1), group)
    one_line(
        lem("task", "--task", "arc_eazy", code=1), "arc_eazy is no task of lm-eval; did you mean arc_easy?"
    )
