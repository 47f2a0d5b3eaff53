"""A web server that people are told through: it takes notices and dead-man calls, or does not."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Desk:
    """What it was told, by title, and which paths were called."""

    port: int = 0
    told: list[str] = field(default_factory=list)
    called: list[str] = field(default_factory=list)
    hangs: threading.Event | None = None

    @property
    def channel(self) -> str:
        return f"json://127.0.0.1:{self.port}/"

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"


@contextmanager
def opened_desk() -> Iterator[Desk]:
    desk = Desk()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            desk.told.append(content["title"])
            self._answer()

        def do_GET(self) -> None:
            desk.called.append(self.path)
            if desk.hangs is not None:
                desk.hangs.wait(5)
            self._answer()

        def _answer(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Tests read what was told, not this."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    desk.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield desk
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
