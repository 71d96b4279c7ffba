"""The first Python code of the frozen program, in place of PyInstaller's `pyiboot01_bootstrap`.

That one prepares for modules in an archive, for `ctypes` libraries by bare name and for eggs.  Here
modules are files, found by Python's own importer; nothing loads a bundled library through `ctypes`;
and importing `ctypes` in every start is what cost most.
"""

import sys

sys.frozen = True  # type: ignore[attr-defined]  # what libraries ask to know that they are frozen
