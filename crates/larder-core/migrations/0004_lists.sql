-- Lists of builds and of a branch's jobs come newest first.
CREATE INDEX build_by_time ON build (project_pk, created_at, pk);
CREATE INDEX job_by_branch ON job (project_pk, branch, number) WHERE node_index = 0 AND number IS NOT NULL;

-- An engine takes a partial index only where the query says the same words.
DROP INDEX container_ending;
CREATE INDEX container_condemned ON container (state, pk) WHERE state = 'condemned';
