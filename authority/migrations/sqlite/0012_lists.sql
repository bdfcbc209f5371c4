-- What lists need to be fast at a million keys.

-- Every key has a row, with 0 for never, so that a list by last use needs one index and no other.
INSERT INTO key_last_used (key_id, last_used) SELECT id, 0 FROM api_key WHERE true ON CONFLICT DO NOTHING;
CREATE TRIGGER key_was_never_used AFTER INSERT ON api_key BEGIN
    INSERT INTO key_last_used (key_id, last_used) VALUES (NEW.id, 0) ON CONFLICT DO NOTHING;
END;
CREATE INDEX key_by_last_use ON key_last_used (last_used, key_id);

-- The words by which keys are found, as `store/words.rs` says. NULL: they are still to be written.
ALTER TABLE api_key ADD COLUMN words TEXT;
CREATE INDEX api_key_without_words ON api_key (id) WHERE words IS NULL;
CREATE TABLE key_word (
    word   TEXT NOT NULL,
    key_id TEXT NOT NULL,
    PRIMARY KEY (word, key_id)
) WITHOUT ROWID;
