"""What a request was about and what came of it, for one line of the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cni.protocol.request import Json, Request


def subject(request: Request | None, reply: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return rail, device, addresses and error, as far as there are any.

    Args:
        request: None when it could not be read.
        reply: the document that the runtime gets.
    """
    config: Mapping[str, Json] = request.config if request else {}
    runtime, ipam = _object(config.get("runtimeConfig")), _object(config.get("ipam"))
    found = {
        "rail": config.get("rail") or ipam.get("rail") or config.get("name"),
        "device": runtime.get("deviceID") or config.get("deviceID") or config.get("device"),
        "addresses": _addresses(reply or {}) or _addresses(_object(config.get("prevResult"))),
        "error": (reply or {}).get("msg"),
    }
    return {key: value for key, value in found.items() if value}


def sentence(context: Mapping[str, str], fields: Mapping[str, Any]) -> str:
    """Return the same in words: `ADD roce-a 0000:3b:02.1 10.60.4.210/16: done in 2.8 ms`."""
    about = (context.get("command"), fields.get("rail"), fields.get("device"))
    words = [str(word) for word in (*about, *fields.get("addresses", ())) if word]
    outcome = f"failed with code {fields['code']}" if fields["code"] else "done"
    took = fields["ms"].get("total")
    return f"{' '.join(words)}: {outcome}" + ("" if took is None else f" in {took:.1f} ms")


def _addresses(result: Mapping[str, Json]) -> list[str]:
    """Return the addresses of a result in any version of the specification."""
    listed = result.get("ips")
    entries = (
        [_object(entry).get("address") for entry in listed] if isinstance(listed, list) else []
    )
    entries += [_object(result.get(family)).get("ip") for family in ("ip4", "ip6")]
    return [entry for entry in entries if isinstance(entry, str)]


def _object(value: Json) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
