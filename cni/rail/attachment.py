"""The record of an attachment: all that a later process needs to finish or undo it.

It is saved before the first change and forgotten after the last one is undone.  One file per
attachment and device, whose name alone answers both questions that are asked of the folder: what
belongs to this attachment, and what is known of this device.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import suppress
from glob import escape
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from cni.host.paths import draft_of, private_folder, write_atomically
from cni.kernel.functions import RdmaDevice, VfSettings
from cni.kernel.types import Interface, NetnsId, Route, Rule
from cni.protocol.errors import CniError, Code
from cni.protocol.request import Attachment, Pod

log = logging.getLogger(__name__)


class _Saved(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DeviceIdentity(_Saved):
    """How a device is recognised wherever it is, whatever it is called there."""

    pci_address: str
    """Of a VF; empty for any other netdev."""
    bus_address: str
    """Of any PCI device; empty for what is on no bus."""
    host_name: str
    kind: str
    permanent_mac: str
    macs: tuple[str, ...]
    """Those it may carry: its own, and the one that was asked for, or that its PF prescribes."""
    lower: int
    """A veth's peer, or the link below."""
    userspace: bool = False
    """A VF that a program drives: it has no network interface, and stays where it is."""

    @property
    def outlives_namespace(self) -> bool:
        """Whether the kernel hands it back to the host when its namespace dies."""
        return bool(self.bus_address) or not self.kind

    @property
    def key(self) -> str:
        """The name of its lock and of its records."""
        return f"pci-{self.pci_address}" if self.pci_address else f"dev-{self.host_name}"

    def is_same(self, other: DeviceIdentity) -> bool:
        """Return whether two records speak of one device; a name alone may be another one's."""
        if self.pci_address or other.pci_address:
            return self.pci_address == other.pci_address
        return (self.kind, self.permanent_mac, self.lower) == (
            other.kind, other.permanent_mac, other.lower,
        ) and not set(self.macs).isdisjoint(other.macs)  # fmt: skip


class Baseline(_Saved):
    """What a device was like before anyone touched it."""

    name: str = ""
    """Empty for a VF without a network interface; so are the next four."""
    mac: str = ""
    mtu: int = 0
    up: bool = False
    altnames: tuple[str, ...] = ()
    vf: VfSettings = VfSettings()
    """What the PF imposed; only of what was to be changed there."""


class Record(_Saved):
    """One attachment of one device."""

    version: Literal[1] = 1
    attachment: Attachment
    pod: Pod
    rail: str
    boot_id: str
    started: int
    """CLOCK_BOOTTIME in nanoseconds, from when on it had the device."""
    config: str
    """The network configuration, JSON: whoever finishes this releases its addresses with it."""
    args: dict[str, str]
    device: DeviceIdentity
    baseline: Baseline
    netns: NetnsId
    netns_path: str
    pod_index: int = 0
    """Of the link in the pod, once it is known there."""
    numa_node: int | None = None
    rdma: RdmaDevice | None = None
    """What moves along, on a node in RDMA's exclusive mode."""
    imposed: VfSettings = VfSettings()
    """What the PF was to impose, of what it did not yet."""
    mac_was_prescribed: bool = False
    """The PF had prescribed the VF's address before."""
    unrestored: bool = False
    """It is on the host, but not as it was: nobody else may have it."""
    device_info: str = ""
    """The file that tells others of the device; empty for none."""
    released: bool = False
    """Its addresses are released; only the device waits for something."""
    attached: bool = False
    """ADD has succeeded."""
    addresses: tuple[Interface, ...] = ()
    routes: tuple[Route, ...] = ()
    rules: tuple[Rule, ...] = ()
    unannounced: bool = False
    """ADD found no carrier: the neighbours have not been told of its addresses."""
    path: tuple[str, ...] = ()
    """Folders of ADD's CNI_PATH, where its IPAM plugin is."""

    @property
    def stands(self) -> bool:
        """Whether ADD has succeeded, and no DEL has begun that found the device."""
        return self.attached and not self.released and not self.unrestored

    @property
    def holder(self) -> str:
        """Who holds the device, for messages."""
        at = self.attachment
        pod = f"pod {self.pod}, " if self.pod.name else ""
        return f"{at.ifname} of {pod}container {at.container_id} (network {at.network})"


class Attachments:
    """The folder of records."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, record: Record) -> None:
        """Write a record, replacing the attachment's former one for this device as a whole."""
        private_folder(self._folder)
        write_atomically(self._file(record), record.model_dump_json().encode())

    def forget(self, record: Record) -> None:
        """Remove a record; no error when it is gone."""
        self._file(record).unlink(missing_ok=True)

    def sweep(self, attachment: Attachment) -> None:
        """Remove the drafts of records that a killed request left of one attachment."""
        for draft in self._folder.glob(draft_of(Path(f"{_digest(attachment)}.*")).name):
            draft.unlink(missing_ok=True)

    def again(self, record: Record) -> Record | None:
        """Return a record as it is now, None when it was forgotten since it was read."""
        same = (r for r in self.of(record.attachment) if r.device.key == record.device.key)
        return next(same, None)

    def of(self, attachment: Attachment) -> list[Record]:
        """Return the records of one attachment; more than one only if its device was changed.

        Raises:
            CniError: code 5, for one that cannot be read: it may be all that is known of a device.
        """
        return list(self._read(f"{_digest(attachment)}.*.json"))

    def on(self, device_key: str) -> list[Record]:
        """Return the records of one device, the oldest first (code 5 as above)."""
        found = self._read(f"*.{escape(device_key)}.json")
        of_device = (record for record in found if record.device.key == device_key)
        return sorted(of_device, key=lambda record: record.started)

    def of_container(self, container_id: str) -> list[Record]:
        """Return every attachment of a container, the oldest first."""
        return [r for r in self.all() if r.attachment.container_id == container_id]

    def all(self) -> list[Record]:
        """Return every record that can be read, the oldest first; warn of the others."""
        found = self._read("*.json", skip_unreadable=True)
        return sorted(found, key=lambda record: record.started)

    def marks(self) -> frozenset[tuple[str, int, int, int]]:
        """Return what is another set as soon as any record has been saved or forgotten."""
        marks = set()
        for file in self._folder.glob("*.json"):
            with suppress(FileNotFoundError):
                status = file.stat()
                marks.add((file.name, status.st_ino, status.st_mtime_ns, status.st_size))
        return frozenset(marks)

    def _file(self, record: Record) -> Path:
        return self._folder / f"{_digest(record.attachment)}.{record.device.key}.json"

    def _read(self, pattern: str, *, skip_unreadable: bool = False) -> Iterator[Record]:
        for file in self._folder.glob(pattern):
            try:
                yield Record.model_validate_json(file.read_bytes())
            except FileNotFoundError:
                continue  # forgotten by another request since the listing
            except ValidationError as error:
                unreadable = _unreadable(file, error)
                if not skip_unreadable:
                    raise unreadable from None
                log.warning("%s", unreadable)


def _unreadable(file: Path, error: ValidationError) -> CniError:
    first = error.errors(include_url=False)[0]
    where = ".".join(map(str, first["loc"]))
    return CniError(
        Code.IO_FAILURE,
        f"{file} is no record that this version of railcni can read ({where} {first['msg']})",
        "if another version wrote it, install that one again; if a power failure tore it, its pod "
        "is gone: see that its device is on the host, then remove the file",
    )


def _digest(attachment: Attachment) -> str:
    text = f"{attachment.network} {attachment.container_id} {attachment.ifname}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]
