"""A home's WiFi: radios that the guest's kernel makes up, an access point, and nodes on it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.netns.cluster import LAN, Cluster, Node, by_cable
from tests.netns.flannel import UPLINK
from tests.netns.namespace import Namespace
from tests.spec.node import run, wait_until
from tests.spec.runtime import PROGRAMS

_RADIO = "wlan0"
"""The access point's."""
_ROUTER = "192.168.1.1"
_PATIENCE = 40
"""Seconds for whoever joins a WiFi; it takes one or two."""
_ACCESS_POINT = """\
interface={radio}
bridge={bridge}
driver=nl80211
ssid=home
hw_mode=g
channel=1
wpa=2
wpa_key_mgmt=WPA-PSK
rsn_pairwise=CCMP
wpa_passphrase=not a secret
ctrl_interface={control}
"""
_CONTROL = "/run/hostapd"
"""The folder by which hostapd is told what to do."""
_STATION = """\
network={
    ssid="home"
    psk="not a secret"
    key_mgmt=WPA-PSK
    proto=RSN
    pairwise=CCMP
    scan_freq=2412
}
"""
"""It looks on the access point's channel only: to scan all of them takes seconds."""


@contextmanager
def radios(count: int) -> Iterator[list[str]]:
    """Make radios that hear each other wherever they are (mac80211_hwsim); return their names."""
    run("modprobe", "mac80211_hwsim", f"radios={count}")
    try:
        made = Path("/sys/class/mac80211_hwsim").glob("hwsim*/ieee80211/*")
        yield sorted(folder.name for folder in made)
    finally:
        run("modprobe", "-r", "mac80211_hwsim")


class Daemon:
    """A program that runs in a namespace until it is stopped.

    Args:
        namespace: where.
        log: the file for what it says.
        command: what starts it; it stays in the foreground.
    """

    def __init__(self, namespace: Namespace, log: Path, *command: str) -> None:
        with log.open("a", encoding="utf-8") as opened:
            self._process = subprocess.Popen(
                ["ip", "netns", "exec", namespace.name, *command],
                stdin=subprocess.DEVNULL, stdout=opened, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def stop(self) -> None:
        """Ask it to end, and see that it does."""
        self._process.terminate()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Home:
    """Two nodes on WiFi and one on a cable, on one LAN with a router, and the frozen programs.

    Args:
        phys: the radios, one for the access point and one for each of the nodes that have one.
        folder: for what hostapd and wpa_supplicant say.
    """

    def __init__(self, phys: list[str], folder: Path) -> None:
        self._phy, *phys = phys
        self._folder = folder
        self._access_point: Daemon | None = None
        self._supplicants: list[Daemon] = []
        self._waiting = iter(phys)
        joinings = [*(self._associate for _ in phys), by_cable]
        self.cluster = Cluster(joinings, _frozen)
        self.stations = self.cluster.nodes[:-1]
        self.wired = self.cluster.nodes[-1]

    def start(self) -> None:
        """Make all of it; stations reach each other."""
        self.cluster.start_lan()
        self.cluster.lan.ip("address", "add", f"{_ROUTER}/24", "dev", LAN)
        _move(self._phy, self.cluster.lan, _RADIO)
        self.serve()
        self.cluster.start_nodes()
        for node in self.cluster.nodes:
            node.host.ip("route", "add", "default", "via", _ROUTER)

    def serve(self) -> None:
        """Let the access point begin, or begin anew; return when the stations are back."""
        if self._access_point:
            self._access_point.stop()
        settings = self._folder / "hostapd.conf"
        text = _ACCESS_POINT.format(radio=_RADIO, bridge=LAN, control=_CONTROL)
        settings.write_text(text, encoding="utf-8")
        log = self._folder / "hostapd.log"
        self._access_point = Daemon(self.cluster.lan, log, "hostapd", "-t", str(settings))
        self._await_stations()

    def isolate(self) -> None:
        """Let the access point keep stations from each other until it begins anew."""
        for words in (("set", "ap_isolate", "1"), ("update_beacon",)):
            self.cluster.lan.run("hostapd_cli", "-p", _CONTROL, "-i", _RADIO, *words)

    def delete(self) -> None:
        """Remove all of it but the radios."""
        for daemon in (*self._supplicants, self._access_point):
            if daemon:
                daemon.stop()
        self.cluster.delete()

    def _associate(self, _lan: Namespace, node: Node) -> None:
        """Give a node a radio, and let it join the WiFi."""
        _move(next(self._waiting), node.host, UPLINK)
        settings = self._folder / "wpa_supplicant.conf"
        settings.write_text(_STATION, encoding="utf-8")
        log = self._folder / f"wpa_supplicant{node.number}.log"
        command = ("wpa_supplicant", "-t", "-Dnl80211", f"-i{UPLINK}", f"-c{settings}")
        self._supplicants.append(Daemon(node.host, log, *command))
        self._await_stations()
        # The access point is content a moment before the station is.
        wait_until(lambda: _is_up(node.host), f"{UPLINK} of node {node.number} is up", _PATIENCE)

    def _await_stations(self) -> None:
        """Wait until the access point has let in all who have begun to join."""
        count = len(self._supplicants)
        wait_until(
            lambda: self._admitted() == count, f"{count} stations, see {self._folder}", _PATIENCE
        )

    def _admitted(self) -> int:
        told = self.cluster.lan.run("iw", "dev", _RADIO, "station", "dump")
        return told.count("authorized:\tyes")


def _frozen(program: str) -> list[str]:
    return [str(PROGRAMS / program)]


def has_power_save(node: Node) -> bool:
    """Return whether a node's radio may sleep, as iw tells (NL80211_CMD_GET_POWER_SAVE)."""
    return node.host.run("iw", "dev", UPLINK, "get", "power_save").split()[-1] == "on"


def save_power(node: Node, *, on: bool) -> None:
    """Let a node's radio sleep, or forbid it."""
    node.host.run("iw", "dev", UPLINK, "set", "power_save", "on" if on else "off")


def _move(phy: str, namespace: Namespace, name: str) -> None:
    """Put a radio into a namespace; its device gets a name there."""
    run("iw", "phy", phy, "set", "netns", "name", namespace.name)
    listed = json.loads(namespace.ip("-json", "link", "show"))
    (device,) = (link["ifname"] for link in listed if link["ifname"].startswith("wlan"))
    namespace.ip("link", "set", device, "name", name)


def _is_up(namespace: Namespace) -> bool:
    """Return whether a station has the keys: until then its device is dormant."""
    (shown,) = json.loads(namespace.ip("-json", "link", "show", UPLINK))
    return bool(shown["operstate"] == "UP")
