-- The name of a revoked gateway may be given to another.
ALTER TABLE gateway DROP CONSTRAINT gateway_name_key;
CREATE UNIQUE INDEX gateway_name ON gateway (name) WHERE revoked_at IS NULL;
