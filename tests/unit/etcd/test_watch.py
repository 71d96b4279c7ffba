"""What counts as delivered: whole revisions, and nothing that only the store has reached."""

from __future__ import annotations

from ipam.etcd import etcd_pb2 as pb
from ipam.etcd import messages
from ipam.etcd.interface import Batch
from ipam.etcd.messages import Notice
from ipam.etcd.watch import Assembly


def said(*revisions: int, store: int = 100, own: bool = True, partial: bool = False) -> Notice:
    events = [
        pb.Event(kv=pb.KeyValue(key=b"%d" % place, mod_revision=revision))
        for place, revision in enumerate(revisions)
    ]
    response = pb.WatchResponse(
        header=pb.ResponseHeader(revision=store),
        watch_id=0 if own else -1,
        fragment=partial,
        events=events,
    )
    return messages.notice(response.SerializeToString())


def revisions(batch: Batch | None) -> list[int]:
    assert batch is not None
    return [event.entry.mod_revision for event in batch.events]


def test_events_tell_how_far_it_is_not_the_store() -> None:
    assembly = Assembly(3)
    batch = assembly.add(said(5, 7, store=100))
    assert batch is not None
    assert (revisions(batch), batch.revision, assembly.delivered) == ([5, 7], 7, 7)


def test_the_first_answer_of_a_stream_says_nothing_of_what_was_delivered() -> None:
    created = pb.WatchResponse(header=pb.ResponseHeader(revision=100), created=True)
    assembly = Assembly(3)
    assert assembly.add(messages.notice(created.SerializeToString())) is None
    assert assembly.delivered == 3


def test_a_revision_in_fragments_is_delivered_when_it_is_whole() -> None:
    assembly = Assembly(3)
    assert assembly.add(said(5, 6, partial=True)) is None
    assert assembly.delivered == 3
    assert revisions(assembly.add(said(6, 6))) == [5, 6, 6, 6]
    assert assembly.delivered == 6


def test_fragments_of_a_broken_stream_are_asked_for_again() -> None:
    assembly = Assembly(3)
    assembly.add(said(5, 6, partial=True))
    assembly.restart()
    assert assembly.delivered == 3
    assert revisions(assembly.add(said(5, 6, 6))) == [5, 6, 6]


def test_progress_of_the_watch_itself_counts_what_was_asked_for_does_not() -> None:
    assembly = Assembly(3)
    assert assembly.add(said(store=50, own=False)) is None
    assert assembly.delivered == 3
    assert assembly.add(said(store=40)) == Batch((), 40)
    assert assembly.add(said(store=40)) is None
    assert assembly.delivered == 40
