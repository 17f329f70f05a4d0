-- The subscriber database of sipproxy. Made by python -m sipproxy.databases.schema mysql

CREATE TABLE IF NOT EXISTS `subscribers` (
    username VARBINARY(1020) NOT NULL PRIMARY KEY,
    domain VARCHAR(255) NOT NULL DEFAULT '',
    display_name VARCHAR(255) NOT NULL DEFAULT '',
    password VARCHAR(255),
    realm VARCHAR(255) NOT NULL DEFAULT '',
    ha1_md5 VARCHAR(32) NOT NULL DEFAULT '',
    ha1_sha256 VARCHAR(64) NOT NULL DEFAULT '',
    ha1b_md5 VARCHAR(32) NOT NULL DEFAULT '',
    ha1b_sha256 VARCHAR(64) NOT NULL DEFAULT '',
    unconditional VARCHAR(1023) NOT NULL DEFAULT '',
    busy VARCHAR(1023) NOT NULL DEFAULT '',
    no_answer VARCHAR(1023) NOT NULL DEFAULT '',
    unavailable VARCHAR(1023) NOT NULL DEFAULT '',
    ring_time_ms INT UNSIGNED,
    enabled BOOLEAN NOT NULL DEFAULT 1,
    created DOUBLE NOT NULL DEFAULT 0,
    updated DOUBLE NOT NULL DEFAULT 0
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin COMMENT='sipproxy subscribers 1';
