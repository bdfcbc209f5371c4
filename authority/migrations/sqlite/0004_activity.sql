-- What the gateways counted, added up by minute, hour and day: `span` and `start` are seconds. The key `*` is all keys.
CREATE TABLE usage_rollup (
    key_id    TEXT   NOT NULL,
    span      BIGINT NOT NULL,
    start     BIGINT NOT NULL,
    outcome   TEXT   NOT NULL,
    count     BIGINT NOT NULL,
    PRIMARY KEY (key_id, span, start, outcome)
) WITHOUT ROWID;
CREATE INDEX usage_rollup_by_age ON usage_rollup (span, start);

-- The permissions that the dashboard offers. A key may hold others.
CREATE TABLE permission (
    name        TEXT   PRIMARY KEY NOT NULL,
    description TEXT   NOT NULL,
    created_at  BIGINT NOT NULL
);
