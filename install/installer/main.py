"""rail-install: how its parts are put together."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from cni.agent.config import Endpoint, endpoint
from cni.host.paths import Paths
from cni.protocol.errors import CniError
from install.installer import commands, places, source, staying
from install.installer.errors import InstallError
from install.installer.gathering import Site, Wishes
from install.installer.root import Root

_FAILURE = 1
_HEALTH = "127.0.0.1:9754"


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says; return the exit code."""
    options = parse(arguments)
    os.umask(0o077)
    try:
        return _do(options)
    except (InstallError, CniError) as error:
        sys.stderr.write(f"rail-install: {error}\n")
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        sys.stderr.write(f"rail-install: {place}{error.strerror}\n")
    return _FAILURE


def _do(options: argparse.Namespace) -> int:
    site = _site(options)
    wishes = Wishes(options.config, options.secrets, options.chain_hostgw)
    match options.command:
        case "run" if not options.dry_run:
            return staying.run(site, source.of_this_program(), wishes, options.health)
        case "run" | "once":
            return commands.once(site, source.of_this_program(), wishes, dry_run=options.dry_run)
        case "status":
            return commands.status(site, as_json=options.output == "json")
        case "rollback":
            return commands.rollback(site, options.version, dry_run=options.dry_run)
        case _:
            return commands.uninstall(site, force=options.force, dry_run=options.dry_run)


def _site(options: argparse.Namespace) -> Site:
    root = Root(options.root.resolve())
    paths = Paths.of(os.environ)
    find = partial(places.find, root, options.cni_bin, options.cni_conf)
    return Site(
        root, find, PurePosixPath(paths.config), PurePosixPath(paths.state),
        _said_again(options) if options.host else None,
    )  # fmt: skip


def _said_again(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the options that the unit of `run` repeats."""
    said = []
    for name in ("cni_bin", "cni_conf", "config", "secrets"):
        if value := getattr(options, name):
            said += [f"--{name.replace('_', '-')}", str(value)]
    return (*said, *(["--chain-hostgw"] if options.chain_hostgw else []))


def _node_path(text: str) -> PurePosixPath:
    path = PurePosixPath(text)
    if not path.is_absolute() or ".." in path.parts:
        raise argparse.ArgumentTypeError(f"{text!r}, expected an absolute path on the node")
    return path


def _endpoint(text: str) -> Endpoint | None:
    try:
        return endpoint(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}, expected {error}") from None


def _folder(text: str) -> Path:
    path = Path(text)
    if not text or not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is no folder")
    return path.absolute()  # a link stays one: who renews what it leads to is seen


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return what a command line asks for (SystemExit: nothing that there is)."""
    parser = argparse.ArgumentParser(
        prog="rail-install",
        description="Put the bundle that this program is part of onto a node, and its "
        "configuration; without a command, `once`.",
    )
    common = _common()
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, text in _COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text, parents=[common])
        if name == "run":
            command.add_argument(
                "--health", type=_endpoint, default=_HEALTH, metavar="HOST:PORT",
                help=f"where /healthz, /readyz and /metrics are served ({_HEALTH})",
            )  # fmt: skip
        if name == "status":
            command.add_argument("--output", choices=("text", "json"), default="text")
        if name == "rollback":
            command.add_argument("version", nargs="?", help="the version; else the previous one")
        if name == "uninstall":
            command.add_argument(
                "--force", action="store_true", help="although pods need it, or an agent runs"
            )
    words = list(arguments)
    if not any(word in _COMMANDS for word in words) and "-h" not in words and "--help" not in words:
        words.insert(0, "once")
    return parser.parse_args(words)


_COMMANDS = {
    "run": "install, then stay: watch, repair, tell how it is",
    "once": "install, and end",
    "status": "show what is installed",
    "rollback": "go back to the previous version",
    "uninstall": "take it away, and restore what was there",
}


def _common() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    where = common.add_mutually_exclusive_group()
    where.add_argument(
        "--root", type=_folder, default=Path("/"), metavar="DIR",
        help="where the node's root is seen from here; in a DaemonSet /host",
    )  # fmt: skip
    where.add_argument(
        "--host", action="store_true", help="on the node itself, by hand: with systemd units"
    )
    common.add_argument("--cni-bin", type=_node_path, metavar="DIR", help="on the node")
    common.add_argument("--cni-conf", type=_node_path, metavar="DIR", help="on the node")
    common.add_argument(
        "--config",
        type=_folder,
        metavar="DIR",
        help="where node.toml and agent.toml are taken from",
    )
    common.add_argument(
        "--secrets", type=_folder, metavar="DIR", help="where the files for /etc/railcni/tls are"
    )
    common.add_argument(
        "--chain-hostgw", action="store_true", help="bring rail-hostgw into the primary's network"
    )
    common.add_argument("--dry-run", action="store_true", help="only say what would be done")
    return common
