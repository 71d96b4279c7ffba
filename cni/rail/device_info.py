"""The file that tells other components which device an attachment has.

Source: Device Information Specification 1.1.0 of the Network Plumbing Working Group.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from cni.host.paths import write_atomically
from cni.kernel.functions import VirtualFunction
from cni.protocol.errors import CniError, Code
from cni.rail.config import RailConfig

FOLDERS = (Path("/var/run/k8s.cni.cncf.io/devinfo/cni"), Path("/run/k8s.cni.cncf.io/devinfo/cni"))
"""Where the specification has CNI plugins write; nothing else is accepted from a configuration."""

_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]*")


def path(config: RailConfig) -> str:
    """Return the file that the runtime asked for, empty for none (code 7 for one elsewhere)."""
    asked = config.runtime.device_info_file
    if not asked:
        return ""
    file = Path(asked)
    if file.parent not in FOLDERS or not _FILE.fullmatch(file.name):
        raise CniError(
            Code.INVALID_CONFIG,
            f"runtimeConfig.CNIDeviceInfoFile is {asked!r}, expected a file in {FOLDERS[0]}",
        )
    return asked


def write(file: str, function: VirtualFunction, rdma_device: str) -> None:
    """Write what is known of a VF, beside what others wrote there.

    Args:
        file: where.
        function: the VF.
        rdma_device: the name of its RDMA device; empty for none.

    Raises:
        CniError: code 7, when the file speaks of another device.
    """
    target = Path(file)
    document = _read(target)
    known = document.get("pci", {})
    address = str(known.get("pci-address", function.address))
    if document.get("type", "pci") != "pci" or address.lower() != function.address:
        raise CniError(
            Code.INVALID_CONFIG,
            f"runtimeConfig.CNIDeviceInfoFile is {file!r}, which is of type "
            f"{document.get('type', 'pci')} {address}, "
            f"expected one of {function.address} or none",
        )
    document |= {
        "type": "pci",
        "version": "1.1.0",
        "pci": {
            **known,
            "pci-address": function.address,
            "pf-pci-address": function.pf_address,
            **({"rdma-device": rdma_device} if rdma_device else {}),
        },
    }
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    write_atomically(target, json.dumps(document).encode())


def remove(file: str, address: str) -> None:
    """Remove a file that speaks of a VF; leave one that speaks of another."""
    document = _read(Path(file)) if file else {}
    known = str(document.get("pci", {}).get("pci-address", "")).lower()
    if file and document.get("type", "pci") == "pci" and known == address:
        Path(file).unlink(missing_ok=True)


def _read(file: Path) -> dict[str, Any]:
    """Return the document, empty when there is none that can be read."""
    try:
        document = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return (
        document if isinstance(document, dict) and isinstance(document.get("pci", {}), dict) else {}
    )
