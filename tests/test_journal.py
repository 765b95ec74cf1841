"""The journal: what add() has returned from is there again, whatever happened to the process."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lem import journal as journal_module
from lem.errors import LemError
from lem.journal import Journal


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "journals" / "generate-m.jsonl"


def reopened(path: Path) -> dict:
    with Journal(path) as journal:
        return dict(journal.done)


def test_what_was_added_is_done_at_once_and_after_reopening(path):
    with Journal(path) as journal:
        assert journal.done == {}
        journal.add("a", {"response": "né\r\n\u2028", "tokens": None})
        journal.add("b", {"response": ""})
        assert list(journal.done) == ["a", "b"]
    assert reopened(path) == {"a": {"response": "né\r\n\u2028", "tokens": None}, "b": {"response": ""}}


def test_the_last_record_of_a_key_counts(path):
    with Journal(path) as journal:
        journal.add("a", {"n": 1})
        journal.add("a", {"n": 2})
    assert reopened(path) == {"a": {"n": 2}}


def test_it_goes_on_where_it_stopped(path):
    for n in range(3):
        with Journal(path) as journal:
            assert list(journal.done) == [str(k) for k in range(n)]
            journal.add(str(n), {"n": n})
    assert len(reopened(path)) == 3


def test_a_deleted_journal_starts_anew(path):
    with Journal(path) as journal:
        journal.add("a", {})
        journal.delete()
    assert not path.exists()
    assert reopened(path) == {}


UTF8 = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)


@settings(max_examples=40)
@given(st.lists(st.dictionaries(UTF8, UTF8, max_size=2), min_size=1, max_size=4), st.data())
def test_a_torn_last_line_is_cut_and_all_others_stay(tmp_path_factory, records, data):
    path = tmp_path_factory.mktemp("torn") / "j.jsonl"
    with Journal(path) as journal:
        for n, record in enumerate(records):
            journal.add(str(n), record)
    content = path.read_bytes()
    last = content[:-1].rfind(b"\n") + 1
    torn_at = data.draw(st.integers(last, len(content) - 1))
    path.write_bytes(content[:torn_at])
    assert reopened(path) == {str(n): record for n, record in enumerate(records[:-1])}
    assert path.read_bytes() == content[:last]
    with Journal(path) as journal:
        journal.add("again", {"n": 1})
    assert reopened(path)["again"] == {"n": 1}


HOLDER = """
import sys
from pathlib import Path
from lem.journal import Journal
with Journal(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_until_the_first_ends(path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LemError, match="another process is at this very stage"):
            reopened(path)
        holder.stdin.close()
        assert holder.wait(10) == 0
    assert reopened(path) == {}


def test_a_journal_deleted_between_open_and_lock_is_not_the_one_written_to(path, monkeypatch):
    with Journal(path) as last_holder:
        last_holder.add("old", {})
    lock, deleted = journal_module.fcntl.flock, []

    def delete_and_lock(file, how):
        if not deleted:
            deleted.append(path.unlink())
        lock(file, how)

    monkeypatch.setattr(journal_module.fcntl, "flock", delete_and_lock)
    with Journal(path) as journal:
        assert deleted and journal.done == {}
        journal.add("new", {"n": 1})
    assert reopened(path) == {"new": {"n": 1}}


WRITER = """
import json, os, sys
from pathlib import Path
from lem.journal import Journal
with Journal(Path(sys.argv[1])) as journal:
    for n in range(len(journal.done), 100_000):
        journal.add(str(n), {"n": n, "response": str(n) * 9_000})
        os.write(1, b"%d\\n" % n)
"""


def test_kill_9_at_any_moment_loses_no_acknowledged_record(path):
    random = Random(9)
    for _ in range(5):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        with writer:
            acknowledged = [writer.stdout.readline()]
            time.sleep(random.random() * 0.05)
            writer.send_signal(signal.SIGKILL)
            acknowledged += writer.stdout.readlines()
        assert writer.returncode == -signal.SIGKILL
        done = reopened(path)
        assert int(acknowledged[-1]) >= 0
        for line in acknowledged:
            n = int(line)
            assert done[str(n)] == {"n": n, "response": str(n) * 9_000}
        assert list(done) == [str(n) for n in range(len(done))]
        assert len(done) <= int(acknowledged[-1]) + 2  # at most the one that was on its way


def test_each_line_is_on_disk_before_add_returns(path, monkeypatch):
    synced = []
    sync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (sync(file), synced.append(path.read_bytes())))
    with Journal(path) as journal:
        journal.add("a", {"n": 1})
    assert [json.loads(content) for content in synced] == [{"key": "a", "record": {"n": 1}}]
