"""Where every program starts: `python -m cni NAME …`, or the frozen executable by any of its names.

A runtime asks for VERSION before every other verb, so that is answered before anything is imported
that it does not need: not json, not logging, not even `os` and `__future__` (1.5 of 9.5 ms).
"""

import gc
import posix
import sys

from cni import programs
from cni.protocol import supported

TYPE_CHECKING = False  # as `typing` has it, which is not imported either
if TYPE_CHECKING:
    from cni.protocol.plugin import Plugin
    from cni.protocol.request import Request

_USAGE = 2
"""The exit code of a person's mistake, as shells have it."""
_HELP = """\
{name} is a CNI plugin: a container runtime calls it, with CNI_COMMAND and its other variables in
the environment and a network configuration on stdin.  To see the CNI versions it speaks, and to
try a whole attachment with the CNI project's own runtime:

  CNI_COMMAND=VERSION {name} </dev/null
  cnitool add NETWORK /run/netns/NAME
"""


def main() -> int:
    """Run the program that this process was started as; return its exit code."""
    if sys.stdout is None:
        sys.exit("stdout is closed: a reply would be lost, so nothing is begun")
    command = posix.environ.get(b"CNI_COMMAND")
    try:
        name, arguments = programs.choose(sys.argv)
    except programs.UnknownProgramError as error:
        return _refuse(str(error), to_runtime=command is not None)
    if name in programs.COMMANDS:
        _restore_environment()
        return int(programs.load(programs.COMMANDS[name])(arguments))
    if command is None and (arguments or (sys.stdin and sys.stdin.isatty())):
        sys.stderr.write(_HELP.format(name=name))
        return _USAGE
    stdin = sys.stdin.buffer.read() if sys.stdin else b""
    if command == b"VERSION" and (answer := supported.usual_answer(stdin)):
        sys.stdout.write(answer)
        return 0
    return _serve(name, stdin)


def _serve(name: str, stdin: bytes) -> int:
    """Answer a container runtime's request: the agent does, or where there is none this process."""
    from cni import shim

    try:
        served = shim.ask(name, stdin)
    except shim.LostReplyError as error:
        return _own_up(str(error), stdin)
    if served is None:
        return _serve_here(name, stdin)
    code, stdout, stderr = served
    if sys.stderr:
        sys.stderr.buffer.write(stderr)
        sys.stderr.buffer.flush()
    sys.stdout.buffer.write(stdout)
    return code


def _own_up(problem: str, stdin: bytes) -> int:
    """Tell the runtime that nobody knows what became of its request."""
    from cni.protocol import skel
    from cni.protocol.errors import CniError, Code

    error = CniError(
        Code.TRY_AGAIN,
        f"rail-agent has begun this request, and its reply is lost: {problem}",
        "try again: what was begun is finished or undone first; see the log of rail-agent",
    )
    return skel.failure(error, stdin).write(sys.stdout)


def _serve_here(name: str, stdin: bytes) -> int:
    gc.disable()  # nothing here lives long enough to be collected, and imports are 10 % faster
    environ = _restore_environment()
    from cni.protocol import skel

    def make_plugin(request: "Request") -> "Plugin":
        plugin: Plugin = programs.load(programs.PLUGINS[name])(request)
        return plugin

    return skel.serve(make_plugin, environ, stdin).write(sys.stdout)


def _refuse(problem: str, *, to_runtime: bool) -> int:
    """Say that there is no such program: to a runtime in its own form, to a person in words."""
    if not to_runtime:
        sys.stderr.write(f"{problem}\n")
        return _USAGE
    from cni.protocol import skel
    from cni.protocol.errors import CniError, Code

    error = CniError(Code.INVALID_ENVIRONMENT, problem)
    return skel.Reply(error.to_json(supported.CURRENT), 1).write(sys.stdout)


def _restore_environment() -> dict[str, str]:
    """Make the environment what it was before the bootloader of the frozen program."""
    import os

    environ = programs.original_environment(os.environ)
    os.environ.clear()
    os.environ.update(environ)
    return environ


def run() -> None:
    """Run, flush and end the process."""
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:
        sys.stdout = None  # whoever asked has gone, and DEL will come
        code = 1
    if hasattr(sys, "frozen"):
        # The kernel takes back what is left: taking the interpreter apart by hand costs 2 ms.
        posix._exit(code)  # noqa: SLF001 - public in `os`, which is not imported for this
    sys.exit(code)


if __name__ == "__main__":
    run()
