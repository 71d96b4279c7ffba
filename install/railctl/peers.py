"""`railctl peers`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Annotated, Any

import typer

from cni.agent import config
from cni.host.paths import Paths
from cni.protocol.errors import CniError
from install.railctl.output import Output, age, say, write

_PATIENCE = 5.0
"""Seconds for the agent to answer."""
_WAYS = ("direct", "overlay", "node")


def peers(
    output: Annotated[Output, typer.Option(help="How to write it.")] = Output.TEXT,
) -> None:
    """Show which nodes' pods are reached directly, and why others are not; asks the agent."""
    try:
        told = _ask()
    except (CniError, OSError) as error:
        say(f"railctl peers: {error}", err=True)
        raise typer.Exit(1) from None
    if output is Output.JSON:
        say(json.dumps(told))
        return
    for impairment in told["impairments"]:
        say(impairment, err=True)
    write(
        f"peers of this node, mode {told['mode']}", list(_rows(told["peers"])), output,
        empty="there is no peer: flannel has told this node of none",
    )  # fmt: skip


def _ask() -> dict[str, Any]:
    endpoint = config.load(Paths.of(os.environ).agent_file).metrics
    if endpoint is None:
        raise OSError('the agent serves no pages: set metrics in agent.toml, not ""')
    with closing(HTTPConnection(endpoint.host, endpoint.port, timeout=_PATIENCE)) as connection:
        try:
            connection.request("GET", "/peers")
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, HTTPException) as error:
            raise OSError(f"no agent answers at {endpoint}: {error}") from None
    if answer.status == HTTPStatus.NOT_FOUND:
        raise OSError(
            "the agent looks after no paths: write a [hostgw] section into agent.toml, with a mode "
            "that is not off, and restart it"
        )
    try:
        told = json.loads(content)
    except ValueError:
        told = None
    if not isinstance(told, dict) or not told.keys() >= {"mode", "impairments", "peers"}:
        raise OSError(f"what answers at {endpoint} is no agent of ours")
    return told


def _rows(told: list[dict[str, Any]]) -> Iterator[dict[str, str]]:
    for peer in told:
        ways = peer.get("ways", {way: {} for way in _WAYS})
        yield {
            "peer": peer["peer"],
            "node": peer.get("node", ""),
            "device": peer.get("device", ""),
            "its uplink": peer.get("uplink", ""),
            "state": peer["state"],
            "since": age(peer["seconds"]) if "seconds" in peer else "",
            **{f"rtt {way}": _milliseconds(ways[way]) for way in _WAYS},
            "loss": _share(ways["direct"].get("loss")),
            "why": peer["why"],
        }


def _milliseconds(figures: Mapping[str, float | None]) -> str:
    rtt, jitter = figures.get("rttSeconds"), figures.get("jitterSeconds")
    if rtt is None:
        return ""
    return f"{rtt * 1000:.1f} ms" + (f" ±{jitter * 1000:.1f}" if jitter else "")


def _share(loss: float | None) -> str:
    return "" if loss is None else f"{loss:.0%}"
