"""rtnetlink messages to bytes and back: the only module that imports pyroute2.

Its message classes alone.  Its sockets run an event loop for each request, in whatever thread; our
own ask and wait, and cost a tenth.
"""

from __future__ import annotations

import struct

from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from cni.kernel import netlink
from cni.kernel.messages import Ask, Form, Message

_CLASSES = {"address": ifaddrmsg, "route": rtmsg}
_HEADER = struct.Struct("=IHHII")


def encode(ask: Ask) -> bytes:
    """Return a request for `netlink.ask`."""
    message = _CLASSES[ask.form]()
    message.update(ask.header)
    message["attrs"] = list(ask.attributes)
    message.encode()
    return netlink.message(ask.kind, ask.flags, bytes(message.data[_HEADER.size :]))


def decode(form: Form, body: bytes) -> Message:
    """Read the body of an answer."""
    header = _HEADER.pack(_HEADER.size + len(body), 0, 0, 0, 0)
    message: Message = _CLASSES[form](header + body)
    message.decode()  # type: ignore[attr-defined]  # of pyroute2's class, which the protocol hides
    return message
