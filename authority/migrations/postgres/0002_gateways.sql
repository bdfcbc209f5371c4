CREATE TABLE gateway (
    id         TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    name       TEXT COLLATE "C" NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    created_by TEXT COLLATE "C" NOT NULL,
    revoked_at BIGINT
);

-- Several tokens of one gateway are good at once while one takes over from the other.
CREATE TABLE gateway_token (
    digest     BYTEA   PRIMARY KEY NOT NULL,
    gateway_id TEXT COLLATE "C" NOT NULL REFERENCES gateway (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT
);
CREATE INDEX gateway_token_by_gateway ON gateway_token (gateway_id);

-- What each Envoy process says it has applied: the cursor of its latest call.
CREATE TABLE gateway_process (
    gateway_id  TEXT COLLATE "C" NOT NULL REFERENCES gateway (id),
    process_id  TEXT COLLATE "C" NOT NULL,
    applied_seq BIGINT NOT NULL,
    applied_at  BIGINT NOT NULL,
    first_seen  BIGINT NOT NULL,
    seen_at     BIGINT NOT NULL,
    PRIMARY KEY (gateway_id, process_id)
);

-- Reports as they came. The entries go once they are rolled up; the id stays a while, to know a report again.
CREATE TABLE usage_report (
    report_id    TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    gateway_id   TEXT COLLATE "C" NOT NULL,
    process_id   TEXT COLLATE "C" NOT NULL,
    received_at  BIGINT NOT NULL,
    from_at      BIGINT NOT NULL,
    to_at        BIGINT NOT NULL,
    dropped      BIGINT NOT NULL,
    entries      TEXT COLLATE "C" NOT NULL,
    rolled_up_at BIGINT
);
CREATE INDEX usage_report_pending ON usage_report (received_at) WHERE rolled_up_at IS NULL;
CREATE INDEX usage_report_done ON usage_report (rolled_up_at) WHERE rolled_up_at IS NOT NULL;
