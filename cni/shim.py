"""A plugin's request, handed to the agent; where there is none that can serve it, it says so.

Starting a plugin with all that an ADD imports takes half a second of a processor; the agent has it
imported.  So this imports what the interpreter is built with, and one extension module.
"""

import posix
import sys

from cni import wire
from cni.build import BUILD

TYPE_CHECKING = False  # as `typing` has it; see `__main__` for why it is not imported
if TYPE_CHECKING:
    import _socket

_STATE = (b"RAILCNI_STATE_DIR", b"/var/lib/railcni")
"""Variable and default of the state folder, as in `cni.host.paths`."""
_PATIENCE = 1.0
"""Seconds for an agent to take a request: then it hangs, or has too much to do."""
_SILENCE = 5 * wire.BEAT
"""Seconds without a sign of life from an agent at work."""
_LONGEST_PATH = 107
"""Bytes of a unix socket's path (unix(7))."""
_SOCKET_MODE, _KIND_OF_FILE = 0o140000, 0o170000


class LostReplyError(Exception):
    """The agent has begun, and nobody knows what came of it."""


def ask(program: str, stdin: bytes) -> tuple[int, bytes, bytes] | None:
    """Let the agent serve this process's request.

    Returns:
        Exit code, stdout and stderr; None where the process has to serve it by itself: nothing was
        begun then.

    Raises:
        LostReplyError: it was begun, and no reply came.
    """
    variable, default = _STATE
    path = (posix.environ.get(variable) or default) + b"/" + wire.SOCKET
    try:
        status = posix.lstat(path)
    except OSError:
        return None
    if status.st_mode & _KIND_OF_FILE != _SOCKET_MODE or status.st_uid:
        return None
    import _socket

    agent = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    try:
        if not _is_taken(agent, path, program, stdin):
            return None
        return _await_reply(agent)
    finally:
        agent.close()


def _is_taken(agent: "_socket.socket", path: bytes, program: str, stdin: bytes) -> bool:
    """Hand the request over; tell whether the agent has it now."""
    import _socket

    descriptors = []
    try:
        agent.settimeout(_PATIENCE)
        if len(path) > _LONGEST_PATH:
            folder = posix.open(path.rpartition(b"/")[0], posix.O_PATH | posix.O_CLOEXEC)
            descriptors.append(folder)
            path = b"/proc/self/fd/%d/%s" % (folder, wire.SOCKET)
        agent.connect(path)
        here = posix.stat("/proc/self/ns/net").st_ino
        call = wire.call(BUILD, here, program, posix.environ, stdin)
        passed = _open_pod()
        descriptors += passed
        rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, b"".join(map(_native, passed)))]
        sent = agent.sendmsg([call], rights if passed else [])
        if sent < len(call):
            agent.sendall(call[sent:])
        if agent.recv(1) != wire.READY:
            return False
        agent.sendall(wire.GO)
    except OSError:
        return False  # absent, dead, hung, or full: it has not begun, as it was not told to
    finally:
        for descriptor in descriptors:
            posix.close(descriptor)
    return True


def _await_reply(agent: "_socket.socket") -> tuple[int, bytes, bytes]:
    data = b""
    agent.settimeout(_SILENCE)
    try:
        while (reply := wire.read_reply(data)) is None:
            more = agent.recv(1 << 16)
            if not more:
                raise LostReplyError("it has ended")
            data = data.lstrip(wire.WORKING) + more
    except TimeoutError:
        raise LostReplyError(f"no sign of life for {_SILENCE:g} s") from None
    except (OSError, wire.MalformedError) as error:
        raise LostReplyError(str(error)) from None
    return reply


def _open_pod() -> list[int]:
    """Open the pod's namespace: the agent opens no path that it is told."""
    path = posix.environ.get(b"CNI_NETNS")
    if not path:
        return []
    try:
        return [posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK)]
    except OSError:
        return []  # it is gone, and the agent will say so


def _native(descriptor: int) -> bytes:
    return descriptor.to_bytes(4, sys.byteorder)
