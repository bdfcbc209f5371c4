-- How much waits to be added up, without reading it. Of what is here already it is a guess that is not too low.
ALTER TABLE usage_report ADD COLUMN entry_count BIGINT NOT NULL DEFAULT 0;
UPDATE usage_report SET entry_count = LENGTH(entries) / 50 WHERE rolled_up_at IS NULL;
CREATE INDEX usage_report_of_gateway ON usage_report (gateway_id, entry_count) WHERE rolled_up_at IS NULL;

-- How many entries a batch was to have at most; NULL where nobody asked.
ALTER TABLE usage_batch ADD COLUMN most_entries BIGINT;

-- Sums that have left 64 bits are no whole numbers here any more. The largest sum is what `store/rollup.rs` says.
UPDATE usage_rollup SET count = 9007199254740991 WHERE typeof(count) <> 'integer' OR count > 9007199254740991;
