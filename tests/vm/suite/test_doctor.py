"""What the frozen `railctl doctor` says of real functions, and of a pod that has one."""

from __future__ import annotations

import json
import platform
import subprocess
from pathlib import Path
from typing import Any

from tests.spec.node import FABRIC_MTU, run
from tests.spec.runtime import PROGRAMS, Slot
from tests.vm.suite.conftest import LendVFs
from tests.vm.suite.devices import PF
from tests.vm.suite.machine import Machine, MachineRuntime, rail

TOLERABLE = {0, 1}
"""Exit codes: the guest has no container runtime, which is an error."""


def doctor(runtime: MachineRuntime, *options: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [PROGRAMS / "railctl", "doctor", "--output", "json", *options],
        env=runtime.environment("none"), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in TOLERABLE, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def resource(rail: str, pf: str) -> dict[str, Any]:
    """Return what the device plugin would be told of a rail."""
    selectors = {"pfNames": [pf], "drivers": ["igbvf"]}
    return {
        "resourcePrefix": "rdma", "resourceName": f"hca_shared_{rail}", "selectors": selectors,
    }  # fmt: skip


def about(findings: list[dict[str, Any]], check: str, name: str) -> list[tuple[str, str]]:
    """Return severity and words of a check's findings that name a device."""
    return [
        (one["severity"], one["what"])
        for one in findings
        if one["check"] == check and name in one["what"]
    ]


def test_what_the_doctor_says_of_rails(
    rails: tuple[PF, PF],
    vfs: LendVFs,
    machine: Machine,
    plain_runtime: MachineRuntime,
    tmp_path: Path,
) -> None:
    (vf, *_), (pf, narrow) = vfs(rails[0], 1), (one.netdev for one in rails)
    pod, config = machine.pod(), tmp_path / "config.json"
    assert plain_runtime.add(rail(vf), Slot(pod.path)).exit_code == 0
    config.write_text(json.dumps({"resourceList": [resource("a", pf), resource("b", narrow)]}))

    run("ip", "link", "set", "dev", narrow, "mtu", "1500")
    try:
        findings = doctor(plain_runtime, "--device-plugin", str(config))
    finally:
        run("ip", "link", "set", "dev", narrow, "mtu", str(FABRIC_MTU))

    assert about(findings, "sriov", pf) == [("ok", f"{pf} has 7 of 7 VFs")]
    assert about(findings, "vfs", pf) == [("ok", f"{pf}: 1 held by pods, 6 free")]
    assert about(findings, "resource", pf) == [("ok", f"rdma/hca_shared_a offers 7 VFs of {pf}")]
    for check, level in (("carrier", "ok"), ("pf-mtu", "ok"), ("pfc", "info"), ("numa", "ok")):
        assert [severity for severity, _ in about(findings, check, pf)] == [level], check
    assert about(findings, "pf-mtu", narrow) == [
        ("error", f"{narrow} has MTU 1500, expected at least 9000")
    ]
    ((level, driver),) = about(findings, "driver", pf)
    told = run("ethtool", "-i", pf).splitlines()
    firmware = next(line for line in told if line.startswith("firmware-version:"))
    assert level == "ok"
    assert driver.startswith(f"{pf} is driven by igb {platform.release()}")
    assert driver.endswith(f", firmware {firmware.partition(': ')[2]}; its VFs: igbvf")
    assert about(findings, "unknown", "") == []
