"""The plugins of the primary network, run for a namespace of our own as a runtime runs them.

Sources: CNI SPEC 1.1.0, section 3 "Execution of Network Configurations";
containernetworking/cni `libcni/api.go` and `pkg/invoke/exec.go`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cni.delegate.network import Plugin, primary_file, read_network
from cni.delegate.program import Program, Target, find
from cni.protocol.errors import CniError, Code
from cni.protocol.versions import RULES, Command

log = logging.getLogger(__name__)

Document = Mapping[str, Any]

_OURS = "rail-hostgw"
_FOR_PODS_ONLY = frozenset({"multus", "multus-shim"})
"""Multus asks the API server for the pod of each request."""
_PATIENCE = 60.0
"""Seconds that one plugin may take."""
_OF_A_REQUEST = frozenset({"capabilities", "runtimeConfig", "prevResult"})
"""Keys that the protocol owns; with no capability to offer, none of them is handed on."""
_RESERVED = "cni.dev/"


@dataclass(frozen=True, slots=True)
class Chain:
    """A network's plugins without our own, in order."""

    name: str
    version: str
    plugins: tuple[Plugin, ...]
    disable_check: bool = False
    patience: float = _PATIENCE
    """Seconds after which a plugin is ended."""

    def add(self, target: Target) -> Document:
        """Attach; return the last plugin's result.

        What was made is taken back when it fails.

        Raises:
            CniError: code 7, before anything is run, when a plugin is not in CNI_PATH; else what
                the plugin said, with a note for each that then failed to take back its own.
        """
        programs = [self._find(plugin, target) for plugin in self.plugins]
        result: Document = {}
        for place, (program, plugin) in enumerate(zip(programs, self.plugins, strict=True)):
            try:
                result = program.execute(Command.ADD, self._derive(plugin, result), target)
            except BaseException as error:
                for failure in self._delete(self.plugins[: place + 1], target, result):
                    error.add_note(f"taking it back: {failure}")
                raise
            # A result without a version has the configuration's (`fixupResultVersion`).
            result = {**result, "cniVersion": result.get("cniVersion") or self.version}
        return result

    def delete(self, target: Target, result: Document | None = None) -> None:
        """Detach, in reverse order; every plugin is tried.

        Args:
            target: as it was attached.
            result: what `add` returned, None where nobody remembers it.

        Raises:
            CniError: the first plugin's that failed, with a note for each further one.
        """
        failures = self._delete(self.plugins, target, result)
        if failures:
            for further in failures[1:]:
                failures[0].add_note(str(further))
            raise failures[0]

    def check(self, target: Target, result: Document) -> None:
        """Ask each plugin whether the attachment is still as it made it.

        Does nothing where the network disables that, or its version has no CHECK.

        Raises:
            CniError: the first plugin's that finds something wrong.
        """
        if self.disable_check or not self._knows_check():
            return
        for plugin in self.plugins:
            config = self._derive(plugin, result)
            self._find(plugin, target).execute(Command.CHECK, config, target)

    def _knows_check(self) -> bool:
        return Command.CHECK in RULES[self.version].commands

    def _delete(
        self, plugins: Sequence[Plugin], target: Target, result: Document | None
    ) -> list[CniError]:
        failures = []
        # DEL gets a result in the versions that have CHECK, since 0.4.0.
        known = result if self._knows_check() else None
        for plugin in reversed(plugins):
            try:
                config = self._derive(plugin, known)
                self._find(plugin, target).execute(Command.DEL, config, target)
            except CniError as error:
                log.warning("%s", error)
                failures.append(error)
        return failures

    def _find(self, plugin: Plugin, target: Target) -> Program:
        key, cure = f"type in the network {self.name}", "install it there"
        return Program(find(plugin.get("type"), target.path, key=key, cure=cure), self.patience)

    def _derive(self, plugin: Plugin, result: Document | None) -> Document:
        """Return what a plugin reads ("Deriving request configuration")."""
        kept = {
            key: value
            for key, value in plugin.items()
            if key not in _OF_A_REQUEST and not key.startswith(_RESERVED)
        }
        derived = {**kept, "name": self.name, "cniVersion": self.version}
        return derived if not result else {**derived, "prevResult": result}


def read_chain(folder: Path, explicit: Path | None = None, patience: float = _PATIENCE) -> Chain:
    """Return the primary network's plugins.

    Args:
        folder: where runtimes look for networks, such as /etc/cni/net.d.
        explicit: the network's file, where it is not the first of the folder.
        patience: seconds that one plugin may take.

    Raises:
        CniError: code 7 for what is absent, malformed or for pods only; 1 for an unknown version.
    """
    network = read_network(explicit or primary_file(folder))
    plugins = tuple(plugin for plugin in network.plugins if plugin["type"] != _OURS)
    if not plugins:
        raise CniError(Code.INVALID_CONFIG, f"{network.file} lists no plugin besides {_OURS}")
    if plugins[0]["type"] in _FOR_PODS_ONLY:
        raise CniError(
            Code.INVALID_CONFIG,
            f"{network.file} is Multus's, which attaches nothing but pods",
            "name the file of the network behind it",
        )
    return Chain(network.name, network.version, plugins, network.disable_check, patience)
