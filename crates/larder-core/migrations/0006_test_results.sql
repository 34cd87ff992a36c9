-- Results of tests, as the reports of a job gave them. Lists go by how it went, so that failures come first.
CREATE TABLE test_result (
    job_pk BIGINT NOT NULL REFERENCES job (pk),
    report BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    outcome {text} NOT NULL CHECK (outcome IN ('failure', 'error', 'skipped', 'success')),
    name {text} NOT NULL,
    classname {text},
    file {text},
    run_time_ms BIGINT NOT NULL,
    message {text},
    PRIMARY KEY (job_pk, report, seq)
);
CREATE INDEX test_result_by_outcome ON test_result (job_pk, outcome, report, seq);

-- How many of them a job has, so that a page need not count.
CREATE TABLE test_count (
    job_pk BIGINT NOT NULL PRIMARY KEY REFERENCES job (pk),
    failures BIGINT NOT NULL,
    errors BIGINT NOT NULL,
    skipped BIGINT NOT NULL,
    successes BIGINT NOT NULL
);
