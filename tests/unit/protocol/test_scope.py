"""What a request means: only what its command is about."""

from __future__ import annotations

import json

import pytest

from cni.protocol.errors import CniError, Code
from cni.protocol.request import read

ENVIRON = {
    "CNI_CONTAINERID": "c1",
    "CNI_IFNAME": "net1",
    "CNI_NETNS": "/run/netns/c1",
    "CNI_PATH": "/opt/cni/bin",
}
STDIN = json.dumps({"cniVersion": "1.1.0", "name": "roce-a"}).encode()


@pytest.mark.parametrize("command", ["GC", "STATUS"])
def test_a_command_about_no_container_has_none(command: str) -> None:
    request = read(ENVIRON | {"CNI_COMMAND": command}, STDIN)
    assert (request.container_id, request.ifname, request.netns) == ("", "", "")


@pytest.mark.parametrize("arguments", ["=x", "K8S_POD_NAME", "IP=10.60.0.1;=;", ";;nothing"])
def test_arguments_are_pairs(arguments: str) -> None:
    with pytest.raises(CniError, match="CNI_ARGS has") as caught:
        read(ENVIRON | {"CNI_COMMAND": "ADD", "CNI_ARGS": arguments + ";IgnoreUnknown=1"}, STDIN)
    assert caught.value.code == Code.INVALID_ENVIRONMENT
