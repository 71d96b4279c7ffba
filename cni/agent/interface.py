"""What the agent asks of its parts: work to be done from time to time, and figures to be shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias


@dataclass(frozen=True, slots=True)
class Chore:
    """Something that is to be done again and again, while nobody waits for it.

    It is done by one thread of its own.  What it raises is logged and counted; it is called again.
    """

    name: str
    """Of its thread, in the log and as a label of the metrics."""
    period: float
    """Seconds from the end of one run to the start of the next."""
    run: Callable[[], None]
    interrupt: Callable[[], None] = lambda: None
    """Has a run that is under way end soon, where one takes its time."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One value."""

    labels: tuple[str, ...]
    """The values of the family's labels, in their order."""
    value: float


@dataclass(frozen=True, slots=True)
class Family:
    """Values of one kind, as Prometheus has them."""

    name: str
    """With the unit as its last part, without `railcni_` and `_total`: `slots`, `lease_seconds`."""
    help: str
    kind: Literal["gauge", "counter"]
    labels: tuple[str, ...]
    """Their names."""
    samples: tuple[Sample, ...]

    @classmethod
    def of(
        cls,
        name: str,
        text: str,
        values: Mapping[tuple[str, ...], float],
        *labels: str,
        kind: Literal["gauge", "counter"] = "gauge",
    ) -> Family:
        """Return the family of some values by the values of their labels."""
        samples = tuple(Sample(key, value) for key, value in sorted(values.items()))
        return cls(name, text, kind, labels, samples)


Figures: TypeAlias = Callable[[], Iterable[Family]]
"""Tells what is now; called for each look at the metrics, in any thread; must not wait for etcd."""


class Part(Protocol):
    """A room's contribution to the agent."""

    @property
    def chores(self) -> Sequence[Chore]:
        """What is to be done from time to time."""
        ...

    def figures(self) -> Iterable[Family]:
        """Tell what is now (`Figures`)."""
        ...

    def problems(self) -> Sequence[str]:
        """Return why new pods might not start, in words; empty while all is well."""
        ...

    def close(self) -> None:
        """Let go of what is kept open."""
        ...
