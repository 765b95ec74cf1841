"""`lem mapping`: every file is on the page, every count is right, and the same data give the same bytes."""

import contextlib
import hashlib
import json
import os
import re
import shutil
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from lem import doctor, layout, mapping, record_files, sandbox, whole_tables
from lem.cli import main
from lem.errors import LemError
from lem.ingest import ingest
from lem.mapping import contents, plain, sections, shapes, tree
from lem.params_imports import ImportSpec
from lem.records import Item, Loss, Model, Note, Response, Run, Score

ROOT = Path(__file__).parents[1]
UPSTREAM = Path(os.environ.get("LEM_UPSTREAM", ROOT.parent / "shared" / "upstream"))
SHA = "abcdef0123456789" * 4
LONG = "Was it so, or was it not? " * 9
RIGHT = {"m": [1, 1, 1, 1, 1, 0, 0, 0], "lek.s0": [1, 1, 0, 0, 0, 0, 0, None]}
SECONDS = {"m": 2.0, "lek.s0": 3.0}
PIPE = re.compile(r"(?<!\\)\|")


def asked(name, role, prompts, mode):
    """Write a run of eight answers and its log; the fine-tune thinks aloud in every second one."""
    run_id = hashlib.sha256(f"{name}{prompts}{mode}".encode()).hexdigest()[:16]
    run = Run(
        run_id=run_id, source="own", model=name, prompts=prompts, mode=mode, prompt_set_sha=SHA,
        kernel_sha=None, template="T", shots=None, weights_sha=SHA, adapter_sha=None, temperature=0.0,
        top_p=None, max_tokens=8, samples=1, batch_size=4, seed=None, engine="mlx 1.0, recipe 1",
        device="cpu", blas="mkl 1", settings_sha=SHA, responses=8,
    )  # fmt: skip
    record_files.write_json(layout.log(name, prompts, mode, "json"), run)
    record_files.write_whole(layout.log(name, prompts, mode, "log"), "Loaded\n\n[1/8] done\n")
    answers = [
        Response(
            seed_id=f"i{i}", prompt=LONG, response="x" * i, gen_time=SECONDS[name], chars=i, mode=mode,
            model=name, prompts=prompts, prompt_sha=SHA, run_id=run_id, tokens=3, finish_reason="stop",
            batch_size=4, reasoning="xxx" if role == "fine-tuned" and i % 2 else None,
        )
        for i in range(8)
    ]  # fmt: skip
    given = layout.answers(prompts, name) if prompts == "sums" else None
    record_files.write_jsonl(given or layout.responses(role, name, prompts, mode), answers)
    return run_id


def model(card):
    seed = card.seed if card.role == "fine-tuned" else None
    record_files.write_json(layout.model_record(card.role, card.entry or card.name, seed), card)
    for mode in ("naked", "sandwich"):
        asked(card.name, card.role, "validation", mode)
    run_id = asked(card.name, card.role, "sums", "naked")
    scores = [
        Score(run_id, card.name, "sums", f"i{i}", "exact_match", value, filter="flexible",
              error=None if value is not None else "no number")
        for i, value in enumerate(RIGHT[card.name])
    ]  # fmt: skip
    record_files.write_jsonl(layout.scores("sums", card.name), scores)


def own():
    """Write a baseline, its fine-tune, their runs, scores and questions, and weights that nobody reads."""
    model(Model("m", family="f", scale="1M", variant="plain", origin="pypi:m==1", weights_sha=SHA))
    model(
        Model(
            "lek.s0", role="fine-tuned", family="f", scale="1M", variant="lek", base="m", entry="lek", seed=0
        )
    )
    items = [Item("sums", f"i{i}", "What?", "4", SHA, cluster="c") for i in range(8)]
    record_files.write_jsonl(layout.items("sums"), items)
    losses = [Loss("lek.s0", 1, "train", 3.0, 1e-4, 100, 1.5), Loss("lek.s0", 1, "valid", 3)]
    record_files.write_jsonl(layout.training_log("lek", 0, "jsonl"), losses)
    record_files.write_json(
        layout.benchmark_file("sums", "m"), {"label": "m", "results": [{"q": 1}, {"q": 2}]}
    )
    record_files.write_whole(layout.model("m") / "model.safetensors", "w" * 1500)
    record_files.write_whole(layout.DATA / "answers" / ".hidden.jsonl", "{}\n")


def dump(folder):
    """Write somebody's dump: two questions, two answers of two shapes."""
    rows = {
        "numbers.jsonl": [{"id": f"N{n}", "prompt": "2 + 2?", "correct_answer": "4"} for n in (1, 2)],
        "results/numbers_base.jsonl": [
            {"id": "N1", "prompt": "2 + 2?", "response": "4", "gen_time": 0.5},
            {"id": "N2", "response": "It is 4", "prompt": "2 + 2?", "time": 1, "reasoning": "r"},
            {"id": "N9", "prompt": "?", "response": "4"},
        ],
    }
    for name, listed in rows.items():
        lines = "".join(json.dumps(row) + "\n" for row in listed)
        record_files.write_whole(folder / name, lines)
    return folder


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty study, which is also the working folder."""
    folder = tmp_path / "study"
    folder.mkdir()
    monkeypatch.chdir(folder)
    doctor.write_pin()
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A study with an import and its tables; shared, so nobody writes there."""
    folder = tmp_path_factory.mktemp("mapping") / "study"
    folder.mkdir()
    with contextlib.chdir(folder):
        doctor.write_pin()
        own()
        theirs = str(dump(folder.parent / "theirs"))
        for words in (["ingest", "lem-standard", theirs, "--as", "theirs"], ["warehouse"]):
            result = CliRunner().invoke(main, words)
            assert result.exit_code == 0, (result.output, result.exception)
    return folder


@pytest.fixture
def study(made, tmp_path, monkeypatch):
    """A copy of the study, which is also the working folder."""
    folder = shutil.copytree(made, tmp_path / "study")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def page(lem):
    def made():
        lem("mapping")
        return (layout.REPORTS / "DATA_MAPPING.md").read_text(encoding="utf-8")

    return made


@pytest.fixture
def con():
    with duckdb.connect(":memory:") as con:
        yield con


def section(text, head):
    """Return what stands below a heading, up to the next of its rank."""
    mark = re.match("#+", head)[0]
    start = text.index(f"\n{head}\n") + len(head) + 2
    end = re.search(rf"\n#{{1,{len(mark)}}} ", text[start:])
    return text[start : start + end.start()] if end else text[start:]


def raw_file(name, content=b"{}\n"):
    path = layout.imported("theirs") / "raw" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


# The index


def test_each_file_is_told_by_its_rows(study, page):
    index = section(page(), "## Files index")
    for line in (
        "| answers/sums/m.jsonl | 8 | JSONL (seed_id, prompt, response, gen_time, chars, mode and 12 more) "
        "| Responses | m | 8 answers to sums, mode naked |",
        "| scores/sums/lek.s0.jsonl | 8 | JSONL (run_id, model, benchmark, item_id, metric, value "
        "and 3 more) | Scores | lek.s0 | 8 scores of sums; metric: exact_match |",
        "| items/sums.jsonl | 8 | JSONL (benchmark, item_id, question, gold, sha, source and 2 more) "
        "| Items | - | 8 questions of sums |",
        "| logs/m-sums-naked.log | 3 lines | text log | Log | m | 3 lines of the log of sums, mode naked |",
        "| benchmarks/sums-m.json | 2 | JSON (label, results) | Benchmark result | - | 2 rows |",
        "| imported/theirs/quarantine.jsonl | 1 | JSONL (source, file, line, reason, text) | Quarantine | - "
        "| 1 quarantined row |",
        "| imported/theirs/raw.sha256 | - | sha256 | Other file | - | not read |",
    ):
        assert line in index.splitlines()
    assert "1 model record; role: fine-tuned" in index
    assert "2 loss values, mode naked; split: train, valid" in index
    assert ".hidden" not in index


def test_every_file_of_data_is_in_the_index_or_the_raw_tables(study, page):
    text = page()
    files = [p.relative_to("data") for p in Path("data").rglob("*") if p.is_file() and p.name[0] != "."]
    for file in (file for file in files if file.parts[0] != "models"):
        raw = "raw" in file.parts
        shown = Path(*file.parts[3:]) if raw else file
        assert f"| {shown.as_posix()} | " in text, file


def test_many_files_are_grouped_by_folder_with_the_same_rows(study, page, monkeypatch):
    monkeypatch.setattr(sections, "LISTED", 3)
    index = section(page(), "## Files index")
    assert "| answers/sums/ | 2 | 16 | JSONL (" in index
    assert "| Responses | lek.s0, m | 16 answers to sums, mode naked |" in index
    assert "| imported/theirs/ | 1 | 1 | JSONL (" in index
    assert "answers/sums/m.jsonl" not in index
    assert "### Raw copies of theirs" in index  # they are listed one by one all the same
    assert "| results/numbers\\_base.jsonl |" not in index
    assert "| results/numbers_base.jsonl | 3 | JSONL (" in index


def test_raw_files_are_listed_with_rows_and_hash(study, page):
    raw_file("readme.txt", b"one\ntwo")
    sha = hashlib.sha256(b"one\ntwo").hexdigest()[:12]
    raw = section(page(), "### Raw copies of theirs")
    assert f"| readme.txt | 2 lines | text | {sha} |" in raw
    content = (layout.imported("theirs") / "raw/numbers.jsonl").read_bytes()
    sha = hashlib.sha256(content).hexdigest()[:12]
    assert f"| numbers.jsonl | 2 | JSONL (id, prompt, correct_answer) | {sha} |" in raw


def test_raw_files_beyond_the_list_are_counted(study, page, monkeypatch):
    monkeypatch.setattr(sections, "RAW_LISTED", 1)
    raw = section(page(), "### Raw copies of theirs")
    assert "| numbers.jsonl |" in raw and "results/" not in raw
    assert "and 1 file more; rows: 3" in raw


def test_weights_are_left_out(study, page):
    """A clone that has not rebuilt them yet must give the same page."""
    text = page()
    assert "safetensors" not in text and "── models/" not in text


# The summary


def test_the_summary_counts_files_rows_models_sets_and_modes(study, page):
    summary = section(page(), "## Summary by category")
    row = (
        "| Responses | 7 | 50 | own, theirs | base, lek.s0, m | numbers, sums, validation | naked, sandwich |"
    )
    assert row in summary
    assert "| Quarantine | 1 | 1 | theirs | - | - | - |" in summary
    assert "| Log | 6 | 18 lines | own | - | - | - |" in summary


def test_prompt_sets_have_the_range_of_their_items(study, page):
    sets = section(page(), "### Prompt sets and their items")
    assert "| Responses | own | validation | 4 | 32 | 2 | naked, sandwich | i0 | i7 |" in sets
    assert "| Items | theirs | numbers | 1 | 2 | - | - | N1 | N2 |" in sets


# The shapes


def test_a_shape_counts_values_nulls_and_what_is_left_out(study, page):
    responses = section(page(), "### Responses")
    assert "50 rows in 7 files." in responses
    assert "| gen_time | number | 50 | 0 | 0 |" in responses
    rows = [row for file in layout.files("responses") for row in record_files.read_jsonl(file, Response)]
    thought = sum(row.reasoning is not None for row in rows)
    assert 0 < thought < 50 and f"| reasoning | string | {thought} | {50 - thought} | 0 |" in responses
    assert "| is_refusal | always null | 0 | 50 | 0 |" in responses
    assert "logprob" not in responses  # no row has it
    assert "| loss | number | 2 | 0 | 0 |" in section(page(), "### Losses")  # 3.0 and 3


def test_a_field_that_some_rows_leave_out_says_so(home, con):
    record_files.write_whole(
        layout.items("x"), '{"benchmark": "x", "a": 1}\n{"benchmark": "x", "a": null}\n{"b": 2}\n'
    )
    told = dict(one[::2] for one in shapes.shapes(contents.survey(con).entries))
    assert "| a | integer | 1 | 1 | 1 |" in told["Items"]
    assert "| b | integer | 1 | 0 | 2 |" in told["Items"]


def test_an_example_is_json_with_short_texts(study, page):
    line = re.search(r"```json\n(.*)\n```", section(page(), "### Responses"))[1]
    row = json.loads(line)
    assert row["prompt"] == LONG[:57] + "..."
    assert row["gen_time"] == 3.0 and row["model"] == "lek.s0"  # the first file by name
    assert max(len(value) for value in row.values() if isinstance(value, str)) == 60


@pytest.mark.parametrize("text", ["\u0085\u2028", "```", "\x00\x1b[31m", "\u202eevil"])
def test_an_example_cannot_break_the_page(home, con, text):
    record_files.write_whole(layout.items("x"), json.dumps({"question": text}, ensure_ascii=False) + "\n")
    example = shapes.shapes(contents.survey(con).entries)[0][3]
    assert json.loads(example) == {"question": text}
    assert example.isprintable() and example.startswith("{")


def test_raw_shapes_are_the_sets_of_keys_with_their_counts(study, page):
    raw_file(
        "scores.json", b'{"label": "B", "results": [{"gold": 1}, {"gold": 2}, {"gold": 3, "x": 1}], "n": [1]}'
    )
    sets = section(page(), "### Raw shapes of theirs")
    for line in (
        "- 2 rows in 1 file: (id, prompt, correct_answer)",
        "- 1 row in 1 file: (id, prompt, response, gen_time)",
        "- 1 row in 1 file: (id, response, prompt, time, reasoning)",
        "- 1 row in 1 file: (label, results, n)",
        f"- 2 rows in 1 file, in {sections.shown('results[]')}: (gold)",
        f"- 1 row in 1 file, in {sections.shown('results[]')}: (gold, x)",
    ):
        assert line in sets.splitlines()


def test_the_order_of_keys_makes_no_other_set(home, con):
    raw_file("a.jsonl", b'{"a": 1, "b": 2}\n{"b": 1, "a": 2}\n')
    (one,) = plain.look(con, layout.imported("theirs") / "raw/a.jsonl").sets
    assert (one.rows, one.keys) == (2, ("a", "b"))


@pytest.mark.parametrize(
    ("name", "content", "rows", "unit"),
    [
        ("a.json", b'[{"a": 1}, {"b": 1}, 2]', 3, "row"),
        ("a.json", b'{"a": 1}', 1, "row"),
        ("a.json", b'{"a": ', 1, "line"),
        ("a.json", '{"a": 1}'.encode("utf-16"), 1, "line"),
        ("a.json", b'{"a": "\xff"}', 1, "line"),
        ("a.json", b"", 0, "row"),
        ("a.json", b'{"\\ud800": 1, "\\u0000": [{"\\ud800": 1}]}\n', 1, "line"),
        ("a.json", b"[" * 50_000 + b"]" * 50_000, 1, "row"),
        ("a.jsonl", b'{"a": 1}\nnonsense\n[1]\n', 3, "row"),
        ("a.jsonl", b'{"a": "\xff"}\n{"a": 1}\n', 2, "row"),
        ("a.jsonl", b"", 0, "row"),
        ("a.log", b"\x00\xff\r\nx", 2, "line"),
        ("a", b"\n\n\n", 3, "line"),
    ],
)
def test_whatever_a_raw_file_holds_it_is_counted(home, con, name, content, rows, unit):
    seen = plain.look(con, raw_file(name, content), hashed=True)
    assert (seen.rows, seen.unit) == (rows, unit)
    assert seen.sha == hashlib.sha256(content).hexdigest()
    assert (seen.trouble is not None) == (name == "a.json" and unit == "line")


def test_a_thousand_sets_of_keys_are_counted_not_shown(home, con):
    raw_file("a.jsonl", b"".join(b'{"k%d": 1}\n' % n for n in range(1000)))
    seen = plain.look(con, layout.imported("theirs") / "raw/a.jsonl")
    assert (seen.rows, len(seen.sets), seen.more) == (1000, plain.MOST_SETS, 1000 - plain.MOST_SETS)


# The observations


def test_each_observation_stands_with_its_query_and_follows_from_it(study, page):
    text = page()
    with sandbox.connect(layout.TABLES) as tables:
        for name, sql in mapping.queries().items():
            assert f"```sql\n{sql}```" in text, name
            rows = tables.execute(sql).fetchall()
            assert all(f"| {sections.shown(row[0])} | " in text for row in rows), name


def test_variants_and_speed(study, page):
    text = page()
    assert "| own | f | 1M | fine-tuned | lek | 1 | lek.s0 |" in section(text, "### Variants and scales")
    speed = section(text, "### Speed")
    assert "| own | lek.s0 | sums | naked | 4 | 8 | 3.0 | m | 1.5 |" in speed
    assert "| own | m | sums | naked | 4 | 8 | 2.0 | - | - |" in speed


def test_another_batch_size_is_no_base_to_divide_by(study, page, lem):
    file = layout.answers("sums", "m")
    file.write_text(file.read_text().replace('"batch_size": 4', '"batch_size": 2'))
    lem("warehouse")
    assert "| own | lek.s0 | sums | naked | 4 | 8 | 3.0 | m | - |" in section(page(), "### Speed")


def test_differences_have_their_verdicts(study, page):
    told = section(page(), "### Accuracy and refusals, fine-tuned minus baseline")
    (row,) = [line for line in told.splitlines() if "| exact_match |" in line]
    of = "| own | 1M | lek | m | sums | naked | exact_match | flexible | number | direct | 7 | "
    assert row.startswith(of)
    with sandbox.connect(layout.TABLES) as tables:
        sql = "select verdict, round(difference, 1) from scale_delta where metric = 'exact_match'"
        ((verdict, difference),) = tables.execute(sql).fetchall()
    assert row.endswith(f"| points | {verdict} |") and f" | {difference} | " in row
    assert "No comparison is declared." in told


def test_reasoning_is_counted(study, page):
    reasoning = section(page(), "### Reasoning")
    assert "| own | lek.s0 | 24 | 12 | 3.0 | 3 | 0 |" in reasoning  # in each file i3 answers what it thought
    assert "| own | m | 24 | 0 | - | 0 | 0 |" in reasoning


def test_findings_are_told(study, page):
    file = layout.TABLES / "quality_findings.parquet"
    duckdb.execute(
        f"copy (select 'own' as source, 'loop' as rule, 'warning' as severity from range(3)) to '{file}'"
    )
    whole_tables.seal(layout.TABLES)
    assert "| own | loop | warning | 3 |" in section(page(), "### What the audit found")


def test_verdicts_are_tallied():
    rows = [{"verdict": verdict} for verdict in ("worse", "better", "worse", "inconclusive")]
    assert mapping.verdicts(rows) == "2 worse, 1 better, 1 inconclusive"


# The tree


def test_the_tree_has_every_folder_with_its_counts(study, page):
    drawn = section(page(), "## Tree of data/")
    assert "\n├── answers/ (2 files, 16 rows)\n│   └── sums/ (2 files, 16 rows)\n" in drawn
    assert "│       └── scores/" in drawn or "│       ├── scores/" in drawn
    assert "│       ├── raw/ (2 files, 5 rows)\n│       │   └── results/ (1 file, 3 rows)\n" in drawn


def test_what_is_deeper_is_counted_where_the_drawing_ends(home, con):
    raw_file("a/b/c/d.txt", b"1\n2\n")
    counts = tree.folders(contents.survey(con).entries)
    assert counts["imported/theirs/raw/a"] == {"file": 1, "line": 2}
    assert "imported/theirs/raw/a/b" not in counts


# The page as a whole


def test_the_same_data_give_the_same_bytes(study, page, tmp_path, monkeypatch):
    first = page()
    assert page() == first
    other = shutil.copytree(study, tmp_path / "elsewhere", copy_function=shutil.copyfile)
    for place, file in enumerate(sorted(other.rglob("*"), reverse=True)):
        os.utime(file, (place, place))
    monkeypatch.chdir(other)
    (other / "reports/DATA_MAPPING.md").unlink()
    assert page() == first
    assert str(tmp_path) not in first and not re.search(r"20\d\d-\d\d-\d\d", first)


@pytest.mark.parametrize(
    "name", ["a|b`*<x> _c_.jsonl", "line\nbreak\r[1].json", "*?[a].jsonl", "\x1b[31m\u202e.txt"]
)
def test_odd_names_are_shown_and_break_nothing(study, page, name):
    raw_file(f"{name}/{name}", b'{"k|ey\\n`<i>": 1}\n')
    text = page()
    assert all(sign.isprintable() or sign == "\n" for sign in text)
    assert f"{sections.shown(f'{name}/{name}')} | 1" in text
    for block in re.findall(r"(?m)(?:^\|.*\n)+", text):
        assert len({len(PIPE.findall(line)) for line in block.splitlines()}) == 1, block
    assert "- 1 row in 1 file: (k\\|ey\\\\n\\`\\<i>)" in text or name.endswith("txt")


def test_a_name_that_is_no_unicode_is_counted_and_not_read(study, page):
    raw_file(os.fsdecode(b"\xff.jsonl"))
    assert "not UTF-8: counted, not read" in section(page(), "### Raw copies of theirs")


def test_links_are_named_and_never_followed(study, page, tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "secret.jsonl").write_text('{"secret": 1}\n')
    raw = layout.imported("theirs") / "raw"
    (raw / "file.jsonl").symlink_to(secret / "secret.jsonl")
    (raw / "folder").symlink_to(secret)
    (raw / "dangling").symlink_to(tmp_path / "nothing")
    os.mkfifo(raw / "pipe")
    text = page()
    for name in ("file.jsonl", "folder", "dangling", "pipe"):
        assert f"since it is no regular file: imported/theirs/raw/{name}\n" in text
    assert "secret" not in text


@pytest.mark.parametrize(
    "content", [b"nonsense\n", b'{"a": \n', b"[1]\n", b"\xff\n", b'{"question": "\xff"}\n']
)
def test_a_broken_record_points_at_check(study, lem, content):
    layout.items("sums").write_bytes(content)
    assert "lem check" in lem("mapping", code=1).output


def test_a_deeply_nested_record_is_one_line_of_error(study, lem):
    layout.items("sums").write_bytes(b'{"a": ' * 9000 + b"1" + b"}" * 9000 + b"\n")
    assert "lem check" in lem("mapping", code=1).output


def test_a_record_file_that_is_none_is_named(study, lem):
    layout.items("folder").mkdir()
    assert "data/items/folder.jsonl: expected a regular file of items" in lem("mapping", code=1).output


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_what_cannot_be_read_is_named(study, lem):
    raw_file("shut.txt").chmod(0)
    assert "shut.txt: cannot be read: Permission denied" in lem("mapping", code=1).output


def test_a_file_that_cannot_be_opened_is_one_line_of_error(home, con):
    with pytest.raises(LemError, match=r"gone\.txt: cannot be read: No such file"):
        plain.look(con, Path("data/gone.txt"))


def test_without_tables_it_says_what_to_run(home, lem):
    own()
    assert "no tables yet" in lem("mapping", code=1).output


def test_without_data_it_says_what_to_run(study, lem):
    shutil.rmtree("data")
    assert "data: no such folder" in lem("mapping", code=1).output


def test_older_tables_are_an_error_with_what_to_do(study, lem):
    (layout.TABLES / "scale_delta.parquet").unlink()
    whole_tables.seal(layout.TABLES)
    assert "run `lem warehouse`" in lem("mapping", code=1).output


def test_a_study_with_nothing_in_it_says_so(home, page, lem):
    layout.DATA.mkdir()
    lem("warehouse")
    shutil.rmtree("data")
    layout.DATA.mkdir()
    text = page()
    for said in (
        "There are no records yet.",
        "There is no model yet.",
        "No answer has a time.",
        "data/ (empty)",
    ):
        assert said in text


def test_notes_of_an_import_are_told(study, page):
    note = Note("theirs", "stopped", "warning", "a.log", 3, "stops after 8 of 10", "base", "numbers", "N1")
    record_files.write_jsonl(layout.imported("theirs") / "notes.jsonl", [note])
    assert "| Notes | base | 1 note on numbers; rule: stopped |" in page()


def test_rows_come_to_python_as_groups(home, con):
    asked("m", "baseline", "sums", "naked")
    file = layout.answers("sums", "m")
    file.write_text(file.read_text() * 500)
    (entry,) = contents.records(con, "responses", [file])
    assert entry.rows == 4000 and len(entry.groups) == 1


@pytest.mark.parametrize("name", ["a[1]*?", "a=b", "x y|`_", "ü{a}", "a\\b", "%41", "a.gz"])
def test_an_odd_name_of_a_record_file_is_no_pattern(home, con, name):
    for place in (name, "a1bc", "plain"):
        record_files.write_jsonl(layout.items(place), [Item("x", "1", "?", "4", SHA)])
    assert [entry.rows for entry in contents.survey(con).entries] == [1, 1, 1]


def test_every_table_of_records_has_its_words():
    assert set(contents.KINDS) == set(layout.GLOBS)


def test_help_has_an_example(lem):
    assert "lem warehouse && lem mapping" in lem("mapping", "--help").output


# Real data


@pytest.mark.skipif(not UPSTREAM.is_dir(), reason=f"no upstream data in {UPSTREAM}")
def test_the_real_validation_dump(home, page, lem):
    kind = pytest.importorskip("lem.ingest.lem_validation").KIND
    ingest(kind, UPSTREAM / "lem-validation", ImportSpec("theirs", "lem-validation", "x"))
    lem("warehouse")
    text = page()
    sets = section(text, "### Raw shapes of theirs")
    assert "(seed_id, prompt, response, gen_time)" in sets
    (keys,) = re.findall(r"- 6 rows in 2 files: \((.*)\)", sets)
    signed = "chars is_refusal mode prompt reasoning reasoning_chars response seed_id time"
    assert sorted(keys.split(", ")) == signed.split()
    raw = UPSTREAM / "lem-validation"
    for file in (file for file in raw.rglob("*") if file.is_file()):
        sha = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
        (line,) = [line for line in text.splitlines() if line.endswith(f"| {sha} |")]
        assert line.startswith(f"| {file.relative_to(raw).as_posix()} | ")
