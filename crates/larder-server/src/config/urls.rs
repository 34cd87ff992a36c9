//! The addresses that the server is reached at.

use std::fmt;
use std::str::FromStr;

use http::Uri;
use serde::Deserialize;

/// A base URL: scheme, host, perhaps a port and a path, without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct BaseUrl {
    text: String,
    is_https: bool,
    host: String,
    port: u16,
    path: String,
}

impl BaseUrl {
    /// Whether the scheme is `https`.
    pub fn is_https(&self) -> bool {
        self.is_https
    }

    /// The host in lower case, IPv6 addresses in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, the scheme's own when none is given.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path in front of every route: empty, or with a slash at its beginning and none at its end.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The whole URL, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl FromStr for BaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim_end_matches('/');
        let uri: Uri = text.parse().map_err(|_| "it is not a URL".to_owned())?;
        let is_https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("it begins with neither `http://` nor `https://`".to_owned()),
        };
        let authority = uri.authority().ok_or("it has no host")?;
        if authority.as_str().contains('@') || uri.query().is_some() || text.contains('#') {
            return Err("it has a user, a query or a fragment".to_owned());
        }
        if authority.host().is_empty() {
            return Err("it has no host".to_owned());
        }
        let host = authority.host().to_ascii_lowercase();
        if authority.as_str().len() > authority.host().len() && authority.port_u16().is_none() {
            return Err("its port is not a number from 1 to 65535".to_owned());
        }
        let port = authority
            .port_u16()
            .unwrap_or(if is_https { 443 } else { 80 });
        let path = uri.path().trim_end_matches('/').to_owned();
        Ok(Self {
            text: text.to_owned(),
            is_https,
            host,
            port,
            path,
        })
    }
}

impl TryFrom<String> for BaseUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// Where the files of users are shown: one host, or with the wildcard form a host for each job.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum ContentUrl {
    /// One host for all.
    Host(BaseUrl),
    /// `https://{n}-{project}-{vcs}.artifacts.example`.
    PerJob(HostPattern),
}

/// A base URL whose host has the holes `{n}`, `{project}` and `{vcs}`, each once and in its first label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    /// The URL with plain words in the holes.
    sample: BaseUrl,
    text: String,
    /// Literal texts around the holes of the first label: one more than there are holes.
    literals: [String; 4],
    holes: [Hole; 3],
    /// The host after its first label, with the dot.
    domain: String,
}

/// What stands in a job's content host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobHost {
    /// The job's number.
    pub n: u64,
    /// The project's number.
    pub project: u64,
    /// The short word of the project's vcs, like `gh`.
    pub vcs: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hole {
    N,
    Project,
    Vcs,
}

const HOLES: [(&str, Hole); 3] = [
    ("{n}", Hole::N),
    ("{project}", Hole::Project),
    ("{vcs}", Hole::Vcs),
];

impl ContentUrl {
    /// The host, or one host of the pattern.
    pub fn sample(&self) -> &BaseUrl {
        match self {
            Self::Host(url) => url,
            Self::PerJob(pattern) => pattern.sample(),
        }
    }
}

impl TryFrom<String> for ContentUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.contains(['{', '}']) {
            return HostPattern::parse(&text).map(Self::PerJob);
        }
        text.parse().map(Self::Host)
    }
}

impl HostPattern {
    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim_end_matches('/');
        let wrong = "each of {n}, {project} and {vcs} must stand once in the first part of the host, \
                     with something between them";
        let filled = HOLES.iter().fold(text.to_owned(), |text, (hole, _)| {
            text.replacen(hole, "x", 1)
        });
        if filled.contains(['{', '}']) {
            return Err(wrong.to_owned());
        }
        let sample: BaseUrl = filled.parse()?;
        let host = text.split_once("://").map_or("", |(_, rest)| rest);
        let (label, domain) = host.split_once('.').ok_or(wrong)?;
        let mut found: Vec<_> = HOLES
            .iter()
            .filter_map(|&(word, hole)| Some((label.find(word)?, word.len(), hole)))
            .collect();
        found.sort_unstable_by_key(|&(start, ..)| start);
        let &[first, second, third] = found.as_slice() else {
            return Err(wrong.to_owned());
        };
        let end = |hole: (usize, usize, Hole)| hole.0 + hole.1;
        let between = [&label[end(first)..second.0], &label[end(second)..third.0]];
        if between.iter().any(|literal| literal.is_empty()) {
            return Err(wrong.to_owned());
        }
        let literals = [
            &label[..first.0],
            between[0],
            between[1],
            &label[end(third)..],
        ];
        let domain_end = domain.find([':', '/']).unwrap_or(domain.len());
        Ok(Self {
            sample,
            text: text.to_owned(),
            literals: literals.map(str::to_ascii_lowercase),
            holes: [first.2, second.2, third.2],
            domain: format!(".{}", domain[..domain_end].to_ascii_lowercase()),
        })
    }

    /// The pattern with plain words in its holes: the scheme, port and path of every job's host.
    pub fn sample(&self) -> &BaseUrl {
        &self.sample
    }

    /// The base URL of one job's files.
    pub fn url_for(&self, job: &JobHost) -> String {
        self.text
            .replace("{n}", &job.n.to_string())
            .replace("{project}", &job.project.to_string())
            .replace("{vcs}", &job.vcs)
    }

    /// The job whose host this is; `host` in lower case and without its port.
    pub fn job_of(&self, host: &str) -> Option<JobHost> {
        let mut rest = host
            .strip_suffix(self.domain.as_str())?
            .strip_prefix(self.literals[0].as_str())?;
        let mut job = JobHost {
            n: 0,
            project: 0,
            vcs: String::new(),
        };
        for (hole, literal) in self.holes.iter().zip(&self.literals[1..]) {
            let value_end = match hole {
                Hole::N | Hole::Project => rest.find(|letter: char| !letter.is_ascii_digit()),
                Hole::Vcs => rest.find(|letter: char| !letter.is_ascii_lowercase()),
            };
            let (value, after) = rest.split_at(value_end.unwrap_or(rest.len()));
            match hole {
                Hole::N => job.n = parse_number(value)?,
                Hole::Project => job.project = parse_number(value)?,
                Hole::Vcs if value.is_empty() => return None,
                Hole::Vcs => value.clone_into(&mut job.vcs),
            }
            rest = after.strip_prefix(literal.as_str())?;
        }
        rest.is_empty().then_some(job)
    }
}

/// A number in its one spelling: two hosts for one job would be two origins.
fn parse_number(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> HostPattern {
        match ContentUrl::try_from(text.to_owned()) {
            Ok(ContentUrl::PerJob(pattern)) => pattern,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_job_s_host_leads_back_to_the_job() {
        let pattern = pattern("https://{n}-{project}-{vcs}.artifacts.example:8443");
        let job = JobHost {
            n: 24,
            project: 88_881_093,
            vcs: "gh".to_owned(),
        };
        assert_eq!(
            pattern.url_for(&job),
            "https://24-88881093-gh.artifacts.example:8443"
        );
        assert_eq!(
            pattern.job_of("24-88881093-gh.artifacts.example"),
            Some(job)
        );
    }

    #[test]
    fn other_hosts_are_no_job_s() {
        let pattern = pattern("https://{n}-{project}-{vcs}.artifacts.example");
        for host in [
            "artifacts.example",
            "24-88881093.artifacts.example",
            "024-88881093-gh.artifacts.example",
            "24-88881093-gh.artifacts.example.evil",
            "24-88881093-gh.evil.artifacts.example",
            "24-88881093-.artifacts.example",
            "-24-1-gh.artifacts.example",
            "99999999999999999999-1-gh.artifacts.example",
        ] {
            assert_eq!(pattern.job_of(host), None, "{host}");
        }
    }

    #[test]
    fn wrong_patterns_and_urls_are_refused() {
        for text in [
            "https://{n}-{project}.example",
            "https://{n}{project}-{vcs}.example",
            "https://{n}-{n}-{project}-{vcs}.example",
            "https://x.{n}-{project}-{vcs}.example",
            "ftp://example",
            "https://user@example",
            "https://example?x",
            "https://",
            "https://example:99999",
            "example",
        ] {
            assert!(ContentUrl::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_base_url_knows_its_parts() {
        let url: BaseUrl = "https://Builds.Example/larder/".parse().unwrap();
        assert_eq!(
            (url.host(), url.port(), url.path()),
            ("builds.example", 443, "/larder")
        );
        assert_eq!(url.as_str(), "https://Builds.Example/larder");
        let url: BaseUrl = "http://[::1]:7878".parse().unwrap();
        assert_eq!((url.host(), url.port(), url.path()), ("[::1]", 7878, ""));
    }
}
