"""Whether the log of a run and its file of answers tell the same: characters, seconds, first words. Pure.

disagreement(entry, response)      # 'chars: 20 logged, 21 in the answer', or None
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from lem.ingest.lem_validation.logs import Entry
from lem.records import Response


def disagreement(entry: Entry, response: Response) -> str | None:
    """Return how an entry and the answer it is of differ; None where they agree.

    Seconds agree when they are equal as far as the log shows them, previews
    when the answer begins with them, up to white space and the ellipsis.
    """
    found = []
    if entry.chars != response.chars:
        found.append(f"chars: {entry.chars} logged, {response.chars} in the answer")
    slack = 0.5 * 10.0**-entry.decimals + 1e-9
    if response.gen_time is not None and abs(entry.seconds - response.gen_time) > slack:
        found.append(f"seconds: {entry.seconds:g} logged, {response.gen_time:g} in the answer's row")
    if entry.preview and not begins(response.response, entry.preview):
        found.append("the answer does not begin with the preview")
    return "; ".join(found) or None


def begins(response: str, preview: str) -> bool:
    """Return whether an answer begins with a preview, its ellipsis and all white space aside."""
    shown = "".join(preview.removesuffix("...").removesuffix("…").split())
    return "".join(response.split()).startswith(shown)


def disagreements(entries: Iterable[Entry], answers: Mapping[str, Response]) -> Iterator[tuple[Entry, str]]:
    """Yield each entry whose answer is there and differs, with how."""
    for entry in entries:
        answer = answers.get(entry.seed_id)
        if answer and (detail := disagreement(entry, answer)):
            yield entry, detail
