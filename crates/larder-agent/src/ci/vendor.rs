//! One file for each CI: which of its variables say what.

pub(super) mod buildkite;
pub(super) mod circleci;
pub(super) mod github;
pub(super) mod gitlab;
pub(super) mod jenkins;
