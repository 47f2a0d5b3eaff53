"""A ledger to tell from, and a web server that takes what is told, or does not."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from watched import Desk

from opsintel_dagster.ledger import Ledger


@pytest.fixture
def desk() -> Iterator[Desk]:
    opened = Desk()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def do_GET(self) -> None:
            self._answer()

        def _answer(self, told: dict[str, Any] | None = None) -> None:
            opened.asked.append(self.path)
            if opened.waits is not None:
                opened.waits.wait(5)
            answer = opened.answers.pop(0) if opened.answers else 200
            if told is not None and answer == 200:
                opened.taken.append(told)  # before the answer: who has it looks at once
            self.send_response(answer)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Tests read what was taken, not this."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    opened.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield opened
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    opened = Ledger(database_url)
    opened.migrate()
    yield opened
    opened.close()
