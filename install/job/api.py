"""The pods of a job, as the cluster's API server lists them.

A minimal client of the standard library, for use inside a pod.
Source: Kubernetes, "Accessing the Kubernetes API from a Pod"; API concepts, "Retrieving large
results sets in chunks".
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from install.job.errors import JobError, NotYetError
from install.job.forms import SECRETS

_PAGE = 500
_TIMEOUT = 10.0
"""Seconds that one request may take."""
_OK, _UNAUTHORISED, _FORBIDDEN, _GONE, _TOO_MANY = 200, 401, 403, 410, 429
_SERVERS_FAULT = 500
_ACCOUNT = re.compile(r"system:serviceaccount:([a-z0-9.-]+):([a-z0-9.-]+)")


@dataclass(frozen=True, slots=True)
class Api:
    """An API server, and what proves who we are."""

    host: str
    port: int
    secrets: Path = SECRETS

    @classmethod
    def of(cls, environ: Mapping[str, str], secrets: Path = SECRETS) -> Api:
        """Return the API server of the cluster that this pod is in (JobError: it is in none)."""
        host, port = (environ.get(f"KUBERNETES_SERVICE_{key}", "") for key in ("HOST", "PORT"))
        if not host or not port.isdecimal():
            raise JobError(
                "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: this is no pod. "
                "Elsewhere: kubectl get pods -l SELECTOR -o json | railctl hostfile --pods -"
            )
        return cls(host, int(port), secrets)

    @property
    def namespace(self) -> str:
        """The pod's own namespace (JobError: it has no service account)."""
        return self._secret("namespace")

    def pods(self, namespace: str, selector: str) -> list[dict[str, Any]]:
        """Return the pods that a selector of labels means.

        Raises:
            NotYetError: the API server does not answer now.
            JobError: it never will.
        """
        found: list[dict[str, Any]] = []
        following = ""
        while True:
            query = {"labelSelector": selector, "limit": str(_PAGE)}
            if following:
                query["continue"] = following
            page = self._get(f"/api/v1/namespaces/{quote(namespace)}/pods?{urlencode(query)}")
            found.extend(_items(page))
            metadata = page.get("metadata")
            following = metadata.get("continue", "") if isinstance(metadata, dict) else ""
            if not following:
                return found

    def _get(self, path: str) -> dict[str, Any]:
        connection = HTTPSConnection(
            self.host, self.port, timeout=_TIMEOUT, context=self._context()
        )
        try:
            # The token is read each time: kubelet renews it.
            headers = {"Authorization": f"Bearer {self._secret('token')}"}
            connection.request("GET", path, headers=headers | {"Accept": "application/json"})
            answer = connection.getresponse()
            body = answer.read()
        except ssl.SSLCertVerificationError as error:
            raise JobError(
                f"{self} is not the API server that {self.secrets / 'ca.crt'} vouches for: "
                f"{error.verify_message}"
            ) from None
        except (OSError, HTTPException) as error:
            raise NotYetError(f"{self} does not answer: {error}") from None
        finally:
            connection.close()
        document = _decoded(body)
        if answer.status != _OK:
            self._refuse(answer.status, str(document.get("message", "")))
        return document

    def _context(self) -> ssl.SSLContext:
        authority = self.secrets / "ca.crt"
        try:
            return ssl.create_default_context(cafile=authority)
        except (OSError, ssl.SSLError) as error:
            raise JobError(f"{authority} cannot be used: {error}") from None

    def _secret(self, name: str) -> str:
        file = self.secrets / name
        try:
            return file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise JobError(
                f"{file} cannot be read: {error}: the pod needs a service account "
                "(automountServiceAccountToken)"
            ) from None

    def _refuse(self, status: int, message: str) -> None:
        if status == _FORBIDDEN:
            raise JobError(f"{self} refuses: {message}. Allow it: {_grant(message)}")
        if status == _UNAUTHORISED:
            raise JobError(f"{self} does not know the token in {self.secrets / 'token'}: {message}")
        if status in {_GONE, _TOO_MANY} or status >= _SERVERS_FAULT:
            raise NotYetError(f"{self} answers {status}: {message}")
        raise JobError(f"{self} answers {status}: {message}")

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}:{self.port}"


def pods_in(text: str) -> list[dict[str, Any]]:
    """Return the pods in what `kubectl get pods -o json` writes.

    Raises:
        NotYetError: it is written just now, or nothing is in it.
        JobError: it is something else.
    """
    if not text.strip():
        raise NotYetError("there is nothing in it")
    try:
        document = json.loads(text)
    except ValueError as error:
        raise NotYetError(f"it is not JSON: {error}") from None
    if isinstance(document, dict) and document.get("kind") == "Pod":
        return [document]
    if not isinstance(document, dict) or not isinstance(document.get("items"), list):
        raise JobError("it is no list of pods, expected what kubectl get pods -o json writes")
    return list(_items(document))


def _items(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    listed = document.get("items")
    for item in listed if isinstance(listed, list) else []:
        if isinstance(item, dict) and item.get("kind", "Pod") == "Pod":
            yield item


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    # A proxy before the API server may answer in words.
    return (
        document if isinstance(document, dict) else {"message": body[:200].decode(errors="replace")}
    )


def _grant(message: str) -> str:
    """Return the commands that let a service account list pods."""
    match = _ACCOUNT.search(message)
    namespace, account = match.groups() if match else ("NAMESPACE", "ACCOUNT")
    return (
        f"kubectl -n {namespace} create role list-pods --verb=list --resource=pods && "
        f"kubectl -n {namespace} create rolebinding list-pods --role=list-pods "
        f"--serviceaccount={namespace}:{account}"
    )
