"""What a frozen bundle is made of, and how it is made at home in a folder of any host.

A bundle brings its own loader and C library.  A kernel takes a program's loader by an absolute
path, so that path is written into the executable when its folder on the host is known.
"""

from pathlib import PurePosixPath

EXECUTABLE = PurePosixPath("railcni")
LIBRARIES = PurePosixPath("_internal/libc")
"""The C library, by itself: PyInstaller has every process search `_internal`, and in a bundle that
is started by a host's loader that process must not find another C library there."""
