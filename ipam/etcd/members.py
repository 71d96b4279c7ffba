"""etcd's endpoints: their channels, who is asked, and as whom."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

from ipam.etcd import calls, tls
from ipam.etcd.calls import AnswerT, Call
from ipam.etcd.channel import Channel, Metadata, Stream
from ipam.etcd.errors import DeniedError, EtcdError, UnavailableError
from ipam.etcd.failures import Remedy, StatusError, explain, judge
from ipam.etcd.rotation import Rotation, attempt_seconds, pause_seconds
from ipam.etcd.settings import Settings

_READS = 3
"""How often files are read that change while they are."""


class Members:
    """The endpoints, for any number of threads."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.endpoints = settings.parsed
        self.rotation = Rotation(len(self.endpoints), random.randrange(len(self.endpoints)))  # noqa: S311  # spreads nodes, no secret
        self._lock = threading.Lock()
        self._stamp: tls.Stamp = ()
        self._identity: tls.Identity | None = None
        self._channels: tuple[Channel, ...] = ()
        self._before: tuple[Channel, ...] = ()
        self._token: str | None = None

    # ── asking ────────────────────────────────────────────────────────────────────────────────

    def ask(self, call: Call[AnswerT], within: float) -> AnswerT:
        """Ask one endpoint after another until one answers (the interface's errors)."""
        end = time.monotonic() + within
        tried: dict[str, str] = {}
        failures = 0
        while (left := end - time.monotonic()) > 0:
            place = self.rotation.current
            seconds = attempt_seconds(
                self.settings.attempt, left, failures=failures, endpoints=len(self.endpoints)
            )
            try:
                return call.decode(self._attempt(place, call, time.monotonic() + seconds))
            except StatusError as error:
                self.left(place, error, call.about)
                text = self.endpoints[place].text
                # A reason tells more than the silence of an attempt that had no time left.
                if text not in tried or error.status != "DEADLINE_EXCEEDED":
                    tried[text] = explain(error, self.settings, seconds)
            failures += 1
            self._pause(failures, end)
        raise _unavailable(call.about, within, tried)

    def left(self, place: int, error: StatusError, about: str) -> None:
        """Turn to the next endpoint; raise the error that another one would answer with as well."""
        verdict = judge(error, about)
        if isinstance(verdict, EtcdError):
            raise verdict from error
        if verdict is Remedy.LOGIN and self.settings.user_file is None:
            raise DeniedError(
                f"etcd wants to know who asks for {about}: configure user_file and password_file, "
                "or a certificate"
            ) from error
        if error.status == "DEADLINE_EXCEEDED":
            with self._lock:
                # A token names an index that its server must have reached: one restored from a
                # backup has not, and would let us wait for ever.
                self._token = None
        self.rotation.leave(place)

    def _pause(self, failures: int, end: float) -> None:
        chance = random.random()  # noqa: S311  # spreads nodes, no secret
        pause = pause_seconds(failures=failures, endpoints=len(self.endpoints), chance=chance)
        time.sleep(max(0.0, min(pause, end - time.monotonic())))

    def _attempt(self, place: int, call: Call[AnswerT], until: float) -> bytes:
        channel = self.channel(place)
        token = self.token(place, until)
        try:
            return _send(channel, call, token, until)
        except StatusError as error:
            if judge(error, call.about) is not Remedy.LOGIN or self.settings.user_file is None:
                raise
        return _send(channel, call, self.token(place, until, instead_of=token), until)

    # ── watching ──────────────────────────────────────────────────────────────────────────────

    def stream(self, place: int, method: str, token: str) -> Stream:
        """Open a stream to an endpoint."""
        return self.channel(place).stream(method, _metadata(token, alone=False))

    # ── who asks ──────────────────────────────────────────────────────────────────────────────

    def token(self, place: int, until: float, *, instead_of: str | None = None) -> str:
        """Return the token to send, empty when none is needed; log in when there is none yet.

        Args:
            place: the endpoint to log in at.
            until: when the login ends, by the monotonic clock.
            instead_of: a token that was refused: unless another thread has got another one since,
                there is a new login.

        Raises:
            StatusError: the endpoint did not answer the login.
            DeniedError: a file cannot be read.
        """
        user_file, password_file = self.settings.user_file, self.settings.password_file
        if user_file is None or password_file is None:
            return ""
        with self._lock:
            current = self._token
        if current is not None and current != instead_of:
            return current
        login = calls.authenticate(_first_line(user_file), _first_line(password_file))
        try:
            token = login.decode(_send(self.channel(place), login, "", until))
        except StatusError as error:
            if judge(error, login.about) is not Remedy.NO_TOKEN:
                raise
            token = ""
        with self._lock:
            self._token = token
        return token

    # ── channels ──────────────────────────────────────────────────────────────────────────────

    def channel(self, place: int) -> Channel:
        """Return an endpoint's channel, of the TLS files as they are now (DeniedError)."""
        with self._lock:
            if not self._channels or self._stamp != tls.stamp(self.settings):
                self._renew()
            return self._channels[place]

    def _renew(self) -> None:
        """Make new channels when the TLS files have changed and can be used.

        What goes on over the old ones goes on; they are closed with the change after this one.
        """
        try:
            self._stamp, identity = _read(self.settings)
        except DeniedError:
            if not self._channels:
                raise
            self._stamp = tls.stamp(self.settings)
            return
        if self._channels and identity == self._identity:
            return
        for channel in self._before:
            channel.close()
        self._before, self._identity = self._channels, identity
        self._channels = tuple(Channel(each, identity) for each in self.endpoints)

    def close(self) -> None:
        """End all connections."""
        with self._lock:
            for channel in (*self._channels, *self._before):
                channel.close()


def _read(settings: Settings) -> tuple[tls.Stamp, tls.Identity | None]:
    """Read the TLS files, and what they looked like; once more when they change meanwhile."""
    for _ in range(_READS):
        stamp = tls.stamp(settings)
        identity = tls.read(settings)
        if stamp == tls.stamp(settings):
            break
    return stamp, identity


def _send(channel: Channel, call: Call[AnswerT], token: str, until: float) -> bytes:
    ask = channel.ask_once if call.stream else channel.ask
    metadata = _metadata(token, alone=call.alone)
    return ask(call.method, call.request, metadata, until - time.monotonic())


def _metadata(token: str, *, alone: bool) -> Metadata:
    # A member that has lost its leader says so at once.
    leader = () if alone else (("hasleader", "true"),)
    return (*leader, ("token", token)) if token else leader


def _first_line(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise DeniedError(f"{file} cannot be read for the login to etcd: {reason}") from None


def _unavailable(about: str, within: float, tried: dict[str, str]) -> UnavailableError:
    reasons = "; ".join(f"{endpoint}: {reason}" for endpoint, reason in tried.items())
    why = f"no endpoint answered within {within:.1f} s: {reasons}" if tried else "no time was left"
    return UnavailableError(f"etcd is not available for {about}: {why}", tuple(tried))
