"""`railctl ipam accept-restore`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from install.railctl.ipam.cluster import RefusedError, cluster, confirm, explained, wiring
from install.railctl.output import Output, say, write

if TYPE_CHECKING:
    from ipam.registry.overview import Answers

_WORD = "accept"


def accept_restore(
    force: Annotated[  # noqa: FBT002 - an option
        bool, typer.Option("--force", help="Also while nodes have not answered, or conflict.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,  # noqa: FBT002 - an option
    output: Annotated[Output, typer.Option(help="How to write it.")] = Output.TEXT,
) -> None:
    """Let nodes claim blocks again after etcd was restored from a backup.

    It is lifted when every node that has ever joined has put its blocks back without conflict.
    """
    with explained(), cluster(wiring()) as joined:
        answers = joined.overview().answers()
        if answers is None:
            _write(None, "nothing forbids claims", output)
            return
        problems = _problems(answers)
        if problems and not force:
            _write(answers, "claims stay forbidden: " + "; ".join(problems), output)
            raise typer.Exit(1)
        if problems:
            question = f"{'; '.join(problems)}.  What they hold may be given to others."
            confirm(question, _WORD, yes=yes)
        if not joined.operator().lift(answers):
            raise RefusedError("a node has joined or answered meanwhile: look again")
        _write(answers, "claims are allowed again", output)


def _problems(answers: Answers) -> list[str]:
    problems = []
    if answers.missing:
        problems.append(
            f"{', '.join(answers.missing)} has not answered (a node answers with the next start or "
            "stop of a pod; one that is gone: railctl ipam reclaim)"
        )
    for node, conflicts in sorted(answers.conflicts.items()):
        problems.append(
            f"{node} could not have back: {'; '.join(conflicts)} (drain the one or the other, and "
            f"start or stop a pod on {node})"
        )
    return problems


def _write(answers: Answers | None, outcome: str, output: Output) -> None:
    rows = _rows(answers) if answers else []
    record = answers.frozen.record if answers else None
    if output is Output.JSON:
        frozen = record and {"node": record.node, "reason": record.reason, "since": record.since}
        say(json.dumps({"frozen": frozen, "nodes": rows, "outcome": outcome}))
        return
    if record:
        say(f"no block is claimed since {record.since}: {record.reason} (said by {record.node})")
        write("nodes", rows, output, empty="no node has ever joined")
    say(outcome)


def _rows(answers: Answers) -> list[dict[str, str]]:
    rows = []
    for node in sorted(answers.census.nodes.keys() | answers.given.keys()):
        answer = answers.given.get(node)
        rows.append(
            {
                "node": node,
                "heartbeat": "yes" if answers.census.beats(node) else "no",
                "answered": answer.record.since if answer else "no",
                "blocks": str(answer.record.blocks) if answer else "",
                "conflicts": ", ".join(answer.record.conflicts) if answer else "",
            }
        )
    return rows
