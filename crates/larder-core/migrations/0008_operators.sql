-- The log of acts is read newest first and paged by its key. What happened in a project names it as it was called then.
CREATE TABLE audit_with_key (
    happened_at BIGINT NOT NULL,
    id {text} NOT NULL,
    actor {text} NOT NULL,
    token {text},
    act {text} NOT NULL,
    what {text} NOT NULL,
    project {text},
    PRIMARY KEY (happened_at, id)
);
INSERT INTO audit_with_key (happened_at, id, actor, token, act, what)
    SELECT happened_at, SUBSTR('' || (1000000000000 + ROW_NUMBER() OVER (ORDER BY happened_at)), 2),
        actor, token, act, what
    FROM audit;
DROP TABLE audit;
ALTER TABLE audit_with_key RENAME TO audit;

-- Argon2id in the form that carries its own parameters; without one, no password lets the user in.
ALTER TABLE account ADD COLUMN password {text};

-- Links by which a user sets a new password, once.
CREATE TABLE password_link (
    secret {bytes} NOT NULL PRIMARY KEY,
    account_pk BIGINT NOT NULL REFERENCES account (pk),
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);

-- What ends with a user or with a token is found by it.
CREATE INDEX session_of_account ON session (account_pk);
CREATE INDEX session_of_token ON session (token_pk) WHERE token_pk IS NOT NULL;
CREATE INDEX sign_in_link_of_account ON sign_in_link (account_pk);
CREATE INDEX password_link_of_account ON password_link (account_pk);
CREATE INDEX token_of_project ON token (project_pk) WHERE project_pk IS NOT NULL;

-- A deletion is this mark; the sweeper takes away what is below it. The row of a project stays, emptied.
ALTER TABLE project ADD COLUMN deleted_at BIGINT;
ALTER TABLE project ADD COLUMN emptied_at BIGINT;
ALTER TABLE build ADD COLUMN deleted_at BIGINT;
CREATE INDEX project_to_empty ON project (deleted_at) WHERE deleted_at IS NOT NULL AND emptied_at IS NULL;
CREATE INDEX build_to_remove ON build (deleted_at) WHERE deleted_at IS NOT NULL;

-- Bytes that a project may keep: NULL for what the instance says, 0 for no limit. And those that it keeps, as its builds
-- count them.
ALTER TABLE project ADD COLUMN max_bytes BIGINT;
ALTER TABLE project ADD COLUMN total_bytes BIGINT NOT NULL DEFAULT 0;
UPDATE project SET total_bytes = (
    SELECT CAST(COALESCE(SUM(build.total_bytes), 0) AS BIGINT) FROM build WHERE build.project_pk = project.pk
);
