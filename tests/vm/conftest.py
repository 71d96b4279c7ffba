"""Leaves the guest's tests to the guest."""

from __future__ import annotations

import os

collect_ignore = [] if os.environ.get("RAILCNI_LAB") else ["suite"]
