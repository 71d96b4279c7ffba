"""containerd on a node of the tests, and as much of CRI as a kubelet needs to start a pod."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc

from tests.spec.node import PATIENCE, wait_until
from tests.spec.protobuf import decode, message, number, text, text_of
from tests.spec.runtime import Runtime

BUSYBOX = Path("/usr/bin/busybox")
"""Debian's busybox-static."""
IMAGE = "localhost/pause:1"
NETWORK = "cbr0"
_MANIFEST, _CONFIG, _LAYER = (
    f"application/vnd.oci.image.{kind}" for kind in ("manifest.v1+json", "config.v1+json",
                                                     "layer.v1.tar")
)  # fmt: skip
SETTINGS = """version = 2
root = "{folder}/root"
state = "{folder}/state"
[grpc]
address = "{folder}/socket"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{image}"
restrict_oom_score_adj = true
disable_apparmor = true
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{bin_dir}"
conf_dir = "{conf_dir}"
"""


class Containerd:
    """A containerd of its own, which ends with this context.

    Args:
        runtime: on whose node, and whose folders its plugins use.
        folder: for its files.
        plugins: of its one network.
    """

    def __init__(self, runtime: Runtime, folder: Path, *plugins: Mapping[str, Any]) -> None:
        self._runtime = runtime
        self._folder = folder
        self._plugins = plugins
        self._ending = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as started:
            self._configure()
            started.callback(_end, self._execute())
            socket = self._folder / "socket"
            wait_until(socket.exists, f"containerd ({self._folder / 'log'})", PATIENCE)
            wait_until(self._has_image, f"an image ({self._folder / 'log'})", PATIENCE)
            self._channel = started.enter_context(grpc.insecure_channel(f"unix://{socket}"))
            self._ending = started.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._ending.close()

    @contextmanager
    def pod(self, name: str, host_port: int) -> Iterator[dict[str, Any]]:
        """Let a pod run whose port 80 is the host's as well; yield what its plugins have made."""
        metadata = text(1, name) + text(2, f"uid-{name}") + text(3, "tests")
        port = number(2, 80) + number(3, host_port)
        linux = text(1, f"/railcni-{name}")  # the parent of its control groups
        config = message(1, metadata) + message(5, port) + message(8, linux)
        sandbox = text_of(decode(self._call("RunPodSandbox", message(1, config))), 1)
        try:
            cached = self._folder / f"lib/cni/results/{NETWORK}-{sandbox}-eth0"
            yield json.loads(cached.read_text())["result"]
        finally:
            self._call("StopPodSandbox", text(1, sandbox))
            self._call("RemovePodSandbox", text(1, sandbox))

    def log(self) -> str:
        """Return what it has logged."""
        return (self._folder / "log").read_text()

    def _call(self, verb: str, request: bytes) -> bytes:
        call: Callable[..., bytes] = self._channel.unary_unary(
            f"/runtime.v1.RuntimeService/{verb}", bytes, bytes
        )
        return call(request, timeout=PATIENCE)

    def _configure(self) -> None:
        folder = self._folder
        for name in ("bin", "net.d", "lib"):
            (folder / name).mkdir(parents=True)
        for programs in self._runtime.path:
            for program in programs.iterdir():
                (folder / "bin" / program.name).symlink_to(program)
        document = {"cniVersion": "1.0.0", "name": NETWORK, "plugins": self._plugins}
        (folder / "net.d/10-flannel.conflist").write_text(json.dumps(document))
        settings = SETTINGS.format(
            folder=folder, image=IMAGE, bin_dir=folder / "bin", conf_dir=folder / "net.d"
        )
        (folder / "config.toml").write_text(settings)
        write_image(folder / "pause.tar")

    def _execute(self) -> subprocess.Popen[bytes]:
        """Start it in the node's network, but with the machine's /sys: there the cgroups are."""
        script = f"mount --bind {self._folder}/lib /var/lib && exec containerd -c $0"
        with (self._folder / "log").open("wb") as log:
            return subprocess.Popen(
                ["nsenter", f"--net=/run/netns/{self._runtime.node.name}", "unshare", "--mount",
                 "sh", "-c", script, f"{self._folder}/config.toml"],
                env=self._runtime.environment("none"), stdin=subprocess.DEVNULL,
                stdout=log, stderr=log,
            )  # fmt: skip

    def _has_image(self) -> bool:
        imported = subprocess.run(
            ["ctr", "--address", str(self._folder / "socket"), "--namespace", "k8s.io",
             "images", "import", str(self._folder / "pause.tar")],
            capture_output=True, check=False, timeout=PATIENCE,
        )  # fmt: skip
        return imported.returncode == 0


def write_image(file: Path) -> None:
    """Write an image that sleeps, as an OCI archive."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        archive.add(BUSYBOX, "busybox")
    config = _json({
        "architecture": "amd64", "os": "linux",
        "config": {"Entrypoint": ["/busybox", "sleep", "100000"]},
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer.getvalue())]},
    })  # fmt: skip
    manifest = _json({
        "schemaVersion": 2, "mediaType": _MANIFEST,
        "config": _descriptor(_CONFIG, config), "layers": [_descriptor(_LAYER, layer.getvalue())],
    })  # fmt: skip
    named = {"annotations": {"io.containerd.image.name": IMAGE}}
    index = {"schemaVersion": 2, "manifests": [_descriptor(_MANIFEST, manifest) | named]}
    blobs = {
        f"blobs/sha256/{_digest(blob)[7:]}": blob for blob in (layer.getvalue(), config, manifest)
    }
    files = {"oci-layout": _json({"imageLayoutVersion": "1.0.0"}), "index.json": _json(index)}
    with tarfile.open(file, "w") as archive:
        for name, content in (files | blobs).items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document).encode()


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _descriptor(kind: str, blob: bytes) -> dict[str, Any]:
    return {"mediaType": kind, "digest": _digest(blob), "size": len(blob)}


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(PATIENCE)
