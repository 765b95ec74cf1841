"""`lem ingest` itself: kinds, settings, `auto`, one file, the stage behind `dvc import`."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from lem import layout
from lem.ingest import kinds
from lem.ingest.lines import LINE_LIMIT
from lem.record_files import read_json, read_jsonl
from lem.records import Figure, Quarantined, Response, Run

QUESTIONS = [
    {"id": f"Q{n}", "question": f"What is {n} and {n}?", "correct_answer": str(2 * n)} for n in (1, 2)
]
SCORES = {"scores": {"sums": {"1b_it": {"Q1": {"correct": True}, "Q2": {"correct": False}}}}}
CSV = "document,place,model,benchmark,metric,value\npaper.md,Table 1,a model,sums,exact_match,40.0\n"
HARMONY = {"train_before_test": {"sums": {"org/a": 0.5, "org/b": 0.25}}}
ANSWERS = [{"qid": f"A{n}", "question": "Why?", "output": "Because."} for n in (1, 2, 3)]


def jsonl(*rows: object) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def there(tmp_path, monkeypatch):
    """Stand in an empty study; return the folder beside it where dumps lie."""
    (tmp_path / "study").mkdir()
    (tmp_path / "dumps").mkdir()
    monkeypatch.chdir(tmp_path / "study")
    return tmp_path / "dumps"


def standard(folder: Path) -> Path:
    folder.mkdir()
    (folder / "sums.jsonl").write_text(jsonl(*QUESTIONS))
    (folder / "all_scores.json").write_text(json.dumps(SCORES))
    return folder


def harmony(folder: Path) -> Path:
    folder.mkdir()
    (folder / "scores.json").write_text(json.dumps(HARMONY))
    return folder


def figures(folder: Path) -> Path:
    folder.mkdir()
    (folder / "paper.csv").write_text(CSV)
    return folder


def validation(folder: Path) -> Path:
    folder.mkdir()
    row = {"seed_id": "P01_X", "prompt": "Why?", "response": "Because.", "gen_time": 1.5}
    (folder / "base-1b-unsigned.jsonl").write_text(jsonl(row))
    return folder


def lm_eval(folder: Path) -> Path:
    folder.mkdir()
    results = {
        "results": {"arc": {"alias": "arc", "acc,none": 0.75, "acc_stderr,none": 0.1}},
        "configs": {"arc": {"task": "arc"}},
        "versions": {"arc": 1.0},
        "n-samples": {"arc": {"original": 20, "effective": 20}},
        "config": {"model": "hf", "model_args": "pretrained=org/m"},
        "model_name": "org/m",
    }
    (folder / "results_2026-01-01T00-00-00.000000.json").write_text(json.dumps(results))
    return folder


DUMPS = {
    "lem-standard": standard,
    "lm-harmony": harmony,
    "figures": figures,
    "lem-validation": validation,
    "lm-eval": lm_eval,
}


@pytest.mark.parametrize("kind", DUMPS)
def test_auto_knows_each_kind(kind, there, lem):
    folder = DUMPS[kind](there / "dump")
    output = lem("ingest", "auto", folder, "--as", "found").output
    assert f"data/imported/found: {kind}, written" in output
    again = lem("ingest", kind, folder, "--as", "found").output
    assert f"data/imported/found: {kind}, unchanged" in again


def test_auto_with_a_map_is_jsonl(there, lem):
    (there / "mine.jsonl").write_text(jsonl(*ANSWERS))
    words = ("--map", "seed_id=qid,prompt=question,response=output", "--model", "their-7b")
    output = lem("ingest", "auto", there / "mine.jsonl", *words).output
    assert "data/imported/jsonl: jsonl, written" in output
    found = [row for file in layout.files("responses") for row in read_jsonl(file, Response)]
    assert [(row.seed_id, row.model, row.source) for row in found] == [
        (f"A{n}", "their-7b", "jsonl") for n in (1, 2, 3)
    ]


def test_auto_says_what_it_would_know(there, lem):
    (there / "notes.txt").write_text("nothing")
    said = lem("ingest", "auto", there, code=1).output
    assert all(kind in said for kind in kinds.KINDS) and "looks like no kind" in said
    assert "no such file or folder" in lem("ingest", "lem-standard", there / "nowhere", code=1).output


@pytest.mark.parametrize("kind", ["auto", "figures"])
@pytest.mark.parametrize("name", ["nowhere", "n" * 300, "n" * 300 + "/below"])
def test_a_path_that_is_not_there_is_one_line(kind, name, there, lem):
    said = lem("ingest", kind, there / name, code=1).output
    assert said.startswith("Error: ") and said.count("\n") == 1
    assert ("no such file or folder" if name == "nowhere" else "File name too long") in said


def test_what_auto_says_is_short(there, lem):
    said = lem("ingest", "auto", there, code=1).output
    assert len(said) < 400 and "lem ingest --help says what each reads" in said


def test_auto_knows_another_study_by_its_params_and_records(there, lem):
    (there / "data/items").mkdir(parents=True)
    (there / "params.yaml").write_text("{}")
    item = {"benchmark": "sums", "item_id": "Q1", "question": "1 + 1?", "gold": "2", "sha": "0" * 64}
    (there / "data/items/sums.jsonl").write_text(jsonl(item))
    assert "data/imported/study: study, written" in lem("ingest", "auto", there).output


def test_an_import_does_not_read_itself(there, lem):
    """A path with data/imported/NAME in it: run again, it is not its own dump."""
    Path("paper.csv").write_text(CSV)
    for word in ("written", "unchanged", "unchanged"):
        assert lem("ingest", "figures", ".", "--as", "self").output.endswith(f"figures, {word}\n")
    assert [path.name for path in layout.imported("self").glob("raw/*")] == ["paper.csv"]
    assert "written" in lem("ingest", "figures", layout.imported("self") / "raw", "--as", "other").output
    said = lem("ingest", "figures", layout.imported("self"), "--as", "self", code=1).output
    assert "nothing of this kind in it" in said


def test_a_file_beyond_the_limit_is_not_read(there, lem):
    folder = standard(there / "dump")
    with (folder / "huge.json").open("wb") as out:
        out.truncate(LINE_LIMIT + 5)
    assert "huge.json               1         0            1" in lem("ingest", "lem-standard", folder).output
    (row,) = read_jsonl(layout.imported("lem-standard") / "quarantine.jsonl", Quarantined)
    assert row.reason == f"file of {LINE_LIMIT + 5} bytes; the limit is {LINE_LIMIT}"
    assert len(row.text) < 9_000


def tree() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path("data").rglob("*") if path.is_file()}


def test_an_import_without_a_row_does_not_replace_one(there, lem):
    folder = standard(there / "dump")
    lem("ingest", "lem-standard", folder)
    before = tree()
    (folder / "sums.jsonl").write_text("torn\ntoo\n")
    (folder / "all_scores.json").write_text("[]")
    said = lem("ingest", "lem-standard", folder, code=1).output
    assert "not one row could be imported: 3 quarantined, the first in sums.jsonl:1: not JSON\n" in said
    assert tree() == before


def test_an_import_says_what_it_is_and_of_another_kind_it_is_not_replaced(there, lem):
    folder = standard(there / "dump")
    lem("ingest", "lem-standard", folder, "--as", "x", "--fine-tuned", "1b_it")
    stated = {"kind": "lem-standard", "rows": 4, "imported": 4, "quarantined": 0}
    stated["settings"] = {"fine_tuned": ["1b_it"]}
    assert json.loads((layout.imported("x") / "import.json").read_text()) == stated
    assert not any("import.json" in str(file) for table in layout.GLOBS for file in layout.files(table))
    before = tree()
    said = lem("ingest", "figures", figures(there / "f"), "--as", "x", code=1).output
    how = "take another --as, or remove that folder first"
    assert said == f"Error: data/imported/x holds a lem-standard import; {how}\n"
    assert tree() == before
    assert lem("ingest", "lem-standard", folder, "--as", "x").output.endswith("lem-standard, replaced\n")
    lem("doctor", "--pin")
    lem("check")


def test_what_is_in_the_way_of_a_swap_is_named(there, lem):
    folder = standard(there / "dump")
    lem("ingest", "lem-standard", folder, "--as", "x")
    old = layout.imported(".x.old")
    old.write_text("a file where a folder of ours would be")
    said = lem("ingest", "lem-standard", folder, "--as", "x", code=1).output
    assert f"{old}: in the way and cannot be removed" in said


BOM = "\ufeff"


def test_a_byte_order_mark_is_no_part_of_the_first_row(there, lem):
    folder = standard(there / "dump")
    for file in folder.iterdir():
        file.write_text(BOM + file.read_text())
    output = lem("ingest", "auto", folder).output
    assert output.splitlines()[-2].split() == ["total", "4", "4", "0"]
    raw = layout.imported("lem-standard") / "raw/sums.jsonl"
    assert raw.read_bytes() == (folder / "sums.jsonl").read_bytes()
    (folder / "sums.jsonl").write_text(BOM + BOM + jsonl(*QUESTIONS))  # one is a mark, two are text
    assert lem("ingest", "auto", folder).output.splitlines()[-2].split()[-1] == "2"


def test_two_runs_whose_names_run_together_have_a_log_each(there, lem):
    scores = {"b-c": {"a": {"Q1": {"correct": True}}}, "c": {"a-b": {"Q1": {"correct": True}}}}
    (there / "all_scores.json").write_text(json.dumps({"scores": scores}))
    lem("ingest", "lem-standard", there)
    runs = [read_json(file, Run) for file in layout.files("runs")]
    assert sorted((run.model, run.prompts) for run in runs) == [("a", "b-c"), ("a-b", "c")]
    assert "unchanged" in lem("ingest", "lem-standard", there).output
    lem("doctor", "--pin")
    lem("check")


@pytest.mark.parametrize("kind", ["lem-standard", "lem-validation", "lm-eval"])
def test_a_fine_tuned_model_that_is_none_is_refused(kind, there, lem):
    said = lem("ingest", kind, DUMPS[kind](there / "dump"), "--fine-tuned", "org/x", code=1).output
    assert "--fine-tuned org/x: no such " in said and "; there are " in said
    assert not layout.imported(kind).exists()


def test_a_fine_tuned_model_may_be_named_with_its_organisation(there, lem):
    lem("ingest", "lm-eval", lm_eval(there / "dump"), "--fine-tuned", "org/m")
    assert layout.imported("lm-eval").joinpath("fine-tuned/m/model.json").is_file()


def test_auto_asks_where_two_kinds_fit(there, lem):
    folder = standard(there / "both")
    (folder / "paper.csv").write_text(CSV)
    said = lem("ingest", "auto", folder, code=1).output
    assert "looks like lem-standard and like figures; name the one it is instead of auto" in said


def test_one_file_will_do(there, lem):
    file = figures(there / "dump") / "paper.csv"
    lem("ingest", "figures", file)
    (figure,) = [row for path in layout.files("figures") for row in read_jsonl(path, Figure)]
    assert (figure.source, figure.model, figure.value) == ("figures", "a model", 40.0)
    assert (layout.imported("figures") / "raw/paper.csv").read_bytes() == file.read_bytes()
    link = there / "link.csv"
    link.symlink_to(file)
    assert "a link, which is not followed" in lem("ingest", "figures", link, code=1).output


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--model", "m"], "lem-standard takes no model; settings it takes: fine_tuned"),
        (["--map", "a=b"], "lem-standard takes no map"),
        (["--map", "ab"], "--map: expected OURS=THEIRS,..., as in prompt=question, found 'ab'"),
        (["--as", "../x"], "a name is 1-80 of"),
        (["--as", "own"], "that is the source of this study's own records"),
        (["--import", "x"], "--import stands alone"),
    ],
)
def test_a_setting_of_no_use_is_refused(words, says, there, lem):
    folder = standard(there / "dump")
    assert says in lem("ingest", "lem-standard", folder, *words, code=1).output
    assert not Path("data").exists()


def test_kind_and_path_or_an_entry(there, lem):
    assert "expected KIND and PATH, or --import NAME" in lem("ingest", code=1).output
    lem("doctor", "--pin")
    Path("params.yaml").write_text("imports: {theirs: {kind: nothing, path: ../dumps}}")
    said = lem("ingest", "--import", "theirs", code=1).output
    assert "import theirs: no kind 'nothing'; there are: " in said
    Path("params.yaml").write_text("imports: {theirs: {kind: lem-standard, path: ../dumps/dump}}")
    standard(there / "dump")
    assert "data/imported/theirs: lem-standard, written" in lem("ingest", "--import", "theirs").output
    assert "no import named 'others'" in lem("ingest", "--import", "others", code=1).output


def git(folder: Path, *words: str) -> str:
    me = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    return subprocess.run(
        ["git", *me, *words], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_a_stage_behind_dvc_import_of_a_pinned_revision(tmp_path, make_study):
    """Somebody's git repository at one revision, then a cell of `ingest`, by dvc alone."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    git(theirs, "init", "-q")
    standard(theirs / "benchmarks")
    git(theirs, "add", "-A")
    git(theirs, "commit", "-qm", "first")
    revision = git(theirs, "rev-parse", "HEAD")
    (theirs / "benchmarks/all_scores.json").write_text('{"scores": {}}')
    git(theirs, "commit", "-qam", "scores gone")

    study = make_study(tmp_path / "study")
    params = (study / "params.yaml").read_text()
    entry = "imports:\n  theirs: {kind: lem-standard, path: vendor/theirs}\n"
    (study / "params.yaml").write_text(params.replace("imports:\n", entry))
    (study / "vendor").mkdir()
    git(study, "init", "-q")

    def dvc(*words: str) -> str:
        done = subprocess.run(["dvc", *words], cwd=study, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    dvc("init", "-q")
    dvc("import", "-q", str(theirs), "benchmarks", "-o", "vendor/theirs", "--rev", revision)
    assert "ingest@theirs" in dvc("repro", "ingest@theirs")
    scores = study / "data/imported/theirs/scores/sums/1b_it.jsonl"
    assert len(scores.read_text().splitlines()) == 2
    assert "didn't change" in dvc("repro", "ingest@theirs")
    shutil.rmtree(study / "data/imported/theirs")
    dvc("checkout", "-q", "ingest@theirs")
    assert scores.is_file()
