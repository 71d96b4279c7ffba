"""A journal's writes in order, so that a late one cannot do harm.

etcd may apply a write long after its caller gave up waiting (a member that was frozen wakes up).
So each write is one *turn*: a transaction that compares the revision of this journal's writer key
and puts that key.  When a turn is known to be done, no earlier one can be applied any more,
whatever became of it.  What a turn has done is told by reading, in the same transaction, the keys
that it was about: also where an earlier attempt of the same turn did it, and its answer was lost.
"""

from __future__ import annotations

import secrets

from ipam.blocks import Session
from ipam.etcd.interface import Etcd, Found, Get, Keys, Operation, Put, Txn, modified_at
from ipam.registry.deadline import Deadline
from ipam.registry.interface import RestoredError
from ipam.registry.records import WriterRecord


class Writer:
    """The store, as one journal reads and writes it.

    Args:
        etcd: the store.
        session: where the journal stands; kept up to date here, saved by the caller.
        node: this node's name.
        key: the journal's writer key.
        deadline: when to give up.
    """

    def __init__(
        self, etcd: Etcd, session: Session, node: str, key: str, deadline: Deadline
    ) -> None:
        self._etcd = etcd
        self._session = session
        self._node = node
        self._key = key
        self._deadline = deadline

    def turn(self, operations: tuple[Operation, ...], look: tuple[Get, ...] = ()) -> list[Found]:
        """Do operations, each of which is conditional; return what is found thereafter.

        Args:
            operations: each must come to the same when it is done again.
            look: what tells their outcome.

        Raises:
            RestoredError: the store is older than this journal knew it; the operations may have
                been done.
            EtcdError: it is not known whether they were done, or will be until the next turn.
        """
        token = secrets.token_hex(8)
        put = Put(self._key, WriterRecord(node=self._node, turn=token).encode())
        while True:
            outcome = self._etcd.txn(
                Txn(
                    (modified_at(self._key, self._session.revision),),
                    (put, *operations, *look),
                    (Get(Keys(self._key)), *look),
                ),
                self._deadline.left(),
            )
            answers = outcome.done.answers
            found = [one for one in answers[len(answers) - len(look) :] if isinstance(one, Found)]
            if outcome.done.succeeded:
                self._session.revision = outcome.revision
                self._notice(outcome.revision)
                return found
            self._notice(outcome.revision)
            if self._stands(answers[0]) == token:
                return found

    def look(self, *gets: Get) -> list[Found]:
        """Read some keys at one revision (RestoredError, EtcdError as above)."""
        outcome = self._etcd.txn(Txn(then=gets), self._deadline.left())
        self._notice(outcome.revision)
        return [answer for answer in outcome.done.answers if isinstance(answer, Found)]

    def _stands(self, answer: object) -> str:
        """Take over where the writer key stands; return whose turn that was."""
        entry = answer.entries[0] if isinstance(answer, Found) and answer.entries else None
        self._session.revision = entry.mod_revision if entry else 0
        return WriterRecord.decode(self._key, entry.value).turn if entry else ""

    def _notice(self, revision: int) -> None:
        seen = self._session.seen
        if revision < seen:
            # Restored from the same backup, `frozen` may stand at the same revision once more.
            self._session.frozen = 0
            raise RestoredError(seen, revision)
        self._session.seen = revision
