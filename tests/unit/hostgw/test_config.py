"""What a configuration may say, and what is said of one that may not."""

from __future__ import annotations

from typing import Any

import pytest

from cni.hostgw.config import HostgwConfig
from cni.protocol.config import parse
from cni.protocol.errors import CniError, Code

PEER = {"cidr": "10.42.1.0/24", "address": "192.168.1.11"}


def test_the_defaults() -> None:
    config = parse(HostgwConfig, {})
    assert (config.mode, config.agentless, config.strict) == ("wifi", False, False)
    assert (config.table, config.priority, config.peers) == (142, 5000, ())


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"mode": "observe"}, "mode is 'observe'"),
        ({"agentless": "yes"}, "agentless is 'yes'"),
        ({"table": 254}, "table is 254, expected a table of our own"),
        ({"table": 0}, "table is 0"),
        ({"priority": 32766}, "priority is 32766"),
        ({"podNetworks": ["10.42.0.0/16", "10.43.0.0/16"]}, "one network of each family"),
        ({"podNetworks": ["0.0.0.0/1"]}, "/8 or longer"),
        ({"podNetworks": ["10.42.0.1/16"]}, "no host bits"),
        ({"overlay": ["all"]}, "overlay.0 is 'all'"),
        ({"uplink": {"name": "a/b"}}, "uplink.name is 'a/b'"),
        ({"uplink": {"wireless": 1}}, "uplink.wireless is 1"),
        ({"peers": [{"cidr": "10.42.1.0/24"}]}, "peers.0.address is missing"),
        ({"peers": [{**PEER, "address": 7}]}, "peers.0.address is 7"),
        ({"peers": [{**PEER, "address": "fd00:1::1"}]}, "family"),
        ({"peers": [PEER, {**PEER, "cidr": "10.42.0.0/16"}]}, "do not overlap"),
    ],
)
def test_what_is_refused(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(CniError) as refusal:
        parse(HostgwConfig, keys)
    assert refusal.value.code == Code.INVALID_CONFIG
    assert words in refusal.value.msg


def test_the_digest_tells_configurations_apart_not_requests() -> None:
    one = parse(HostgwConfig, {"peers": [PEER], "prevResult": {"ips": []}})
    same = parse(HostgwConfig, {"peers": [PEER], "runtimeConfig": {}})
    other = parse(HostgwConfig, {"peers": [PEER], "priority": 4999})
    assert one.digest() == same.digest() != other.digest()
