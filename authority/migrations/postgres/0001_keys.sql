-- One row: which database this is, and the number of its latest change.
CREATE TABLE feed (
    one        BIGINT PRIMARY KEY CHECK (one = 1),
    epoch      TEXT COLLATE "C" NOT NULL,
    change_seq BIGINT NOT NULL
);

-- Keys. `change_seq` is the number of a key's latest change; numbers are given in commit order.
-- Lists are JSON text. Times are Unix seconds. A row with `removed_at` is a tombstone: its digest never comes back.
CREATE TABLE api_key (
    id            TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    digest        BYTEA   NOT NULL UNIQUE,
    change_seq    BIGINT NOT NULL UNIQUE,
    version       BIGINT NOT NULL,
    name          TEXT COLLATE "C" NOT NULL,
    environment   TEXT COLLATE "C" NOT NULL CHECK (environment IN ('live', 'test')),
    hint          TEXT COLLATE "C" ,
    permissions   TEXT COLLATE "C" NOT NULL,
    owner         TEXT COLLATE "C" ,
    allowed_cidrs TEXT COLLATE "C" ,
    not_before    BIGINT,
    expires_at    BIGINT,
    revoked_at    BIGINT,
    revoke_reason TEXT COLLATE "C" ,
    rotate_by     BIGINT,
    replaces      TEXT COLLATE "C" ,
    replaced_by   TEXT COLLATE "C" ,
    created_at    BIGINT NOT NULL,
    created_by    TEXT COLLATE "C" NOT NULL,
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
    key_id    TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    last_used BIGINT NOT NULL
);

CREATE TABLE audit (
    seq          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at           BIGINT NOT NULL,
    actor_kind   TEXT COLLATE "C" NOT NULL,
    actor        TEXT COLLATE "C" NOT NULL,
    address      TEXT COLLATE "C" ,
    action       TEXT COLLATE "C" NOT NULL,
    subject_kind TEXT COLLATE "C" NOT NULL,
    subject      TEXT COLLATE "C" NOT NULL,
    before_json  TEXT COLLATE "C" ,
    after_json   TEXT COLLATE "C"
);
CREATE INDEX audit_by_subject ON audit (subject, seq);
CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$;
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
