"""The journal's tables.

Of every slot in a block that is `owned`, exactly one of these is true, and `Transaction` keeps it
so: it lies in a run of `fresh` (nobody had it lately), it is in `freed` (it rests), or it has a
claim.  A slot outside such blocks may have a claim, but is never free.
"""

_CLAIMS = """
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

-- Runs of free slots in owned blocks.
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
"""

_BLOCKS = """
-- Blocks of a shared fabric are used only in the boot that `confirmed` names.
ALTER TABLE fabrics ADD COLUMN shared INTEGER NOT NULL DEFAULT 0;
ALTER TABLE fabrics ADD COLUMN confirmed TEXT NOT NULL DEFAULT '';

CREATE TABLE blocks (
    fabric TEXT NOT NULL REFERENCES fabrics,
    last INTEGER NOT NULL,
    first INTEGER NOT NULL CHECK (first <= last),
    state TEXT NOT NULL CHECK (state IN ('owned', 'spare', 'returning', 'retired', 'lost')),
    epoch INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (fabric, last)
) WITHOUT ROWID;

CREATE INDEX claims_of_container ON claims (container);

-- Claims of blocks that were sent to the registry, and whose answer may never have come.
CREATE TABLE intents (
    fabric TEXT PRIMARY KEY REFERENCES fabrics,
    token TEXT NOT NULL,
    spans TEXT NOT NULL
) WITHOUT ROWID;

-- Slots whose claim in the mirror may differ from the one here.
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    fabric TEXT NOT NULL REFERENCES fabrics,
    slot INTEGER NOT NULL,
    UNIQUE (fabric, slot)
);

-- Claims on addresses that are claimed one by one; they outlive the claim until it is released.
CREATE TABLE singles (
    fabric TEXT NOT NULL REFERENCES fabrics,
    slot INTEGER NOT NULL,
    container TEXT NOT NULL,
    sticky TEXT NOT NULL,
    ttl INTEGER NOT NULL,
    PRIMARY KEY (fabric, slot, container)
) WITHOUT ROWID;

-- Before there were blocks, a node owned every slot.
INSERT INTO blocks SELECT name, 4611686018427387903, 0, 'owned', 0, 0 FROM fabrics;
"""

_SANDBOXES = """
-- The network namespace of an attachment, where nobody else remembers it; a cookie of 0: unknown.
ALTER TABLE attachments ADD COLUMN netns_device INTEGER;
ALTER TABLE attachments ADD COLUMN netns_inode INTEGER;
ALTER TABLE attachments ADD COLUMN netns_cookie INTEGER;
"""

SCRIPTS = (_CLAIMS, _BLOCKS, _SANDBOXES)
"""The n-th brings a journal from version n to n + 1; a new one goes through all of them."""
VERSION = len(SCRIPTS)
"""Kept in `PRAGMA user_version`; a journal of a later version is refused."""


def script(version: int) -> str:
    """Return what brings a journal from a version to the present one, as one transaction."""
    statements = "".join(SCRIPTS[version:])
    return f"BEGIN IMMEDIATE;\n{statements}\nPRAGMA user_version = {VERSION};\nCOMMIT;"
