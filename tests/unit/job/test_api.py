"""The API server's client, over real HTTPS."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from install.job.api import Api
from install.job.errors import JobError, NotYetError
from tests.unit.job.cluster import NAMESPACE, Cluster, serving
from tests.unit.job.jobs import pod

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl makes certificates")
LABELS = {"job-name": "train"}


@dataclass
class Pod:
    """A pod in a cluster."""

    cluster: Cluster
    api: Api


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[Pod]:
    cluster = Cluster([pod(f"train-{number}", labels=LABELS) for number in range(5)])
    with serving(cluster, tmp_path) as port:
        environ = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(port)}
        yield Pod(cluster, Api.of(environ, tmp_path / "secrets"))


def names(inside: Pod) -> list[str]:
    found = inside.api.pods(inside.api.namespace, "job-name=train")
    return [one["metadata"]["name"] for one in found]


@pytest.mark.parametrize(("page", "requests"), [(500, 1), (5, 1), (2, 3)])
def test_all_pages_are_read(inside: Pod, page: int, requests: int) -> None:
    inside.cluster.page = page
    inside.cluster.pods.append(pod("other-0", labels={"job-name": "other"}))
    assert names(inside) == [f"train-{number}" for number in range(5)]
    assert len(inside.cluster.asked) == requests
    assert inside.cluster.asked[0].startswith(f"/api/v1/namespaces/{NAMESPACE}/pods?")


def test_who_may_not_list_is_told_what_to_allow(inside: Pod) -> None:
    inside.cluster.may_list = False
    with pytest.raises(JobError) as refusal:
        names(inside)
    text = str(refusal.value)
    assert 'cannot list resource "pods"' in text
    assert "kubectl -n ai-train create role list-pods --verb=list --resource=pods" in text
    assert "--serviceaccount=ai-train:trainer" in text


def test_a_token_that_is_renewed(inside: Pod) -> None:
    inside.cluster.tokens = {"renewed"}
    with pytest.raises(JobError, match="does not know the token"):
        names(inside)
    (inside.api.secrets / "token").write_text("renewed", "utf-8")
    assert len(names(inside)) == 5


@pytest.mark.parametrize("code", [410, 429, 500, 503])
def test_what_passes(inside: Pod, code: int) -> None:
    inside.cluster.failures = [(code, b"the server is busy")]
    with pytest.raises(NotYetError, match=f"answers {code}: the server is busy"):
        names(inside)
    assert len(names(inside)) == 5


def test_a_selector_that_is_none(inside: Pod) -> None:
    inside.cluster.failures = [(400, b'{"message": "unable to parse requirement"}')]
    with pytest.raises(JobError, match="answers 400: unable to parse"):
        names(inside)


def test_another_authority(inside: Pod, tmp_path: Path) -> None:
    with serving(Cluster(), _made(tmp_path / "other")):
        authority = (tmp_path / "other/secrets/ca.crt").read_bytes()
    (inside.api.secrets / "ca.crt").write_bytes(authority)
    with pytest.raises(JobError, match="is not the API server that"):
        names(inside)
    (inside.api.secrets / "ca.crt").write_text("", "utf-8")
    with pytest.raises(JobError, match="cannot be used"):
        names(inside)


def test_nobody_answers(inside: Pod) -> None:
    api = Api("127.0.0.1", 1, inside.api.secrets)
    with pytest.raises(NotYetError, match=r"https://127.0.0.1:1 does not answer: .*refused"):
        api.pods(NAMESPACE, "a=b")
    assert str(Api("fd00::1", 443)) == "https://[fd00::1]:443"


def test_no_service_account(inside: Pod) -> None:
    (inside.api.secrets / "namespace").unlink()
    with pytest.raises(JobError, match="automountServiceAccountToken"):
        names(inside)


def test_outside_of_a_cluster() -> None:
    host, port = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"
    for environ in ({}, {port: "443"}, {host: "a"}, {host: "a", port: "tcp://b"}):
        with pytest.raises(JobError, match=r"kubectl get pods -l SELECTOR -o json \| railctl"):
            Api.of(environ)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
