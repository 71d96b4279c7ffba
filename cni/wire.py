"""What a plugin's process and the agent say to each other on their socket.

    process → agent   MAGIC, length, body of a call; the pod's namespace by SCM_RIGHTS
    agent → process   READY: it would serve this one; or REFUSED, and it is the process's own work
    process → agent   GO: from here on the outcome is the agent's
    agent → process   WORKING, several times a second while it lives; then DONE and the reply

Pure, and free of imports: it is loaded in every start of a plugin.
"""

TYPE_CHECKING = False  # as `typing` has it; see `__main__` for why it is not imported
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SOCKET = b"agent.sock"
"""In the state folder: who has another state folder has another agent."""
MAGIC = b"railcni\x01"
"""Its last byte is the version of this protocol."""
READY, REFUSED, WORKING, DONE = b"R", b"N", b".", b"="
GO = b"G"
BEAT = 0.3
"""Seconds between two signs of life of an agent at work."""
LONGEST = 8 << 20
"""Bytes of a call: a network configuration with its prevResult, and an environment."""

_NUMBER = 4
"""Bytes of a length."""
HEADER = len(MAGIC) + _NUMBER


class MalformedError(ValueError):
    """It is not what this version of the protocol says."""


def call(
    build: bytes, netns: int, program: str, environ: "Mapping[bytes, bytes]", stdin: bytes
) -> bytes:
    """Return what a process sends first.

    Args:
        build: which bundle the process is of (`cni.build`).
        netns: inode number of the network namespace that the process is in.
        program: which plugin.
        environ: the process's environment.
        stdin: the network configuration.
    """
    variables = b"\0".join([name + b"=" + value for name, value in environ.items()])
    body = _join([build, b"%d" % netns, program.encode(), variables, stdin])
    return MAGIC + len(body).to_bytes(_NUMBER, "big") + body


class Call:
    """A call as the agent reads it (`call` says what is what)."""

    __slots__ = ("build", "environ", "netns", "program", "stdin")

    def __init__(self, body: bytes) -> None:
        """Read a body.

        Raises:
            MalformedError: it is no body of a call.
        """
        try:
            build, netns, program, variables, stdin = _split(body)
            self.build = build
            self.netns = int(netns)
            self.program = program.decode()
            self.environ = _environ(variables)
            self.stdin = stdin
        except ValueError as error:
            raise MalformedError(f"a call that cannot be read: {error}") from None


def length_of(header: bytes) -> int:
    """Return how many bytes follow a header (MalformedError)."""
    if not header.startswith(MAGIC):
        raise MalformedError("another protocol, or another version of it")
    length = int.from_bytes(header[len(MAGIC) : HEADER], "big")
    if length > LONGEST:
        raise MalformedError(f"a call of {length} bytes, expected at most {LONGEST}")
    return length


def refusal(reason: str) -> bytes:
    """Return what the agent sends to a process that it does not serve."""
    return REFUSED + reason.encode()


def reply(exit_code: int, stdout: bytes, stderr: bytes) -> bytes:
    """Return what the agent sends when it has served a call."""
    body = _join([b"%d" % exit_code, stdout, stderr])
    return DONE + len(body).to_bytes(_NUMBER, "big") + body


def read_reply(data: bytes) -> "tuple[int, bytes, bytes] | None":
    """Return exit code, stdout and stderr, None while not all of it has come (MalformedError).

    Args:
        data: what came since GO.
    """
    data = data.lstrip(WORKING)
    start = len(DONE) + _NUMBER
    if not data:
        return None
    if not data.startswith(DONE):
        raise MalformedError("another answer than a reply")
    if len(data) < start or len(data) < start + int.from_bytes(data[1:start], "big"):
        return None
    try:
        exit_code, stdout, stderr = _split(data[start:])
        return int(exit_code), stdout, stderr
    except ValueError as error:
        raise MalformedError(f"a reply that cannot be read: {error}") from None


def _environ(variables: bytes) -> "dict[str, str]":
    text = variables.decode("utf-8", "surrogateescape")
    pairs = [entry.partition("=") for entry in text.split("\0") if entry]
    return {name: value for name, _, value in pairs}


def _join(fields: "Iterable[bytes]") -> bytes:
    return b"".join([len(field).to_bytes(_NUMBER, "big") + field for field in fields])


def _split(data: bytes) -> "list[bytes]":
    fields, offset = [], 0
    while offset < len(data):
        end = offset + _NUMBER + int.from_bytes(data[offset : offset + _NUMBER], "big")
        if end > len(data) or offset + _NUMBER > len(data):
            raise ValueError("a field is longer than the whole")
        fields.append(data[offset + _NUMBER : end])
        offset = end
    return fields
