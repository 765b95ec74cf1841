"""What every trial returns, and the small study that most of them run in.

outcome = Trial("faults", {"named": 500}, [])
folder = study(Path("/tmp/x/study"))     # a git and DVC repository around the micro model
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

Figures = dict[str, int | float | str]


@dataclass(frozen=True)
class Trial:
    """What came of one trial: figures in the order they are told, a line for each thing that went wrong."""

    name: str
    figures: Figures
    failures: list[str] = field(default_factory=list)


def study(folder: Path) -> Path:
    """Write the study of the micro model, as a git and DVC repository whose first commit holds it all.

    Its remote is `store/` in the tree, as the reference study's is.
    """
    import micro

    folder.mkdir(parents=True, exist_ok=True)
    micro.study(folder)
    for name in (".gitignore", ".dvcignore", ".gitattributes"):
        if (REPOSITORY / name).is_file():
            (folder / name).write_bytes((REPOSITORY / name).read_bytes())
    for words in (
        ("git", "init", "-q", "-b", "main"),
        ("git", "config", "user.name", "torture"),
        ("git", "config", "user.email", "torture@localhost"),
        ("dvc", "init", "-q"),
        ("dvc", "config", "core.analytics", "false"),
        ("dvc", "remote", "add", "-d", "store", "store"),
        ("dvc", "remote", "modify", "store", "verify", "true"),
        ("git", "add", "-A"),
        ("git", "commit", "-qm", "the study"),
    ):
        subprocess.run(words, cwd=folder, env=environment(folder), check=True, capture_output=True)
    return folder


def keep(folder: Path, names: tuple[str, ...]) -> None:
    """Leave of a study's pipeline these stages alone, `warehouse` among them with nothing but its tables."""
    import yaml

    pipeline = yaml.safe_load((folder / "dvc.yaml").read_text())
    stages = {name: pipeline["stages"][name] for name in names}
    stages["warehouse"] |= {"outs": [{"reports/tables": {"persist": True}}]}
    stages["warehouse"].pop("metrics")
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}, sort_keys=False))
    for dep in stages["check"]["deps"]:
        (folder / dep).mkdir(parents=True, exist_ok=True)


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of a command in a trial: offline, quiet, DVC's state beside the study."""
    return os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(folder.parent / "dvc-site-cache"),
        "HF_HUB_OFFLINE": "1",
        "MLX_DISABLE_COMPILE": "1",
        "TQDM_DISABLE": "1",
    }
