"""The etcd of deploy/: its own flags and certificates, on servers that run here."""

from __future__ import annotations

import base64
import re
import shutil
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from http.client import HTTPException, HTTPSConnection
from pathlib import Path

import pytest

from deploy.etcd import certificates
from ipam.etcd.errors import UnavailableError
from ipam.etcd.settings import Settings
from tests.etcd.conftest import Connect
from tests.etcd.given import entry, put, release
from tests.etcd.member import Member, Ports, free_ports
from tests.etcd.releases import version
from tests.unit.deploy.rendering import DEPLOY, Document, one, pod_of, rendered, rendered_at

pytestmark = pytest.mark.etcd
_RELEASE = "3.6"
_PEER = re.compile(r"https://(etcd-\d)\.etcd\.railcni\.svc:2380")


@pytest.fixture
def secrets(tmp_path: Path) -> dict[str, Path]:
    """What the Secrets hold, as a pod has it mounted."""
    source = tmp_path / "secrets/etcd"
    shutil.copytree(DEPLOY / "secrets/etcd", source, ignore=shutil.ignore_patterns("*.pem"))
    assert certificates.main([str(source)]) == 0
    folders = {}
    for secret in rendered_at(source):
        folder = folders[secret["metadata"]["name"]] = tmp_path / secret["metadata"]["name"]
        folder.mkdir()
        for name, content in secret["data"].items():
            (folder / name).write_bytes(base64.b64decode(content))
    return folders


class Deployed:
    """The members of a folder of deploy/etcd."""

    def __init__(self, folder: str, secrets: dict[str, Path], work: Path) -> None:
        documents = rendered(folder)
        pod = pod_of(one(documents, "StatefulSet", "etcd"))
        assert pod
        self._container: Document = pod["containers"][0]
        self._tls, self._nodes, self._work = secrets["etcd-server"], secrets["railcni-etcd"], work
        replicas = one(documents, "StatefulSet", "etcd")["spec"]["replicas"]
        self.ports: dict[str, Ports] = {f"etcd-{n}": free_ports() for n in range(replicas)}
        self.members = [Member(name, ports, work) for name, ports in self.ports.items()]

    def start(self) -> None:
        for member in self.members:
            program = release(_RELEASE).program(Path(self._container["command"][0]).name)
            member.start([program, *(self._here(arg, member) for arg in self._container["args"])])
        for member in self.members:
            member.wait_until_healthy()

    def _here(self, argument: str, member: Member) -> str:
        """Return an argument with this machine's folders and ports for the pod's."""
        own = member.ports
        text = argument.replace("$(POD_NAME)", member.name)
        text = _PEER.sub(lambda found: f"https://127.0.0.1:{self.ports[found[1]].peer}", text)
        text = re.sub(r"https://etcd-\d\.etcd\.railcni\.svc:2379", _client(own), text)
        text = text.replace("https://0.0.0.0:2379", f"{_client(own)},https://[::1]:{own.client}")
        text = text.replace("https://0.0.0.0:2380", f"https://127.0.0.1:{own.peer}")
        text = text.replace("http://0.0.0.0:2381", f"http://127.0.0.1:{own.metrics}")
        text = text.replace("=/tls/", f"={self._tls}/")
        return text.replace("=/var/lib/etcd/", f"={self._work}/{member.name}-")

    @property
    def settings(self) -> Settings:
        """How a node asks them."""
        return Settings(
            tuple(_client(ports) for ports in self.ports.values()),
            ca=self._nodes / "ca.pem",
            certificate=self._nodes / "node.pem",
            key=self._nodes / "node-key.pem",
        )

    def answers_a_peer(self, name: str, ports: Ports) -> bool:
        """Tell whether a member takes who has a certificate for one."""
        folder = self._tls if name == "peer" else self._nodes
        context = ssl.create_default_context(cafile=self._tls / "peer-ca.pem")
        context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}-key.pem")
        connection = HTTPSConnection("127.0.0.1", ports.peer, timeout=5, context=context)
        try:
            connection.request("GET", "/version")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()


def _client(ports: Ports) -> str:
    return f"https://127.0.0.1:{ports.client}"


@pytest.fixture
def three(secrets: dict[str, Path], tmp_path: Path) -> Iterator[Deployed]:
    """Three members that are healthy."""
    yield from _running("etcd/three", secrets, tmp_path)


@pytest.fixture
def single(secrets: dict[str, Path], tmp_path: Path) -> Iterator[Deployed]:
    """One that is."""
    yield from _running("etcd/single", secrets, tmp_path)


def _running(folder: str, secrets: dict[str, Path], work: Path) -> Iterator[Deployed]:
    deployed = Deployed(folder, secrets, work)
    with ExitStack() as undo:
        for member in deployed.members:
            undo.callback(member.kill)
        deployed.start()
        yield deployed


def test_three_members_serve_nodes_and_go_on_as_two(three: Deployed, connect: Connect) -> None:
    client = connect(three.settings)
    put(client, "/railcni/a", b"1")
    three.members[0].kill()
    put(client, "/railcni/a", b"2")
    found = entry(client, "/railcni/a")
    assert found
    assert found.value == b"2"


def test_nobody_is_let_in_without_the_right_certificate(three: Deployed, connect: Connect) -> None:
    stranger = connect(replace(three.settings, certificate=None, key=None))
    with pytest.raises(UnavailableError, match="certificate"):
        stranger.grant(10, 2.0)
    # A node's certificate makes no member.
    ports = three.members[0].ports
    assert three.answers_a_peer("peer", ports)
    assert not three.answers_a_peer("node", ports)


def test_one_member_serves_nodes(single: Deployed, connect: Connect) -> None:
    client = connect(single.settings)
    put(client, "/railcni/a", b"1")
    assert entry(client, "/railcni/a")


def test_what_is_deployed_is_the_release_that_the_tests_run() -> None:
    for folder in ("etcd/three", "etcd/single"):
        pod = pod_of(one(rendered(folder), "StatefulSet", "etcd"))
        assert pod
        tag = pod["containers"][0]["image"].rpartition(":")[2]
        assert tag == f"v{version(release(_RELEASE))}"
