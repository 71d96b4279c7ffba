"""A slot that rests does so once: twice, it would be given to two containers."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from cni.protocol.request import Attachment, Pod
from ipam.blocks import Block
from ipam.journal import schema
from ipam.journal.transaction import Claim, Held, Moment, Transaction
from ipam.ranges import Span

NOW = Moment("boot", 5)


def test_what_is_released_twice_rests_once() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.executescript(schema.script(0))
        tx = Transaction(connection)
        tx.add_fabric("f")
        tx.blocks.add(Block("f", Span(0, 9)))
        tx.claim("f", Claim(4, "c", Pod(), NOW))
        held = Held(Attachment("lan", "c", "net1"), "f", "a", 4, NOW)
        tx.attach(held)
        tx.detach(held, NOW)
        with pytest.raises(sqlite3.IntegrityError):
            tx.detach(held, NOW)
        assert [freed.slot for freed in tx.pool.freed("f")] == [4]
