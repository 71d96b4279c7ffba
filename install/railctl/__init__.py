"""The command for a person: what runs here, and what it holds."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from install.railctl.addresses import addresses
from install.railctl.attachments import attachments
from install.railctl.doctor import doctor
from install.railctl.fabric import fabric
from install.railctl.functions import vf
from install.railctl.hostfile import hostfile
from install.railctl.hostgw import hostgw
from install.railctl.ipam import ipam
from install.railctl.nad import nad
from install.railctl.nccl_env import nccl_env
from install.railctl.peers import peers
from install.railctl.preload import preload
from install.railctl.version import version

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(attachments)
app.command()(addresses)
app.command()(peers)
app.command("nccl-env")(nccl_env)
app.command()(hostfile)
app.command()(preload)
app.command()(version)
app.add_typer(doctor, name="doctor")
app.add_typer(vf, name="vf")
app.add_typer(fabric, name="fabric")
app.add_typer(ipam, name="ipam")
app.add_typer(hostgw, name="hostgw")
app.add_typer(nad, name="nad")


@app.callback()
def railctl() -> None:
    """Look at railcni on this node."""


def main(arguments: Sequence[str]) -> int:
    """Run one command; typer ends the process with its exit code."""
    app(arguments, prog_name="railctl")
    return 0
