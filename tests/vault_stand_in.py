"""A server that answers as Vault's key-value store (version 2) does, for the cookbook's tests."""

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator

TOKEN = "a-token-of-the-agent"
# What must be found in a container's environment, and in no log.
SECRET = "correct-horse-battery-staple"
SECRETS = {"/v1/secret/data/mesos/www/db": {"password": SECRET, "user": "web"}}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        fields = SECRETS.get(self.path)
        status = 200 if fields else 404
        if self.headers["X-Vault-Token"] != TOKEN:
            status = 403
        answer: dict[str, object] = {"errors": []}
        if status == 200:
            answer = {"data": {"data": fields}}
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_: object) -> None:
        """Nothing: the tests say what went wrong."""


@contextlib.contextmanager
def server() -> Iterator[str]:
    """Its address, as VAULT_ADDR has it, while it answers."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()
