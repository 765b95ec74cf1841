"""Run the trials, print what came of them, write reports/torture.json; exit code 1 where anything went wrong.

python -m torture                  # all of them
python -m torture faults readers   # some; the others' figures stay as they were
"""

from __future__ import annotations

import argparse
import importlib
import json
import tempfile
import time
from pathlib import Path

from lem.record_files import write_json
from torture.trial import REPOSITORY, Trial

TRIALS = ("kills", "faults", "places", "statements", "files", "clone", "readers", "holes")
FILE = REPOSITORY / "reports/torture.json"


def main() -> int:
    """Run the trials named on the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m torture", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="TRIAL", help=f"of {', '.join(TRIALS)}; default: all")
    names = parser.parse_args().names or list(TRIALS)
    if unknown := set(names) - set(TRIALS):
        parser.error(f"no such trial: {', '.join(sorted(unknown))}; there are {', '.join(TRIALS)}")
    failed = False
    for name in names:
        began = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix=f"torture-{name}-") as folder:
            trial: Trial = importlib.import_module(f"torture.{name}").run(Path(folder))
        told = {**trial.figures, "went wrong": len(trial.failures)}
        figures = ", ".join(f"{key} {value}" for key, value in told.items())
        print(f"{name} ({time.perf_counter() - began:.0f} s): {figures}")
        for line in trial.failures:
            print(f"  {line}")
        keep(name, told, time.perf_counter() - began)
        failed = failed or bool(trial.failures)
    return int(failed)


def keep(name: str, told: dict[str, object], seconds: float) -> None:
    """Write a trial's figures beside those of the others."""
    kept = json.loads(FILE.read_text()) if FILE.is_file() else {}
    kept[name] = {**told, "seconds": round(seconds)}
    write_json(FILE, {trial: kept[trial] for trial in TRIALS if trial in kept})


if __name__ == "__main__":
    raise SystemExit(main())
