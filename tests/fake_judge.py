"""An OpenAI-compatible server on loopback that misbehaves on demand.

A behaviour is a function of the request: it returns a `Reply`, or the text that the
judge is to say. Every request is kept, so a test can count what was asked.

    with FakeJudge(lambda request: '{"truthful": 7, "informative": 4}') as judge:
        ...                      # judge.url, judge.requests
"""

import json
import re
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ANSWER = re.compile(
    r"^ANSWER (?P<code>[0-9a-f]{16})\n(?P<text>.*?)\nEND (?P=code)$", re.DOTALL | re.MULTILINE
)


@dataclass
class Request:
    """One request as it came in; `number` counts from 1."""

    number: int
    body: dict
    headers: dict  # names in lower case

    @property
    def asked(self) -> str:
        """The last turn."""
        return self.body["messages"][-1]["content"]

    @property
    def answer(self) -> str:
        """The answer to be judged, as it stands between its marks."""
        found = ANSWER.search(self.asked)
        assert found, self.asked
        return found["text"]


@dataclass
class Reply:
    """What goes back: a status, headers and a body, maybe late, maybe cut off in the middle."""

    body: str | bytes
    status: int = 200
    headers: dict = field(default_factory=dict)
    delay: float = 0  # seconds; the server's end cuts it short
    torn: bool = False  # the connection closes half way through the body


def says(text: object, finish_reason: str = "stop", **reply: object) -> Reply:
    """Return a chat completion whose judge says so."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    return Reply(json.dumps({"object": "chat.completion", "choices": [choice]}), **reply)


def fails(status: int, message: str = "no", **headers: str) -> Reply:
    """Return an error as OpenAI writes it."""
    return Reply(json.dumps({"error": {"message": message}}), status, headers)


class FakeJudge:
    """A judge on a port of its own, for as long as the `with` block lasts."""

    def __init__(self, behaviour: Callable[[Request], Reply | str]) -> None:
        self.behaviour = behaviour
        self.requests: list[Request] = []
        self.ending = threading.Event()
        self._lock = threading.Lock()

    def __enter__(self) -> "FakeJudge":
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._server.faults = []
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._thread.join()
        assert not self._server.faults, self._server.faults

    def stop(self) -> None:
        """Stop listening; a behaviour may call it, and the port is closed when it returns."""
        if not self.ending.is_set():
            self.ending.set()
            self._server.shutdown()
            self._server.server_close()

    @property
    def answers(self) -> list[str]:
        """The answers that were to be judged, in the order of the requests."""
        return [request.answer for request in self.requests]

    def heard(self, body: dict, headers: dict) -> Reply:
        with self._lock:
            request = Request(len(self.requests) + 1, body, headers)
            self.requests.append(request)
        reply = self.behaviour(request)
        reply = says(reply) if isinstance(reply, str) else reply
        self.ending.wait(reply.delay) if reply.delay else None
        return reply


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    faults: list

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep what went wrong; a client that hangs up is what some tests are about."""
        fault = sys.exception()
        if not isinstance(fault, ConnectionError):
            self.faults.append(fault)


def _handler(judge: FakeJudge) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/chat/completions", self.path
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            reply = judge.heard(body, {name.lower(): value for name, value in self.headers.items()})
            sent = reply.body.encode() if isinstance(reply.body, str) else reply.body
            self.send_response(reply.status)
            for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent[: len(sent) // 2] if reply.torn else sent)
            if reply.torn:
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_RDWR)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
