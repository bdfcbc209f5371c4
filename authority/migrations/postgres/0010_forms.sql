-- Forms that make something and were sent: a reload must not make it again.
CREATE TABLE spent_form (
    digest   BYTEA  PRIMARY KEY NOT NULL,
    spent_at BIGINT NOT NULL
);
CREATE INDEX spent_form_by_age ON spent_form (spent_at);
