"""A small API server over HTTPS, which lists pods to whoever may list them."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.etcd.certificates import Authority

NAMESPACE = "ai-train"
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:trainer"


@dataclass
class Cluster:
    """What an API server knows; tests change it while it serves."""

    pods: list[dict[str, Any]] = field(default_factory=list)
    tokens: set[str] = field(default_factory=lambda: {"token"})
    may_list: bool = True
    page: int = 500
    """Pods of one answer at most."""
    failures: list[tuple[int, bytes]] = field(default_factory=list)
    """Answered first, one each."""
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str, token: str) -> tuple[int, bytes]:
        """Return status and body, as an API server does."""
        self.asked.append(path)
        if self.failures:
            return self.failures.pop(0)
        if token.removeprefix("Bearer ") not in self.tokens:
            return _status(401, "Unauthorized")
        parts = urlsplit(path)
        namespace = parts.path.removeprefix("/api/v1/namespaces/").removesuffix("/pods")
        if not self.may_list:
            return _status(
                403,
                f'pods is forbidden: User "{ACCOUNT}" cannot list resource "pods" in API group "" '
                f'in the namespace "{namespace}"',
            )
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        return self._listed(namespace, query)

    def _listed(self, namespace: str, query: dict[str, str]) -> tuple[int, bytes]:
        key, _, value = query.get("labelSelector", "").partition("=")
        meant = [
            pod
            for pod in self.pods
            if namespace == NAMESPACE and pod["metadata"].get("labels", {}).get(key) == value
        ]
        first = int(query.get("continue", "0"))
        last = first + min(self.page, int(query["limit"]))
        following = {"continue": str(last)} if last < len(meant) else {}
        items = [{key: value for key, value in pod.items() if key != "kind"} for pod in meant]
        document = {"kind": "PodList", "metadata": following, "items": items[first:last]}
        return 200, json.dumps(document).encode()


def _status(code: int, message: str) -> tuple[int, bytes]:
    return code, json.dumps({"kind": "Status", "message": message, "code": code}).encode()


@contextmanager
def serving(cluster: Cluster, folder: Path) -> Iterator[int]:
    """Serve a cluster on loopback, and fill a service account's folder; yield the port."""
    authority = Authority(folder / "pki")
    pair = authority.server()
    secrets = folder / "secrets"
    secrets.mkdir()
    (secrets / "ca.crt").write_bytes(authority.certificate.read_bytes())
    (secrets / "token").write_text("token\n", "utf-8")
    (secrets / "namespace").write_text(NAMESPACE, "utf-8")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code, body = cluster.answer(self.path, self.headers.get("Authorization", ""))
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing of each request."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
