"""Whether a NAD is well formed: its names, its JSON, its versions, its plugins."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeGuard

from cni.delegate.network import decode
from cni.protocol.errors import CniError
from cni.protocol.request import IDENTIFIER, IDENTIFIER_FORM
from cni.protocol.supported import SUPPORTED
from cni.protocol.versions import RULES
from install.nad.document import API_VERSION, KIND, Nad
from install.nad.positions import Path, Positions, positions_in
from install.nad.remarks import Remark, error, info, warning
from install.nad.subject import Plugin, Subject, text_of

_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_NAMESPACE = re.compile(_LABEL)
_LONGEST_NAME = 253
_LONGEST_NAMESPACE = 63
_FIRST_LIST = next(version for version, rules in RULES.items() if rules.chaining)


@dataclass(frozen=True, slots=True)
class Form:
    """What could be read of a NAD, and what is wrong with its form."""

    subject: Subject | None
    remarks: tuple[Remark, ...]


def form(nad: Nad) -> Form:
    """Read a NAD's configuration."""
    remarks = [*_metadata(nad)]
    if nad.config is None:
        remarks.append(_no_config(nad))
        return Form(None, tuple(remarks))
    text = nad.config.text
    try:
        json.loads(text)
        document = dict(decode(text.encode(errors="replace"), "spec.config"))
    except json.JSONDecodeError as problem:
        line = nad.config.line_at(problem.pos)
        remarks.append(_no_json(line, f"spec.config is not JSON: {problem.msg}"))
        return Form(None, tuple(remarks))
    except (CniError, RecursionError) as problem:
        remarks.append(_no_json(nad.config.line_at(0), str(problem)))
        return Form(None, tuple(remarks))
    positions = positions_in(text)
    subject = Subject(nad, document, tuple(_plugins(document)), positions)
    if "plugins" in document and not _is_list(document["plugins"]):
        remarks.append(_no_list(subject))
        return Form(None, tuple(remarks))
    return Form(subject, (*remarks, *_configuration(subject, positions)))


def is_name(text: str) -> bool:
    """Tell whether Kubernetes takes a text as the name of a NAD (RFC 1123)."""
    return len(text) <= _LONGEST_NAME and bool(_NAME.fullmatch(text))


def is_namespace(text: str) -> bool:
    """Tell whether Kubernetes takes a text as the name of a namespace."""
    return len(text) <= _LONGEST_NAMESPACE and bool(_NAMESPACE.fullmatch(text))


def _metadata(nad: Nad) -> Iterator[Remark]:
    if nad.api_version.text != API_VERSION:
        yield error(
            nad.api_version.line,
            "api-version",
            f"apiVersion is {nad.api_version.text!r}, expected {API_VERSION}",
            f"the cluster knows no such {KIND}",
        )
    if not is_name(nad.name.text):
        yield error(
            nad.name.line,
            "name",
            f"metadata.name is {nad.name.text!r}, expected lower-case letters, digits, '-' and '.'",
            "Kubernetes refuses it",
        )
    if nad.namespace.text and not is_namespace(nad.namespace.text):
        yield error(
            nad.namespace.line,
            "name",
            f"metadata.namespace is {nad.namespace.text!r}, expected lower-case letters, digits "
            "and '-'",
            "Kubernetes refuses it",
        )


def _no_config(nad: Nad) -> Remark:
    if nad.config_problem:
        return error(
            nad.line,
            "config",
            f"spec.config is {nad.config_problem}, expected a text that is JSON",
            "Kubernetes refuses it",
            "begin the text with `config: |`",
        )
    return info(
        nad.line,
        "config",
        "there is no spec.config",
        f"Multus takes a file of each node instead, whose network is {nad.name.text!r}: judge that",
    )


def _no_json(line: int, what: str) -> Remark:
    return error(line, "json", what, "no pod that asks for this network starts")


def _plugins(document: dict[str, Any]) -> Iterator[Plugin]:
    listed = document.get("plugins")
    if not _is_list(listed):
        yield Plugin(document, ())
        return
    for number, item in enumerate(listed):
        yield Plugin(item, ("plugins", str(number)))


def _is_list(value: Any) -> TypeGuard[list[dict[str, Any]]]:
    """Tell whether a value is a list of plugins."""
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _configuration(subject: Subject, positions: Positions) -> Iterator[Remark]:
    config = subject.nad.config
    for path, position in positions.twice:
        yield warning(
            config.line_at(position) if config else subject.nad.line,
            "twice",
            f"{'.'.join(path)} is there twice",
            "the last one counts, and a reader may see the first",
        )
    yield from _version(subject)
    for plugin in subject.plugins:
        if not plugin.kind:
            yield error(
                subject.line((*plugin.path, "type")),
                "type",
                f"{_dotted((*plugin.path, 'type'))} is {plugin.keys.get('type')!r}, expected the "
                "name of a plugin such as rail-sriov",
                "no pod that asks for this network starts",
            )
    yield from _network_name(subject)


def _version(subject: Subject) -> Iterator[Remark]:
    version, line = subject.document.get("cniVersion"), subject.line(("cniVersion",))
    if version is None:
        yield warning(
            line,
            "cni-version",
            f"cniVersion is missing, which means {SUPPORTED[0]}",
            "results of that version carry one address for each family and no interfaces",
            '"cniVersion": "1.0.0"',
        )
    elif version not in SUPPORTED:
        yield error(
            line,
            "cni-version",
            f"cniVersion is {version!r}, expected one of {', '.join(SUPPORTED)}",
            "the plugins refuse it",
        )
    elif "plugins" in subject.document and not RULES[version].chaining:
        yield error(
            line,
            "cni-version",
            f"cniVersion is {version}, and there is a list of plugins: expected {_FIRST_LIST} or "
            "later",
            "that version knows no lists",
        )


def _no_list(subject: Subject) -> Remark:
    return error(
        subject.line(("plugins",)),
        "plugins",
        "plugins is no list of objects, expected one plugin at least",
        "no pod that asks for this network starts",
    )


def _network_name(subject: Subject) -> Iterator[Remark]:
    name, line = subject.document.get("name"), subject.line(("name",))
    if name is None:
        return  # Multus gives it the NAD's
    if not isinstance(name, str) or not IDENTIFIER.fullmatch(name):
        yield error(
            line, "name", f"name is {name!r}, expected {IDENTIFIER_FORM}", "the plugins refuse it"
        )
    elif name != subject.nad.name.text:
        yield warning(
            line,
            "name",
            f"name is {name!r}, and the NAD is called {subject.nad.name.text!r}: expected the same",
            "records and logs on the node know the network by the one, pods ask for the other",
        )


def _dotted(path: Path) -> str:
    return ".".join(path)


def title(subject: Subject) -> str:
    """Return what a network calls itself, for messages."""
    return text_of(subject.document.get("name")) or subject.nad.name.text
