"""In the guest: ADD + DEL of a real VF, beside the same changes made by `ip`: the kernel's part."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.bench.pairs import Comparison, compare
from tests.spec.runtime import DEBIANS, PROGRAMS, Slot
from tests.vm.suite.devices import PF, VF
from tests.vm.suite.machine import Machine, MachineRuntime, rail

MAC = "02:00:00:00:60:01"


def main(rounds: int, file: Path) -> None:
    """Measure, and leave the comparisons in a JSON file."""
    pf = PF.found()[0]
    pf.prepare()
    (vf,) = pf.make_vfs(1)
    pf.prepare()
    with tempfile.TemporaryDirectory() as state:
        found = list(_comparisons(vf, Path(state), rounds))
    file.write_text(json.dumps([each.as_dict() for each in found]))


def _comparisons(vf: VF, state: Path, rounds: int) -> list[Comparison]:
    machine = Machine()
    pod = machine.pod()
    runtime, slot = MachineRuntime(machine, state, (PROGRAMS, DEBIANS)), Slot(pod.path)
    settings: dict[str, Any] = {"mac": MAC, "vlan": 100, "spoofchk": "off", "trust": "on"}
    plain, full = rail(vf), rail(vf, **settings)

    def attach(config: dict[str, object]) -> None:
        for verb in ("ADD", "DEL"):
            reply = runtime.call(verb, config, slot)
            if reply.exit_code:
                raise RuntimeError(f"{verb}: {reply}")

    def kernel(*, imposed: bool) -> None:
        for words in _changes(vf, pod.name, imposed=imposed):
            subprocess.run(["ip", *words[:2], "-batch", "-"], input=words[2], text=True, check=True)

    found = [
        compare(
            "in the laboratory: ADD + DEL of one VF",
            ("rail-sriov + rail-ipam", lambda: attach(plain)),
            ("ip, the same changes", lambda: kernel(imposed=False)),
            rounds=rounds,
        ),
        compare(
            "… with MAC, VLAN, spoofchk, trust",
            ("rail-sriov + rail-ipam", lambda: attach(full)),
            ("ip, the same changes", lambda: kernel(imposed=True)),
            rounds=rounds,
        ),
    ]
    machine.delete()
    return found


def _changes(vf: VF, pod: str, *, imposed: bool) -> list[tuple[str, str, str]]:
    """Return what ADD and DEL change, for three runs of `ip`, and in which namespaces."""
    name, own, pf = vf.netdev, vf.link()["address"], f"link set dev {vf.pf.netdev} vf {vf.number}"
    add = [f"link set dev {name} netns {pod} name net1"]
    home = [f"link set dev {name} mtu 1500"]
    if imposed:
        settings = ("vlan 100", "spoofchk off", "trust on")
        before = ("vlan 0", "spoofchk on", "trust off")
        add = [f"link set dev {name} address {MAC}", f"{pf} mac {MAC}",
               *(f"{pf} {one}" for one in settings), *add]  # fmt: skip
        home = [f"{pf} mac 00:00:00:00:00:00", f"link set dev {name} address {own}", *home,
                *(f"{pf} {one}" for one in before)]  # fmt: skip
    inside = [
        "link set dev net1 mtu 9000", "address add 10.60.0.1/16 broadcast + dev net1",
        "link set dev net1 up", "link set dev net1 down",
        f"link set dev net1 netns host name {name}",
    ]  # fmt: skip
    return [
        ("-netns", "host", "\n".join(add)),
        ("-netns", pod, "\n".join(inside)),
        ("-netns", "host", "\n".join(home)),
    ]


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
