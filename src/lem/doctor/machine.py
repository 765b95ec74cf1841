"""What this machine has: what MLX computes on and how fast, memory, disk, temporary folder, Python.

for finding in (memory(Memory()), temporary(), python()):
    print(finding.status, finding.finding)
"""

from __future__ import annotations

import math
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from lem import layout
from lem.doctor.finding import Finding, fault, ok, warning
from lem.params import Memory, ModelSpec, Study

SLOW = 20.0  # GFLOP/s in float32; the reference BLAS gives about 6, an optimised one 80 or more on a core
SIZE = 1024  # rows of the square matrices that are multiplied: 2 * SIZE**3 operations
SECONDS = 0.3  # of measuring; the reference BLAS needs about as long for one product
ROOM = 2**30  # bytes that the temporary folder and the disk should have whatever the study is
BYTES = {"float32": 4.0, "float16": 2.0, "bfloat16": 2.0}
SCALES = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
CGROUPS = Path("/sys/fs/cgroup")
OLD_LIMIT = "memory/memory.limit_in_bytes"  # of cgroups version 1


def device(memory: Memory) -> Finding:
    """Return what MLX computes on: cpu, metal or cuda."""
    from lem import mlx_runtime

    found = mlx_runtime.device(memory)
    return ok("device", f"MLX on {found}, {os.cpu_count()} processors")


def blas() -> Finding:
    """Return the name of the BLAS behind MLX and its speed, measured."""
    from lem import mlx_runtime

    return judged(mlx_runtime.blas(), gigaflops(mlx_runtime.core()))


def judged(name: str, speed: float) -> Finding:
    """Return what a BLAS of this name at this speed (GFLOP/s) means."""
    said = f"{name}: {speed:.0f} GFLOP/s in float32 ({SIZE} x {SIZE})"
    if name == "stock" and sys.platform == "linux":
        mend = "install OpenBLAS (Debian: libopenblas0), or MKL on x86_64: pip install mkl; unset LEM_BLAS"
        return warning("blas", f"{said}; the reference BLAS, 3 to 20 times slower than need be", mend)
    if speed < SLOW:
        mend = "see whether other processes keep the processors busy (top), then ask again"
        return warning("blas", f"{said}; below {SLOW:.0f} is as slow as no optimised BLAS at all", mend)
    return ok("blas", said)


def gigaflops(mx: object) -> float:
    """Return the best speed of MLX's matrix product within SECONDS, in 10^9 operations a second."""
    array = mx.random.uniform(shape=(SIZE, SIZE))  # type: ignore[attr-defined]
    mx.eval(array)  # type: ignore[attr-defined]
    best, began = math.inf, time.perf_counter()
    while best == math.inf or time.perf_counter() - began < SECONDS:
        start = time.perf_counter()
        mx.eval(array @ array)  # type: ignore[attr-defined]
        best = min(best, time.perf_counter() - start)
    return 2 * SIZE**3 / best / 1e9


def memory(stated: Memory) -> Finding:
    """Return whether MLX's limits of params.yaml fit this machine and the cgroup it runs in."""
    has, where = _memory()
    limits = f"limit_gb {stated.limit_gb:g}, cache_limit_gb {stated.cache_limit_gb:g}"
    said = f"{limits}; {where} {has / 2**30:.1f} GiB"
    if max(stated.limit_gb, stated.cache_limit_gb) * 2**30 > has:
        mend = f"write a smaller memory.limit_gb in params.yaml, at most {has / 2**30 * 0.8:.0f}"
        return warning("memory", said, f"{mend}; else the system may end a stage half way")
    return ok("memory", said)


def _memory() -> tuple[int, str]:
    """Return the bytes of memory that this process may have, and what sets that."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = min(_cgroup_limits(CGROUPS, Path("/proc/self/cgroup")), default=whole)
    return (limit, "the cgroup allows") if limit < whole else (whole, "the machine has")


def _cgroup_limits(root: Path, own: Path) -> Iterator[int]:
    """Yield the memory limits in bytes of this process's cgroup and of those above it, of either version."""
    stated = own.read_text() if own.is_file() else ""
    place = next((line[3:].strip("/") for line in stated.splitlines() if line.startswith("0::")), "")
    folders = [root / place, *(root / place).parents] if place else [root]
    inside = [folder / "memory.max" for folder in folders if folder.is_relative_to(root)]
    for file in [*inside, root / OLD_LIMIT]:
        text = file.read_text().strip() if file.is_file() else "max"
        if text.isdecimal():
            yield int(text)


def disk(study: Study) -> Finding:
    """Return whether the disk has room for what the study still has to write.

    The rule is rough: the weights of each declared model that is not there yet, the largest of them
    once more (it is converted beside its place), and 1 GiB for all else.
    """
    free = shutil.disk_usage(Path.cwd()).free
    missing = [weights(spec) for spec in study.models.values() if _to_be_written(spec)]
    need = int(sum(missing) + max(missing, default=0)) + ROOM
    said = f"{free / 2**30:.1f} GiB free, about {need / 2**30:.1f} needed ({len(missing)} models to convert)"
    if free < need:
        return warning(
            "disk", said, "free some space, or move the study; dvc gc -w empties the cache of old runs"
        )
    return ok("disk", said)


def _to_be_written(spec: ModelSpec) -> bool:
    return spec.role == "baseline" and not (layout.model(spec.name) / "provenance.json").is_file()


def weights(spec: ModelSpec) -> float:
    """Return the bytes of a model's weights by its `scale` and `dtype`; 0 where no scale is stated."""
    found = re.fullmatch(r"([0-9.]+)\s*([KMBT])", str(spec.scale or "").strip(), re.IGNORECASE)
    if not found or found[1].count(".") > 1 or found[1] == ".":
        return 0.0
    each = (spec.q_bits or 4) / 8 if spec.quantize else BYTES.get(spec.dtype or "float32", 4.0)
    return float(found[1]) * SCALES[found[2].upper()] * each


def temporary() -> Finding:
    """Return whether the temporary folder can be written, and what is free there."""
    mend = "set TMPDIR to a folder with a GiB to spare"
    try:
        with tempfile.TemporaryFile() as file:
            file.write(b"lem")
    except OSError as err:
        return fault("temp", f"cannot be written: {err.strerror or err}", mend)
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    said = f"{folder}: {free / 2**30:.1f} GiB free"
    return ok("temp", said) if free >= ROOM else warning("temp", said, mend)


def python(version: Iterable[int] = sys.version_info[:2]) -> Finding:
    """Return the version of Python, which must be 3.11 or newer."""
    said = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    if tuple(version) < (3, 11):
        return fault("python", said, "make clean, then make PYTHON=python3.11")
    return ok("python", said)
