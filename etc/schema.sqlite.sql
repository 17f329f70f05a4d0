-- The subscriber database of sipproxy. Made by python -m sipproxy.databases.schema sqlite

CREATE TABLE subscribers (
    username TEXT NOT NULL PRIMARY KEY,
    domain TEXT NOT NULL DEFAULT '',
    display_name TEXT NOT NULL DEFAULT '',
    password TEXT,
    realm TEXT NOT NULL DEFAULT '',
    ha1_md5 TEXT NOT NULL DEFAULT '',
    ha1_sha256 TEXT NOT NULL DEFAULT '',
    ha1b_md5 TEXT NOT NULL DEFAULT '',
    ha1b_sha256 TEXT NOT NULL DEFAULT '',
    unconditional TEXT NOT NULL DEFAULT '',
    busy TEXT NOT NULL DEFAULT '',
    no_answer TEXT NOT NULL DEFAULT '',
    unavailable TEXT NOT NULL DEFAULT '',
    ring_time_ms INTEGER,
    enabled INTEGER NOT NULL DEFAULT 1,
    created REAL NOT NULL DEFAULT 0,
    updated REAL NOT NULL DEFAULT 0
) WITHOUT ROWID;
PRAGMA application_id = 1397773141;
PRAGMA user_version = 1;
