"""What a configuration has a PF impose on its VF.

Pure: configuration and what the PF imposes now → what is to be imposed; a refusal → its error.
"""

from __future__ import annotations

import errno
from dataclasses import fields, replace

from cni.kernel.functions import NO_MAC, VfRate, VfSettings, VfVlan, VirtualFunction
from cni.kernel.types import KernelError
from cni.protocol.errors import CniError, Code
from cni.rail.config import RailConfig

_NEVER = frozenset({errno.EINVAL, errno.EOPNOTSUPP, errno.EPROTONOSUPPORT, errno.ERANGE})
"""What drivers answer to a value that they will not take later either."""

PRESCRIBED = frozenset({errno.EADDRNOTAVAIL, errno.EPERM, errno.EACCES})
"""What a VF's driver answers to an address of its own while its PF prescribes another one."""


def stated_keys(config: RailConfig) -> list[str]:
    """Return the keys of a configuration that only a PF can set (its VF sets `mac` itself)."""
    return [key for key, value in _written(config).items() if value is not None]


def _written(config: RailConfig) -> dict[str, object]:
    return {
        "vlan": config.vlan,
        "vlanQoS": config.vlan_qos,
        "vlanProto": config.vlan_proto,
        "spoofchk": config.spoofchk,
        "trust": config.trust,
        "link_state": config.link_state,
        "min_tx_rate": config.min_tx_rate,
        "max_tx_rate": config.max_tx_rate,
    }


def wanted(config: RailConfig, now: VfSettings) -> VfSettings:
    """Return what a configuration asks a PF for; None for what it does not state.

    Args:
        config: the configuration.
        now: what the PF imposes: one request sets both rates, and the unstated one stays.
    """
    return VfSettings(
        mac=config.mac,
        vlan=_vlan(config),
        spoofchk=_is_on(config.spoofchk),
        trust=_is_on(config.trust),
        link_state=config.link_state,
        rate=_rate(config, now.rate or VfRate()),
    )


def _vlan(config: RailConfig) -> VfVlan | None:
    if config.vlan is None:
        return None
    return VfVlan(config.vlan, config.vlan_qos or 0, config.vlan_proto or "802.1q")


def _is_on(switch: str | None) -> bool | None:
    return None if switch is None else switch == "on"


def _rate(config: RailConfig, now: VfRate) -> VfRate | None:
    if config.min_tx_rate is None and config.max_tx_rate is None:
        return None
    return VfRate(
        min=now.min if config.min_tx_rate is None else config.min_tx_rate,
        max=now.max if config.max_tx_rate is None else config.max_tx_rate,
    )


def differing(settings: VfSettings, now: VfSettings) -> VfSettings:
    """Return the stated settings that are not so yet."""
    return VfSettings(**{
        field.name: value
        for field in fields(settings)
        if (value := getattr(settings, field.name)) != getattr(now, field.name)
    })  # fmt: skip


def baseline(asked: VfSettings, now: VfSettings) -> VfSettings:
    """Return what is to be put back later: of what is asked for, how it is now.

    Raises:
        CniError: code 7 for a property that the driver does not tell: nobody could put it back.
    """
    unknown = [
        field.name
        for field in fields(asked)
        if getattr(asked, field.name) is not None and getattr(now, field.name) is None
    ]
    if unknown:
        raise CniError(
            Code.INVALID_CONFIG,
            f"{', '.join(unknown)} is set, but the driver does not tell what it is now, "
            "so that it could not be put back",
            f"remove {', '.join(unknown)}",
        )
    stated = [field.name for field in fields(asked) if getattr(asked, field.name) is not None]
    return VfSettings(**{name: getattr(now, name) for name in stated})


def to_take_back(
    before: VfSettings, imposed: VfSettings, now: VfSettings
) -> tuple[VfSettings, VfSettings]:
    """Return what is to be as before, and what somebody else has set meanwhile: that stays.

    Args:
        before: what the PF imposed before ADD, of what ADD changed.
        imposed: what ADD had it impose.
        now: what it imposes.
    """
    back, foreign = VfSettings(), VfSettings()
    for one in differing(before, now).each():
        (name,) = (field.name for field in fields(one) if getattr(one, field.name) is not None)
        present = getattr(now, name)
        lifted = name == "mac" and present == NO_MAC
        if lifted or present == getattr(imposed, name):
            back = replace(back, **{name: getattr(one, name)})
        else:
            foreign = replace(foreign, **{name: present})
    return back, foreign


def refusal(
    config: RailConfig,
    function: VirtualFunction,
    one: VfSettings,
    error: KernelError,
    speed: int | None,
) -> CniError:
    """Return the error for a property that the driver of the PF refuses.

    Args:
        config: the configuration that states it.
        function: the VF.
        one: the property.
        error: what the kernel answered.
        speed: of the PF's link, in Mbit/s; None where it does not say.
    """
    written = {**_written(config), "mac": one.mac}
    keys = [key for key in _keys(one, error) if written[key] is not None]
    values = ", ".join(f"{key} is {written[key]!r}" for key in keys)
    where = f"for VF {function.index} of {function.pf_netdev} ({function.address})"
    if error.errno not in _NEVER:
        return CniError(
            Code.IO_FAILURE, f"{values}: that failed {where}: {error.strerror}",
            "the driver says more in the kernel's log: dmesg | tail",
        )  # fmt: skip
    return CniError(
        Code.INVALID_CONFIG,
        f"{values}: the PF's driver refuses that {where}: {error.strerror}",
        _limit(one, error, speed),
    )


def _keys(one: VfSettings, error: KernelError) -> tuple[str, ...]:
    if one.vlan:
        not_this_protocol = error.errno == errno.EPROTONOSUPPORT
        return ("vlanProto",) if not_this_protocol else ("vlan", "vlanQoS", "vlanProto")
    if one.rate:
        return ("min_tx_rate", "max_tx_rate")
    return tuple(field.name for field in fields(one) if getattr(one, field.name) is not None)


def _limit(one: VfSettings, error: KernelError, speed: int | None) -> str:
    """Return what the driver would take, and what to do."""
    if error.errno == errno.EOPNOTSUPP:
        return "this driver cannot set it for a VF: remove the key"
    if one.vlan and error.errno == errno.EPROTONOSUPPORT:
        return "this driver takes 802.1q only: remove vlanProto"
    if one.rate:
        fastest = f"{speed} Mbit/s, its link's speed" if speed else "its link's speed (is it up?)"
        limits = [f"max_tx_rate of at most {fastest}"] if one.rate.max else []
        if one.rate.min:
            limits.append("min_tx_rate of 0 where the driver guarantees no minimum")
        return f"expected a {' and a '.join(limits)}" if limits else "is its link up?"
    return "the driver says more in the kernel's log: dmesg | tail"
