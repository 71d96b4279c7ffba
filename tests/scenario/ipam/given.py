"""Configurations that several modules use, and how a refusal is expected."""

from __future__ import annotations

from typing import Any

import pytest

from cni.protocol.errors import CniError, Code

BARE = {"type": "rail-ipam", "subnet": "10.60.0.0/16"}
A = {"type": "rail-ipam", "fabric": "backend", "rail": "roce-a", "subnet": "10.60.0.0/16"}
B = {"type": "rail-ipam", "fabric": "backend", "rail": "roce-b", "subnet": "10.61.0.0/16"}
TINY = {"type": "rail-ipam", "subnet": "10.60.0.0/29", "quarantine": 60}
"""Six addresses."""
POD = "IgnoreUnknown=1;K8S_POD_NAMESPACE=ml;K8S_POD_NAME=rank-0;K8S_POD_UID=u"


def refused(code: Code, *words: str) -> Any:
    return pytest.raises(CniError, match="(?s)" + ".*".join(words), check=lambda e: e.code == code)
