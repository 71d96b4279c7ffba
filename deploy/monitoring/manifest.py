"""The rules as the Prometheus Operator wants them: `python -m deploy.monitoring.manifest`."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from pathlib import Path

FOLDER = Path(__file__).parent
RULES = tuple(sorted((FOLDER / "rules").glob("*.yaml")))
"""Rule files, as a plain Prometheus reads them."""
MANIFEST = FOLDER / "prometheusrule.yaml"

_HEAD = """\
# Made of rules/*.yaml by `python -m deploy.monitoring.manifest`: change those.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: railcni
  namespace: railcni
spec:
  groups:
"""
_GROUPS = "groups:\n"


def prometheus_rule(files: Iterable[str]) -> str:
    """Return the manifest that has the groups of some rule files.

    Args:
        files: their content; what stands above `groups:` is a comment.
    """
    groups = (content.partition(_GROUPS)[2] for content in files)
    return _HEAD + "\n".join(textwrap.indent(each, "  ") for each in groups)


if __name__ == "__main__":
    made = prometheus_rule(file.read_text(encoding="utf-8") for file in RULES)
    MANIFEST.write_text(made, encoding="utf-8")
