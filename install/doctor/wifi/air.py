"""What is judged of the radio.  Pure."""

from __future__ import annotations

from collections.abc import Iterator

from cni.kernel.adapters import Radio
from install.doctor.findings import Finding, Severity
from install.doctor.wifi.facts import Facts, Uplink

_LASTING = (
    "printf '[connection]\\nwifi.powersave=2\\n' "
    ">/etc/NetworkManager/conf.d/50-wifi-powersave.conf  # and it lasts, where NetworkManager is"
)
WEAK = -70
"""dBm, below which frames are sent again and again."""


def uplinks(facts: Facts) -> Iterator[Finding]:
    """Say which device carries the node's address, and whether it is on the air."""
    if not facts.uplinks:
        yield Finding(
            Severity.ERROR,
            "uplink",
            "no device leads to the peers, and there is no default route",
            "without an uplink neither the overlay nor a direct path works",
            ("ip route show",),
        )
    for uplink in facts.uplinks:
        if not uplink.link.carrier:
            yield Finding(
                Severity.ERROR,
                "uplink",
                f"{uplink.link.name} has no carrier",
                "nothing leaves this node",
                (f"ip link set dev {uplink.link.name} up",),
            )
        else:
            yield Finding(Severity.OK, "uplink", _described(uplink))


def power_save(facts: Facts) -> Iterator[Finding]:
    """Say whether radios sleep."""
    for name, radio in _radios(facts):
        if radio.power_save is None:
            yield Finding(Severity.INFO, "power-save", f"{name} does not tell whether it sleeps")
        elif radio.power_save:
            yield Finding(
                Severity.WARNING,
                "power-save",
                f"{name} saves power",
                "frames for this node wait at the access point until it wakes: a ping takes 50 to "
                "130 ms, and sometimes a second, where 6 ms are usual",
                (
                    f"iw dev {name} set power_save off",
                    _LASTING,
                ),
            )
        else:
            yield Finding(Severity.OK, "power-save", f"{name} does not save power")


def signal(facts: Facts) -> Iterator[Finding]:
    """Say how well the access point is heard."""
    for name, radio in _radios(facts):
        if radio.signal is None:
            continue
        heard = f"{name} hears its access point {radio.bssid} at {radio.signal} dBm"
        if radio.signal >= WEAK:
            yield Finding(Severity.OK, "signal", heard)
            continue
        yield Finding(
            Severity.WARNING,
            "signal",
            f"{heard}, expected {WEAK} or more",
            "frames are lost and sent again, on the overlay and on a direct path alike",
            ("move the node or the access point, or use a cable",),
        )


def _radios(facts: Facts) -> Iterator[tuple[str, Radio]]:
    for uplink in facts.uplinks:
        if uplink.radio:
            yield uplink.radio_name, uplink.radio


def _described(uplink: Uplink) -> str:
    name, radio = uplink.link.name, uplink.radio
    if not uplink.wireless:
        return f"{name} is the uplink, wired"
    if radio is None:
        return f"{name} is the uplink, wireless"
    below = f" by {uplink.radio_name}" if uplink.radio_name != name else ""
    told = (
        f"'{radio.ssid}'" if radio.ssid else "",
        f"{radio.frequency} MHz" if radio.frequency else "",
        f"sends at {radio.bitrate:g} Mbit/s" if radio.bitrate else "",
    )
    return ", ".join((f"{name} is the uplink, wireless{below}", *filter(None, told)))
