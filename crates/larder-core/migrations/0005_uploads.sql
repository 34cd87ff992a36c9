-- Permission bits of a file, if its uploader sent them.
ALTER TABLE artifact ADD COLUMN mode BIGINT;
-- Of a file that comes in parts: bytes of every part but the last.
ALTER TABLE artifact ADD COLUMN part_bytes BIGINT;
CREATE INDEX artifact_awaited_of_job ON artifact (job_pk) WHERE state = 'new';

-- Parts that have come of files that are not complete; of those that are, the extents of the blob say it.
CREATE TABLE part (
    artifact_pk BIGINT NOT NULL REFERENCES artifact (pk),
    seq BIGINT NOT NULL,
    container_pk BIGINT NOT NULL REFERENCES container (pk),
    length BIGINT NOT NULL,
    PRIMARY KEY (artifact_pk, seq)
);
CREATE INDEX part_in_container ON part (container_pk);

-- Empty folders that a job keeps.
CREATE TABLE folder (
    job_pk BIGINT NOT NULL REFERENCES job (pk),
    path {text} NOT NULL,
    mode BIGINT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (job_pk, path)
);

-- When a job was ended by nothing but its silence; a word from it takes that back.
ALTER TABLE job ADD COLUMN silenced_at BIGINT;
