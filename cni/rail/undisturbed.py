"""Acting on an attachment while no request does: GC, and the agent's upkeep."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from cni.protocol.errors import CniError
from cni.rail.attachment import Record
from cni.rail.node import Node

log = logging.getLogger(__name__)


@contextmanager
def undisturbed(node: Node, listed: Record) -> Iterator[bool]:
    """Keep requests from an attachment, unless one is at work on it; wait for nobody.

    Args:
        node: the node.
        listed: the record as it was when it was read.

    Yields:
        Whether the attachment is this process's to act on: its locks are held, and its record is
        still the one that was listed.
    """
    with ExitStack() as held:
        try:
            held.enter_context(node.locks.container(listed.attachment.container_id, 0))
            held.enter_context(node.locks.device(listed.device.key, 0))
        except CniError as busy:
            log.info("left to the request that is at work on it: %s", busy)
            free = False
        else:
            free = node.attachments.again(listed) == listed
        yield free
