"""Bad places, in small: what the disk refuses is one line, what a killed process left beside a file goes."""

import errno
import fcntl
import os
import resource
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from lem import record_files, refusals
from lem.cli import LazyGroup
from lem.errors import LemError
from lem.journal import Journal
from lem.record_files import folder_aside, take_place, write_whole

SPARE = 6 << 10  # bytes that no file may outgrow: a journal does, after a few answers


def ended(error):
    """Run a command of the group that raises an error; return how it ends."""

    @click.command()
    def command():
        raise error

    class Group(LazyGroup):
        def get_command(self, ctx, cmd_name):
            return command

    return CliRunner().invoke(Group("lem"), ["any"])


@pytest.mark.parametrize("number", refusals.REFUSALS)
def test_what_the_disk_refuses_is_one_line_and_exit_1(number):
    shown = ended(OSError(number, os.strerror(number), "data/x.jsonl"))
    mend = refusals.REFUSALS[number]
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert shown.stderr == f"Error: data/x.jsonl: {os.strerror(number)}; {mend}\n"


def test_of_a_copy_the_file_that_was_to_be_written_is_named():
    full = OSError(errno.ENOSPC, "No space left on device", "theirs.bin", None, "data/ours.bin")
    assert ended(full).stderr.startswith("Error: data/ours.bin: No space left on device; ")


def test_an_error_without_a_file_is_told_without_one():
    assert ended(OSError(errno.ENOSPC, "No space left on device")).stderr.startswith("Error: No space left")


@pytest.mark.parametrize("error", [FileNotFoundError(errno.ENOENT, "gone", "x"), ValueError("a defect")])
def test_what_is_no_refusal_stays_what_it_is(error):
    assert ended(error).exception is error


def test_an_interrupt_and_a_broken_pipe_end_as_click_ends_them():
    assert ended(KeyboardInterrupt()).stderr.endswith("Aborted!\n")
    assert ended(BrokenPipeError(errno.EPIPE, "Broken pipe")).exit_code == 1
    assert "Error" not in ended(BrokenPipeError(errno.EPIPE, "Broken pipe")).output


def test_duckdbs_own_error_of_the_disk_is_one_line():
    import duckdb

    shown = ended(duckdb.IOException('IO Error: Could not write file "x":\nNo space left on device'))
    assert shown.exit_code == 1
    assert (
        shown.stderr
        == f'Error: IO Error: Could not write file "x": No space left on device; {refusals.ROOM}\n'
    )


def test_what_mlx_and_safetensors_say_of_a_full_disk_is_one_line():
    from safetensors import SafetensorError

    for said in (
        RuntimeError("[write] Unable to write 8 bytes to file."),
        SafetensorError("I/O error: No space left on device (os error 28)"),
    ):
        told = f"Error: weights could not be written: {said}; {refusals.ROOM}\n"
        assert ended(said).stderr == told
    assert isinstance(ended(RuntimeError("a defect")).exception, RuntimeError)


def test_a_full_disk_names_the_file_and_not_the_unfinished_one_beside_it(tmp_path):
    place = tmp_path / "data/x.json"
    with pytest.raises(OSError) as raised, record_files._aside(place) as out:
        raise OSError(errno.ENOSPC, "No space left on device", out.name)
    assert raised.value.filename == str(place)
    assert list(place.parent.iterdir()) == []


def test_a_journal_on_a_full_disk_names_itself(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "journal.jsonl"
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError) as raised, Journal(path) as journal:
        journal.add("key", {"n": 1})
    assert raised.value.filename == str(path)
    assert "key" not in journal.done


@pytest.fixture
def dead():
    """The number of a process that is no more."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_what_a_killed_process_left_beside_a_file_goes(tmp_path, dead):
    kept = {".x.json.7", ".x.json.old", ".y.json.1", "x.json"}
    for name in (*kept, f".x.json.{dead}", f".x.json.{os.getppid()}", f".x.json.{'9' * 30}"):
        (tmp_path / name).write_text("half")
    with (tmp_path / ".x.json.7").open("rb") as held:  # somebody is at work there, whatever the number
        fcntl.flock(held, fcntl.LOCK_EX)
        write_whole(tmp_path / "x.json", "{}\n")
    assert {p.name for p in tmp_path.iterdir()} == kept
    assert (tmp_path / "x.json").read_text() == "{}\n"


WRITES = """
import os, sys
from pathlib import Path
from lem.record_files import folder_aside, _aside
with folder_aside(Path(sys.argv[1], "model")) as scratch, _aside(Path(sys.argv[1], "x.json")) as out:
    (scratch / "file").write_text("half")
    out.write("half")
    out.flush()
    print("at work", flush=True)
    sys.stdin.read()
"""


def test_who_is_at_work_is_left_alone_and_a_killed_one_is_swept(tmp_path):
    """The other process is at the same file and folder; that it lives says its lock, not its number."""
    call = [sys.executable, "-c", WRITES, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(call, **pipes) as other:
        assert other.stdout.readline() == b"at work\n"
        theirs = set(tmp_path.iterdir())
        write_whole(tmp_path / "x.json", "ours")
        with folder_aside(tmp_path / "model"):
            pass
        assert set(tmp_path.iterdir()) == {*theirs, tmp_path / "x.json"} and len(theirs) == 2
        other.kill()
    write_whole(tmp_path / "x.json", "ours again")
    with folder_aside(tmp_path / "model"):
        pass
    assert list(tmp_path.iterdir()) == [tmp_path / "x.json"]


def test_a_place_that_another_swept_before_it_was_locked_is_made_anew(tmp_path, monkeypatch):
    made, open_ = [], record_files._open

    def swept_once(place):
        made.append(place)
        if len(made) == 1:
            place.unlink()
        return open_(place)

    monkeypatch.setattr(record_files, "_open", swept_once)
    write_whole(tmp_path / "x.json", "whole")
    assert (tmp_path / "x.json").read_text() == "whole" and len(made) == 2


def test_a_folder_takes_anothers_place_by_renames_and_nothing_stays_beside(tmp_path, dead):
    folder = tmp_path / "model"
    (tmp_path / f".model.{dead}/plain").mkdir(parents=True)
    for text in ("first", "second"):
        with folder_aside(folder) as scratch:
            assert list(scratch.iterdir()) == []
            (scratch / "done").mkdir()
            (scratch / "done/file").write_text(text)
            take_place(scratch / "done", folder)
        assert [p.name for p in tmp_path.iterdir()] == ["model"]
        assert [p.read_text() for p in folder.iterdir()] == [text]


def test_a_folder_is_never_seen_half(tmp_path, monkeypatch):
    """What ends it between the two renames leaves no folder at all."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "file").write_text("old")

    def killed(*_):
        raise KeyboardInterrupt

    rename = Path.rename
    monkeypatch.setattr(Path, "rename", lambda p, to: rename(p, to) if p == folder else killed())
    with pytest.raises(KeyboardInterrupt), folder_aside(folder) as scratch:
        (scratch / "done").mkdir()
        take_place(scratch / "done", folder)
    assert not folder.exists()


def test_a_disk_that_fills_while_a_model_answers_costs_no_answer(study, lem):
    lem("convert", "--model", "micro")
    words = ("generate", "--model", "micro", "--prompts", "validation", "--batch-size", "1")
    done = subprocess.run(
        [sys.executable, "-m", "lem", *words],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (SPARE, SPARE)),
    )
    journal = Path(".lem/journal/generate-micro-validation-naked.jsonl")
    assert done.returncode == 1
    assert done.stderr == f"Error: {journal}: File too large; {refusals.REFUSALS[errno.EFBIG]}\n"
    assert not list(Path("data/baseline/micro").glob("*.jsonl"))
    kept = journal.read_bytes().count(b"\n")
    assert 0 < kept < 12
    shown = lem(*words)
    assert f"Keeping {kept} answers, {12 - kept} to ask" in shown.output
    assert Path("data/baseline/micro/validation-naked.jsonl").read_bytes().count(b"\n") == 12


def test_the_journal_of_a_whole_stage_goes_and_another_process_keeps_its_own(tmp_path):
    path = tmp_path / "journal.jsonl"
    Journal.forget(path)
    assert not path.exists()
    with Journal(path) as journal:
        journal.add("key", {"n": 1})
        with pytest.raises(LemError, match="another process"):
            Journal.forget(path)
    Journal.forget(path)
    assert not path.exists()
