"""Every kind of dump, made wrong in thousands of ways: an error in one line or an import without a loss."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from dumps import DUMPS
from lem import checks, layout
from lem.cli import main
from lem.ingest.lines import LINE_LIMIT
from lem.record_files import read_jsonl
from lem.records import Quarantined
from mutations import mutate

LONG = b'{"id": "' + b"x" * (50 << 20) + b'"}\n'
FEW, MANY, CHECKED = 10, 1_450, 5  # mutated files a kind: in `make test`, in `make slow`, of those checked


@pytest.fixture(autouse=True)
def study(tmp_path, monkeypatch):
    (tmp_path / "study").mkdir()
    monkeypatch.chdir(tmp_path / "study")
    monkeypatch.setattr(os, "fsync", lambda _: None)  # nothing here has to outlive a power cut


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def ingest(kind: str, folder: Path) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["ingest", kind, str(folder), "--as", "theirs", *DUMPS[kind][1]])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def counted(output: str) -> Iterator[tuple[int, int, int]]:
    """Yield (rows, imported, quarantined) of each line of the printed table but its head, the sum last."""
    for line in output.splitlines()[1:]:
        numbers = line.split()[-3:]
        if len(numbers) == 3 and all(n.isdigit() for n in numbers):
            yield int(numbers[0]), int(numbers[1]), int(numbers[2])


def around(top: Path) -> dict[str, str]:
    """{path: sha256} of everything below a folder but the one place where an import may write."""
    inside = Path("data/imported").resolve()
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in sorted(top.rglob("*"))
        if not path.is_relative_to(inside) and path.name != "data"
    }


def held(code: int, output: str, before: dict[str, str], top: Path) -> None:
    """Assert what holds of any import: one line of error or no row lost, and nothing written elsewhere."""
    assert around(top) == before
    root = layout.imported("theirs")
    assert [p.name for p in root.parent.glob("*")] in ([], ["theirs"]) if root.parent.exists() else True
    if code:
        assert code == 1 and output.startswith("Error: ") and not root.exists(), output
        return
    *files, total = counted(output)
    assert all(rows == imported + refused for rows, imported, refused in [*files, total]), output
    assert tuple(map(sum, zip(*files, strict=True))) == total
    assert len(list(read_jsonl(root / "quarantine.jsonl", Quarantined))) == total[2]


@pytest.mark.parametrize("kind", DUMPS)
def test_a_dump_without_a_fault_is_whole(kind, tmp_path):
    code, output = ingest(kind, write(tmp_path / "dump", DUMPS[kind][0]))
    assert code == 0, output
    *_, (rows, imported, quarantined) = counted(output)
    assert rows == imported > 0 == quarantined, output
    report, failures = checks.check()
    assert failures == [] and report["ok"]


def made_wrong(kind: str, times: int, tmp_path: Path) -> None:
    """Import the dump `times` times, one file of it mutated each time, and hold what must hold."""
    files, _ = DUMPS[kind]
    folder, root = tmp_path / "dump", layout.imported("theirs")
    for seed in range(times):
        rng = random.Random(f"{kind} {seed}")
        name = rng.choice(list(files))
        way, wrong = mutate(rng, files[name])
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(root, ignore_errors=True)
        write(folder, {**files, name: wrong})
        before = around(tmp_path)
        try:
            code, output = ingest(kind, folder)
            held(code, output, before, tmp_path)
            if code == 0 and seed % max(1, times // CHECKED) == 0:
                _, failures = checks.check()
                assert failures == []
        except BaseException as err:
            err.add_note(f"kind {kind}, seed {seed}, {name} {way}: {wrong[:2000]!r}")
            raise


@pytest.mark.parametrize("kind", DUMPS)
def test_what_is_wrong_is_refused_or_quarantined(kind, tmp_path):
    made_wrong(kind, FEW, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", DUMPS)
def test_ten_thousand_files_made_wrong(kind, tmp_path):
    assert MANY * len(DUMPS) >= 10_000
    made_wrong(kind, MANY, tmp_path)


@pytest.mark.parametrize("kind", DUMPS)
def test_a_line_of_50_megabytes_is_quarantined(kind, tmp_path):
    files, _ = DUMPS[kind]
    name = next(iter(files)) if kind != "study" else "data/items/b.jsonl"
    folder = write(
        tmp_path / "dump", {**files, name: files[name] + b'{"id": "' + b"x" * (50 << 20) + b'"}\n'}
    )
    before = around(tmp_path)
    code, output = ingest(kind, folder)
    held(code, output, before, tmp_path)
    if code == 0:
        kept = (layout.imported("theirs") / "quarantine.jsonl").stat().st_size
        assert kept < LINE_LIMIT


@pytest.mark.parametrize("kind", DUMPS)
def test_links_and_pipes_are_neither_followed_nor_read(kind, tmp_path):
    files, _ = DUMPS[kind]
    outside = tmp_path / "secret.jsonl"
    for make in (lambda p: p.symlink_to(outside), os.mkfifo, lambda p: p.symlink_to(p)):
        for name in files:
            shutil.rmtree(tmp_path / "dump", ignore_errors=True)
            shutil.rmtree(layout.imported("theirs"), ignore_errors=True)
            outside.write_text('{"id": "secret", "seed_id": "secret", "prompt": "p", "response": "secret"}\n')
            folder = write(tmp_path / "dump", files)
            (folder / name).unlink()
            make(folder / name)
            code, _ = ingest(kind, folder)
            assert code in (0, 1)
            for path in layout.imported("theirs").rglob("*") if code == 0 else ():
                assert not path.is_file() or b"secret" not in path.read_bytes(), path
