"""A cluster of etcd servers on the loopback interface."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from ipam.etcd.settings import Settings
from tests.etcd.certificates import Authority, Pair
from tests.etcd.member import Member, StartError, free_ports, wait_for
from tests.etcd.releases import Release

PREFIX = "/railcni/"
"""What the user's role may read and write."""
USER = "railcni"
PASSWORD = "a password"  # noqa: S105 - of a server that lives for seconds
_ROOT = ("--user", "root:root")
_STARTS = 3
_TOKEN = "railcni-tests"  # noqa: S105 - etcd's word for a cluster's name


@dataclass(frozen=True, slots=True)
class Shape:
    """What a cluster is like.

    Args:
        size: members.
        tls: of both sides; else none.
        auth: whether there are users: root, and one whose role has only `PREFIX`.
        token_seconds: how long a login lasts unless it is used.
    """

    size: int = 1
    tls: bool = False
    auth: bool = False
    token_seconds: int = 300


class Cluster:
    """Servers that run within a `with` block.

    Args:
        release: which etcd.
        folder: for everything that it keeps.
        shape: what it is like.
    """

    def __init__(self, release: Release, folder: Path, shape: Shape | None = None) -> None:
        self.release = release
        self.shape = shape or Shape()
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.members: list[Member] = []
        self._backups = 0
        if self.shape.tls:
            self.authority = Authority(folder / "tls")
            self._server, self._client = self.authority.server(), self.authority.client()
        if self.shape.auth:
            (folder / "user").write_text(f"{USER}\n", encoding="utf-8")
            self.password_file.write_text(f"{PASSWORD}\n", encoding="utf-8")

    def __enter__(self) -> Self:
        try:
            self._start_anywhere()
            if self.shape.auth:
                self._set_up_auth()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    # ── where it is ───────────────────────────────────────────────────────────────────────────

    def endpoints(self, host: str = "127.0.0.1") -> tuple[str, ...]:
        """Return the client URLs; a host is `127.0.0.1`, `[::1]` or `localhost`."""
        scheme = "https" if self.shape.tls else "http"
        return tuple(f"{scheme}://{host}:{member.ports.client}" for member in self.members)

    @property
    def password_file(self) -> Path:
        """Where the user's password stands."""
        return self.folder / "password"

    @property
    def client_pair(self) -> Pair:
        """The files that clients show; a test may replace them."""
        return self._client

    @property
    def server_pair(self) -> Pair:
        """The files that members show; a test may replace them."""
        return self._server

    def settings(self, host: str = "127.0.0.1", *, attempt: float = 0.5) -> Settings:
        """Return how the least privileged client reaches it."""
        tls, auth = self.shape.tls, self.shape.auth
        return Settings(
            self.endpoints(host),
            ca=self.authority.certificate if tls else None,
            certificate=self._client.certificate if tls else None,
            key=self._client.key if tls else None,
            user_file=self.folder / "user" if auth else None,
            password_file=self.password_file if auth else None,
            attempt=attempt,
        )

    def leader(self) -> Member:
        """Return the leader; waits until there is one."""
        leaders: list[Member] = []

        def found() -> bool:
            leaders[:] = [one for one in self.members if one.running and one.is_leader]
            return len(leaders) == 1

        wait_for(found, "a leader")
        return leaders[0]

    def follower(self) -> Member:
        """Return a member that does not lead."""
        leader = self.leader()
        return next(one for one in self.members if one is not leader)

    # ── its life ──────────────────────────────────────────────────────────────────────────────

    def start(self, *members: Member) -> None:
        """Start members that do not run, all of them when none is named; wait until healthy."""
        for member in (chosen := members or self.members):
            if not member.running:
                member.start(self._command(member))
        for member in chosen:
            member.wait_until_healthy()

    def stop(self) -> None:
        """End all members in an orderly way."""
        for member in self.members:
            member.stop()

    def _end(self) -> None:
        for member in self.members:
            member.kill()

    def _start_anywhere(self) -> None:
        for left in reversed(range(_STARTS)):
            names = [f"etcd{number}" for number in range(self.shape.size)]
            self.members = [Member(name, free_ports(), self.folder) for name in names]
            try:
                self.start()
            except StartError:  # a port was taken, or a member that is ending still has its peers'
                self._end()
                if not left:
                    raise
            else:
                return

    def _command(self, member: Member) -> list[str | Path]:
        scheme = "https" if self.shape.tls else "http"
        port, peer = member.ports.client, _peer(member)
        # One member holds no election: there the shortest lease remains the usual one.
        quick = ["--heartbeat-interval=30", "--election-timeout=300"]
        return [
            self.release.program("etcd"),
            f"--name={member.name}", f"--data-dir={self._data(member)}",
            f"--listen-client-urls={scheme}://127.0.0.1:{port},{scheme}://[::1]:{port}",
            f"--advertise-client-urls={scheme}://127.0.0.1:{port}",
            f"--listen-peer-urls={peer}", *self._membership(member),
            f"--listen-metrics-urls=http://127.0.0.1:{member.ports.metrics}",
            f"--auth-token-ttl={self.shape.token_seconds}", "--bcrypt-cost=4",
            *(quick if self.shape.size > 1 else []),
            *([] if self.release.name == "3.4" else ["--unsafe-no-fsync"]),
            *(self._tls() if self.shape.tls else []),
        ]  # fmt: skip

    def _membership(self, member: Member) -> list[str]:
        return [
            f"--initial-advertise-peer-urls={_peer(member)}",
            f"--initial-cluster={','.join(f'{one.name}={_peer(one)}' for one in self.members)}",
            f"--initial-cluster-token={_TOKEN}",
        ]

    def _tls(self) -> list[str]:
        return [
            f"--cert-file={self._server.certificate}", f"--key-file={self._server.key}",
            f"--trusted-ca-file={self.authority.certificate}", "--client-cert-auth",
        ]  # fmt: skip

    def _data(self, member: Member) -> Path:
        return self.folder / f"{member.name}.data"

    # ── what operators do ─────────────────────────────────────────────────────────────────────

    def etcdctl(self, *words: str, root: bool = True) -> str:
        """Run etcdctl, as root where there are users; return what it prints."""
        user = _ROOT if self.shape.auth and root else ()
        return self._ctl(self.endpoints(), *user, *words)

    def _ctl(self, endpoints: Sequence[str], *words: str) -> str:
        tls: list[str | Path] = []
        if self.shape.tls:
            tls += ["--cacert", self.authority.certificate]
            tls += ["--cert", self._client.certificate, "--key", self._client.key]
        return _run(
            self.release.program("etcdctl"), "--endpoints", ",".join(endpoints), *tls, *words
        )

    def compact(self, revision: int) -> None:
        """Throw away the history before a revision."""
        self.etcdctl("compaction", "--physical", str(revision))

    def defragment(self) -> None:
        """Give back the space of what was thrown away."""
        self.etcdctl("defrag")

    def backup(self) -> Path:
        """Return the file of a backup made now."""
        self._backups += 1
        file = self.folder / f"backup{self._backups}"
        user = _ROOT if self.shape.auth else ()
        self._ctl(self.endpoints()[:1], *user, "snapshot", "save", str(file))
        return file

    def restore(self, backup: Path) -> None:
        """Make all members' data what a backup has, and start them again."""
        self._end()
        for member in self.members:
            shutil.rmtree(self._data(member))
            _run(
                self.release.restorer, "snapshot", "restore", backup, f"--name={member.name}",
                f"--data-dir={self._data(member)}", *self._membership(member),
            )  # fmt: skip
        self.start()

    def _set_up_auth(self) -> None:
        for words in (
            ("user", "add", "root:root"),
            ("user", "grant-role", "root", "root"),
            ("role", "add", USER),
            ("role", "grant-permission", USER, "--prefix=true", "readwrite", PREFIX),
            ("user", "add", f"{USER}:{PASSWORD}"),
            ("user", "grant-role", USER, USER),
            ("auth", "enable"),
        ):
            self.etcdctl(*words, root=False)


def _peer(member: Member) -> str:
    return f"http://127.0.0.1:{member.ports.peer}"


def _run(*command: str | Path) -> str:
    # Its own patience of 5 s is too little to defragment on a machine that is busy with tests.
    environment = os.environ | {"ETCDCTL_API": "3", "ETCDCTL_COMMAND_TIMEOUT": "30s"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, timeout=60
    )
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stderr or done.stdout}")
    return done.stdout
