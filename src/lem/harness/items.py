"""The items of an opened task of lm-evaluation-harness, and what an evaluation of it depends on.

with tasks.opened(study.task("arc_like")) as found:
    rows = items(found)
    described(found, rows)      # templates, version, hashes of the data and of their code
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from typing import Any

from lem.errors import LemError
from lem.harness.tasks import FOLDER, Opened, configured, told
from lem.ingest.lines import Fault, fitting
from lem.ingest.lm_eval.samples import Argument, item_of
from lem.ingest.lm_eval.scores import Task as Shared
from lem.record_files import file_sha, settings_sha, sha256
from lem.records import OWN, Item


def requests(found: Opened) -> list[Any]:
    """Return every request of a task, without a chat template; raises LemError naming the key at fault."""
    with told(found):
        found.task.build_all_requests(limit=None, rank=0, world_size=1)
        return list(found.task.instances)


def items(found: Opened) -> list[Item]:
    """Return the item records of a task, each under lm-eval's doc_id; raises LemError.

    Everything that runs when a task is asked and scored runs here once, on every item.
    """
    with told(found):
        docs = list(found.task.eval_docs)
    if found.task.OUTPUT_TYPE == "multiple_choice" and found.task.get_config("doc_to_choice") is not None:
        _right_choices(found, docs)
    asked: dict[int, list[Argument]] = {}
    for request in requests(found):
        arguments = (*request.args, None)
        asked.setdefault(request.doc_id, []).append((arguments[0], arguments[1]))
    if found.file:
        _scored(found, docs)
    with told(found):
        return [_item(found, place, doc, asked[place]) for place, doc in enumerate(docs)]


def _right_choices(found: Opened, docs: list[dict[str, Any]]) -> None:
    """Raise LemError where the right answer is no choice: lm-eval would count any answer as wrong."""
    task = found.task
    for place, doc in enumerate(docs):
        with told(found):
            choices, key = task.doc_to_choice(doc), "doc_to_text" if task.multiple_input else "doc_to_target"
            target = getattr(task, key)(doc)
        if not isinstance(choices, list | tuple) or not choices:
            raise LemError(
                f"{found.name}: doc_to_choice: item {place}: expected a list, found {choices!r}"[:300]
            )
        for one in target if isinstance(target, list) and target else [target]:
            if not (one in choices if isinstance(one, str) else type(one) is int and 0 <= one < len(choices)):
                stated = f"expected one of its {len(choices)} choices or its place from 0, found {one!r}"
                raise LemError(f"{found.name}: {key}: item {place}: {stated}"[:300])


def _scored(found: Opened, docs: list[dict[str, Any]]) -> None:
    """Filter and score answers that no model gave: else a fault there is seen after hours of asking."""
    task, of = found.task, defaultdict(list)
    for request in task.instances:
        given = {"generate_until": "0", "loglikelihood_rolling": -1.0}.get(task.OUTPUT_TYPE, (-1.0, False))
        request.resps = [given] * request.repeats
        of[request.doc_id].append(request)
    with told(found):
        task.apply_filters()
        for reading in task.instances[0].filtered_resps:
            for place, asked in of.items():
                answers = [request.filtered_resps[reading] for request in asked]
                measured = task.process_results(docs[place], answers)
                _measured(found, measured)


def _measured(found: Opened, values: dict[str, Any]) -> None:
    how = found.task.aggregation()
    for metric in found.task.get_config("metric_list") or ():
        name = metric["metric"] if isinstance(metric["metric"], str) else metric["metric"].__name__
        if name not in values:
            there = ", ".join(values) or "nothing"
            raise LemError(f"{found.name}: metric_list: no {name!r}; the task measures {there}")
        if not callable(how.get(name)):
            raise LemError(
                f"{found.name}: metric_list: {name}: no such aggregation: {metric.get('aggregation')!r}"
            )


def _item(found: Opened, place: int, doc: dict[str, Any], asked: list[Argument]) -> Item:
    shared = Shared(OWN, "", found.spec.name, version(found.task), "")
    target = found.task.doc_to_target(doc)
    try:
        item = item_of(str(place), doc, None if target is None else str(target), asked, shared)
        cluster = doc.get("cluster")
        return fitting(replace(item, cluster=cluster if isinstance(cluster, str) else None))
    except Fault as fault:
        raise LemError(f"{found.name}: item {place}: {fault}") from fault


def version(task: Any) -> str | None:  # noqa: ANN401
    """Return a task's version as text, 1.0 as 1."""
    stated = task.VERSION
    return f"{stated:g}" if isinstance(stated, int | float) else None if stated is None else str(stated)


def shas(found: Opened) -> dict[str, str]:
    """Return the hash of every item of a task as its data are now, by lm-eval's doc_id."""
    with told(found):
        return {str(place): sha256(json.dumps(doc)) for place, doc in enumerate(found.task.eval_docs)}


def described(found: Opened, rows: list[Item]) -> dict[str, Any]:
    """Return what shapes an evaluation of a task: its configuration, the hashes of its items and the rest.

    `shots_sha` is there where worked examples have data of their own, `code_sha` where functions may run.
    """
    config = configured(found)
    more = {"shots_sha": _shots_sha(found, config), "code_sha": _code_sha(found)}
    return {
        "task": found.spec.name,
        "version": version(found.task),
        "items": len(rows),
        "items_sha": settings_sha({item.item_id: item.sha for item in rows}),
        **{key: sha for key, sha in more.items() if sha},
        "config": config,
    }


def _shots_sha(found: Opened, config: dict[str, Any]) -> str | None:
    named = [config.get(key) for key in ("fewshot_split", "training_split", "validation_split")]
    if not any(named) and not (config.get("fewshot_config") or {}).get("split"):
        return None
    with told(found):
        return settings_sha({"shots": [sha256(json.dumps(doc)) for doc in found.task.fewshot_docs()]})


def _code_sha(found: Opened) -> str | None:
    """Return the hash of the modules that a YAML's functions may lie in: one may call any other."""
    modules = sorted(FOLDER.rglob("*.py")) if found.file else []
    return settings_sha({str(file): file_sha(file) for file in modules}) if modules else None
