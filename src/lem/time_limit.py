"""A limit of time on what strangers wrote and this process runs: a chat template that never ends.

with time_limit.within(10):
    text = tokenizer.apply_chat_template(turns, tokenize=False)     # TimeoutError after 10 s

The clock is the process's alarm, which the main thread alone can set; elsewhere there is no limit.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the block when it takes longer; an alarm that was set before is set again."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, _late)
    left, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left)
        signal.signal(signal.SIGALRM, before)


def _late(number: int, frame: FrameType | None) -> NoReturn:
    raise TimeoutError("it did not end in time")
