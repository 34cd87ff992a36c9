-- Browsers in which users are signed in. A session that a token began ends with that token.
CREATE TABLE session (
    pk {key},
    id {text} NOT NULL UNIQUE,
    secret {bytes} NOT NULL UNIQUE,
    account_pk BIGINT NOT NULL REFERENCES account (pk),
    token_pk BIGINT REFERENCES token (pk),
    created_at BIGINT NOT NULL,
    used_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX session_by_use ON session (used_at);
