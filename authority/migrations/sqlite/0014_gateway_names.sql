-- The name of a revoked gateway may be given to another. SQLite cannot take a UNIQUE off a column, so the table is
-- made again, and with it those that refer to it.
CREATE TABLE gateway_2 (
    id         TEXT   PRIMARY KEY NOT NULL,
    name       TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT   NOT NULL,
    revoked_at BIGINT
);
INSERT INTO gateway_2 SELECT id, name, created_at, created_by, revoked_at FROM gateway;

CREATE TABLE gateway_token_2 (
    digest     BLOB   PRIMARY KEY NOT NULL,
    gateway_id TEXT   NOT NULL REFERENCES gateway_2 (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT
);
INSERT INTO gateway_token_2 SELECT digest, gateway_id, created_at, expires_at FROM gateway_token;

CREATE TABLE gateway_process_2 (
    gateway_id  TEXT   NOT NULL REFERENCES gateway_2 (id),
    process_id  TEXT   NOT NULL,
    applied_seq BIGINT NOT NULL,
    applied_at  BIGINT NOT NULL,
    first_seen  BIGINT NOT NULL,
    seen_at     BIGINT NOT NULL,
    PRIMARY KEY (gateway_id, process_id)
);
INSERT INTO gateway_process_2
    SELECT gateway_id, process_id, applied_seq, applied_at, first_seen, seen_at FROM gateway_process;

DROP TABLE gateway_token;
DROP TABLE gateway_process;
DROP TABLE gateway;
-- What refers to a table that is renamed goes on referring to it.
ALTER TABLE gateway_2 RENAME TO gateway;
ALTER TABLE gateway_token_2 RENAME TO gateway_token;
ALTER TABLE gateway_process_2 RENAME TO gateway_process;
CREATE INDEX gateway_token_by_gateway ON gateway_token (gateway_id);
CREATE UNIQUE INDEX gateway_name ON gateway (name) WHERE revoked_at IS NULL;
