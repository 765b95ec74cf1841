"""The tables as one whole state: what a reader holds on to, what it waits for, what it refuses."""

import threading
import time
from pathlib import Path

import duckdb
import pytest

from lem import sandbox, whole_tables
from lem.errors import LemError

NAMES = ("a", "b", "c")


def write(folder: Path, state: int, names=NAMES) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        aside = folder / f".{name}"
        duckdb.sql(f"select {state} as state, i from range(1000) t(i)").write_parquet(str(aside))
        aside.replace(folder / f"{name}.parquet")


def states(con) -> set[int]:
    return {con.execute(f"select max(state) from {name}").fetchall()[0][0] for name in NAMES}


@pytest.fixture
def tables(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write(Path("tables"), 1)
    whole_tables.seal(Path("tables"))
    return Path("tables")


def test_who_has_opened_the_tables_reads_them_whatever_is_put_in_their_place(tables):
    with sandbox.connect(tables) as con:
        write(tables, 2)
        for file in tables.iterdir():
            file.unlink()
        assert states(con) == {1}


def test_half_replaced_tables_are_waited_for(tables):
    write(tables, 2, NAMES[:2])

    def finish():
        time.sleep(0.3)
        write(tables, 2, NAMES[2:])
        whole_tables.seal(tables)

    writer = threading.Thread(target=finish)
    writer.start()
    with sandbox.connect(tables) as con:
        assert states(con) == {2}
    writer.join()


def test_what_stays_half_replaced_is_named(tables):
    write(tables, 2, ["b"])
    with pytest.raises(LemError, match=r"tables/b\.parquet: not the table that tables/tables\.json names"):
        whole_tables.opened(tables, patience=0.1)
    (tables / "a.parquet").unlink()
    with pytest.raises(LemError, match=r"tables/a\.parquet: no such table; build them again: dvc repro"):
        whole_tables.opened(tables, patience=0.1)


def test_one_flipped_bit_is_named_even_after_the_tables_were_read(tables):
    whole_tables.opened(tables, patience=0.1)
    content = bytearray((tables / "c.parquet").read_bytes())
    content[len(content) // 2] ^= 4
    (tables / "c.parquet").write_bytes(content)
    with pytest.raises(LemError, match=r"c\.parquet: not the table"):
        whole_tables.opened(tables, patience=0.1)


def test_a_manifest_that_is_none_is_named(tables):
    (tables / whole_tables.MANIFEST).write_text("[]")
    with pytest.raises(LemError, match=r"tables\.json: expected the sha256 of each table"):
        whole_tables.opened(tables, patience=0.1)


def test_somebody_elses_folder_is_taken_as_it_is(tables):
    (tables / whole_tables.MANIFEST).unlink()
    assert list(whole_tables.opened(tables).descriptors) == list(NAMES)


def test_tables_are_hashed_once_and_again_when_they_are_others(tables, monkeypatch):
    hashed = []
    real = whole_tables.Files.sha256
    monkeypatch.setattr(
        whole_tables.Files, "sha256", lambda self, name: hashed.append(name) or real(self, name)
    )
    for _ in range(3):
        whole_tables.opened(tables)
    assert hashed == list(NAMES)
    write(tables, 2)
    whole_tables.seal(tables)
    whole_tables.opened(tables)
    assert hashed == [*NAMES, *NAMES]


def test_a_reader_beside_a_writer_never_sees_two_states(tables):
    """Fifty-eight states, each table replaced by itself; whoever opens them has one of them, whole."""
    done = threading.Event()

    def write_on():
        for state in range(2, 60):
            write(tables, state)
            whole_tables.seal(tables)
        done.set()

    writer = threading.Thread(target=write_on)
    writer.start()
    seen = []
    while not done.is_set():
        with sandbox.connect(tables) as con:
            seen.append(states(con))
    writer.join()
    assert seen and all(len(one) == 1 for one in seen)


def test_a_manifest_that_dvc_has_just_removed_is_waited_for(tables):
    """DVC removes every file that differs, tables.json among them, before it writes the first."""
    whole_tables.opened(tables)
    manifest = (tables / whole_tables.MANIFEST).read_bytes()
    (tables / whole_tables.MANIFEST).unlink()
    (tables / "a.parquet").unlink()
    with pytest.raises(LemError, match=r"tables\.json: no such file; build them again"):
        whole_tables.opened(tables, patience=0.1)

    def finish():
        time.sleep(0.3)
        write(tables, 1)
        whole_tables.seal(tables)

    writer = threading.Thread(target=finish)
    writer.start()
    assert list(whole_tables.opened(tables).descriptors) == list(NAMES)
    writer.join()
    assert manifest == (tables / whole_tables.MANIFEST).read_bytes()


def test_a_foreign_folder_that_changes_is_looked_at_again(tables):
    (tables / whole_tables.MANIFEST).unlink()
    (tables / "c.parquet").unlink()

    def finish():
        time.sleep(0.1)
        write(tables, 1)

    writer = threading.Thread(target=finish)
    writer.start()
    assert list(whole_tables.opened(tables).descriptors) == list(NAMES)
    writer.join()
