"""What is asked of rtnetlink, and what is read out of its answers."""

from __future__ import annotations

from ipaddress import ip_interface
from typing import Any

import pytest

from cni.kernel import messages

NODAD, CLONED = 0x02, 0x200


class Message(dict[str, Any]):
    """A decoded message: the fixed header as items, attributes by name."""

    def __init__(self, attributes: dict[str, Any], **header: Any) -> None:
        super().__init__(header)
        self._attributes = attributes

    def get_attr(self, name: str, default: Any = None) -> Any:
        return self._attributes.get(name, default)


@pytest.mark.parametrize(
    ("address", "more"),
    [
        ("10.60.0.2/16", {"IFA_BROADCAST": "10.60.255.255"}),
        ("10.60.0.2/30", {"IFA_BROADCAST": "10.60.0.3"}),
        ("10.60.0.2/31", {}),
        ("10.60.0.2/32", {}),
        ("fd00:60::2/64", {"flags": NODAD}),
    ],
)
def test_an_address_comes_with_its_broadcast_and_without_detection(
    address: str, more: dict[str, Any]
) -> None:
    ask = messages.address_request(7, ip_interface(address))
    stated = {**ask.header, **dict(ask.attributes)}
    assert {key: stated[key] for key in stated.keys() & {"IFA_BROADCAST", "flags"}} == more
