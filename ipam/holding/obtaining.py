"""How an ADD comes to a slot when its node has none ready."""

from __future__ import annotations

from collections.abc import Callable

from cni.protocol.errors import CniError, Code
from ipam.etcd.errors import EtcdError, UnavailableError
from ipam.holding import blocks, joining
from ipam.holding.desk import Desk
from ipam.holding.restoring import answering
from ipam.registry.interface import RegistryError


def obtain(desk: Desk, fabric: str, attempt: Callable[[], int | None]) -> int | None:
    """Bring a node to where it has a slot ready: join, or claim a block.

    Args:
        desk: the node's.
        fabric: of which a slot is wanted.
        attempt: takes a ready slot and returns it, None when there is none.

    Returns:
        The slot, None when a block had to be claimed and its slots are there to be taken.

    Raises:
        CniError: code 11, when neither is possible, with the endpoints that were tried.
    """
    try:
        with desk.deal() as connection, answering(desk, connection):
            joining.join(desk, connection)
            # Others may have claimed one while this one waited.
            slot = attempt()
            if slot is None:
                blocks.acquire(desk, connection.registry, fabric)
            return slot
    except (RegistryError, EtcdError) as error:
        raise refusal(fabric, error) from error


def inquire(desk: Desk, fabric: str, *, block: bool) -> None:
    """Learn whether the registry would help an ADD, and claim nothing.

    Args:
        desk: the node's.
        fabric: of which an address is wanted.
        block: it would come out of a block, and is not claimed by itself.

    Raises:
        CniError: code 11.
    """
    try:
        with desk.deal() as connection, answering(desk, connection):
            joining.join(desk, connection)
            if block:
                connection.registry.propose(fabric)
    except (RegistryError, EtcdError) as error:
        raise refusal(fabric, error) from error


def refusal(fabric: str, error: RegistryError | EtcdError) -> CniError:
    """Return the error of an ADD that the registry cannot help."""
    advice = error.advice if isinstance(error, RegistryError) else ""
    if isinstance(error, UnavailableError):
        tried = ", ".join(error.tried)
        advice = f"see that etcd answers: {tried}" if tried else "see that etcd answers"
    return CniError(Code.TRY_AGAIN, f"no address of fabric {fabric}: {error}", advice)
