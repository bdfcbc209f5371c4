-- Reports that are added up together. Their sums are written in small steps, each with its mark, so that no writer has
-- to wait long, and whoever goes on after an interruption knows where.
CREATE TABLE usage_batch (
    id          TEXT   PRIMARY KEY NOT NULL,
    begun_at    BIGINT NOT NULL,
    steps_done  BIGINT NOT NULL,
    added_at    BIGINT,
    finished_at BIGINT
);
CREATE INDEX usage_batch_open ON usage_batch (begun_at, id) WHERE finished_at IS NULL;

ALTER TABLE usage_report ADD COLUMN batch_id TEXT;
DROP INDEX usage_report_pending;
CREATE INDEX usage_report_pending ON usage_report (received_at, report_id) WHERE batch_id IS NULL;
CREATE INDEX usage_report_of_batch ON usage_report (batch_id, report_id) WHERE rolled_up_at IS NULL;
