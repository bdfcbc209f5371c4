-- Notices of what comes of keys, as `model/notices.rs` says. The key of a row makes each once, whoever looks.
CREATE TABLE notice (
    key_id          TEXT   NOT NULL,
    kind            TEXT   NOT NULL,
    comes_at        BIGINT NOT NULL,
    step            BIGINT NOT NULL,
    id              TEXT   NOT NULL UNIQUE,
    made_at         BIGINT NOT NULL,
    attempts        BIGINT NOT NULL,
    -- When it is to be tried. NULL: it is settled.
    next_attempt_at BIGINT,
    -- How it was settled: sent, given_up, or void where it no longer held.
    outcome         TEXT,
    PRIMARY KEY (key_id, kind, comes_at, step)
);
CREATE INDEX notice_open ON notice (next_attempt_at, id) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX notice_by_time ON notice (comes_at);

-- One row: how far keys have been looked through, where notices go, and how the last delivery ended.
CREATE TABLE notice_watch (
    one        BIGINT PRIMARY KEY CHECK (one = 1),
    looked_at  BIGINT,
    looked_seq BIGINT NOT NULL,
    webhook    TEXT,
    seen_at    BIGINT,
    tried_at   BIGINT,
    failure    TEXT
);
INSERT INTO notice_watch (one, looked_seq) VALUES (1, 0);
