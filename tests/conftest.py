"""What every test starts from: an offline environment, a fast BLAS before MLX, the micro model, a study."""

import os
from pathlib import Path

os.environ["MLX_DISABLE_COMPILE"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["DVC_NO_ANALYTICS"] = "1"
os.environ["TQDM_DISABLE"] = "1"  # read once, by the first import

import pytest
from click.testing import CliRunner, Result
from hypothesis import settings

import micro
from lem import mlx_runtime
from lem.cli import main

mlx_runtime.blas()  # once, before any test imports mlx
EXAMPLES = int(os.environ.get("LEM_EXAMPLES", "30"))  # make release: 300
settings.register_profile("lem", deadline=None, max_examples=EXAMPLES)  # a busy machine is no fault
settings.load_profile("lem")


@pytest.fixture(scope="session", autouse=True)
def _dvc_site_cache(tmp_path_factory):
    os.environ["DVC_SITE_CACHE_DIR"] = str(tmp_path_factory.mktemp("dvc-site-cache"))


@pytest.fixture(scope="session")
def micro_folder(tmp_path_factory) -> Path:
    """The micro model's folder; shared, so nobody writes there."""
    return micro.build(tmp_path_factory.mktemp("micro") / "micro")


@pytest.fixture(scope="session")
def make_study():
    """`make_study(folder)` writes a study of the micro model there and returns the folder."""
    return micro.study


@pytest.fixture
def study(tmp_path, monkeypatch) -> Path:
    """A fresh study of the micro model, which is also the working folder."""
    folder = micro.study(tmp_path / "study")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def lem():
    """`lem("generate", ...)` as a user types it; fails the test unless it ends as expected."""

    def run(*words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(main, [str(word) for word in words])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result

    return run
