"""Question files as people have them, and a hub that gives them: read as they are, or named by place."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import duckdb
import pytest

from lem import params, question_files, questions
from lem.errors import LemError
from lem.params import BenchmarkSpec
from lem.record_files import sha256
from lem.records import Item

ROWS = [
    {"id": "1", "question": "Wäre 2 + 2 …?", "answer": "4"},
    {"id": "2", "question": 'Say "yes", or no;\nif you are sure.', "answer": "#### yes"},
]
LISTED = [
    {
        "id": "1",
        "question": "Blue?",
        "best": "Blue.",
        "right": ["Sky blue.", "Blue."],
        "wrong": ["Red.", "Red."],
    },
    {"id": "2", "question": "Where?", "best": "Here.", "right": ["There."], "wrong": ["Now – here.", "No."]},
]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def table(name: str, rows: list[dict], query: str = "select * from rows") -> str:
    """Write rows as a table by DuckDB and return its name."""
    Path("rows.json").write_text(json.dumps(rows))
    with duckdb.connect() as con:
        con.execute("create view rows as select * from read_json('rows.json', format = 'array')")
        kind = "(format parquet)" if name.endswith("parquet") else "(format csv, header)"
        con.execute(f"copy ({query}) to '{name}' {kind}")
    return name


def lines(name: str, rows: list[dict]) -> str:
    Path(name).write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return name


def spec(file: str, **more) -> BenchmarkSpec:
    return BenchmarkSpec("b", file, **{"prompt": "question", "answer": "answer", **more})


LISTS = {"answer": "best", "correct": "right", "incorrect": "wrong", "score": ("multiple_choice",)}


def read(file: str, **more) -> list[Item]:
    return questions.read_items(spec(file, **more))


def says(file: str, **more) -> str:
    """Return the one line with which a question file is refused."""
    with pytest.raises(LemError) as caught:
        read(file, **more)
    assert "\n" not in caught.value.message and len(caught.value.message) <= 400
    return caught.value.message


def test_json_lines_csv_and_parquet_hold_the_same_items():
    first = read(lines("q.jsonl", ROWS))
    assert [(one.item_id, one.question, one.gold) for one in first] == [tuple(row.values()) for row in ROWS]
    for name in ("q.csv", "q.CSV", "q.parquet"):
        text = "select id::varchar as id, question, answer::varchar as answer from rows"
        assert read(table(name, ROWS, text)) == first, name


def test_items_of_json_lines_have_the_sha_they_always_had():
    row = {"question": "é", "id": "1", "answer": "2", "note": [None, 1.5]}
    (item,) = read(lines("q.jsonl", [row]))
    assert item.sha == sha256(json.dumps(row, sort_keys=True, ensure_ascii=False))
    assert (item.correct, item.incorrect, item.choices) == (None, None, [])


@pytest.mark.parametrize("name", ["q.jsonl", "q.csv", "q.parquet"])
def test_without_an_id_the_row_is_its_number(name):
    text = "select question, answer::varchar as answer from rows"
    if name == "q.jsonl":
        rows = [{key: row[key] for key in ("question", "answer")} for row in ROWS]
        Path(name).write_text(f"{json.dumps(rows[0])}\n\n{json.dumps(rows[1])}\n")
    else:
        table(name, ROWS, text)
    assert [one.item_id for one in read(name, id=None)] == ["1", "2"]
    assert [one.item_id for one in read(name, id=None, limit=1)] == ["1"]
    assert ".id: is missing; the fields are: question, answer" in says(name)


CSVS = {
    "other separators in the text": (
        "question,answer\nA; B; C,yes\nD; E; F,no\n",
        [("A; B; C", "yes"), ("D; E; F", "no")],
    ),
    "one column": ("question\nWhat; is; it?\nWhy; not; so?\n", ["What; is; it?", "Why; not; so?"]),
    "text that looks like a comment": ("question,answer\n#a,1\n#b,2\n", [("#a", "1"), ("#b", "2")]),
    "numbers as they are written": ("question,answer\n007,1.50\n", [("007", "1.50")]),
    "one line only of data": ("question,answer\nWhy?,yes\n", [("Why?", "yes")]),
    "Windows": ("\ufeffquestion,answer\r\nWhy?,yes\r\n\r\nHow?,no\r\n", [("Why?", "yes"), ("How?", "no")]),
    "no end": ("question,answer\nWhy?,yes", [("Why?", "yes")]),
    "words that mean nothing": ("question,answer\nNULL,nan\n", [("NULL", "nan")]),
    "a long one": ("question,answer\n" + "x" * 1_000_000 + ",y\n", [("x" * 1_000_000, "y")]),
}


@pytest.mark.parametrize("what", CSVS)
def test_a_csv_is_read_as_it_stands(what):
    text, expected = CSVS[what]
    Path("q.csv").write_text(text, newline="")
    one = isinstance(expected[0], str)
    found = read("q.csv", id=None, answer=None if one else "answer")
    assert [item.question if one else (item.question, item.gold) for item in found] == expected


BAD = {
    "missing": ("q.csv", None, "q.csv: no such file"),
    "missing Parquet": ("q.parquet", None, "q.parquet: no such file"),
    "missing JSON Lines": ("q.jsonl", None, "q.jsonl: no such file"),
    "not UTF-8": ("q.csv", b"id,question,answer\n1,\xff,2\n", "q.csv: not UTF-8: "),
    "not UTF-8 lines": ("q.jsonl", b'{"id": "\xff"}\n', "q.jsonl: not UTF-8: "),
    "no Parquet": ("q.parquet", b"id,question,answer\n1,2,3\n", "q.parquet: not a Parquet table: "),
    "half a Parquet": ("q.parquet", b"PAR1\x00\x00", "q.parquet: not a Parquet table: "),
    "empty": ("q.csv", b"", "q.csv: no items; expected a question a line (JSONL) or row (CSV, Parquet)"),
    "names only": ("q.csv", b"id,question,answer\n", "q.csv: no items; "),
    "a field too many": (
        "q.csv",
        b"id,question,answer\n1,2,3\n1,2,3,4\n",
        "q.csv:3: expected 3 fields, found 4",
    ),
    "a field too few": ("q.csv", b"id,question,answer\n1,2\n", "q.csv:2: expected 3 fields, found 2"),
    "an open quote": ("q.csv", b'id,question,answer\n1,"2,3\n', "q.csv:2: not a line of CSV: unexpected end"),
    "text behind a quote": ("q.csv", b'id,question,answer\n1,"2"x,3\n', "q.csv:2: not a line of CSV: "),
    "a column twice": ("q.csv", b"id,question,id\n1,2,3\n", "q.csv:1: column 'id' is there twice"),
    "an empty cell": (
        "q.csv",
        b"id,question,answer\n1,2,\n",
        "q.csv:2: .answer: expected a non-empty string",
    ),
    "an id twice": ("q.csv", b"id,question,answer\n1,2,3\n1,2,3\n", "q.csv:3: .id: 1 is there twice"),
    "nested without end": ("q.jsonl", b"[" * 100_000, "q.jsonl:1: not one line of JSON: "),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_file_is_one_line_that_names_the_place(what):
    name, content, expected = BAD[what]
    if content is not None:
        Path(name).write_bytes(content)
    assert says(name).startswith(expected)


def test_a_folder_is_no_question_file():
    for name in ("q.jsonl", "q.csv", "q.parquet"):
        Path(name).mkdir()
        assert says(name) == f"{name}: no such file"


def test_a_parquet_row_is_named_by_its_number():
    text = "select id::varchar as id, question, if(id = 2, null, answer) as answer from rows"
    table("q.parquet", ROWS, text)
    assert says("q.parquet") == "q.parquet: row 2: .answer: expected a non-empty string, found None"


def test_a_name_with_a_pattern_in_it_is_a_name(tmp_path):
    table("q.parquet", ROWS, "select id::varchar as id, question, answer from rows")
    table("q[1]*.parquet", ROWS[:1], "select id::varchar as id, question, answer from rows")
    table("q1x.parquet", ROWS, "select id::varchar as id, question, answer from rows")
    assert len(read("q[1]*.parquet")) == 1


def test_numbers_and_dates_of_a_parquet_are_text_and_shape_the_sha():
    text = "select 7 as id, 'How?' as question, 1.50 as answer, date '2024-01-31' as asked, 1e3::double as n"
    table("q.parquet", ROWS, text)
    (item,) = read("q.parquet")
    assert (item.item_id, item.gold) == ("7", "1.50")
    table("q.parquet", ROWS, text.replace("31", "30"))
    assert read("q.parquet")[0].sha != item.sha


CHOICES = [
    [("Blue.", True), ("Sky blue.", True), ("Red.", False)],
    [("Here.", True), ("There.", True), ("Now – here.", False), ("No.", False)],
]


@pytest.mark.parametrize("name", ["q.jsonl", "q.parquet"])
def test_given_answers_begin_with_the_best_and_have_none_twice(name):
    if name == "q.jsonl":
        lines(name, LISTED)
    else:
        table(name, LISTED, 'select id::varchar as id, question, best, "right", wrong from rows')
    found = read(name, **LISTS)
    assert [item.choices for item in found] == CHOICES
    assert [item.gold for item in found] == ["Blue.", "Here."]
    assert found[1].incorrect == '["Now – here.", "No."]'


def test_without_a_best_answer_the_first_right_one_is_the_first_choice():
    (item, _) = read(lines("q.jsonl", LISTED), **{**LISTS, "answer": None})
    assert item.choices == [("Sky blue.", True), ("Blue.", True), ("Red.", False)]
    assert item.gold is None


def test_lists_are_kept_of_an_open_question_too():
    (item, _) = read(lines("q.jsonl", LISTED), **{**LISTS, "score": ()})
    assert item.choices == CHOICES[0]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"right": "Blue."}, ".right: expected a list of answers, found 'Blue.'"),
        ({"right": []}, ".right: expected a list of answers, found []"),
        ({"wrong": None}, ".wrong: expected a list of answers, found None"),
        ({"wrong": {"a": "Red."}}, ".wrong: expected a list of answers, found {'a': 'Red.'}"),
        ({"wrong": ["Red.", ""]}, ".wrong: expected a non-empty string, found ''"),
        ({"wrong": ["Red.", None]}, ".wrong: expected a non-empty string, found None"),
        ({"wrong": [["Red."]]}, ".wrong: expected a non-empty string, found ['Red.']"),
        ({"wrong": ["\ud83d"]}, ".wrong: half a surrogate pair"),
        ({"wrong": ["Red.", "Sky blue."]}, ".wrong: 'Sky blue.' is a right answer too"),
        ({"wrong": ["Blue."], "right": ["Sky."]}, ".wrong: 'Blue.' is a right answer too"),
        ({"best": "Red."}, ".wrong: 'Red.' is a right answer too"),
        ({"wrong": ["x" * 1000, 3.5, True]}, ".wrong: expected a non-empty string, found True"),
    ],
)
def test_answers_that_cannot_be_chosen_from_are_named(change, expected):
    Path("q.jsonl").write_text(
        json.dumps({**LISTED[1], "id": "0"}) + "\n" + json.dumps({**LISTED[0], **change})
    )
    assert says("q.jsonl", **LISTS).startswith(f"q.jsonl:2: {expected}")


def test_numbers_may_be_given_answers():
    (item,) = read(
        lines("q.jsonl", [{**LISTED[0], "best": 4, "right": [4, "4"], "wrong": [5, 5.5]}]), **LISTS
    )
    assert item.choices == [("4", True), ("5", False), ("5.5", False)]


def test_half_a_pair_in_a_field_that_nobody_reads_is_let_be():
    Path("q.jsonl").write_text(json.dumps({**ROWS[0], "note": "\ud83d"}) + "\n")
    (item,) = read("q.jsonl")
    assert len(item.sha) == 64


def test_a_multiple_choice_benchmark_needs_items_with_answers_to_choose_from(lem, study):
    """Items written before the benchmark became one: nothing would be asked, and nobody told."""
    lem("items", "--benchmark", "sums")
    text = Path("params.yaml").read_text()
    chosen = "correct: right, incorrect: wrong, score: multiple_choice"
    Path("params.yaml").write_text(text.replace("score: number", chosen))
    with pytest.raises(LemError, match=r"S01 has no answers to choose from; .*: lem items --benchmark sums"):
        questions.choices(params.load().benchmark("sums"))


# A hub: what huggingface_hub asks of one, on loopback.

COMMIT, OTHER = "0123456789abcdef0123456789abcdef01234567", "f" * 40
HUB = f"org/set@{COMMIT}/main/test.jsonl"
CONTENT = "".join(json.dumps({**row, "answer": "3"}) + "\n" for row in ROWS).encode()


class Hub(BaseHTTPRequestHandler):
    """Serves one file of one data set at one commit, and remembers what it was asked for."""

    def do_HEAD(self):
        self.answer(b"")

    def do_GET(self):
        self.answer(CONTENT)

    def answer(self, body: bytes) -> None:
        self.server.asked.append((self.command, self.path))
        there = self.path == f"/datasets/org/set/resolve/{COMMIT}/main/test.jsonl"
        known = self.path.startswith(f"/datasets/org/set/resolve/{COMMIT}/")
        self.send_response(200 if there else 404)
        if there:
            self.send_header("ETag", f'"{sha256(CONTENT)}"')
        elif known:
            self.send_header("X-Error-Code", "EntryNotFound")
        else:
            self.send_header("X-Error-Code", "RevisionNotFound")
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(CONTENT) if there else 0))
        self.end_headers()
        if there:
            self.wfile.write(body[: self.server.cut])

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def hub(study):
    """A study whose `given` benchmark is on a hub that serves until the test is over."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.asked, server.cut = [], None
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    declared(HUB)
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def declared(where: str | None) -> None:
    """Write the benchmark into params.yaml, once more in its place if it is there."""
    before = Path("params.yaml").read_text().split("  given:")[0]
    named = f", hub: {where}" if where else ""
    Path("params.yaml").write_text(
        f"{before}  given: {{file: seeds/given/test.jsonl, prompt: question, answer: answer{named}}}\n"
    )


AT_ONCE = (
    "import time; time.sleep = lambda seconds: None; from lem.cli import main; main()"  # the hub retries
)


def fetch(port: int) -> subprocess.CompletedProcess[str]:
    """Run `lem items --fetch` as a user who has never been at this hub before."""
    env = {**os.environ, "HF_HUB_OFFLINE": "0", "HF_HOME": "hf-home", "NO_PROXY": "127.0.0.1"}
    env |= {
        "HF_ENDPOINT": f"http://127.0.0.1:{port}",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",
    }
    words = [
        sys.executable,
        "-c",
        AT_ONCE,
        "items",
        "--benchmark",
        "given",
        "--fetch",
    ]
    return subprocess.run(words, env=env, capture_output=True, text=True, check=False, timeout=120)


FILE = Path("seeds/given/test.jsonl")


def refused(done: subprocess.CompletedProcess[str], says: str) -> None:
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1 and says in errors[0] and len(errors[0]) < 500
    assert "Traceback" not in done.stderr
    assert not Path("data/items/given.jsonl").exists()
    assert not FILE.exists() or list(FILE.parent.iterdir()) == [FILE]


def test_a_file_is_fetched_from_the_hub_at_its_commit(hub):
    done = fetch(hub.server_port)
    assert done.returncode == 0, done.stderr
    assert FILE.read_bytes() == CONTENT
    assert done.stdout == (
        f"{FILE}: fetched from {HUB}, sha256 {sha256(CONTENT)[:12]}\ndata/items/given.jsonl: 2 items\n"
    )
    assert len(questions.items("given")) == 2
    path = f"/datasets/org/set/resolve/{COMMIT}/main/test.jsonl"
    assert hub.asked == [("HEAD", path), ("GET", path)]
    assert list(FILE.parent.iterdir()) == [FILE]
    assert fetch(hub.server_port).returncode == 0, "it is there, and the same"


def test_a_file_that_is_there_and_differs_is_not_overwritten(hub):
    FILE.parent.mkdir()
    FILE.write_text("mine\n")
    refused(
        fetch(hub.server_port), f"{FILE}: is there and differs from {HUB}; move it away, then fetch again"
    )
    assert FILE.read_text() == "mine\n"


@pytest.mark.parametrize(
    ("where", "says"),
    [
        (f"org/set@{COMMIT}/none.jsonl", "Entry Not Found"),
        (f"org/set@{OTHER}/main/test.jsonl", "Revision Not Found"),
        (f"org/.set..@{COMMIT}/main/test.jsonl", "Repo id"),
    ],
)
def test_what_the_hub_has_not_is_told_in_its_words(hub, where, says):
    declared(where)
    refused(fetch(hub.server_port), f"benchmarks.given.hub: {where}: the hub did not give it: ")
    refused(fetch(hub.server_port), says)
    assert not FILE.exists()


def test_a_download_that_breaks_off_leaves_nothing(hub):
    hub.cut = 20
    refused(fetch(hub.server_port), f"params.yaml: benchmarks.given.hub: {HUB}: the hub did not give it: ")
    assert not FILE.exists()


def test_a_hub_that_is_not_there(hub):
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as closed:
        port = closed.server_port
    refused(fetch(port), "the hub did not give it: ")


@pytest.mark.parametrize(
    "where",
    [
        None,
        "org/set@main/main/test.jsonl",
        f"org/set@{COMMIT}",
        f"set@{COMMIT}/test.jsonl",
        f"org/set@{COMMIT[:12]}/test.jsonl",
        f"org/set@{COMMIT.upper()}/test.jsonl",
        f"org/set/{COMMIT}/test.jsonl",
        f"org/set@{COMMIT}/two words.jsonl",
    ],
)
def test_a_place_on_the_hub_names_a_commit(where, tmp_path):
    """A branch moves, and with it every score."""
    with pytest.raises(LemError) as caught:
        question_files.fetch(where, tmp_path / "t.jsonl", "benchmarks.given")
    assert caught.value.message == (
        f"params.yaml: benchmarks.given.hub: expected ORG/NAME@REVISION/FILE, 40 hex digits, found {where!r}"
    )
