-- Days that finished artifacts of a project are kept: NULL for what the instance says, 0 for no end.
ALTER TABLE project ADD COLUMN retention_days BIGINT;

-- What the sweeper asks of each project: which rows that say `finished` are past the retention.
CREATE INDEX artifact_by_completion ON artifact (project_pk, finished_at) WHERE state = 'finished';

-- When the store was last swept, and why nothing expires until an operator says so.
ALTER TABLE instance ADD COLUMN swept_at BIGINT;
ALTER TABLE instance ADD COLUMN held_why {text};
