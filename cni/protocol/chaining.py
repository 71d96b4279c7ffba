"""What a chained plugin is handed: the result of the plugins before it.

Source: CNI SPEC 0.3.0 and later, "Network configuration lists" and "Derivation of execution
configuration from plugin configuration".
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from cni.protocol.config import shown
from cni.protocol.errors import CniError, Code
from cni.protocol.request import Json, Request
from cni.protocol.versions import RULES

_KEY = "prevResult"
_CURE = "chain it after the primary plugin, in the `plugins` of a conflist"


def previous_result(request: Request) -> Mapping[str, Json]:
    """Return the document that the plugins before this one have made, as it was written.

    Raises:
        CniError: code 1 in a version without lists of plugins, 7 when there is none.
    """
    if not RULES[request.version].chaining:
        first = next(version for version, rules in RULES.items() if rules.chaining)
        raise CniError(
            Code.INCOMPATIBLE_VERSION,
            f"cniVersion {request.version!r} has no chained plugins",
            f"set cniVersion to {first} or later in the network configuration",
        )
    document = request.config.get(_KEY)
    if document is None:
        raise CniError(Code.INVALID_CONFIG, f"{_KEY} is missing: this is a chained plugin", _CURE)
    if not isinstance(document, dict):
        raise CniError(
            Code.INVALID_CONFIG, f"{_KEY} is {shown(document)}, expected an object", _CURE
        )
    try:
        json.dumps(document, allow_nan=False)
    except ValueError:
        # Python reads NaN and takes 1e999 for infinite; neither could be written as JSON again.
        raise CniError(
            Code.INVALID_CONFIG, f"{_KEY} has a number that JSON cannot state", _CURE
        ) from None
    return document
