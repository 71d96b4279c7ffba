"""What stands in etcd: JSON that a person can read, with a schema version.

A later minor version may add keys, which this one ignores; another schema version is refused.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from ipam.registry.interface import RegistryError


class RecordError(RegistryError):
    """A value in etcd is none of ours, or of a later version."""

    advice = "see that nothing else writes below this prefix, and that all nodes run one version"


class Record(BaseModel):
    """A value."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: Literal[1] = 1

    def encode(self) -> bytes:
        """Return the value."""
        return self.model_dump_json().encode()

    @classmethod
    def decode(cls, key: str, value: bytes) -> Self:
        """Read a value.

        Raises:
            RecordError: naming its key and what is wrong with it.
        """
        try:
            return cls.model_validate_json(value)
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, problem["loc"])) or "its value"
            raise RecordError(
                f"{key} in etcd is none of this railcni's: {where}: {problem['msg']}"
            ) from None


class Owner(Record):
    """A machine in one boot, with one journal."""

    node: str
    hardware: str
    boot: str
    journal: str

    def of_dead_boot(self, later: Owner) -> bool:
        """Tell whether a later owner proves that this boot of its machine has ended."""
        return self.hardware == later.hardware and self.boot != later.boot


class NodeRecord(Owner):
    """`nodes/NAME`, and with a lease `heartbeats/NAME`."""

    version: str
    since: str


class BlockRecord(Owner):
    """`blocks/FABRIC/SLOT`."""

    size: int
    """Slots, from the one that its key names."""
    token: str
    """Of the claim that made it."""


class Pod(BaseModel):
    """A pod, as the runtime named it; empty where it did not."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    namespace: str = ""
    name: str = ""
    uid: str = ""


class ClaimRecord(Record):
    """`claims/FABRIC/SLOT`: the mirror."""

    node: str
    container: str
    pod: Pod
    addresses: tuple[str, ...]
    """The slot's on every rail of the fabric."""
    since: str


class StaticRecord(Owner):
    """`static/FABRIC/SLOT`: an address claimed by itself, and its holder or last holder."""

    container: str
    pod: Pod
    sticky: str = ""
    """`namespace/name` of the pod that gets it again; empty for a requested address."""
    released: bool = False
    """Nobody holds it; it is kept for its pod until its lease ends."""
    since: str


class StickyRecord(Record):
    """`sticky/FABRIC/NAMESPACE/NAME`."""

    slot: int


class WriterRecord(Record):
    """`writers/JOURNAL`."""

    node: str
    turn: str


class FrozenRecord(Record):
    """`frozen`."""

    node: str
    """Who noticed."""
    reason: str
    since: str


class AnswerRecord(Record):
    """`answers/NODE`: what a node found when it put its blocks back."""

    journal: str
    frozen: int
    """The revision of the `frozen` key that it answers."""
    blocks: int
    conflicts: tuple[str, ...] = ()
    since: str


def now() -> str:
    """Return the time as records have it: for people, never compared."""
    return datetime.now(UTC).isoformat(timespec="seconds")
