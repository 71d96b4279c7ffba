"""Multus on a node of the tests: its plugin, and the program of its DaemonSet that sets it up."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.spec.api_server import TOKEN, Endpoint
from tests.spec.host import CNI_BIN, CNI_CONF, Host
from tests.spec.node import PATIENCE, executed_by, wait_until
from tests.spec.runtime import ROOT

PROGRAMS = ROOT / ".cache/multus"
"""Where `make multus` puts them."""
_ACCOUNT = "/run/secrets/kubernetes.io/serviceaccount"


@contextmanager
def running(host: Host, programs: Path, server: Endpoint, folder: Path) -> Iterator[None]:
    """Let Multus' pod be on a node, whose pods' network is there already.

    It is what the DaemonSet in Multus' `deployments/multus-daemonset.yml` runs, told where the
    node's folders are.

    Args:
        host: the node.
        programs: Multus'.
        server: the cluster's API server.
        folder: for its log.
    """
    account = host.file(_ACCOUNT)
    account.mkdir(parents=True, exist_ok=True)
    (account / "token").write_text(TOKEN)
    (account / "ca.crt").write_bytes(server.authority.read_bytes())
    # Multus puts brackets around any host, and Go takes them around IPv6 addresses alone.
    environ = {"KUBERNETES_SERVICE_HOST": "::1", "KUBERNETES_SERVICE_PORT": str(server.port)}
    command = host.command(
        programs / "thin_entrypoint", "--multus-conf-file=auto", "--namespace-isolation",
        f"--multus-bin-file={programs / 'multus'}", f"--cni-bin-dir={CNI_BIN}",
        f"--multus-autoconfig-dir={CNI_CONF}", f"--cni-conf-dir={CNI_CONF}",
        "--multus-cni-conf-dir=/etc/cni/multus/net.d",
    )  # fmt: skip
    log = folder / "multus.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environ, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        configured = host.file(CNI_CONF / "00-multus.conflist")
        wait_until(
            lambda: configured.exists() or process.poll() is not None, "Multus' configuration"
        )
        assert configured.exists(), log.read_text()
        yield
    finally:
        os.kill(executed_by(process), signal.SIGTERM)
        process.wait(PATIENCE)
