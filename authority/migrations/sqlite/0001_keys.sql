-- One row: which database this is, and the number of its latest change.
CREATE TABLE feed (
    one        BIGINT PRIMARY KEY CHECK (one = 1),
    epoch      TEXT   NOT NULL,
    change_seq BIGINT NOT NULL
);

-- Keys. `change_seq` is the number of a key's latest change; numbers are given in commit order.
-- Lists are JSON text. Times are Unix seconds. A row with `removed_at` is a tombstone: its digest never comes back.
CREATE TABLE api_key (
    id            TEXT   PRIMARY KEY NOT NULL,
    digest        BLOB   NOT NULL UNIQUE,
    change_seq    BIGINT NOT NULL UNIQUE,
    version       BIGINT NOT NULL,
    name          TEXT   NOT NULL,
    environment   TEXT   NOT NULL CHECK (environment IN ('live', 'test')),
    hint          TEXT,
    permissions   TEXT   NOT NULL,
    owner         TEXT,
    allowed_cidrs TEXT,
    not_before    BIGINT,
    expires_at    BIGINT,
    revoked_at    BIGINT,
    revoke_reason TEXT,
    rotate_by     BIGINT,
    replaces      TEXT,
    replaced_by   TEXT,
    created_at    BIGINT NOT NULL,
    created_by    TEXT   NOT NULL,
    updated_at    BIGINT NOT NULL,
    removed_at    BIGINT
);
CREATE INDEX api_key_by_name ON api_key (name, id);
CREATE INDEX api_key_by_owner ON api_key (owner, id);
CREATE INDEX api_key_by_created ON api_key (created_at, id);
CREATE INDEX api_key_by_expiry ON api_key ((COALESCE(expires_at, 9223372036854775807)), id);
CREATE INDEX api_key_by_rotation ON api_key (rotate_by, id);

-- Apart from `api_key`, so that use never looks like a change.
CREATE TABLE key_last_used (
    key_id    TEXT   PRIMARY KEY NOT NULL,
    last_used BIGINT NOT NULL
);

CREATE TABLE audit (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    at           BIGINT NOT NULL,
    actor_kind   TEXT   NOT NULL,
    actor        TEXT   NOT NULL,
    address      TEXT,
    action       TEXT   NOT NULL,
    subject_kind TEXT   NOT NULL,
    subject      TEXT   NOT NULL,
    before_json  TEXT,
    after_json   TEXT
);
CREATE INDEX audit_by_subject ON audit (subject, seq);
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
