"""The journal's tables.

Of every slot that the node owns, exactly one of these is true, and `Transaction` keeps it so:
it lies in a run of `fresh` (nobody had it lately), it is in `freed` (it rests), or it has a claim.
"""

VERSION = 1
"""Kept in `PRAGMA user_version`; a journal of another version is refused."""

TABLES = """
BEGIN;

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE fabrics (
    name TEXT PRIMARY KEY
) WITHOUT ROWID;

-- Each rail as the last configuration had it; networks and spans as JSON.
CREATE TABLE rails (
    fabric TEXT NOT NULL REFERENCES fabrics,
    name TEXT NOT NULL,
    subnets TEXT NOT NULL,
    usable TEXT NOT NULL,
    PRIMARY KEY (fabric, name)
) WITHOUT ROWID;

-- Runs of owned slots. A node without a registry owns one run with every slot.
-- The key's columns are first in each table: SQLite 3.40 checks the integrity of others wrongly.
CREATE TABLE fresh (
    fabric TEXT NOT NULL REFERENCES fabrics,
    last INTEGER NOT NULL,
    first INTEGER NOT NULL CHECK (first <= last),
    PRIMARY KEY (fabric, last)
) WITHOUT ROWID;

-- Times are nanoseconds of CLOCK_BOOTTIME, of the boot that meta names.
CREATE TABLE freed (
    seq INTEGER PRIMARY KEY,
    fabric TEXT NOT NULL REFERENCES fabrics,
    slot INTEGER NOT NULL,
    freed_at INTEGER NOT NULL,
    UNIQUE (fabric, slot)
);
CREATE INDEX freed_in_order ON freed (fabric, seq);

CREATE TABLE claims (
    fabric TEXT NOT NULL REFERENCES fabrics,
    slot INTEGER NOT NULL,
    container TEXT NOT NULL,
    pod_namespace TEXT NOT NULL,
    pod_name TEXT NOT NULL,
    pod_uid TEXT NOT NULL,
    boot_id TEXT NOT NULL,
    created INTEGER NOT NULL,
    PRIMARY KEY (fabric, slot)
) WITHOUT ROWID;

CREATE TABLE attachments (
    network TEXT NOT NULL,
    container TEXT NOT NULL,
    ifname TEXT NOT NULL,
    fabric TEXT NOT NULL,
    rail TEXT NOT NULL,
    slot INTEGER NOT NULL,
    created INTEGER NOT NULL,
    PRIMARY KEY (network, container, ifname),
    UNIQUE (fabric, slot, rail),
    FOREIGN KEY (fabric, slot) REFERENCES claims
) WITHOUT ROWID;
CREATE INDEX attachments_of_container ON attachments (container, fabric, created, slot, rail);
CREATE INDEX attachments_of_rail ON attachments (fabric, rail);

COMMIT;
"""
