"""Annotations that ask for networks, in every spelling that somebody might hope to get through."""

from __future__ import annotations

import random

_LISTED_SPACE = ("", "", "", " ", "\t", "\v", "\u0085", "\u00a0", "\u2003")
_JSON_SPACE = ("", "", "", " ", "\n", "\t", "\r")
_NAMES = ("sto-a", "sto-b", "roce-a", "sto-a-x", "x-sto-a", "sto-ab")
_NAMESPACES = ("shop", "ai-train", "", "shop2", "xshop", "sto-a")
_KEYS = (
    "name", "Name", "NAME", "namespace", "nameSpace", "NAMESPACE", "name\u017fpace",
    "NAME\u017fPACE", "interface", "x", "namespaces",
)  # fmt: skip
_OTHER_VALUES = ("null", '""', "1", '["namespace"]', '{"namespace":"shop"}', '{"name":"sto-a"}')


class Spelling:
    """Makes annotations at random.

    Args:
        seed: the same one makes the same annotations.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - nothing is secret

    def annotation(self) -> str:
        """Return one in either form."""
        return self._list() if self._random.random() < 0.5 else self._json()

    def _list(self) -> str:
        return ",".join(self._item() for _ in range(self._random.randint(1, 3)))

    def _item(self) -> str:
        namespace = f"{self._random.choice(_NAMESPACES)}{self._gap()}/{self._gap()}"
        interface = f"@{self._gap()}{self._random.choice(('net1', 'sto-a', 'a.b'))}"
        return (
            self._gap()
            + (namespace if self._random.random() < 0.5 else "")
            + self._random.choice(_NAMES)
            + self._gap()
            + (interface if self._random.random() < 0.3 else "")
        )

    def _gap(self) -> str:
        return self._random.choice(_LISTED_SPACE)

    def _json(self) -> str:
        elements = ",".join(self._element() for _ in range(self._random.randint(1, 3)))
        return f"{self._space()}[{elements}]{self._space()}"

    def _element(self) -> str:
        pairs = ",".join(
            f"{self._space()}{self._text(self._random.choice(_KEYS))}{self._space()}:"
            f"{self._space()}{self._value()}{self._space()}"
            for _ in range(self._random.randint(0, 4))
        )
        return f"{self._space()}{{{pairs}}}"

    def _value(self) -> str:
        if self._random.random() < 0.3:
            return self._random.choice(_OTHER_VALUES)
        return self._text(self._random.choice((*_NAMES, *_NAMESPACES, "namespace")))

    def _text(self, text: str) -> str:
        """Return a text as JSON, now and then with an escape that nobody needs."""
        escaped = self._random.random() < 0.15
        return f'"{text.replace("a", chr(92) + "u0061", 1) if escaped else text}"'

    def _space(self) -> str:
        return self._random.choice(_JSON_SPACE)
