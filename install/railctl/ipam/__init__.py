"""`railctl ipam`: the addresses of the whole cluster."""

from __future__ import annotations

import typer

from install.railctl.ipam.map import draw
from install.railctl.ipam.reclaim import reclaim
from install.railctl.ipam.release import release
from install.railctl.ipam.restore import accept_restore
from install.railctl.ipam.show import show
from install.railctl.ipam.verify import verify

ipam = typer.Typer(no_args_is_help=True)
ipam.command()(show)
ipam.command("map")(draw)
ipam.command()(release)
ipam.command()(reclaim)
ipam.command()(accept_restore)
ipam.command()(verify)


@ipam.callback()
def _group() -> None:
    """Look at the addresses of the whole cluster, and mend what is wrong with them."""
