-- OAuth 2.0: who may ask, who grants, what was granted, and every token that came of it (`oauth.rs` has the rules).
-- Secrets, codes and refresh tokens are their SHA-256. Lists are JSON text. Times are Unix seconds.

-- Applications. A row with `removed_at` is kept for the grants that name it.
CREATE TABLE oauth_client (
    id                   TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    name                 TEXT COLLATE "C" NOT NULL,
    kind                 TEXT COLLATE "C" NOT NULL CHECK (kind IN ('confidential', 'public')),
    environment          TEXT COLLATE "C" NOT NULL CHECK (environment IN ('live', 'test')),
    redirect_uris        TEXT COLLATE "C" NOT NULL,
    permissions          TEXT COLLATE "C" NOT NULL,
    grant_types          TEXT COLLATE "C" NOT NULL,
    auth_method          TEXT COLLATE "C" NOT NULL,
    jwks                 TEXT COLLATE "C",
    access_seconds       BIGINT NOT NULL,
    refresh_idle_seconds BIGINT NOT NULL,
    refresh_max_seconds  BIGINT NOT NULL,
    created_at           BIGINT NOT NULL,
    created_by           TEXT COLLATE "C" NOT NULL,
    disabled_at          BIGINT,
    removed_at           BIGINT,
    last_used_at         BIGINT
);

-- Two secrets of one client are good at once while one takes over from the other.
CREATE TABLE oauth_client_secret (
    digest     BYTEA PRIMARY KEY NOT NULL,
    client_id  TEXT COLLATE "C" NOT NULL REFERENCES oauth_client (id),
    hint       TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT
);
CREATE INDEX oauth_client_secret_by_client ON oauth_client_secret (client_id, created_at);

-- Who signs in to grant permissions.
CREATE TABLE oauth_user (
    id              TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    name            TEXT COLLATE "C" NOT NULL UNIQUE,
    password_hash   TEXT COLLATE "C" NOT NULL,
    permissions     TEXT COLLATE "C" NOT NULL,
    created_at      BIGINT NOT NULL,
    created_by      TEXT COLLATE "C" NOT NULL,
    disabled_at     BIGINT,
    last_sign_in_at BIGINT
);

CREATE TABLE oauth_session (
    digest     BYTEA PRIMARY KEY NOT NULL,
    user_id    TEXT COLLATE "C" NOT NULL REFERENCES oauth_user (id),
    csrf_token TEXT COLLATE "C" NOT NULL,
    address    TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX oauth_session_by_user ON oauth_session (user_id);
CREATE INDEX oauth_session_by_end ON oauth_session (expires_at);

-- Questions that a user was asked and may answer once, each in the session that it was asked in.
CREATE TABLE oauth_question (
    digest       BYTEA PRIMARY KEY NOT NULL,
    session      BYTEA NOT NULL,
    client_id    TEXT COLLATE "C" NOT NULL,
    redirect_uri TEXT COLLATE "C" NOT NULL,
    state        BYTEA,
    offered      TEXT COLLATE "C" NOT NULL,
    challenge    TEXT COLLATE "C" NOT NULL,
    resource     TEXT COLLATE "C" NOT NULL,
    asked_at     BIGINT NOT NULL,
    answered_at  BIGINT
);
CREATE INDEX oauth_question_by_session ON oauth_question (session, asked_at);
CREATE INDEX oauth_question_by_age ON oauth_question (asked_at);

-- What one user has granted to one client for one resource. There is one live grant of these at most.
CREATE TABLE oauth_grant (
    id            TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    client_id     TEXT COLLATE "C" NOT NULL,
    user_id       TEXT COLLATE "C" NOT NULL,
    resource      TEXT COLLATE "C" NOT NULL,
    permissions   TEXT COLLATE "C" NOT NULL,
    environment   TEXT COLLATE "C" NOT NULL,
    created_at    BIGINT NOT NULL,
    last_used_at  BIGINT,
    revoked_at    BIGINT,
    revoke_reason TEXT
);
CREATE UNIQUE INDEX oauth_grant_live ON oauth_grant (client_id, user_id, resource) WHERE revoked_at IS NULL;
CREATE INDEX oauth_grant_by_user ON oauth_grant (user_id, created_at);
CREATE INDEX oauth_grant_by_client ON oauth_grant (client_id, created_at);
CREATE INDEX oauth_grant_by_end ON oauth_grant (revoked_at) WHERE revoked_at IS NOT NULL;

-- A code, and every token that came of it.
CREATE TABLE oauth_family (
    id              TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    code            BYTEA NOT NULL UNIQUE,
    grant_id        TEXT COLLATE "C" NOT NULL,
    client_id       TEXT COLLATE "C" NOT NULL,
    user_id         TEXT COLLATE "C" NOT NULL,
    redirect_uri    TEXT COLLATE "C" NOT NULL,
    challenge       TEXT COLLATE "C" NOT NULL,
    resource        TEXT COLLATE "C" NOT NULL,
    scope           TEXT COLLATE "C" NOT NULL,
    code_expires_at BIGINT NOT NULL,
    used_at         BIGINT,
    expires_at      BIGINT,
    ended_at        BIGINT,
    -- The first second in which nothing of it can be of use any more.
    forget_at       BIGINT NOT NULL
);
CREATE INDEX oauth_family_by_grant ON oauth_family (grant_id);
CREATE INDEX oauth_family_by_client ON oauth_family (client_id) WHERE ended_at IS NULL;
CREATE INDEX oauth_family_by_user ON oauth_family (user_id) WHERE ended_at IS NULL;
CREATE INDEX oauth_family_by_age ON oauth_family (forget_at);

-- Used ones stay as long as their family: one that comes again ends it.
CREATE TABLE oauth_refresh_token (
    digest     BYTEA PRIMARY KEY NOT NULL,
    family_id  TEXT COLLATE "C" NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT
);
CREATE INDEX oauth_refresh_token_by_family ON oauth_refresh_token (family_id);

-- Access tokens that may be alive, so that their ends can be told to the gateways. None has a family that a client got
-- for itself.
CREATE TABLE oauth_access_token (
    jti        TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    family_id  TEXT COLLATE "C",
    client_id  TEXT COLLATE "C" NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX oauth_access_token_by_family ON oauth_access_token (family_id) WHERE family_id IS NOT NULL;
CREATE INDEX oauth_access_token_by_client ON oauth_access_token (client_id);
CREATE INDEX oauth_access_token_by_end ON oauth_access_token (expires_at);

-- Access tokens that were ended before their time. `change_seq` is a number of the feed, as a key's is.
CREATE TABLE oauth_revoked_token (
    jti        TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    expires_at BIGINT NOT NULL,
    change_seq BIGINT NOT NULL UNIQUE
);
CREATE INDEX oauth_revoked_token_by_end ON oauth_revoked_token (expires_at);

-- Assertions of clients that were shown: none is taken twice.
CREATE TABLE oauth_assertion (
    digest     BYTEA PRIMARY KEY NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX oauth_assertion_by_end ON oauth_assertion (expires_at);

-- Public halves of signing keys. Private ones are never here.
CREATE TABLE oauth_signing_key (
    kid             TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    algorithm       TEXT COLLATE "C" NOT NULL,
    jwk             TEXT COLLATE "C" NOT NULL,
    created_at      BIGINT NOT NULL,
    signs_from      BIGINT NOT NULL,
    published_until BIGINT
);
