"""Routes that a rail must not carry: a default route, pieces of one, and what leads elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

from install.nad.remarks import Measure, Remark, error
from install.nad.subject import Subject, text_of

_WIDEST = {4: 8, 6: 16}
"""The shortest prefix that is a network of its own: what is wider is a piece of a default route."""
_GATEWAYS = frozenset({"isdefaultgateway", "default-route", "default_route", "defaultroute"})
"""Keys by which plugins are told to make a default route, in lower case."""
_WHY = "the pod's one default route is eth0's: with two, Services and the Internet go astray"


def default_routes(subject: Subject, _measure: Measure) -> Iterator[Remark]:
    """Name each default route, each piece of one, and each key that makes one."""
    for path, key, value in subject.walk():
        where = ".".join(path)
        if key == "dst" and "delroutes" not in path and is_default(value):
            yield error(
                subject.line(path),
                "default-route",
                f"{where} is {value!r}, expected a network of the rail's fabric",
                _WHY,
                "take the route out",
            )
        elif key.casefold() in _GATEWAYS and value:
            yield error(
                subject.line(path),
                "default-route",
                f"{where} is {value!r}: it makes a default route, expected none on a rail",
                _WHY,
                f"take {key} out",
            )


def is_default(dst: object) -> bool:
    """Tell whether a destination is everything, or a half or a quarter of it."""
    if text_of(dst).strip().casefold() == "default":
        return True
    try:
        network = ip_network(text_of(dst), strict=False)
    except ValueError:
        return False
    return network.prefixlen < _WIDEST[network.version]


def malformed_routes(subject: Subject, _measure: Measure) -> Iterator[Remark]:
    """Name each destination of another IPAM plugin that is no network; ours reads its own."""
    routes = subject.ipam.get("routes", [])
    for number, route in enumerate(routes if isinstance(routes, list) else [None]):
        dst = route.get("dst") if isinstance(route, dict) else None
        if not _is_network(dst):
            path = (*subject.ipam_path, "routes", str(number), "dst")
            yield error(
                subject.line(path),
                "malformed",
                f"{'.'.join(path)} is {dst!r}, expected a network such as 10.60.0.0/16",
                "the plugin refuses it",
            )


def _is_network(dst: object) -> bool:
    if is_default(dst):
        return True
    try:
        return bool(ip_network(text_of(dst), strict=False))
    except ValueError:
        return False


def without_defaults(section: dict[str, Any]) -> dict[str, Any]:
    """Return an `ipam` object without the routes that `default_routes` names."""
    routes = section.get("routes")
    if not isinstance(routes, list):
        return section
    kept = [
        route for route in routes if not (isinstance(route, dict) and is_default(route.get("dst")))
    ]
    return {**section, "routes": kept}
