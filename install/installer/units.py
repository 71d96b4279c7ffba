"""The systemd units of a node that is looked after by hand, and systemd itself.

Sources: systemd.service(5), systemctl(1), sd_booted(3).
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from install.installer.errors import InstallError
from install.installer.facts import Item, digest_of

FOLDER = PurePosixPath("/etc/systemd/system")
AGENT, INSTALLER = "rail-agent.service", "rail-install.service"
_MODE = 0o644
_BOOTED = Path("/run/systemd/system")
_PATIENCE = 120.0
"""Seconds; an agent takes up to 90 to finish what it has begun."""

_AGENT = """\
# Written by rail-install --host.
[Unit]
Description=railcni's agent: the CNI plugins, warm
After=network.target

[Service]
Type=notify
ExecStart={bin}/rail-agent --make-way
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=1
WatchdogSec=30
# It finishes what it has begun; the IPAM plugins that it has started are ended with it.
KillMode=mixed
TimeoutStopSec=90

[Install]
WantedBy=multi-user.target
"""
_INSTALLER = """\
# Written by rail-install --host.
[Unit]
Description=railcni's installer: keeps the CNI plugins and their configuration as they should be

[Service]
ExecStart={bin}/rail-install run --host{options}
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
"""


def items(cni_bin: PurePosixPath, options: Sequence[str]) -> tuple[Item, ...]:
    """Return the units as files.

    Args:
        cni_bin: where the programs are.
        options: what rail-install was told, to be told it again.

    Raises:
        InstallError: a path cannot be written into a unit.
    """
    for word in (str(cni_bin), *options):
        if set(word) & set(" \t\r\n\"'\\%$;"):
            raise InstallError(
                f"{word!r} cannot stand in a systemd unit: use a path without blanks, quotes, "
                "backslashes, '%', '$' and ';'"
            )
    said = "".join(f" {word}" for word in options)
    texts = {
        AGENT: _AGENT.format(bin=cni_bin),
        INSTALLER: _INSTALLER.format(bin=cni_bin, options=said),
    }
    return tuple(
        Item(FOLDER / name, text.encode(), digest_of(text.encode()), "rail-install --host", _MODE)
        for name, text in texts.items()
    )


@dataclass(frozen=True, slots=True)
class Systemd:
    """The service manager of this host, if it is systemd.

    Args:
        booted: the folder that is there where systemd is the init.
    """

    booted: Path = _BOOTED

    @property
    def is_there(self) -> bool:
        """Whether it runs."""
        return self.booted.is_dir() and shutil.which("systemctl") is not None

    def reload(self) -> None:
        """Have it read the units (InstallError)."""
        self._run("daemon-reload")

    def enable(self, names: Sequence[str]) -> None:
        """Start units, now and at each boot (InstallError)."""
        self._run("enable", "--now", *names)

    def disable(self, names: Sequence[str]) -> None:
        """End units, now and for good (InstallError)."""
        self._run("disable", "--now", *names)

    def _run(self, *words: str) -> None:
        command = ["systemctl", *words]
        try:
            done = subprocess.run(  # noqa: S603 - of our own making
                command, capture_output=True, text=True, timeout=_PATIENCE, check=False
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise InstallError(f"{' '.join(command)}: {error}") from None
        if done.returncode:
            raise InstallError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
