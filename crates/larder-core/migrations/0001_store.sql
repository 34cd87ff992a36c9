-- {key}: an integer that is the row itself. {text}: text in byte order. {bytes}: digests.
-- Times are milliseconds since 1970; a flag is the time at which it was set.

CREATE TABLE instance (id {text} NOT NULL, created_at BIGINT NOT NULL);
CREATE TABLE counter (name {text} NOT NULL PRIMARY KEY, last BIGINT NOT NULL);

CREATE TABLE account (
    pk {key},
    id {text} NOT NULL UNIQUE,
    name {text} NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    admin_at BIGINT,
    disabled_at BIGINT
);

CREATE TABLE organization (
    pk {key},
    id {text} NOT NULL UNIQUE,
    vcs {text} NOT NULL CHECK (vcs IN ('github', 'bitbucket', 'gitlab', 'circleci', 'local')),
    name {text} NOT NULL,
    slug {text} NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    UNIQUE (vcs, name)
);

CREATE TABLE project (
    pk {key},
    id {text} NOT NULL UNIQUE,
    organization_pk BIGINT NOT NULL REFERENCES organization (pk),
    name {text} NOT NULL,
    public_at BIGINT,
    created_at BIGINT NOT NULL,
    last_build BIGINT NOT NULL,
    last_job BIGINT NOT NULL,
    UNIQUE (organization_pk, name)
);

CREATE TABLE membership (
    account_pk BIGINT NOT NULL REFERENCES account (pk),
    organization_pk BIGINT REFERENCES organization (pk),
    project_pk BIGINT REFERENCES project (pk),
    role {text} NOT NULL CHECK (role IN ('reader', 'writer', 'admin')),
    UNIQUE (account_pk, organization_pk),
    UNIQUE (account_pk, project_pk)
);

CREATE TABLE build (
    pk {key},
    id {text} NOT NULL UNIQUE,
    project_pk BIGINT NOT NULL REFERENCES project (pk),
    number BIGINT NOT NULL,
    external_id {text},
    branch {text},
    tag {text},
    revision {text},
    message {text},
    fork_at BIGINT,
    account_pk BIGINT REFERENCES account (pk),
    state {text} NOT NULL CHECK (state IN ('running', 'passed', 'failed', 'canceled')),
    created_at BIGINT NOT NULL,
    finished_at BIGINT,
    artifact_count BIGINT NOT NULL,
    total_bytes BIGINT NOT NULL,
    UNIQUE (project_pk, number),
    UNIQUE (project_pk, external_id)
);

-- One row a node. What `latest` asks about (branch, fork, the outcome of all nodes) stands on node 0 too.
CREATE TABLE job (
    pk {key},
    id {text} NOT NULL UNIQUE,
    build_pk BIGINT NOT NULL REFERENCES build (pk),
    project_pk BIGINT NOT NULL REFERENCES project (pk),
    name {text} NOT NULL,
    number BIGINT,
    node_index BIGINT NOT NULL,
    parallelism BIGINT NOT NULL,
    branch {text},
    fork_at BIGINT,
    state {text} NOT NULL CHECK (state IN ('queued', 'running', 'passed', 'failed', 'canceled', 'timed_out')),
    outcome {text} NOT NULL CHECK (outcome IN ('running', 'passed', 'failed', 'canceled', 'timed_out')),
    exit_status BIGINT,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT,
    heard_at BIGINT NOT NULL,
    artifact_count BIGINT NOT NULL,
    total_bytes BIGINT NOT NULL,
    UNIQUE (project_pk, number, node_index),
    UNIQUE (build_pk, name, node_index)
);
CREATE INDEX job_of_project ON job (project_pk, outcome, number) WHERE node_index = 0 AND number IS NOT NULL;
CREATE INDEX job_of_branch ON job (project_pk, branch, outcome, number) WHERE node_index = 0 AND number IS NOT NULL;
CREATE INDEX job_unheard ON job (heard_at) WHERE state = 'running';

CREATE TABLE token (
    pk {key},
    id {text} NOT NULL UNIQUE,
    kind {text} NOT NULL CHECK (kind IN ('personal', 'project', 'job')),
    name {text} NOT NULL UNIQUE,
    secret {bytes} NOT NULL,
    description {text} NOT NULL,
    scopes {text} NOT NULL,
    account_pk BIGINT REFERENCES account (pk),
    project_pk BIGINT REFERENCES project (pk),
    job_pk BIGINT REFERENCES job (pk),
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    used_at BIGINT
);
CREATE INDEX token_of_job ON token (job_pk) WHERE job_pk IS NOT NULL;

CREATE TABLE sign_in_link (
    secret {bytes} NOT NULL PRIMARY KEY,
    account_pk BIGINT NOT NULL REFERENCES account (pk),
    path {text} NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);

CREATE TABLE container (
    pk {key},
    key {text} NOT NULL UNIQUE,
    kind {text} NOT NULL CHECK (kind IN ('file', 'segment', 'object')),
    state {text} NOT NULL CHECK (state IN ('intent', 'open', 'sealed', 'condemned', 'gone')),
    deadline_at BIGINT,
    bytes BIGINT NOT NULL,
    live_bytes BIGINT NOT NULL
);
CREATE INDEX container_ending ON container (state) WHERE state IN ('condemned', 'gone');

CREATE TABLE blob (
    pk {key},
    project_pk BIGINT NOT NULL REFERENCES project (pk),
    sha1 {bytes} NOT NULL,
    sha256 {bytes} NOT NULL,
    crc32 BIGINT NOT NULL,
    size BIGINT NOT NULL,
    state {text} NOT NULL CHECK (state IN ('live', 'condemned', 'deleting')),
    condemned_at BIGINT,
    verified_at BIGINT
);
CREATE INDEX blob_by_content ON blob (project_pk, sha256);
CREATE INDEX blob_condemned ON blob (condemned_at) WHERE state = 'condemned';

CREATE TABLE extents (
    blob_pk BIGINT NOT NULL REFERENCES blob (pk),
    seq BIGINT NOT NULL,
    container_pk BIGINT NOT NULL REFERENCES container (pk),
    start BIGINT NOT NULL,
    length BIGINT NOT NULL,
    PRIMARY KEY (blob_pk, seq)
);
CREATE INDEX extents_of_container ON extents (container_pk);

CREATE TABLE artifact (
    pk {key},
    id {text} NOT NULL UNIQUE,
    job_pk BIGINT NOT NULL REFERENCES job (pk),
    build_pk BIGINT NOT NULL REFERENCES build (pk),
    project_pk BIGINT NOT NULL REFERENCES project (pk),
    path {text} NOT NULL,
    alias {text},
    absolute_path {text},
    state {text} NOT NULL CHECK (state IN ('new', 'finished', 'error', 'deleted', 'expired')),
    blob_pk BIGINT REFERENCES blob (pk),
    size BIGINT,
    sha1 {bytes},
    sha256 {bytes},
    content_type {text} NOT NULL,
    created_at BIGINT NOT NULL,
    finished_at BIGINT,
    ended_at BIGINT,
    deadline_at BIGINT
);
CREATE INDEX artifact_of_job ON artifact (job_pk, created_at, pk);
CREATE INDEX artifact_of_build ON artifact (build_pk, created_at, pk);
CREATE INDEX artifact_by_path ON artifact (job_pk, path, pk);
CREATE INDEX artifact_by_alias ON artifact (job_pk, alias, pk) WHERE alias IS NOT NULL;
CREATE INDEX artifact_of_blob ON artifact (blob_pk) WHERE blob_pk IS NOT NULL;
CREATE INDEX artifact_awaited ON artifact (deadline_at) WHERE state = 'new';

CREATE TABLE step (
    pk {key},
    job_pk BIGINT NOT NULL REFERENCES job (pk),
    seq BIGINT NOT NULL,
    name {text} NOT NULL,
    command {text},
    state {text} NOT NULL CHECK (state IN ('running', 'passed', 'failed', 'canceled', 'timed_out', 'skipped')),
    exit_status BIGINT,
    started_at BIGINT NOT NULL,
    finished_at BIGINT,
    output_bytes BIGINT NOT NULL,
    UNIQUE (job_pk, seq)
);

CREATE TABLE output (
    step_pk BIGINT NOT NULL REFERENCES step (pk),
    start BIGINT NOT NULL,
    written_at BIGINT NOT NULL,
    chunk {bytes} NOT NULL,
    PRIMARY KEY (step_pk, start)
);

CREATE TABLE audit (
    happened_at BIGINT NOT NULL,
    actor {text} NOT NULL,
    token {text},
    act {text} NOT NULL,
    what {text} NOT NULL
);
CREATE INDEX audit_by_time ON audit (happened_at);
