-- Of an object that is sent in parts: how the store of objects names the sending, until it is complete.
ALTER TABLE container ADD COLUMN sending {text};
CREATE INDEX container_intended ON container (deadline_at) WHERE state = 'intent';

-- Work that one server at a time does: who, and until when nobody else begins it.
CREATE TABLE lease (
    name {text} NOT NULL PRIMARY KEY,
    holder {text} NOT NULL,
    ends_at BIGINT NOT NULL
);

-- Keys that sign links, for all servers, sealed by a key that is not in here.
CREATE TABLE signing_key (
    id BIGINT NOT NULL PRIMARY KEY,
    sealed {bytes} NOT NULL,
    created_at BIGINT NOT NULL
);
