"""Two processes side by side: the results of a function over many things, in the things' order.

for flags in in_order(all_flags, batches, side_by_side=True):
    ...
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

PROCESSES = 2
AHEAD = 6  # results computed and not yet taken: what bounds the memory

T = TypeVar("T")
U = TypeVar("U")


def in_order(function: Callable[[T], U], things: Iterable[T], side_by_side: bool) -> Iterator[U]:
    """Yield the result of each thing, in their order, computed by two processes or by this one.

    The function and the things must be picklable, and the results the same wherever they are made.
    """
    if not side_by_side:
        yield from map(function, things)
        return
    ahead: deque[Future[U]] = deque()
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        for thing in things:
            ahead.append(pool.submit(function, thing))
            if len(ahead) >= AHEAD:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
