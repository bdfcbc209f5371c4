-- Who signs in to the dashboard.
CREATE TABLE operator (
    id            TEXT   PRIMARY KEY NOT NULL,
    name          TEXT   NOT NULL UNIQUE,
    password_hash TEXT   NOT NULL,
    created_at    BIGINT NOT NULL,
    created_by    TEXT   NOT NULL,
    disabled_at   BIGINT
);

CREATE TABLE session (
    digest      BLOB   PRIMARY KEY NOT NULL,
    operator_id TEXT   NOT NULL REFERENCES operator (id),
    csrf_token  TEXT   NOT NULL,
    address     TEXT,
    created_at  BIGINT NOT NULL,
    seen_at     BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL
);
CREATE INDEX session_by_operator ON session (operator_id);
CREATE INDEX session_by_end ON session (expires_at);

-- Failed sign-ins, by name and by address, and until when the next one is refused unheard.
CREATE TABLE sign_in_throttle (
    subject       TEXT   PRIMARY KEY NOT NULL,
    failures      BIGINT NOT NULL,
    last_failure  BIGINT NOT NULL,
    blocked_until BIGINT NOT NULL
);

-- What automation shows instead of signing in.
CREATE TABLE api_token (
    id           TEXT   PRIMARY KEY NOT NULL,
    name         TEXT   NOT NULL,
    digest       BLOB   NOT NULL UNIQUE,
    permissions  TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    created_by   TEXT   NOT NULL,
    expires_at   BIGINT,
    revoked_at   BIGINT,
    last_used_at BIGINT
);
