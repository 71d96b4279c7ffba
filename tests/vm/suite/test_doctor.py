"""What the frozen `railctl doctor` says of real functions, and of a pod that has one."""

from __future__ import annotations

import json
import platform
import subprocess
from pathlib import Path
from typing import Any

from tests.spec.node import run
from tests.spec.runtime import PROGRAMS, Slot
from tests.vm.suite.conftest import LendVFs
from tests.vm.suite.devices import PF
from tests.vm.suite.machine import Machine, MachineRuntime, rail

RESOURCE = "rdma/hca_shared_a"
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


def about(findings: list[dict[str, Any]], check: str, name: str) -> list[tuple[str, str]]:
    """Return severity and words of a check's findings that name a device."""
    return [
        (one["severity"], one["what"])
        for one in findings
        if one["check"] == check and name in one["what"]
    ]


def test_what_the_doctor_says_of_a_rail(
    rail_a: PF, vfs: LendVFs, machine: Machine, plain_runtime: MachineRuntime, tmp_path: Path
) -> None:
    vf, *_ = vfs(rail_a, 1)
    pod, pf = machine.pod(), rail_a.netdev
    assert plain_runtime.add(rail(vf), Slot(pod.path)).exit_code == 0
    config = tmp_path / "config.json"
    selectors = {"pfNames": [pf], "drivers": ["igbvf"]}
    entry = {"resourcePrefix": "rdma", "resourceName": "hca_shared_a", "selectors": selectors}
    config.write_text(json.dumps({"resourceList": [entry]}))

    findings = doctor(plain_runtime, "--device-plugin", str(config))

    assert about(findings, "sriov", pf) == [("ok", f"{pf} has 7 of 7 VFs")]
    assert about(findings, "vfs", pf) == [("ok", f"{pf}: 1 held by pods, 6 free")]
    assert about(findings, "resource", RESOURCE) == [("ok", f"{RESOURCE} offers 7 VFs of {pf}")]
    for check, level in (("carrier", "ok"), ("pf-mtu", "ok"), ("pfc", "info"), ("numa", "ok")):
        assert [severity for severity, _ in about(findings, check, pf)] == [level], check
    ((level, driver),) = about(findings, "driver", pf)
    told = run("ethtool", "-i", pf).splitlines()
    firmware = next(line for line in told if line.startswith("firmware-version:"))
    assert level == "ok"
    assert driver.startswith(f"{pf} is driven by igb {platform.release()}")
    assert driver.endswith(f", firmware {firmware.partition(': ')[2]}; its VFs: igbvf")
    assert about(findings, "unknown", "") == []

    run("ip", "link", "set", "dev", pf, "mtu", "1500")
    try:
        ((level, words),) = about(doctor(plain_runtime), "pf-mtu", pf)
    finally:
        run("ip", "link", "set", "dev", pf, "mtu", "9000")
    assert (level, words) == ("error", f"{pf} has MTU 1500, expected at least 9000")
