-- What one actor has done is found without reading what all others have.
CREATE INDEX audit_by_actor ON audit (actor, seq);
