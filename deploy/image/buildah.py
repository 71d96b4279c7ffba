"""Makes an image of a folder with buildah(1): no daemon, no base, no systemd."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from deploy.image.errors import ImageError
from deploy.image.identity import Identity

_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""The agent takes it along onto the node, where plugins that it calls look for iptables."""
_POLICY = '{"default": [{"type": "insecureAcceptAnything"}]}'
"""Whatever this machine says of signatures is about what it pulls: nothing is pulled here."""


class Buildah:
    """buildah with a storage of its own.

    Args:
        folder: for its files; whoever made it removes it.

    Raises:
        ImageError: there is no buildah.
    """

    def __init__(self, folder: Path) -> None:
        if not shutil.which("buildah"):
            raise ImageError("there is no buildah on PATH: apt-get install buildah")
        self._policy = folder / "policy.json"
        self._policy.write_text(_POLICY)
        # `vfs` copies folders, and so works on every file system and in every container.
        self._command = [
            "buildah", "--storage-driver", "vfs", "--root", str(folder / "storage"),
            "--runroot", str(folder / "run"),
        ]  # fmt: skip

    def commit(self, root: Path, identity: Identity, archive: Path) -> None:
        """Write an image whose one layer is a folder's content, as an OCI archive.

        Everything in it belongs to root and is of the identity's time; neither the history nor a
        label says by what it was built, so the same folder gives the same image.

        Raises:
            ImageError: with what buildah said.
        """
        container = self._run("from", "scratch")
        self._run("copy", "--quiet", "--chown", "0:0", container, str(root), "/")
        labels = [f"--label={key}={value}" for key, value in identity.labels.items()]
        self._run(
            "config", "--entrypoint", "[]", "--cmd", "", "--env", _PATH, *labels,
            "--annotation", "-",  # an empty name and digest of a base that there is not
            container,
        )  # fmt: skip
        self._run(
            "commit", "--quiet", "--rm", "--format", "oci", "--signature-policy", str(self._policy),
            "--timestamp", str(identity.epoch), "--identity-label=false",
            "--disable-compression=false", container, f"oci-archive:{archive}:{identity.reference}",
        )  # fmt: skip

    def _run(self, *words: str) -> str:
        done = subprocess.run([*self._command, *words], capture_output=True, text=True, check=False)
        if done.returncode:
            raise ImageError(f"buildah {words[0]}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout.strip()
