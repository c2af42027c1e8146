"""An OpenAI-compatible judge on loopback: a real HTTP server."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DIMENSIONS = (
    "accuracy", "safety", "medical_groundedness", "clinical_coverage", "reasoning_coherence", "description_precision",
)  # fmt: skip
FOUR = dict.fromkeys(DIMENSIONS, 4)
NOBODY = "http://127.0.0.1:9/v1"  # where nothing listens


class Endpoint:
    """Tests set what it answers and what happens before it does, and read what it was sent."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.content: str = json.dumps(FOUR)
        self.status, self.location = 200, ""
        self.before_answer: Callable[[], object] = lambda: None
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                endpoint.requests.append((self.path, json.loads(body)))
                endpoint.before_answer()
                self.send_response(endpoint.status)
                if endpoint.location:
                    self.send_header("Location", endpoint.location)
                self.end_headers()
                self.wfile.write(json.dumps({"choices": [{"message": {"content": endpoint.content}}]}).encode())

            def log_message(self, *_args: object) -> None:
                """Stay silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
