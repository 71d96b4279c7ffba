"""As much of Kubernetes' API server as Multus' plugin needs, and not a bit more.

It knows who is allowed what from the ClusterRole in Multus' own manifest, and refuses the rest.
Sources: Kubernetes API conventions; API concepts, "Protobuf encoding" and "Resource versions";
`generated.proto` of k8s.io/api/core/v1 and k8s.io/apimachinery.
"""

from __future__ import annotations

import json
import re
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import AF_INET6
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml
from netns import NetNS

from tests.etcd.certificates import Authority
from tests.spec.node import Namespace
from tests.spec.protobuf import Fields, decode, mapping, text_of

TOKEN = "multus-token"  # noqa: S105 - of a server that lives as long as a test
NADS = "network-attachment-definitions"
NETWORKS = "k8s.v1.cni.cncf.io/networks"
STATUS = "k8s.v1.cni.cncf.io/network-status"
_PROTOBUF = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\0"
_PATHS = (
    re.compile(r"/api/v1/namespaces/(?P<namespace>[^/]+)/(?P<kind>pods)/(?P<name>[^/]+)"),
    re.compile(
        r"/api/v1/namespaces/(?P<namespace>[^/]+)/(?P<kind>pods)/(?P<name>[^/]+)/(?P<sub>status)"
    ),
    re.compile(r"/api/v1/namespaces/(?P<namespace>[^/]+)/(?P<kind>events)"),
    re.compile(
        rf"/apis/k8s.cni.cncf.io/v1/namespaces/(?P<namespace>[^/]+)/(?P<kind>{NADS})/(?P<name>[^/]+)"
    ),
)
_ALLOWED = {("GET", "pods"), ("PUT", "pods/status"), ("POST", "events"), ("GET", NADS)}
_POD_FIELDS = {1, 2, 3}
"""metadata, spec and status."""

Key = tuple[str, str, str]
"""Resource, namespace and name."""
Answer = tuple[int, str, bytes]
"""Status, content type and body."""


class RefusedError(Exception):
    """A request that is not served, with status and reason."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


@dataclass
class Cluster:
    """What is in a cluster, as its API server has it."""

    objects: dict[Key, dict[str, Any]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    """What was asked for and not served."""
    away: bool = False
    """Whether connections end without an answer."""
    revision: int = 1
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def apply(self, text: str) -> None:
        """Take objects in YAML, as kubectl does."""
        for document in yaml.safe_load_all(text):
            kind = _check(document)
            metadata = document["metadata"]
            metadata |= {"resourceVersion": self._next(), "generation": 1}
            metadata.setdefault("uid", f"uid-{metadata['name']}")
            self.objects[kind, metadata["namespace"], metadata["name"]] = document

    def pods(self) -> list[dict[str, Any]]:
        """Return all pods, as `kubectl get pods -o json` lists them."""
        return [document for (kind, _, _), document in self.objects.items() if kind == "pods"]

    def answer(self, verb: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Return what an API server answers."""
        try:
            with self._lock:
                return self._served(verb, path, headers, body)
        except RefusedError as error:
            self.refused.append(f"{verb} {path}: {error.status} {error}")
            return _json(error.status, {
                "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": error.status,
                "reason": error.reason, "message": str(error),
            })  # fmt: skip

    def _served(self, verb: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if headers.get("Authorization") != f"Bearer {TOKEN}":
            raise RefusedError(401, "Unauthorized", "Unauthorized")
        asked = urlsplit(path)
        found = next((match for one in _PATHS if (match := one.fullmatch(asked.path))), None)
        if found is None or not parse_qs(asked.query).keys() <= {"timeout"}:
            raise RefusedError(404, "NotFound", "the server could not find the requested resource")
        parts = found.groupdict()
        resource = "/".join(filter(None, (parts["kind"], parts.get("sub"))))
        if (verb, resource) not in _ALLOWED:
            raise RefusedError(403, "Forbidden", f"{resource} is forbidden: multus cannot {verb}")
        if resource == "events":
            return 201, headers["Content-Type"], body
        key = parts["kind"], parts["namespace"], parts["name"]
        if key not in self.objects:
            raise RefusedError(404, "NotFound", f'{key[0]} "{key[2]}" not found')
        if verb == "PUT":
            self._update(self.objects[key], _metadata(headers, body))
        return _json(200, self.objects[key])

    def _update(self, pod: dict[str, Any], given: bytes) -> None:
        """Take the annotations of a pod; as of a status, the rest of it is not looked at."""
        metadata = pod["metadata"]
        for number, key in ((1, "name"), (3, "namespace"), (5, "uid"), (6, "resourceVersion")):
            if (found := text_of(decode(given), number)) != metadata[key]:
                reason = f"{key} is {found!r}, and the pod's {metadata[key]!r}"
                raise RefusedError(409, "Conflict", reason)
        metadata["annotations"] = mapping(given, 12)
        metadata["resourceVersion"] = self._next()

    def _next(self) -> str:
        self.revision += 1
        return str(self.revision)


def _check(document: dict[str, Any]) -> str:
    """Return the resource of an object that is well formed."""
    known = {("v1", "Pod"): "pods", ("k8s.cni.cncf.io/v1", "NetworkAttachmentDefinition"): NADS}
    resource = known[document["apiVersion"], document["kind"]]
    assert document.keys() <= {"apiVersion", "kind", "metadata", "spec"}, document
    if resource == NADS:
        assert document["spec"].keys() == {"config"}, document
        assert isinstance(document["spec"]["config"], str), document
    annotations = document["metadata"].get("annotations", {})
    assert all(isinstance(value, str) for value in annotations.values()), document
    return resource


def _metadata(headers: Mapping[str, str], body: bytes) -> bytes:
    """Return the metadata of a pod in a request."""
    if headers.get("Content-Type") != _PROTOBUF or not body.startswith(_MAGIC):
        raise RefusedError(415, "UnsupportedMediaType", f"it is no {_PROTOBUF}")
    unknown = decode(body.removeprefix(_MAGIC))
    kind, pod = text_of(decode(_message(unknown, 1)), 2), decode(_message(unknown, 2))
    if kind != "Pod" or not pod.keys() <= _POD_FIELDS:
        raise RefusedError(400, "BadRequest", f"{kind} {sorted(pod)} where a Pod was expected")
    return _message(pod, 1)


def _message(fields: Fields, field: int) -> bytes:
    value = fields.get(field, b"")
    assert isinstance(value, bytes)
    return value


def _json(status: int, document: Mapping[str, Any]) -> Answer:
    return status, "application/json", json.dumps(document).encode()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an API server listens, and who vouches for it."""

    port: int
    authority: Path


class _Server(ThreadingHTTPServer):
    address_family = AF_INET6


@contextmanager
def serving(cluster: Cluster, host: Namespace, folder: Path) -> Iterator[Endpoint]:
    """Serve a cluster on a node's loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_request(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            if cluster.away:
                self.close_connection = True
                return
            given = dict(self.headers.items())
            status, kind, content = cluster.answer(self.command, self.path, given, body)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = handle_request  # noqa: N815 - http.server's

        def log_message(self, *_: object) -> None:
            """Say nothing of each request."""

    authority = Authority(folder)
    pair = authority.server()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    with NetNS(nspath=host.path):
        server = _Server(("::1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield Endpoint(server.server_address[1], authority.certificate)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
