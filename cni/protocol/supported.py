"""The versions of the specification that are spoken, and the short answer to VERSION.

Imports nothing: a runtime asks for VERSION before every other verb, of every plugin.
"""

SUPPORTED = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
"""What each of them allows is in `versions.RULES`."""
CURRENT = SUPPORTED[-1]
UNSTATED = SUPPORTED[0]
"""What a configuration without `cniVersion` means."""

_QUESTIONS = {b"": CURRENT} | {b'{"cniVersion":"%s"}' % v.encode(): v for v in SUPPORTED}


def usual_answer(stdin: bytes) -> str | None:
    """Return the JSON that answers VERSION, when it is asked as libcni asks it or with no input.

    None for any other input, which `skel` reads in full; both give the same answer.
    """
    version = _QUESTIONS.get(stdin.strip())
    if version is None:
        return None
    listed = ", ".join(f'"{supported}"' for supported in SUPPORTED)
    return f'{{"cniVersion": "{version}", "supportedVersions": [{listed}]}}\n'
