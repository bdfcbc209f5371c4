-- A line cannot be replaced either: INSERT OR REPLACE deletes the line of that number, and no trigger for DELETE sees it.
CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit
    WHEN EXISTS (SELECT 1 FROM audit WHERE seq = NEW.seq)
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
