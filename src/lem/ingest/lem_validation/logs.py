r"""The log of a validation run, read as a terminal shows it: its entries, and what else stands there. Pure.

    [3/40] P03_NETWORK | 2134 chars | 13.8s          an entry of a validation run;
      >> how the answer begins, on one line or more  its preview
    --- Prompt 2/10: How do I ... ---                the heading of a format test's entries:
      A_sandwich: 9.2s | 1953 chars | how it begins

    log = parse([(1, "[1/2] P1 | 20 chars | 0.5s", None), (2, "  >> Because...", None)])
    log.entries[0].preview       # 'Because...'

Progress bars overwrite themselves behind carriage returns, warnings stand between
the lines, and a run may have been stopped at any of them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COUNT, SECONDS = r"([0-9]{1,9})", r"([0-9]{1,9}(?:\.[0-9]{1,9})?)s"
BRACKET = re.compile(r"\[\s*[0-9]+\s*/")
VALIDATED = re.compile(rf"\[{COUNT}/{COUNT}\] (\S.{{0,300}}?) \| {COUNT} chars \| {SECONDS}")
HEADING = re.compile(r"-{3,20} *Prompt\b")
PROMPT = re.compile(rf"-{{3,20}} *Prompt +{COUNT}/{COUNT}:(.*)", re.DOTALL)
MODE_WORD = r"([A-Za-z][\w-]{0,60})"
TESTED = re.compile(rf"[ \t]{{1,8}}{MODE_WORD}: {SECONDS} \| {COUNT} chars \| ?(.*)", re.DOTALL)
TESTED_LIKE = re.compile(rf"[ \t]{{1,8}}(?:[A-Z]_\w|{MODE_WORD}: {SECONDS} \|)")
PREVIEW = re.compile(r"\s{0,8}>> ?")
BAR = re.compile(r"[0-9]{1,3}%\|")
WARNING = re.compile(r"\S{1,300}:[0-9]{1,9}: [A-Za-z]{0,60}Warning\b|\s{0,8}warnings\.warn\(")
DONE = re.compile(rf"Done\. +{COUNT} +\w+ +saved +to +(\S.*)")
LOADING = re.compile(r"Loading +(?:\w+ +){0,3}model: *(\S.*)", re.IGNORECASE)
SIGNED = re.compile(r"\b(unsigned|signed)\b", re.IGNORECASE)

MODES = {"sandwich": "sandwich", "system": "system", "system-style": "system"}
MODES |= {"kernel-only": "kernel-only", "naked": "naked"}
NOISE = ("warning line", "progress bar", "unreadable line")


@dataclass(frozen=True)
class Entry:
    """What a log says of one answer; `decimals` of its seconds are shown."""

    line: int
    text: str  # the line as shown
    prompts: str  # validation or format
    seed_id: str  # of a format test: its prompt as shown
    mode: str | None  # None where the line does not tell
    place: int
    announced: int
    chars: int
    seconds: float
    decimals: int
    preview: str | None = None


@dataclass(frozen=True)
class Torn:
    """A line that looks like an entry and cannot be read."""

    line: int
    text: str
    reason: str


@dataclass
class Log:
    """A log's entries in order, its torn ones, the other lines by kind, and what it says of itself."""

    entries: list[Entry] = field(default_factory=list)
    torn: list[Torn] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    saved: int | None = None  # answers that it says were saved
    saved_to: str | None = None  # name of the file they were saved to, without its folder
    loaded: str | None = None  # last part of the path or id of the model that was loaded
    word: str | None = None  # unsigned or signed, as a line above the entries says


@dataclass
class _State:
    """Where in a log we are: the heading above, and the preview that is being read."""

    tested: bool = False  # whether it is a format test's
    prompt: tuple[int, int, str] | None = None
    preview: list[str] | None = None
    entry_open: bool = False  # whether the preview belongs to the last entry


def parse(lines: Iterable[tuple[int, str, str | None]]) -> Log:
    """Return what a log holds, of its (number, text, why it cannot be read or None) lines."""
    log, state = Log(), _State()
    for number, text, unreadable in lines:
        for shown in _shown(text, log):
            if unreadable and not _is_row(shown):
                log.others["unreadable line"] += 1
            else:
                _take(log, state, number, shown, unreadable)
    _close(log, state)
    return log


def _shown(text: str, log: Log) -> list[str]:
    """Return what a terminal leaves of a line: what is behind its last carriage return, and any entry."""
    parts = [part for part in ANSI.sub("", text).split("\r") if part.strip()] or [""]
    *hidden, last = [part.removeprefix("\ufeff").rstrip() for part in parts]
    if any(map(BAR.search, hidden)) and not BAR.search(last):
        log.others["progress bar"] += 1
    return [part for part in hidden if _is_row(part)] + [last]


def _is_row(text: str) -> bool:
    return bool(BRACKET.match(text) or TESTED_LIKE.match(text))


def _take(log: Log, state: _State, number: int, text: str, unreadable: str | None) -> None:
    """Sort one shown line into the log."""
    if BRACKET.match(text) or (TESTED_LIKE.match(text) and (state.tested or TESTED.fullmatch(text))):
        _close(log, state)
        _enter(log, state, number, text, unreadable)
    elif HEADING.match(text):
        _close(log, state)
        state.tested, state.prompt = True, _prompt(text)
        log.others["other line"] += 1
    elif BAR.search(text) or WARNING.match(text):
        log.others["progress bar" if BAR.search(text) else "warning line"] += 1
    elif done := DONE.fullmatch(text):
        _close(log, state)
        log.saved, log.saved_to = int(done[1]), last_part(done[2])
        log.others["other line"] += 1
    elif state.preview is not None:
        state.preview.append(text if state.preview else PREVIEW.sub("", text, count=1))
        log.others["preview line"] += bool(text)
    elif text:
        log.others["other line"] += 1
        if not log.entries:
            _header(log, text)


def _enter(log: Log, state: _State, number: int, text: str, unreadable: str | None) -> None:
    """Add an entry and open its preview, or keep the line as torn."""
    state.preview, state.entry_open = [], False
    found = unreadable or (_validated if BRACKET.match(text) else _tested)(number, text, state)
    if isinstance(found, Entry) and log.entries and log.entries[-1].line == number:
        found = "two entries in one line"
    if isinstance(found, str):
        log.torn.append(Torn(number, text, found))
        return
    state.entry_open = True
    if found.preview is not None:
        state.preview.append(found.preview)
    log.entries.append(found)


def _validated(number: int, text: str, state: _State) -> Entry | str:
    match = VALIDATED.fullmatch(text)
    if not match:
        return "expected [k/N] SEED | n chars | n.ns"
    place, announced = int(match[1]), int(match[2])
    if not 1 <= place <= announced:
        return f"entry {place} of {announced}"
    seconds = (float(match[5]), _decimals(match[5]))
    return Entry(number, text, "validation", match[3], None, place, announced, int(match[4]), *seconds)


def _tested(number: int, text: str, state: _State) -> Entry | str:
    match = TESTED.fullmatch(text)
    if not match:
        return "expected MODE: n.ns | n chars | preview"
    if state.prompt is None:
        return "no heading above it that tells the prompt"
    place, announced, prompt = state.prompt
    mode, seconds = mode_of(match[1]), (float(match[2]), _decimals(match[2]))
    told = (prompt, mode, place, announced, int(match[3]))
    return Entry(number, text, "format", *told, *seconds, match[4])


def _decimals(number: str) -> int:
    return len(number.partition(".")[2])


def _prompt(text: str) -> tuple[int, int, str] | None:
    """Return (place, announced, prompt as shown) of a heading, None for a torn one."""
    match = PROMPT.fullmatch(text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        return None
    shown = match[3].strip()
    shown = shown.rstrip("-").rstrip() if shown.endswith("---") else shown
    return (int(match[1]), int(match[2]), shown) if shown else None


def mode_of(word: str) -> str:
    """Return our mode for a format test's word, such as B_system_style; a word we lack as it is."""
    plain = re.sub(r"^[A-Za-z]_", "", word).lower().replace("_", "-")
    return MODES.get(plain, word)


def _header(log: Log, text: str) -> None:
    if loading := LOADING.fullmatch(text):
        log.loaded = last_part(loading[1])
    elif log.word is None and (signed := SIGNED.search(text)):
        log.word = signed[1].lower()


def last_part(path: str) -> str:
    """Return the last part of a path, whichever way its separators lean."""
    return re.split(r"[/\\]", path.rstrip("/\\ "))[-1]


def _close(log: Log, state: _State) -> None:
    """Give the last entry the preview that was read for it."""
    if state.preview and state.entry_open:
        preview = "\n".join(state.preview).rstrip()
        log.entries[-1] = replace(log.entries[-1], preview=preview or None)
    state.preview, state.entry_open = None, False


def noise(log: Log) -> str | None:
    """Return the lines that are no entries, counted by kind; None for a log without warnings or bars."""
    if not any(log.others[kind] for kind in NOISE):
        return None
    kinds = (*NOISE, "preview line", "other line")
    counts = ((log.others[kind], kind) for kind in kinds)
    return ", ".join(f"{count} {kind}{'' if count == 1 else 's'}" for count, kind in counts if count)


def shortfalls(log: Log) -> Iterator[tuple[str, str]]:
    """Yield (prompts, detail) of each run in the log with fewer entries than it announces."""
    for prompts in ("validation", "format"):
        entries = [entry for entry in log.entries if entry.prompts == prompts]
        if not entries:
            continue
        modes = {entry.mode for entry in entries}
        places = max(entry.announced for entry in entries)
        said = (log.saved or 0) if prompts == "validation" else 0
        expected = max(places * len(modes), said)
        found = len({(entry.place, entry.mode) for entry in entries})
        if found < expected:
            last = entries[-1]
            at = f"the last is of prompt {last.place} of {places}" + (f", {last.mode}" if last.mode else "")
            yield prompts, f"{found} of {expected} answers that the log announces; {at}"
