"""gRPC: the only module that imports it.

Importing this takes some 0.2 s: it is imported when etcd is first asked.  A process that forks does
so before: gRPC's threads are not in the child.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Iterator

from ipam.etcd.failures import StatusError
from ipam.etcd.settings import Endpoint
from ipam.etcd.tls import Identity

# What gRPC logs would be on the plugin's stderr, and is in the errors as well.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc

Metadata = tuple[tuple[str, str], ...]

_LARGEST_ANSWER = 256 << 20
"""Bytes: a listing of a million keys.  (etcd itself limits what it is asked.)"""
_GOODBYE = 2.0
"""Seconds for the thread of a stream to end."""
_OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    # Trying again is the client's business, which knows the other endpoints.
    ("grpc.enable_retries", 0),
    ("grpc.service_config_disable_resolution", 1),
    ("grpc.dns_min_time_between_resolutions_ms", 1000),
    # A server that returns is seen soon; the second one is also how long connecting may take.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 3000),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # A connection that leads nowhere (a power failure, an address that moved) is given up.  etcd
    # takes no pings more often than every 5 s.
    ("grpc.keepalive_time_ms", 10000),
    ("grpc.keepalive_timeout_ms", 5000),
    ("grpc.max_receive_message_length", _LARGEST_ANSWER),
    # A new channel (with new certificates) makes a connection of its own.
    ("grpc.use_local_subchannel_pool", 1),
)


class Channel:
    """A connection to one endpoint, made when it is first used."""

    def __init__(self, endpoint: Endpoint, identity: Identity | None) -> None:
        options = [*_OPTIONS, ("grpc.default_authority", endpoint.authority)]
        if endpoint.secure and identity is not None:
            credentials = grpc.ssl_channel_credentials(
                identity.ca, identity.key, identity.certificate
            )
            self._channel = grpc.secure_channel(endpoint.target, credentials, options)
        else:
            self._channel = grpc.insecure_channel(endpoint.target, options)

    def ask(self, method: str, request: bytes, metadata: Metadata, within: float) -> bytes:
        """Send a request and return its answer.

        Raises:
            StatusError: it failed, or took longer than `within` seconds.
        """
        with _status():
            answer: bytes = self._channel.unary_unary(method, None, None)(
                request, timeout=max(within, 0), metadata=metadata
            )
        return answer

    def ask_once(self, method: str, request: bytes, metadata: Metadata, within: float) -> bytes:
        """Do the same on a method that is a stream: one request, and its first answer."""
        with _status():
            call = self._channel.stream_stream(method, None, None)(
                iter([request]), timeout=max(within, 0), metadata=metadata
            )
            answer: bytes
            try:
                for answer in call:
                    return answer
            finally:
                call.cancel()
        raise StatusError("CANCELLED", "the stream ended without an answer")

    def stream(self, method: str, metadata: Metadata) -> Stream:
        """Open a stream that lasts until it is closed or fails."""
        return Stream(self._channel, method, metadata)

    def close(self) -> None:
        """End the connection and what goes on over it."""
        self._channel.close()


class Stream:
    """Messages in both directions; received in a thread, so that waiting for them can end."""

    def __init__(self, channel: grpc.Channel, method: str, metadata: Metadata) -> None:
        self._requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        # Bounded, so that gRPC slows the server down when nobody takes what it sends.
        self._received: queue.Queue[bytes | StatusError] = queue.Queue(maxsize=16)
        self._ended = False
        with _status():
            self._call = channel.stream_stream(method, None, None)(
                iter(self._requests.get, None), metadata=metadata
            )
        self._reader = threading.Thread(target=self._read, name="etcd-watch", daemon=True)
        self._reader.start()

    def send(self, request: bytes) -> None:
        """Send a message; when the stream is broken, the next `receive` says so."""
        self._requests.put(request)

    def receive(self, within: float) -> bytes | None:
        """Return the next message, or None when none comes within so many seconds.

        Raises:
            StatusError: the stream has ended.
        """
        try:
            received = self._received.get(timeout=max(within, 0))
        except queue.Empty:
            return None
        if isinstance(received, StatusError):
            self._ended = True
            raise received
        return received

    def close(self) -> None:
        """End it, from the thread that receives."""
        self._call.cancel()
        self._requests.put(None)
        # The reader may wait for room; it goes when its last word is taken.  It never comes when
        # Python itself is ending, which has stopped the thread.
        with contextlib.suppress(queue.Empty):
            while not self._ended:
                self._ended = isinstance(self._received.get(timeout=_GOODBYE), StatusError)

    def _read(self) -> None:
        end = StatusError("CANCELLED", "etcd ended the stream")
        try:
            with _status():
                for message in self._call:
                    self._received.put(message)
        except StatusError as error:
            end = error
        finally:
            self._received.put(end)


@contextlib.contextmanager
def _status() -> Iterator[None]:
    try:
        yield
    except grpc.RpcError as error:
        raise StatusError(error.code().name, error.details() or "") from None
    except ValueError as error:
        # gRPC's word for a channel that was closed, by close() or after certificates changed twice.
        raise StatusError("CANCELLED", str(error)) from None
