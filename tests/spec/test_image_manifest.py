"""The tests' reading of manifests: nothing that one asks for is left out in silence."""

from __future__ import annotations

from typing import Any

import pytest

from tests.spec.manifest import Manifests, UnknownFieldError
from tests.spec.podspec import Resources

CONTAINER: dict[str, Any] = {"name": "c", "image": "i", "imagePullPolicy": "Never"}


def documents(container: dict[str, Any], **spec: Any) -> list[dict[str, Any]]:
    containers = [CONTAINER | container]
    spec = {"automountServiceAccountToken": False, "containers": containers, **spec}
    return [{"kind": "Pod", "metadata": {"name": "p", "namespace": "n"}, "spec": spec}]


@pytest.mark.parametrize(
    ("container", "spec", "place"),
    [
        ({"stdin": True}, {}, "Pod/p.containers[0]: stdin"),
        ({"securityContext": {"procMount": "Unmasked"}}, {}, "securityContext: procMount"),
        ({"readinessProbe": {"grpc": {"port": 1}}}, {}, "readinessProbe: grpc"),
        ({}, {"hostIPC": True}, "Pod/p: hostIPC"),
        ({}, {"volumes": [{"name": "v", "nfs": {}}]}, "Pod/p.volumes[0]: nfs"),
    ],
)
def test_what_is_not_known_is_an_error(
    container: dict[str, Any], spec: dict[str, Any], place: str
) -> None:
    with pytest.raises(UnknownFieldError, match="is not known here") as caught:
        Manifests(documents(container, **spec), {}, {}).pod_of("Pod", "p")
    assert place in str(caught.value)


def test_amounts_are_the_kernels() -> None:
    asked = {"requests": {"cpu": "50m"}, "limits": {"cpu": "1", "memory": "96Mi"}}
    (container,) = Manifests(documents({"resources": asked}), {}, {}).pod_of("Pod", "p").containers
    assert container.resources == Resources(shares=51, quota=100_000, memory=96 * 2**20)


def test_a_secret_that_is_needed_is_missed() -> None:
    volume = {"name": "v", "secret": {"secretName": "key"}}
    with pytest.raises(LookupError, match="there is no Secret key"):
        Manifests(documents({}, volumes=[volume]), {}, {}).pod_of("Pod", "p")
