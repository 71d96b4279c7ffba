"""NADs for the tests, and what is said of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from install.nad.lint import Source, lint
from install.nad.remarks import Found, Measure
from install.nad.render import Wishes, nads
from ipam.node_file import NodeFile
from ipam.node_file.reading import read

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent
ANNOTATION = "k8s.v1.cni.cncf.io/resourceName"


def node_file() -> NodeFile:
    """Return the example in deploy/."""
    file = read((ROOT / "deploy/node.toml").read_bytes()).file
    assert file
    return file


def rendered(wishes: Wishes | None = None) -> dict[str, str]:
    """Return the NADs of the example, by name."""
    made = nads(node_file(), wishes or Wishes("ai-train"))
    return {one.name: one.text for one in made}


def judged(*texts: str, declared: bool = False, least_mtu: int = 9000) -> list[Found]:
    """Return what is said of some files' contents."""
    sources = [Source(f"{number}.yaml", text) for number, text in enumerate(texts)]
    return lint(sources, Measure(least_mtu, node_file() if declared else None))


def said(*texts: str, declared: bool = False, least_mtu: int = 9000) -> list[tuple[int, str, str]]:
    """Return line, severity and check of each finding."""
    found = judged(*texts, declared=declared, least_mtu=least_mtu)
    return [(one.line, one.finding.severity.word, one.finding.check) for one in found]


def bad(*texts: str, declared: bool = False) -> set[str]:
    """Return the checks of all warnings and errors."""
    return {check for _, word, check in said(*texts, declared=declared) if word != "info"}


def nad(
    config: dict[str, Any] | str,
    *,
    name: str = "roce-a",
    resource: str = "rdma/hca_shared_a",
    namespace: str = "ai-train",
) -> str:
    """Return a NAD as a person writes it, the configuration from line 10 on."""
    text = config if isinstance(config, str) else json.dumps(config, indent=2)
    block = "\n".join(f"    {line}" for line in text.splitlines())
    return f"""\
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata:
  name: {name}
  namespace: {namespace}
  annotations:
    {ANNOTATION}: {resource}
spec:
  config: |
{block}
"""


def sound(**changed: Any) -> dict[str, Any]:
    """Return a configuration without a fault, with some keys changed; None takes one out."""
    config = {
        "cniVersion": "1.0.0",
        "name": "roce-a",
        "type": "rail-sriov",
        "mtu": 9000,
        "ipam": {"type": "rail-ipam", "subnet": "10.60.0.0/16"},
    } | changed
    return {key: value for key, value in config.items() if value is not None}
