"""Why there is no answer: for now, or for good."""

from __future__ import annotations


class NotYetError(Exception):
    """Something is still to come; in words, for when it does not."""


class JobError(Exception):
    """Waiting does not help, in words for the person who must act."""
