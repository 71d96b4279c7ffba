"""What is measured without another side: one number, and what it may be at most."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One number.

    Args:
        subject: what it is about.
        name: which of the subject's figures.
        value: the number.
        unit: of the number, empty when things are counted.
        target: what is wanted at most.
    """

    subject: str
    name: str
    value: float
    unit: str
    target: float | None = None

    @property
    def is_missed(self) -> bool:
        """Whether it is more than wanted."""
        return self.target is not None and self.value > self.target

    def as_dict(self) -> dict[str, object]:
        """Return it for JSON."""
        return asdict(self)
