"""How a judge is asked: several requests at a time, patiently but not for ever.

What may pass (no connection, no answer in time, HTTP 408, 409, 429 and 5xx) is
tried again with growing pauses, or after the pause the endpoint asks for, until an
answer's patience is used up. What will not pass is not tried again. When one
answer after another is given up the rest get one try each, and then none: the run
ends in bounded time, and the next one asks what this one could not.

    ask_all(endpoint, study.judge, [Conversation(turns)], lambda index, outcome: print(index, outcome))
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import click

from lem.judging.endpoint import Endpoint, Failed, Outcome, complaint, completion, is_loopback, wait_seconds
from lem.judging.spec import JudgeSpec
from lem.prompts import Message

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds, before jitter
ONE_TRY_AFTER = 3  # answers given up in a row: the others get one try each
STOP_AFTER = 10  # answers given up in a row: the others are not asked
REFUSED = (401, 403, 404)  # the key, the model or the address
REFUSALS = 3  # and never a reply: the others are not asked
PASSING = (408, 409, 429)


@dataclass(frozen=True)
class Conversation:
    """What the judge is sent: the turns, and the seed of its draws where it draws."""

    turns: tuple[Message, ...]
    seed: int | None = None


def ask_all(
    endpoint: Endpoint,
    spec: JudgeSpec,
    conversations: Sequence[Conversation],
    on_outcome: Callable[[int, Outcome], object],
) -> None:
    """Ask every conversation; on_outcome hears its index and what came of it, as soon as it has come."""
    asyncio.run(_ask_all(endpoint, spec, conversations, on_outcome))


async def _ask_all(
    endpoint: Endpoint,
    spec: JudgeSpec,
    conversations: Sequence[Conversation],
    on_outcome: Callable[[int, Outcome], object],
) -> None:
    queue = iter(enumerate(conversations))
    async with _client(endpoint) as client:
        judge = Judge(endpoint, spec, client)

        async def work() -> None:
            for index, conversation in queue:
                on_outcome(index, await judge.asked(conversation))

        async with asyncio.TaskGroup() as group:
            for _ in range(min(spec.concurrency, len(conversations))):
                group.create_task(work())


def _client(endpoint: Endpoint) -> Any:  # noqa: ANN401 (imported late)
    """Return the client: no retries and no time limit of its own; no proxy to this machine itself."""
    import openai

    http = openai.DefaultAsyncHttpxClient(trust_env=False) if is_loopback(endpoint.url) else None
    return openai.AsyncOpenAI(
        base_url=endpoint.url,
        api_key=endpoint.key or "none",
        max_retries=0,
        timeout=None,
        http_client=http,
    )


class Judge:
    """One endpoint under way: how it fared with the last answers decides how patient the next one is."""

    def __init__(self, endpoint: Endpoint, spec: JudgeSpec, client: Any) -> None:  # noqa: ANN401
        self.endpoint, self.spec, self.client = endpoint, spec, client
        self.replies = self.refusals = 0
        self.given_up = 0  # in a row
        self.last = ""
        self.told = False

    async def asked(self, conversation: Conversation) -> Outcome:
        """Return what came of one conversation, trying again as long as there is patience."""
        if self.given_up >= STOP_AFTER or (self.refusals >= REFUSALS and not self.replies):
            return Outcome(None, f"not asked, since others failed before it: {self.last}")
        patience = self.spec.patience if self.given_up < ONE_TRY_AFTER else 0
        try:
            outcome = await self._patiently(conversation, patience)
        except Failed as failed:
            self.last = failed.why
            self.refusals += failed.refused
            self.given_up = self.given_up + 1 if failed.passing else 0  # a plain no is a sign of life
            return Outcome(None, failed.why)
        self.given_up = 0
        self.replies += 1
        return outcome

    async def _patiently(self, conversation: Conversation, left: float) -> Outcome:
        """Return the reply, after pauses of at most `left` seconds in all; raise Failed where none came."""
        for attempt in itertools.count():
            try:
                return await self._once(conversation)
            except Failed as failed:
                if not failed.passing or left <= 0:
                    raise
                if failed.wait > left:
                    failed.why += f" (it asks to wait {failed.wait:.0f} s, beyond judge.patience)"
                    raise
                pause = min(max(_pause(attempt), failed.wait), left)
                self._told_once(failed)
            left -= pause
            await asyncio.sleep(pause)
        raise AssertionError("counting never ends")

    def _told_once(self, failed: Failed) -> None:
        """Tell a person at the first failure why nothing moves for a while."""
        if not self.told:
            self.told = True
            click.echo(f"{failed.why}; trying again for up to {self.spec.patience:g} s an answer", err=True)

    async def _once(self, conversation: Conversation) -> Outcome:
        """Return the judge's reply; raise Failed where none came."""
        import openai

        try:
            async with asyncio.timeout(self.spec.timeout):
                raw = await self.client.chat.completions.with_raw_response.create(
                    **self._request(conversation)
                )
        except TimeoutError:
            raise Failed(f"no answer within {self.spec.timeout:g} s") from None
        except openai.APIStatusError as err:
            raise self._refused(err.status_code, err.response.text, err.response.headers) from None
        except openai.APIConnectionError as err:
            cause = type(err.__cause__).__name__ if err.__cause__ else "unknown"
            raise Failed(f"no connection to the judge ({cause})") from None
        return completion(raw.text)

    def _request(self, conversation: Conversation) -> dict[str, Any]:
        """Return the request's fields.

        OpenAI's own newer models know only the newer name of max_tokens, other servers only the older.
        """
        is_openai = urlsplit(self.endpoint.url).hostname == "api.openai.com"
        return {
            "model": self.endpoint.model,
            "messages": list(conversation.turns),
            "temperature": self.spec.temperature,
            "max_completion_tokens" if is_openai else "max_tokens": self.spec.max_tokens,
            **({} if conversation.seed is None else {"seed": conversation.seed}),
        }

    def _refused(self, status: int, body: str, headers: Any) -> Failed:  # noqa: ANN401 (a mapping)
        why = f"HTTP {status}"
        if status in (401, 403):  # its words may quote the key in part
            why += f": the endpoint refuses the key in {self.spec.key or 'no variable'}"
        elif said := " ".join(complaint(body).split()):
            why += f": {self.endpoint.without_key(said)[:200]}"
        passing = status in PASSING or status >= 500
        return Failed(why, passing, wait_seconds(headers), status in REFUSED)


def _pause(attempt: int) -> float:
    """Return the seconds before the next try; the jitter keeps requests from all coming back at once."""
    longest: float = min(FIRST_PAUSE * 2.0 ** min(attempt, 10), LONGEST_PAUSE)
    return longest * random.uniform(0.5, 1)
