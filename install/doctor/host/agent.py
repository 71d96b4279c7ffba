"""What is judged of the agent.  Pure."""

from __future__ import annotations

from collections.abc import Iterator

from install.doctor.findings import Finding, error, info, ok, warning
from install.doctor.host.facts import Facts


def agent(facts: Facts) -> Iterator[Finding]:
    """Say whether the agent answers, whom it serves, and what it says of itself."""
    seen = facts.agent
    if not seen.has_socket:
        yield warning(
            "agent",
            "no rail-agent answers on this node",
            "plugins work without it, slower; nothing is repaired, no leak is freed, no rail is "
            "watched, and other nodes take this one for silent",
            "systemctl status rail-agent; kubectl -n railcni get pods -o wide",
        )
        return
    if seen.refusal is None:
        yield error(
            "agent",
            "rail-agent has a socket, and does not answer on it",
            "each request waits a second for it before it helps itself",
            "systemctl restart rail-agent; journalctl -u rail-agent",
        )
    elif seen.refusal:
        yield warning(
            "agent",
            f"rail-agent does not serve this build ({facts.build}): {seen.refusal}",
            "requests of this build are served by processes of their own, slower",
            "systemctl restart rail-agent  # an upgrade does that",
        )
    else:
        yield ok("agent", f"rail-agent serves this build ({facts.build})")
    yield from _pages(facts)


def _pages(facts: Facts) -> Iterator[Finding]:
    seen = facts.agent
    if not seen.pages:
        yield info("agent", "rail-agent serves no pages: metrics is empty in agent.toml")
    elif seen.problems is None:
        yield warning(
            "agent",
            f"no page answers at {seen.pages}",
            "Prometheus sees nothing of this node, and the DaemonSet's probes fail",
            f"curl -s http://{seen.pages}/readyz; journalctl -u rail-agent | grep 'no metrics'",
        )
    else:
        for problem in seen.problems:
            yield warning("agent-says", problem, "rail-agent says it of itself (/readyz)")
