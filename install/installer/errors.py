"""Why something could not be installed."""

from __future__ import annotations


class InstallError(Exception):
    """What is in the way, in words for the person who must act; what was there is still there."""
