"""Remotes as users have them: a folder, an S3 server, an SFTP server, a web server, all on loopback."""

import asyncio
import contextlib
import functools
import http.server
import json
import re
import shutil
import threading
from pathlib import Path

import pytest

import shared_data as data
from lem.remote import command
from lem.verify.integrity import examine


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return data.build(tmp_path_factory.mktemp("remote") / "study")


@pytest.fixture
def folder(built, tmp_path, monkeypatch) -> Path:
    """A copy of the study, which is also the working folder."""
    copy = tmp_path / "study"
    shutil.copytree(built, copy, symlinks=True)
    monkeypatch.chdir(copy)
    return copy


@pytest.fixture(scope="module")
def s3():
    """An S3 server's address, with the bucket `study` in it."""
    moto = pytest.importorskip("moto.server", reason="pip install 'moto[s3]' flask flask-cors")
    session = pytest.importorskip("botocore.session")
    server = moto.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (
            ("ACCESS_KEY_ID", "key"),
            ("SECRET_ACCESS_KEY", "secret"),
            ("REGION", "us-east-1"),
        ):
            patch.setenv(f"AWS_{name}", value)
        address = "http://{}:{}".format(*server.get_host_and_port())
        client = session.get_session().create_client("s3", endpoint_url=address, region_name="us-east-1")
        client.create_bucket(Bucket="study")
        client.close()
        yield address
    server.stop()


@pytest.fixture
def web(folder):
    """A web server over the study's `store`: its address, and a set of paths that it answers with 500."""
    broken: set[str] = set()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self):
            self.send_error(500) if self.path in broken else super().do_GET()

        do_HEAD = do_GET

        def log_message(self, *words):
            pass

    handler = functools.partial(Handler, directory=str(folder / "store"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", broken
    server.shutdown()
    server.server_close()


@contextlib.contextmanager
def sftp(keys: Path):
    """Run an SFTP server in a thread that lets in one key; yield its port."""
    asyncssh = pytest.importorskip("asyncssh")
    pytest.importorskip("dvc_ssh", reason="pip install 'dvc[ssh]'")
    keys.mkdir()
    user, host = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    user.write_private_key(keys / "id")
    (keys / "id").chmod(0o600)
    allowed = asyncssh.import_authorized_keys(user.export_public_key().decode())
    loop, started = asyncio.new_event_loop(), threading.Event()
    servers, guests = [], []

    async def serve():
        options = {"server_host_keys": [host], "authorized_client_keys": allowed, "sftp_factory": True}
        options["acceptor"] = guests.append
        servers.append(await asyncssh.listen("127.0.0.1", 0, **options))
        started.set()

    def work():
        loop.run_until_complete(serve())
        loop.run_forever()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert started.wait(20)
    port = servers[0].get_port()
    yield port
    asyncio.run_coroutine_threadsafe(_close(servers[0], guests), loop).result(20)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(20)
    loop.close()


async def _close(server, guests):
    server.close()
    await server.wait_closed()
    for guest in guests:
        guest.close()
        await guest.wait_closed()


def configure(**settings: str) -> None:
    """Write settings of a remote into the local configuration."""
    from dvc.repo import Repo

    with Repo() as repo, repo.config.edit("local") as local:
        for name, value in settings.items():
            remote, option = name.split("__")
            local["remote"].setdefault(remote, {})[option] = value


def overview() -> dict[str, dict]:
    return {row["name"]: row for row in json.loads(data.lem(command, "list", "--format", "json"))}


def test_an_added_remote_verifies_and_its_endpoint_is_shared(folder):
    """A colleague who has the address without the endpoint would ask another server, with his keys."""
    data.lem(command, "add", "mirror", "s3://bucket/x", "--default", "--endpoint", "http://127.0.0.1:9")
    shared = (folder / ".dvc/config").read_text()
    assert "url = s3://bucket/x" in shared and "verify = true" in shared.split("mirror")[-1]
    assert "remote = mirror" in shared and "endpointurl = http://127.0.0.1:9" in shared
    told = data.lem(command, "add", "mirror", "s3://bucket/y", code=1)
    assert told.endswith("take another name, or: lem remote remove mirror\n")
    data.lem(command, "add", "beside", "../shared")
    assert "url = ../../shared" in (folder / ".dvc/config").read_text()


def test_a_remote_is_forgotten_wherever_its_settings_are(folder):
    data.lem(command, "add", "mirror", "s3://bucket/x", "--default", "--endpoint", "http://127.0.0.1:9")
    data.mend("dvc remote modify --local mirror access_key_id none")
    assert "dvc remote default store" in data.lem(command, "remove", "mirror")
    assert examine(["store"]) == []
    assert set(overview()) == {"store"}
    assert "there are: store" in data.lem(command, "remove", "mirror", code=1)


def test_settings_that_dvc_refuses_name_both_files(folder):
    (folder / ".dvc/config.local").write_text("['remote \"x\"']\n    endpointurl = http://127.0.0.1:9\n")
    told = data.lem(command, "list", code=1)
    assert told.startswith("Error: .dvc/config or .dvc/config.local: ") and told.count("\n") == 1


def test_what_a_strangers_settings_hold_is_shown_and_not_obeyed(folder):
    (folder / ".dvc/config.local").write_text("['remote \"x\"']\n    url = http://127.0.0.1:9/\x9b2J\u202e\n")
    for words in (("list", "--format", "table"), ("list", "--format", "json"), ("pull",)):
        told = data.lem(command, *words)
        assert "127.0.0.1:9" in told or words == ("pull",)
        assert not {"\x9b", "\u202e"} & set(told)


@pytest.mark.parametrize(
    ("name", "url", "why"),
    [
        ("x", "s3://key:secret@bucket/x", "no keys"),
        ("x", "ssh://me:secret@host/x", "no keys"),
        ("x", "https://token@host/x", "no keys"),
        ("x", "https://host/x?X-Signature=secret", "no keys"),
        ("x", "https://host/x#token=secret", "no keys"),
        ("x", "s3://bucket/x?sig=secret", "no keys"),
        ("x", "//host/x?sig=secret", "no keys"),
        ("x", "http://[secret", "URL: no address"),
        ("x", "me:secret@host/x", "not a folder"),
        ("me:secret@x", "s3://bucket", "is no name"),
        ("Store", "s3://bucket", "is no name"),
        ("x", "ftp://host/x", "not a folder"),
        ("store", "elsewhere", "there is a remote 'store'"),
    ],
)
def test_what_must_not_be_written_down_is_refused(folder, name, url, why):
    before = (folder / ".dvc/config").read_text()
    told = data.lem(command, "add", name, url, code=1)
    assert why in told and told.startswith("Error: ") and told.count("\n") == 1
    assert name != "x" or not {"secret", "token"} & set(re.split(r"\W", told))
    assert (folder / ".dvc/config").read_text() == before


def test_an_endpoint_is_for_s3_and_carries_no_keys(folder):
    assert "for s3://" in data.lem(command, "add", "x", "dir", "--endpoint", "http://h", code=1)
    assert "no keys" in data.lem(command, "add", "x", "s3://b", "--endpoint", "http://k:s@h", code=1)
    told = data.lem(command, "add", "x", "s3://b", "--endpoint", "http://[secret", code=1)
    assert told.startswith("Error: --endpoint: no address") and "secret" not in told


def test_a_push_publishes_a_commit_or_says_that_it_does_not(folder):
    data.lem(command, "add", "mirror", str(folder.parent / "mirror"))
    told = data.lem(command, "push", "mirror", code=1)
    assert "1 files are not committed (.dvc/config)" in told and "--dirty" in told
    data.git(folder, "commit", "-qam", "a mirror")
    (folder / "data/scores.csv").write_text("an edit\n")
    told = data.lem(command, "push", "mirror", code=1)
    assert "2 stages are stale (data/scores.csv.dvc, order)" in told
    assert not (folder.parent / "mirror").exists()
    data.lem(command, "push", "mirror", "--dirty")
    assert overview()["mirror"]["missing"] == 0
    assert [one.place for one in examine()] == ["workspace"]


def test_a_push_sends_no_damage_and_names_what_it_cannot_send(folder):
    shutil.rmtree(folder / "store/files")
    name = data.oid(folder, "data/answers/a.jsonl")
    data.flip(data.in_cache(folder, name))
    told = data.lem(command, "push", code=1)
    assert "the cache's copy of data/answers/a.jsonl is damaged" in told
    assert not (folder / "store/files").exists()
    data.in_cache(folder, name).unlink()
    told = data.lem(command, "push", "--dirty", code=1)
    assert name in told and "1 objects are missing or damaged after the push" in told


def test_pull_takes_what_is_whole_from_whoever_has_it(folder):
    right, mirror = data.contents(folder), folder.parent / "mirror"
    del right["data/count.txt"]
    data.lem(command, "add", "mirror", str(mirror))
    data.lem(command, "push", "mirror", "--dirty")
    (folder / "data/count.txt").unlink()
    data.flip(data.in_store(folder, data.oid(folder, "data/answers/")))
    data.in_store(folder, data.oid(folder, "data/scores.csv")).unlink()
    data.empty(folder)
    told = data.lem(command, "pull")
    assert "remote store: data/answers/ (" in told and "is damaged there" in told and "from mirror" in told
    assert data.contents(folder) == right
    shutil.rmtree(folder / "store")
    data.empty(folder)
    told = data.lem(command, "pull")
    assert "the folder is not there" in told and data.contents(folder) == right


def test_a_damaged_object_of_the_cache_is_set_aside_and_never_checked_out(folder):
    from dvc.repo import Repo

    right, name = data.contents(folder), data.oid(folder, "data/scores.csv")
    data.flip(data.in_cache(folder, name))
    wrong = data.in_cache(folder, name).read_bytes()
    (folder / "data/scores.csv").unlink()
    with Repo() as repo:
        repo.checkout(["data/scores.csv"])
    assert (folder / "data/scores.csv").read_bytes() == wrong, "DVC refuses by now; say so in the docs"
    (folder / "data/scores.csv").unlink()
    told = data.lem(command, "pull", "data/scores.csv")
    assert f"moved to .lem/damaged/{name}" in told
    assert (folder / ".lem/damaged" / name).read_bytes() == wrong
    assert (examine(), data.contents(folder)) == ([], right)


def test_what_nobody_has_whole_is_named_and_everything_else_arrives(folder):
    right, name = data.contents(folder), data.oid(folder, "data/answers/a.jsonl")
    data.flip(data.in_store(folder, name))
    data.empty(folder)
    told = data.lem(command, "pull", code=1)
    assert f"data/answers/a.jsonl ({name}) is damaged there" in told
    assert "missing, and no whole copy was found" in told
    for path, text in data.contents(folder).items():
        assert text == right[path]
    assert (folder / "data/scores.csv").is_file() and not (folder / "data/answers/a.jsonl").exists()


def test_a_folder_that_lacks_one_object_is_not_removed_with_the_files_that_are_there(folder):
    """`dvc checkout` would: it takes away the whole folder of which it cannot make a file."""
    name = data.oid(folder, "data/answers/a.jsonl")
    data.in_store(folder, name).unlink()
    data.in_cache(folder, name).unlink()
    (folder / "data/answers/a.jsonl").unlink()
    data.lem(command, "pull", code=1)
    assert (folder / "data/answers/b.jsonl").is_file()


def test_edits_stay_and_are_named_with_both_ways_out(folder):
    (folder / "data/scores.csv").write_text("an edit\n")
    (folder / "data/answers/mine.jsonl").write_text("{}\n")
    told = data.lem(command, "pull", code=1)
    assert "2 files are not what the locks name" in told
    assert (folder / "data/scores.csv").read_text() == "an edit\n"
    assert (folder / "data/answers/mine.jsonl").is_file()


def test_the_workspace_is_a_source_as_good_as_any(folder):
    shutil.rmtree(folder / ".dvc/cache")
    shutil.rmtree(folder / "store/files")
    assert "from the workspace" in data.lem(command, "pull")
    assert examine([]) == []


def test_of_two_files_of_the_same_bytes_the_whole_one_is_taken_whichever_it_is(folder):
    """Cache and remote are gone; one of two names is edited, or away: the other gives both their bytes."""
    from dvc.repo import Repo

    same = folder / "data/also.csv"
    shutil.copyfile(folder / "data/scores.csv", same)
    with Repo() as repo:
        repo.add(["data/also.csv"])
    right = same.read_bytes()
    for gone, kept in ((same, folder / "data/scores.csv"), (folder / "data/scores.csv", same)):
        for left in (None, "an edit\n"):
            shutil.rmtree(folder / ".dvc/cache")
            shutil.rmtree(folder / "store/files", ignore_errors=True)
            gone.unlink()
            if left:
                gone.write_text(left)
            found = {one.path: one for one in examine([]) if one.place == "workspace"}
            assert "no whole copy" not in found[str(gone.relative_to(folder))].what
            data.mend(found[str(gone.relative_to(folder))].mend.partition("  #")[0])
            assert (gone.read_bytes(), kept.read_bytes()) == (right, right)


def test_a_damaged_object_comes_back_from_a_file_of_another_name(folder):
    same = folder / "data/answers/same.csv"
    shutil.copyfile(folder / "data/scores.csv", same)
    data.mend("dvc commit -f data/answers.dvc")
    name = data.oid(folder, "data/scores.csv")
    shutil.rmtree(folder / "store/files")
    data.flip(data.in_cache(folder, name))
    (folder / "data/scores.csv").unlink()
    (found,) = (one for one in examine([]) if one.place == "cache")
    data.mend(found.mend)
    (found,) = examine([])
    data.mend(found.mend)
    assert examine([]) == []


def test_a_study_in_a_folder_of_a_git_repository_is_pushed_too(tmp_path, monkeypatch):
    """The remote inside the study is left out of what has to be committed, wherever git's top is."""
    top = tmp_path / "top"
    folder = top / "sub"
    shutil.copytree(data.build(tmp_path / "built"), folder, symlinks=True)
    (folder / ".git").rename(top / ".git")
    data.git(top, "add", "-A")
    data.git(top, "commit", "-qm", "one floor down")
    monkeypatch.chdir(folder)
    name = data.oid(folder, "data/scores.csv")
    data.in_store(folder, name).unlink()
    data.lem(command, "push")
    assert examine() == []
    data.flip(data.in_store(folder, name))
    data.in_cache(folder, name).unlink()
    (folder / "data/scores.csv").unlink()
    found = {one.place: one for one in examine()}
    data.mend(found["remote store"].mend)
    data.lem(command, "pull")
    assert examine() == []


def test_targets_are_those_of_dvc_and_folders_above_them(folder):
    data.empty(folder)
    data.lem(command, "pull", "order")
    assert set(data.contents(folder)) == {"data/sorted.csv", "data/count.txt"}
    data.lem(command, "pull", "data/answers/deep/c.jsonl", "data/scores.csv.dvc")
    assert set(data.contents(folder)) == set(data.TRACKED)
    data.empty(folder)
    data.lem(command, "pull", "data")
    assert set(data.contents(folder)) == set(data.TRACKED)
    assert "Error: " in data.lem(command, "pull", "no/such", code=1)
    (folder / "dvc.lock").write_text("{{")
    assert "git checkout -- dvc.lock" in data.lem(command, "pull", code=1)


def test_s3_is_pushed_to_examined_and_pulled_from(folder, s3):
    from dvc.repo import Repo

    right = data.contents(folder)
    data.lem(command, "add", "cloud", "s3://study/one", "--endpoint", s3)
    data.lem(command, "push", "cloud", "--dirty")
    assert overview()["cloud"]["missing"] == 0
    name = data.oid(folder, "data/answers/a.jsonl")
    with Repo() as repo:
        odb = repo.cloud.get_remote_odb("cloud")
        odb.fs.pipe_file(odb.oid_to_path(name), b"not what its name says")
    (found,) = examine(["cloud"])
    assert (found.place, found.path, found.object) == ("remote cloud", "data/answers/a.jsonl", name)
    shutil.rmtree(folder / "store")
    data.empty(folder)
    assert "is damaged there" in data.lem(command, "pull", code=1)
    (folder / "data/answers").mkdir(exist_ok=True)
    (folder / "data/answers/a.jsonl").write_bytes(right["data/answers/a.jsonl"])
    data.lem(command, "pull")
    assert data.contents(folder) == right
    data.mend(found.mend)
    assert examine(["cloud"]) == []


def test_a_server_that_is_not_there_is_one_line(folder, s3):
    data.lem(command, "add", "web", "http://127.0.0.1:9/x")
    data.lem(command, "add", "cloud", "s3://no-such-bucket/x", "--endpoint", s3)
    rows = overview()
    assert (rows["store"]["reachable"], rows["web"]["reachable"]) == (True, False)
    found = examine()
    assert [(one.place, one.what.split(":")[0]) for one in found] == [
        ("remote web", "unreachable"),
        ("remote cloud", "missing"),
    ]
    assert "6 objects were not read" in found[0].what


def test_plain_http_is_examined_and_pulled_from_but_not_pushed_to(folder, web):
    address, broken = web
    right = data.contents(folder)
    data.lem(command, "add", "web", address)
    assert "for reading" in data.lem(command, "push", "web", code=1)
    assert (overview()["web"]["missing"], examine(["web"])) == (0, [])
    data.flip(data.in_store(folder, data.oid(folder, "data/sorted.csv")))
    found = {one.path: one for one in examine(["web"])}
    assert found["data/sorted.csv"].what.startswith("damaged") and address in found["data/sorted.csv"].mend
    name = data.oid(folder, "data/scores.csv")
    broken.add(f"/files/md5/{name[:2]}/{name[2:]}")
    (trouble,) = (one for one in examine(["web"]) if one.path == address)
    assert trouble.what.startswith("unreadable: 500") and "1 objects were not read" in trouble.what
    broken.clear()
    data.mend("lem remote push store --dirty")
    shutil.copytree(folder / "store", folder.parent / "kept")
    data.empty(folder)
    data.lem(command, "pull", "data/answers")
    with contextlib.chdir(folder):
        configure(store__url=str(folder / "nowhere"))
    data.lem(command, "pull")
    assert data.contents(folder) == right


def test_ssh_is_pushed_to_examined_and_pulled_from(folder, tmp_path, monkeypatch):
    right = data.contents(folder)
    monkeypatch.setenv("HOME", str(tmp_path))  # no keys or settings of whoever runs this
    with sftp(tmp_path / "keys") as port:
        data.lem(command, "add", "far", f"ssh://me@127.0.0.1:{port}{tmp_path}/far")
        configure(far__keyfile=str(tmp_path / "keys/id"))
        data.lem(command, "push", "far", "--dirty")
        assert (overview()["far"]["missing"], examine(["far"])) == (0, [])
        name = data.oid(folder, "data/answers/")
        data.flip(tmp_path / "far/files/md5" / name[:2] / name[2:])
        (found,) = examine(["far"])
        assert (found.place, found.object) == ("remote far", name)
        data.mend(found.mend)
        shutil.rmtree(folder / "store")
        data.empty(folder)
        data.lem(command, "pull")
        assert data.contents(folder) == right
