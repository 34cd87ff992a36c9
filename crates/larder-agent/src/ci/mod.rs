//! What a CI says of the build that it runs: one pure function from its environment variables to the project, commit,
//! build and node. `docs/ci.md` lists every variable that is read here.

mod text;
mod vendor;

#[cfg(test)]
mod tests;

use crate::error::{Error, Result};
use crate::run::BuildFacts;
use std::collections::BTreeMap;
use text::{label, project_part};

/// Most nodes of one job that the server takes.
pub const NODES_MAX: u32 = 256;

/// A CI whose variables are understood.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Vendor {
    /// CircleCI
    Circleci,
    /// Buildkite
    Buildkite,
    /// GitHub Actions
    GithubActions,
    /// GitLab CI
    Gitlab,
    /// Jenkins
    Jenkins,
}

/// A build as its CI names it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CiBuild {
    /// Which CI.
    pub vendor: Vendor,
    /// `vcs/organization/name`.
    pub project: String,
    /// Branch, commit, tag and message.
    pub facts: BuildFacts,
    /// Whether the code comes from a fork.
    pub fork: bool,
    /// The same for all jobs, shards and retries of a build, and for no other build of any CI: `github-actions/1658821493`.
    pub external_id: String,
    /// Name of the job, at most 200 bytes.
    pub job: String,
    /// Which of its nodes this is.
    pub node: CiNode,
    /// The CI's own page about the build.
    pub url: Option<String>,
}

/// One of the nodes that run a job side by side.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CiNode {
    /// From 0.
    pub index: u32,
    /// At least 1, at most [`NODES_MAX`].
    pub total: u32,
}

impl Default for CiNode {
    fn default() -> Self {
        Self { index: 0, total: 1 }
    }
}

/// Environment variables by name. Those that are empty or not UTF-8 count as not set, as most CIs mean it.
#[derive(Clone, Default)]
pub struct Variables(BTreeMap<String, String>);

impl std::fmt::Debug for Variables {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values may be secrets.
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Variables {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter();
        let pairs = pairs.map(|(name, value)| (name.into(), value.into()));
        Self(pairs.filter(|(_, value)| !value.is_empty()).collect())
    }
}

impl Variables {
    /// The value, if it is set and not empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value without control characters and not too long, for what people read.
    fn label(&self, name: &str) -> Option<String> {
        label(self.text(name)?)
    }

    /// The value, which this CI always sets.
    fn required(&self, name: &str) -> Result<&str> {
        self.text(name).ok_or_else(|| {
            Error::Usage(format!(
                "{name} is not set, as it is in every job of this CI: set it, or name the job with LARDER_JOB and LARDER_TOKEN \
                 from `larder build start`"
            ))
        })
    }

    /// A count or an index.
    fn number(&self, name: &str) -> Result<Option<u32>> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let number = text.trim().parse().map_err(|_| {
            let shown: String = text.chars().take(40).collect();
            Error::Usage(format!("{name}={shown:?}: expected a number from 0"))
        })?;
        Ok(Some(number))
    }
}

impl Vendor {
    /// The word that begins external ids, and the name for people.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Circleci => ("circleci", "CircleCI"),
            Self::Buildkite => ("buildkite", "Buildkite"),
            Self::GithubActions => ("github-actions", "GitHub Actions"),
            Self::Gitlab => ("gitlab", "GitLab"),
            Self::Jenkins => ("jenkins", "Jenkins"),
        }
    }

    fn of(variables: &Variables) -> Option<Self> {
        let is_true = |name| variables.text(name) == Some("true");
        if is_true("CIRCLECI") {
            Some(Self::Circleci)
        } else if is_true("BUILDKITE") {
            Some(Self::Buildkite)
        } else if is_true("GITHUB_ACTIONS") {
            Some(Self::GithubActions)
        } else if is_true("GITLAB_CI") {
            Some(Self::Gitlab)
        } else {
            let is_set = |name: &&str| variables.text(name).is_some();
            let is_jenkins = ["BUILD_NUMBER", "JOB_NAME"].iter().all(is_set)
                && ["JENKINS_URL", "JENKINS_HOME", "BUILD_TAG"]
                    .iter()
                    .any(is_set);
            is_jenkins.then_some(Self::Jenkins)
        }
    }
}

impl CiBuild {
    /// What the variables say, or `None` outside of the five CIs. `event` is the text of the file that
    /// `GITHUB_EVENT_PATH` names, if it is there: only it tells forks.
    ///
    /// `LARDER_PROJECT`, `LARDER_JOB_NAME`, and `LARDER_NODE_INDEX` with `LARDER_NODE_TOTAL` win over what the CI says.
    ///
    /// A variable that the CI always sets and that is missing, a project whose name the server would refuse, and node
    /// numbers that make no sense are usage errors.
    pub fn detect(variables: &Variables, event: Option<&str>) -> Result<Option<Self>> {
        let Some(vendor) = Vendor::of(variables) else {
            return Ok(None);
        };
        let said = match vendor {
            Vendor::Circleci => vendor::circleci::said(variables)?,
            Vendor::Buildkite => vendor::buildkite::said(variables)?,
            Vendor::GithubActions => vendor::github::said(variables, event)?,
            Vendor::Gitlab => vendor::gitlab::said(variables)?,
            Vendor::Jenkins => vendor::jenkins::said(variables)?,
        };
        let (word, name) = vendor.words();
        let project = match variables.text("LARDER_PROJECT") {
            Some(project) => project.to_owned(),
            None => said.project.slug(name)?,
        };
        let job = variables.label("LARDER_JOB_NAME").or(said.job);
        let node = match given_node(variables)? {
            Some(node) => node,
            None => checked_node(said.node.0, said.node.1)?,
        };
        let url = said.url;
        let mut facts = said.facts;
        facts.message = facts
            .message
            .or_else(|| url.as_ref().map(|url| format!("{name}: {url}")));
        Ok(Some(Self {
            vendor,
            project,
            facts,
            fork: said.fork,
            external_id: external_id(word, &said.build)?,
            job: text::cut(
                &job.unwrap_or_else(|| "build".to_owned()),
                text::JOB_NAME_BYTES_MAX,
            ),
            node,
            url,
        }))
    }
}

/// Index of a node from 0, and how many there are.
type SaidNode = (Option<u32>, Option<u32>);

/// What one CI says, in its own words.
struct Said {
    project: Project,
    facts: BuildFacts,
    fork: bool,
    /// The CI's own id of the build.
    build: Vec<String>,
    job: Option<String>,
    node: SaidNode,
    url: Option<String>,
}

/// A project in the words of its CI.
struct Project {
    vcs: &'static str,
    org: String,
    name: String,
}

impl Project {
    fn slug(&self, vendor: &str) -> Result<String> {
        for part in [&self.org, &self.name] {
            if !project_part(part) {
                let shown: String = part.chars().take(120).collect();
                return Err(Error::Usage(format!(
                    "{vendor} names the project {shown:?}, and a project's parts hold letters, digits, `-`, `_` and `.`, at \
                     most 100: name it with LARDER_PROJECT=VCS/ORGANIZATION/NAME"
                )));
            }
        }
        Ok(format!("{}/{}/{}", self.vcs, self.org, self.name))
    }
}

/// The node that `LARDER_NODE_INDEX` and `LARDER_NODE_TOTAL` name, for shards that their CI does not number.
fn given_node(variables: &Variables) -> Result<Option<CiNode>> {
    let index = variables.number("LARDER_NODE_INDEX")?;
    let total = variables.number("LARDER_NODE_TOTAL")?;
    match (index, total) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => checked_node(index, total).map(Some),
        _ => Err(Error::Usage(
            "LARDER_NODE_INDEX (from 0) and LARDER_NODE_TOTAL are set together or not at all"
                .to_owned(),
        )),
    }
}

fn checked_node(index: Option<u32>, total: Option<u32>) -> Result<CiNode> {
    let node = CiNode {
        index: index.unwrap_or(0),
        total: total.unwrap_or(1),
    };
    if node.total == 0 || node.total > NODES_MAX || node.index >= node.total {
        return Err(Error::Usage(format!(
            "node {} of {}: expected an index from 0 below the total, and a total of at most {NODES_MAX}",
            node.index, node.total
        )));
    }
    Ok(node)
}

/// `vendor/part/…`, of characters that need no escape anywhere.
fn external_id(vendor: &str, parts: &[String]) -> Result<String> {
    let id = parts.iter().fold(vendor.to_owned(), |id, part| {
        let plain = |c: char| match c {
            c if c.is_ascii_alphanumeric() => c,
            '.' | '_' | '-' | ':' | '/' => c,
            _ => '-',
        };
        id + "/" + &part.chars().map(plain).collect::<String>()
    });
    if id.len() > text::EXTERNAL_ID_BYTES_MAX {
        return Err(Error::Usage(format!(
            "the CI's id of the build is longer than {} bytes",
            text::EXTERNAL_ID_BYTES_MAX
        )));
    }
    Ok(id)
}
