"""Stored bytes are read and hashed: what is named, what is not, and that each mend really mends."""

import json
import os
import shutil
from pathlib import Path

import pytest

import shared_data as data
from lem.errors import LemError
from lem.verify import objects
from lem.verify.integrity import Damage, examine, show


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return data.build(tmp_path_factory.mktemp("integrity") / "study")


@pytest.fixture
def folder(built, tmp_path, monkeypatch) -> Path:
    """A copy of the study, which is also the working folder."""
    copy = tmp_path / "study"
    shutil.copytree(built, copy, symlinks=True)
    monkeypatch.chdir(copy)
    return copy


def places(found: list[Damage]) -> list[tuple[str, str, str]]:
    return [(one.place, one.path, one.what.split(":")[0].split(",")[0]) for one in found]


def rot(path: Path) -> None:
    """Change a bit behind the back of the time stamp, in the same file."""
    stat, text = path.stat(), bytearray(path.read_bytes())
    text[0] ^= 1
    with path.open("r+b") as file:
        file.write(text)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_a_sound_study_has_no_findings_and_reading_changes_nothing(folder):
    before = {path: path.stat() for path in folder.rglob("*") if path.is_file()}
    assert examine() == []
    assert show([], "table") == "Nothing is damaged, missing or changed.\n"
    for path, stat in before.items():
        assert path.stat().st_mtime_ns == stat.st_mtime_ns or "tmp" in path.parts, path


FILES = ("data/scores.csv", "data/answers/", "data/answers/a.jsonl", "data/sorted.csv")


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize("place", ["cache", "remote store"])
def test_a_flipped_bit_is_named_alone_and_its_mend_mends(folder, path, place):
    right, name = data.contents(folder), data.oid(folder, path)
    data.flip((data.in_cache if place == "cache" else data.in_store)(folder, name), 13)
    (found,) = examine()
    assert (found.place, found.path, found.object) == (place, path, name)
    assert found.what.startswith("damaged: its bytes hash to ")
    data.mend(found.mend)
    assert (examine(), data.contents(folder)) == ([], right)


@pytest.mark.parametrize("path", FILES)
def test_where_no_remote_has_it_the_workspace_gives_the_cache_its_object_back(folder, path):
    name = data.oid(folder, path)
    data.in_store(folder, name).unlink()
    data.flip(data.in_cache(folder, name))
    (cache, store) = examine()
    assert places([cache, store]) == [("cache", path, "damaged"), ("remote store", path, "missing")]
    assert cache.mend.startswith("rm -f ") and "dvc commit -f" in cache.mend
    data.mend(cache.mend)
    data.mend(store.mend.rpartition("&&")[2])
    assert examine() == []


def test_the_mend_of_a_remote_works_as_it_is_printed_in_a_tree_with_changes(folder):
    """What the last commit names may be pushed; what no commit names is pushed when its lock is in one."""
    data.in_store(folder, data.oid(folder, "data/sorted.csv")).unlink()
    (folder / "data/scores.csv").write_text("an edit\n")
    (folder / "dvc.yaml").write_text((folder / "dvc.yaml").read_text() + "# an edit\n")
    (store,) = (one for one in examine() if one.place == "remote store")
    assert store.mend == "lem remote push store --dirty"
    data.mend(store.mend)
    assert [one.place for one in examine()] == ["workspace"]
    data.mend("dvc commit -f data/scores.csv.dvc")
    (store,) = examine()
    told = "lem remote push store  # when data/scores.csv.dvc is committed; as it is: --dirty"
    assert store.mend == told
    data.git(folder, "commit", "-qam", "an edit")
    (store,) = examine()
    data.mend(store.mend)
    assert examine() == []


@pytest.mark.parametrize("how", ["empty", "half", "garbage", "other json", "a folder"])
def test_a_listing_that_is_no_listing_is_a_finding_and_no_traceback(folder, how):
    listing = data.in_cache(folder, data.oid(folder, "data/answers/"))
    text = listing.read_bytes()
    listing.chmod(0o644)
    if how == "a folder":
        listing.unlink()
        listing.mkdir()
    else:
        wrong = {"empty": b"", "half": text[:40], "garbage": b"\xff\x00\xfe", "other json": b'{"a": 1}'}
        listing.write_bytes(wrong[how])
    (found,) = examine()
    assert (found.place, found.path) == ("cache", "data/answers/") and found.what.startswith("damaged: ")


def test_a_folder_whose_listing_is_nowhere_is_still_held_against_its_hash(folder):
    name = data.oid(folder, "data/answers/")
    data.flip(data.in_cache(folder, name))
    data.in_store(folder, name).unlink()
    assert [one[0] for one in places(examine())] == ["cache", "remote store"]  # the folder itself is right
    (folder / "data/answers/a.jsonl").write_text("changed\n")
    found = places(examine())
    assert ("workspace", "data/answers", "changed") in found
    shutil.rmtree(folder / "data/answers")
    assert ("workspace", "data/answers", "missing") in places(examine())


@pytest.mark.parametrize("path", ["data/scores.csv", "data/answers/a.jsonl", "data/count.txt"])
def test_an_edit_is_called_one_and_both_ways_out_of_it_are_named(folder, path):
    right = data.contents(folder)
    (folder / path).write_text("an edit\n")
    (found,) = examine()
    assert places([found]) == [("workspace", path, "changed")] and "an edit, or damage" in found.what
    put_back, _, keep = found.mend.partition("  # or keep what is there: ")
    data.mend(put_back)
    assert (examine(), data.contents(folder)) == ([], right)
    (folder / path).write_text("an edit\n")
    data.mend(keep)
    assert "workspace" not in [one.place for one in examine()]
    assert (folder / path).read_text() == "an edit\n"


@pytest.mark.parametrize("path", ["data/scores.csv", "data/answers/b.jsonl"])
def test_bytes_that_changed_behind_their_time_stamp_are_damage_not_an_edit(folder, path):
    from dvc.repo import Repo

    with Repo() as repo:
        assert repo.data_status()["uncommitted"] == {}  # DVC notes inode and time stamp of this copy
    right = data.contents(folder)
    rot(folder / path)
    with Repo() as repo:
        assert repo.data_status()["uncommitted"] == {}, "DVC notices by itself; say so in the docs"
    (found,) = examine()
    assert places([found]) == [("workspace", path, "damaged")]
    data.mend(found.mend)
    assert (examine(), data.contents(folder)) == ([], right)


def test_what_is_missing_is_one_line_a_folder_and_its_mend_mends(folder):
    right = data.contents(folder)
    shutil.rmtree(folder / "data/answers")
    (folder / "data/sorted.csv").unlink()
    (folder / "data/count.txt").unlink()
    found = examine()
    assert sorted(one.path for one in found) == ["data/answers", "data/count.txt", "data/sorted.csv"]
    assert {one.what for one in found} == {
        "missing: not checked out",
        "missing: neither cache nor remotes carry it",
    }
    for one in found:
        data.mend(one.mend)
    assert (examine(), data.contents(folder)) == ([], right)


def test_a_file_that_no_listing_names_is_told(folder):
    (folder / "data/answers/new.jsonl").write_text("{}\n")
    (folder / "data/answers/ignored.tmp").write_text("{}\n")
    (found,) = examine()
    assert places([found]) == [("workspace", "data/answers/new.jsonl", "changed")]
    data.mend(found.mend)
    assert examine() == []


def test_without_a_cache_nothing_is_wrong_while_a_remote_has_it(folder):
    shutil.rmtree(folder / ".dvc/cache")
    assert examine() == []
    (found,) = examine([])
    assert places([found]) == [("cache", ".dvc/cache", "missing")] and "6 objects" in found.what
    data.mend(found.mend)
    assert examine([]) == []


def test_a_remote_that_holds_nothing_is_one_line_and_so_is_one_that_is_gone(folder):
    shutil.rmtree(folder / "store/files")
    (found,) = examine()
    assert found.what == "missing: it holds none of 6 objects; nothing was pushed"
    data.mend(found.mend)
    assert examine() == []
    shutil.rmtree(folder / "store")
    (found,) = examine()
    assert places([found]) == [("remote store", str(folder / "store"), "unreachable")]


def test_where_no_copy_is_left_git_may_have_one(folder):
    name = data.oid(folder, "data/scores.csv")
    data.empty(folder)
    data.flip(data.in_store(folder, name))
    found = {one.place: one for one in examine() if one.path == "data/scores.csv"}
    assert found["workspace"].what == "missing, and no whole copy was found"
    data.mend(found["remote store"].mend)
    data.mend("lem remote pull")
    assert examine() == []


def test_objects_of_another_revision_are_hashed_too(folder):
    old = data.in_cache(folder, "0" * 32)
    old.parent.mkdir()
    old.write_bytes(b"not what its name says")
    (old.parent / "leftover.tmp").write_bytes(b"no object")
    (found,) = examine()
    assert (found.place, found.object) == ("cache", "0" * 32) and "no lock names it now" in found.what
    data.mend(found.mend)
    assert examine() == []


@pytest.mark.parametrize("path", ["dvc.lock", "data/answers.dvc"])
@pytest.mark.parametrize("text", ["{{{:", "\x00\x01", "- a list\n"])
def test_an_unreadable_lock_is_one_finding_and_the_rest_is_examined(folder, path, text):
    right = (folder / path).read_text()
    (folder / path).write_text(text)
    (folder / "data/scores.csv").unlink()
    found = [one for one in examine() if one.place == "workspace"]
    assert [one.path for one in found] == [path, "data/scores.csv"]
    assert found[0].what.startswith("unreadable: ")
    data.mend(found[0].mend)
    assert (folder / path).read_text() == right


def test_legacy_objects_are_hashed_as_dvc_2_did(folder):
    """A lock without `hash: md5` counts line ends as one sign, and its objects lie elsewhere."""
    lines = (folder / "data/scores.csv.dvc").read_text().splitlines()
    (folder / "data/scores.csv.dvc").write_text(
        "\n".join(line for line in lines if "hash:" not in line) + "\n"
    )
    name = data.oid(folder, "data/scores.csv")
    old = folder / ".dvc/cache" / name[:2] / name[2:]
    old.parent.mkdir()
    old.write_bytes((folder / "data/scores.csv").read_bytes())
    (folder / "data/scores.csv").write_bytes(old.read_bytes().replace(b"\n", b"\r\n"))
    assert examine([]) == []
    data.flip(old, 3)
    assert places(examine([]))[0] == ("cache", "data/scores.csv", "damaged")


def test_what_was_found_is_shown_in_the_formats_of_lem_sql():
    found = [Damage("cache", "data/x", "ab12", "damaged: …", "rm -f x")]
    assert json.loads(show(found, "json"))[0]["object"] == "ab12"
    assert show(found, "tsv").splitlines()[0].split("\t") == ["place", "path", "object", "what", "mend"]
    assert "rm -f x" in show(found, "table")


def test_no_repository_no_such_remote_broken_settings_are_one_clear_line(folder, tmp_path, monkeypatch):
    with pytest.raises(LemError, match=r"there is no remote 'stor'; there are: store"):
        examine(["stor"])
    (folder / ".dvc/config").write_text("[core\n")
    with pytest.raises(LemError, match=r"\.dvc/config"):
        examine()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LemError, match="no DVC repository"):
        examine()


def test_a_dead_server_is_not_an_object_that_is_missing():
    import aiohttp

    gone = FileNotFoundError("http://127.0.0.1:1/x")
    assert objects.absent(gone)
    gone.__cause__ = aiohttp.ClientConnectionError("refused")
    assert not objects.absent(gone)
    assert not objects.absent(PermissionError("no"))
