"""A task of lm-evaluation-harness, loaded and looked through before a model is: its items, its faults.

    with opened(study.task("arc_like")) as found:
        found.task.eval_docs      # lm-eval's own task, its data read anew

A task is `seeds/tasks/NAME.yaml`, whose data files lie in `seeds/`, or one that
lm-eval comes with, whose data a hub or its cache must give.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import logging
import os
import tempfile
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from lem import question_files
from lem.errors import LemError
from lem.harness import generation
from lem.params_tasks import TaskSpec
from lem.plain_files import must_end, unfolded

FOLDER = Path("seeds/tasks")
SEEDS = (FOLDER, Path("seeds/benchmarks"))
"""Where the data of own tasks lie: what dvc.yaml has the items depend on."""
RENDERED = (
    *("process_docs", "doc_to_text", "doc_to_target", "doc_to_choice", "process_results"),
    *("fewshot_config", "custom_dataset", "description"),
)
"""Keys of a task's YAML whose template or function runs when it is asked."""
FRAMES = {"download": "dataset_path", "apply_filters": "filter_list", "build_filter_ensemble": "filter_list"}
"""The key that is at fault where a function of lm-eval's own fails."""
SPLITS = ("training_split", "validation_split", "test_split", "fewshot_split")
MORE_KEYS = ("include", "class", "tag", "group", "task_list", "dataset_kwargs")


@dataclass(frozen=True)
class Opened:
    """A loaded task of lm-eval with the settings it is asked with, and the file it is written in."""

    spec: TaskSpec
    task: Any
    file: Path | None  # None for one that lm-eval comes with

    @property
    def name(self) -> str:
        """What a message calls it."""
        return str(self.file) if self.file else f"task {self.spec.name}"


@contextlib.contextmanager
def opened(spec: TaskSpec) -> Iterator[Opened]:
    """Yield a task, its data read anew: a cached copy of them may be of an older file.

    Raises LemError naming the YAML's path and the key at fault.
    """
    own = FOLDER / f"{spec.name}.yaml"
    must_end(own)
    with quiet(), tempfile.TemporaryDirectory() as scratch:
        import datasets

        before = datasets.config.HF_DATASETS_CACHE
        datasets.config.HF_DATASETS_CACHE = scratch if own.is_file() else before
        try:
            found = Opened(spec, _own(own, spec) if own.is_file() else _of_lm_eval(spec.name), _file(own))
            _set(found)
            yield found
        finally:
            datasets.config.HF_DATASETS_CACHE = before


def _file(path: Path) -> Path | None:
    return path if path.is_file() else None


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep lm-eval's log and the progress bars of its libraries off the screen; its errors are raised."""
    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    loggers = [logging.getLogger(name) for name in ("lm_eval", "datasets", "huggingface_hub", "evaluate")]
    levels = [logger.level for logger in loggers]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other projects' internals
            import datasets

            for logger in loggers:
                logger.setLevel(logging.CRITICAL)
            datasets.disable_progress_bars()
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _own(path: Path, spec: TaskSpec) -> Any:  # noqa: ANN401 (lm-eval's)
    """Return the task of a YAML file; raises LemError."""
    from lm_eval.tasks import TaskManager

    config = _config(path)
    if config.get("task") != spec.name:
        raise LemError(f"{path}: task: expected {spec.name!r}, the file's name, found {config.get('task')!r}")
    _known_keys(path, config)
    given = config.get("dataset_kwargs") or {}
    if not isinstance(given, dict):
        raise LemError(f"{path}: dataset_kwargs: expected a mapping, found {given!r}"[:200])
    _data_files(path, given.get("data_files"), "dataset_kwargs.data_files")
    with _told(str(path), config):
        return TaskManager(include_defaults=False).load([str(path)])["tasks"][spec.name]


def _config(path: Path) -> dict[str, Any]:
    import yaml
    from lm_eval.tasks._yaml_loader import load_yaml

    try:
        with path.open("rb") as file:
            yaml.compose(file, Loader=yaml.SafeLoader)  # lm-eval's, in C, dies of nesting without a word
        config = dict(load_yaml(path))
        unfolded(config, path)
        return config
    except FileNotFoundError as err:
        missing = err.filename if isinstance(err.filename, str) else str(err)
        raise LemError(f"{path}: include: {_shown(missing)}: no such file") from err
    except (yaml.YAMLError, ValueError) as err:
        raise LemError(f"{path}: not a YAML mapping: {_line(err)}") from err
    except RecursionError as err:
        raise LemError(f"{path}: not a YAML mapping: nested too deeply") from err
    except LemError:
        raise
    except Exception as err:  # a module of functions runs as it is imported
        raise LemError(f"{path}: !function: {_line(err)}") from err


def _known_keys(path: Path, config: dict[str, Any]) -> None:
    from lm_eval.config.task import TaskConfig

    known = [*(f.name for f in fields(TaskConfig)), *MORE_KEYS]
    for key in config:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise LemError(f"{path}: {key}: lm-eval knows no such key of a task{hint}")


def _data_files(path: Path, stated: object, key: str) -> None:
    """Raise LemError for a data file that is not there, or where no change of it would be seen."""
    if isinstance(stated, dict):
        for name, below in stated.items():
            _data_files(path, below, f"{key}.{name}")
    elif isinstance(stated, list):
        for place, below in enumerate(stated):
            _data_files(path, below, f"{key}[{place}]")
    elif isinstance(stated, str) and "://" not in stated:
        if not Path(stated).is_file():
            raise LemError(f"{path}: {key}: {stated}: no such file; paths are from the folder of params.yaml")
        if not any(Path(stated).resolve().is_relative_to(folder.resolve()) for folder in SEEDS):
            where = " or ".join(map(str, SEEDS))
            raise LemError(
                f"{path}: {key}: {stated}: expected a file below {where}, where dvc sees it change"
            )
        _rows(Path(stated), f"{path}: {key}")


def _rows(data: Path, where: str) -> None:
    """Raise LemError naming the line that is no row of JSON Lines; other forms are left to their reader."""
    if data.suffix != ".jsonl":
        return
    try:
        count = sum(1 for _ in question_files.rows(data))
    except LemError as err:
        raise LemError(f"{where}: {err}") from err
    if not count:
        raise LemError(f"{where}: {data}: expected at least one row, found none")


@functools.cache
def _manager() -> Any:  # noqa: ANN401 (lm-eval's)
    """Return lm-eval's index of its own tasks, some thousand files that take seconds to read."""
    from lm_eval.tasks import TaskManager

    return TaskManager()


def _of_lm_eval(name: str) -> Any:  # noqa: ANN401
    """Return a task that lm-eval comes with; LemError where it has none or its data cannot be had."""
    manager = _manager()
    if name not in manager.all_subtasks:
        near = difflib.get_close_matches(name, manager.all_subtasks, 1)
        is_group = name in manager.all_tasks
        why = "is a group of tasks; name each of them" if is_group else "is no task of lm-eval"
        hint = f"; did you mean {near[0]}?" if near and not is_group else ""
        raise LemError(f"tasks.{name}: there is no {FOLDER / name}.yaml, and {name} {why}{hint}")
    try:
        return manager.load([name])["tasks"][name]
    except Exception as err:  # whatever a loader, a hub or a network says
        raise LemError(f"task {name}: its data could not be reached: {_line(err)}") from err


def _set(found: Opened) -> None:
    """Give a task the worked examples and the seed that lm-eval's own evaluation gives it."""
    task, spec = found.task, found.spec
    stated = task.get_config("num_fewshot")
    if spec.shots is not None and stated != 0:
        task.set_config(key="num_fewshot", value=spec.shots)
    elif stated is None:
        task.set_config(key="num_fewshot", value=0)
    if spec.shots and stated == 0:
        asked = f"params.yaml: tasks.{spec.name}.shots: {spec.shots}"
        raise LemError(f"{asked}: {found.name} has num_fewshot fixed at 0; take one of the two away")
    task.set_fewshot_seed(seed=spec.fewshot_seed)
    if task.OUTPUT_TYPE == "generate_until":
        try:
            generation.sampling(task.get_config("generation_kwargs") or {}, spec.batch_size)
        except LemError as err:
            raise LemError(f"{found.name}: generation_kwargs: {err}") from err


@contextlib.contextmanager
def _told(name: str, config: dict[str, Any], keys_only: bool = False) -> Iterator[None]:
    """Turn whatever a task's own templates, functions and data raise into one line with its key.

    keys_only: leave alone what came out of no key of the YAML, as a full disk.
    """
    try:
        yield
    except Exception as err:  # anything may come out of somebody's template or function
        if isinstance(err, LemError):
            raise
        if split := _split(err, config):
            raise LemError(f"{name}: {split}: the task's data have no split {config[split]!r}") from err
        key = _key(err, config)
        if keys_only and key is None:
            raise
        raise LemError(f"{name}: {key}: {_line(err)}" if key else f"{name}: {_line(err)}") from err


def told(found: Opened, keys_only: bool = False) -> contextlib.AbstractContextManager[None]:
    """Turn what a task's templates, functions and data raise into one line with the YAML's path and key."""
    return _told(found.name, dict(found.task.dump_config()), keys_only)


def _key(error: Exception, config: dict[str, Any]) -> str | None:
    """Return the key of a task's YAML that an error came out of."""
    frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    ran = next((name for name in reversed(frames) if name in RENDERED), None)
    return ran or next((FRAMES[name] for name in frames if name in FRAMES), None)


def _split(error: Exception, config: dict[str, Any]) -> str | None:
    """Return the key of a split that the data do not have, where that is the error."""
    missing = error.args[0] if isinstance(error, KeyError) and error.args else None
    return next((key for key in SPLITS if missing and config.get(key) == missing), None)


def _line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    kind = "" if type(error).__name__ in ("LemError", "ValueError") else f"{type(error).__name__}: "
    cause = f": {' '.join(str(error.__cause__).split())}" if error.__cause__ else ""
    return _shown(f"{kind}{text}{cause}")[:300]


def _shown(text: str) -> str:
    return text.replace(f"{Path.cwd()}{os.sep}", "")


def configured(found: Opened) -> dict[str, Any]:
    """Return a task's whole configuration as JSON holds it: no path of this machine, functions by name."""
    config = dict(found.task.dump_config())
    config["metadata"] = {k: v for k, v in (config.get("metadata") or {}).items() if k != "config_source"}
    return dict(_named(config))


def _named(value: Any) -> Any:  # noqa: ANN401 (YAML is anything)
    if isinstance(value, dict):
        return {key: _named(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_named(one) for one in value]
    return value.__name__ if callable(value) else value
