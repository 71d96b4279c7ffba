"""The agent's `[hostgw]` settings; docs/configuration.md says what each key means."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from cni.agent.hostgw.path import Times
from cni.hostgw.config import Terms

Mode: TypeAlias = Literal["wifi", "always", "observe", "off"]

_Seconds = Annotated[float, Field(gt=0, le=86400)]


def _absolute(value: str) -> str:
    if not value.startswith("/") or "\0" in value:
        raise ValueError("an absolute path")
    return value


_Path = Annotated[str, AfterValidator(_absolute)]


class HostgwSettings(Terms):
    """What the agent is told of direct paths."""

    mode: Mode = "wifi"
    mark: Annotated[int, Field(ge=1, le=2**32 - 1)] = 0x0100_0000
    """The bits of a packet's mark that say it goes straight; nobody else's."""
    port: Annotated[int, Field(ge=1, le=65533)] = 9754
    """UDP, of echoes; from pod to pod over the overlay it is the next one."""
    key_file: _Path = Field("/etc/railcni/hostgw.key", alias="keyFile")
    conflists: _Path = "/etc/cni/net.d"
    """The folder of the primary network's configuration."""
    conflist: _Path | None = None
    """That configuration, if it is not the folder's first."""
    interval: Annotated[float, Field(ge=0.2, le=60)] = 1.0
    up: _Seconds = 20.0
    limit: _Seconds = 4.0
    hold: _Seconds = 30.0
    longest_hold: _Seconds = Field(600.0, alias="longestHold")
    spoof_guard: bool = Field(default=False, alias="spoofGuard")

    @model_validator(mode="after")
    def _leaves_time_to_answer(self) -> HostgwSettings:
        if self.limit < 3 * self.interval:
            raise ValueError(
                f"limit is {self.limit:g} and interval {self.interval:g}, expected a limit of at "
                "least three intervals: one lost answer is no failure"
            )
        if self.longest_hold < self.hold:
            raise ValueError(
                f"longestHold is {self.longest_hold:g}, expected at least hold, {self.hold:g}"
            )
        return self

    @property
    def times(self) -> Times:
        """How patient this node is."""
        return Times(self.interval, self.up, self.limit, self.hold, self.longest_hold)
