-- Who signs in to the dashboard.
CREATE TABLE operator (
    id            TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    name          TEXT COLLATE "C" NOT NULL UNIQUE,
    password_hash TEXT COLLATE "C" NOT NULL,
    created_at    BIGINT NOT NULL,
    created_by    TEXT COLLATE "C" NOT NULL,
    disabled_at   BIGINT
);

CREATE TABLE session (
    digest      BYTEA   PRIMARY KEY NOT NULL,
    operator_id TEXT COLLATE "C" NOT NULL REFERENCES operator (id),
    csrf_token  TEXT COLLATE "C" NOT NULL,
    address     TEXT COLLATE "C" ,
    created_at  BIGINT NOT NULL,
    seen_at     BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL
);
CREATE INDEX session_by_operator ON session (operator_id);
CREATE INDEX session_by_end ON session (expires_at);

-- Failed sign-ins, by name and by address, and until when the next one is refused unheard.
CREATE TABLE sign_in_throttle (
    subject       TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    failures      BIGINT NOT NULL,
    last_failure  BIGINT NOT NULL,
    blocked_until BIGINT NOT NULL
);

-- What automation shows instead of signing in.
CREATE TABLE api_token (
    id           TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    name         TEXT COLLATE "C" NOT NULL,
    digest       BYTEA   NOT NULL UNIQUE,
    permissions  TEXT COLLATE "C" NOT NULL,
    created_at   BIGINT NOT NULL,
    created_by   TEXT COLLATE "C" NOT NULL,
    expires_at   BIGINT,
    revoked_at   BIGINT,
    last_used_at BIGINT
);
