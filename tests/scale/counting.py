"""How often etcd is asked: as the client has it, and as the server says itself."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from ipam.etcd.client import EtcdClient
from ipam.etcd.interface import Batch, Etcd, Get, Keys, Listing, Outcome, Txn
from ipam.etcd.settings import Settings
from tests.etcd.member import Member

_HANDLED = re.compile(
    r'^grpc_server_handled_total\{[^}]*grpc_service="etcdserverpb\.(?:KV|Lease)"[^}]*\} (\S+)$',
    re.MULTILINE,
)


@dataclass
class Tally:
    """Requests so far."""

    requests: int = 0


class CountedEtcd:
    """A store whose calls are counted."""

    def __init__(self, etcd: Etcd, tally: Tally) -> None:
        self._etcd = etcd
        self._tally = tally

    def get(self, get: Get, within: float) -> Listing:
        self._tally.requests += 1
        return self._etcd.get(get, within)

    def txn(self, txn: Txn, within: float) -> Outcome:
        self._tally.requests += 1
        return self._etcd.txn(txn, within)

    def grant(self, seconds: int, within: float) -> int:
        self._tally.requests += 1
        return self._etcd.grant(seconds, within)

    def keep_alive(self, lease: int, within: float) -> int:
        self._tally.requests += 1
        return self._etcd.keep_alive(lease, within)

    def revoke(self, lease: int, within: float) -> None:
        self._tally.requests += 1
        self._etcd.revoke(lease, within)

    def watch(self, keys: Keys, after: int) -> AbstractContextManager[Iterator[Batch]]:
        self._tally.requests += 1
        return self._etcd.watch(keys, after)

    def close(self) -> None:
        self._etcd.close()


def counted(tally: Tally) -> Callable[[Settings], Etcd]:
    """Return what makes clients whose calls are counted (`Wiring.connect`)."""
    return lambda settings: CountedEtcd(EtcdClient(settings), tally)


def handled(member: Member) -> int:
    """Return how many requests for keys and leases a member has answered, by its own metrics."""
    address = f"http://127.0.0.1:{member.ports.metrics}/metrics"
    with urllib.request.urlopen(address, timeout=5) as answer:
        text: str = answer.read().decode()
    return sum(int(float(number)) for number in _HANDLED.findall(text))
