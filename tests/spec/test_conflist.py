"""The folders that `install.conflist` makes, as the reference runtime's libcni reads them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from install.conflist.ways import Way, chain
from install.conflist.writing import read_folder, write
from tests.spec.node import PATIENCE
from tests.unit.conflist.folders import GOLDEN, KEYS
from tests.unit.conflist.test_golden import CASES

pytestmark = [pytest.mark.netns, pytest.mark.cnitool]

PLUGINS = ("flannel", "bridge", "portmap", "bandwidth", "rail-hostgw")
SCRIPT = """\
#!/bin/sh
cat >"$LOG/$(ls "$LOG" | wc -l)-${0##*/}"
[ $CNI_COMMAND = DEL ] || echo '{"cniVersion": "0.3.1", "ips": []}'
"""


class Libcni:
    """cnitool, with plugins that write down what they read, and a cache of its own."""

    def __init__(self, program: str, folder: Path) -> None:
        self.program, self.conf = program, folder / "net.d"
        self.bin, self.log, self.cache = (folder / name for name in ("bin", "log", "cache"))
        for each in (self.bin, self.cache):
            each.mkdir()
        for name in PLUGINS:
            (self.bin / name).write_text(SCRIPT)
            (self.bin / name).chmod(0o755)

    def add(self, network: str) -> list[dict[str, object]]:
        """Attach to a network; return what each plugin was given, in order."""
        shutil.rmtree(self.log, ignore_errors=True)
        self.log.mkdir()
        script = f"mount --bind {self.cache} /var/lib && exec {self.program} add {network} /x"
        environ = {
            "PATH": os.environ["PATH"], "LOG": str(self.log), "CNI_PATH": str(self.bin),
            "NETCONFPATH": str(self.conf),
        }  # fmt: skip
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", script],
            env=environ, capture_output=True, text=True, check=False, timeout=PATIENCE,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        files = sorted(self.log.iterdir(), key=lambda file: int(file.name.partition("-")[0]))
        return [json.loads(file.read_text()) for file in files]


@pytest.mark.parametrize(("case", "way"), [each for each in CASES if each[0] != "multus"])
def test_ours_is_run_last_and_the_others_as_before(
    cnitool_program: str, tmp_path: Path, case: str, way: Way
) -> None:
    libcni = Libcni(cnitool_program, tmp_path)
    shutil.copytree(GOLDEN / case / "given", libcni.conf)
    network = "mynet" if case == "bridge" else "cbr0"
    before = libcni.add(network)
    write(libcni.conf, chain(read_folder(libcni.conf), KEYS, way))
    if way is Way.K3S_COPY:  # as K3s does at its start
        (copy,) = libcni.conf.glob("*.with-rail-hostgw")
        copy.replace(libcni.conf / "10-flannel.conflist")
    *others, ours = libcni.add(network)
    assert others == before
    assert {key: ours[key] for key in KEYS} == KEYS
    assert (ours["type"], ours["name"]) == ("rail-hostgw", network)
    assert ours["cniVersion"] == before[-1]["cniVersion"]
    assert "prevResult" in ours
