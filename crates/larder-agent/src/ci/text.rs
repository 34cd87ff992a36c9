//! Values from outside, cleaned or told from what no server would take.

/// Longest name of a job that the server takes, in bytes.
pub(super) const JOB_NAME_BYTES_MAX: usize = 200;
/// Longest external id that is sent, in bytes; no CI's is near it.
pub(super) const EXTERNAL_ID_BYTES_MAX: usize = 1_000;
/// Longest branch, tag or message that is sent, in bytes; the server refuses above four times that.
const LABEL_BYTES_MAX: usize = 1_000;

/// The first line of a text without control characters, at most [`LABEL_BYTES_MAX`] bytes; `None` if nothing is left.
pub(super) fn label(text: &str) -> Option<String> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    let plain: String = line
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let plain = cut(plain.trim(), LABEL_BYTES_MAX);
    (!plain.is_empty()).then_some(plain)
}

/// At most so many bytes, whole characters.
pub(super) fn cut(text: &str, bytes_max: usize) -> String {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

/// A commit: 7 to 64 hexadecimal digits. Words such as `HEAD` are none.
pub(super) fn revision(text: &str) -> Option<String> {
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_hex && (7..=64).contains(&text.len())).then(|| text.to_ascii_lowercase())
}

/// Whether the server takes it as the name of an organization or a project.
pub(super) fn project_part(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !matches!(text, "" | "." | "..") && text.len() <= 100 && text.bytes().all(is_plain)
}

/// Nested groups as one organization: `group/sub` is `group--sub`, which no group itself is named, since GitLab allows
/// no two special characters in a row.
pub(super) fn organization(path: &str) -> String {
    path.replace('/', "--")
}

/// A repository, read from the forms that git takes: `https://host/org/name.git`, `ssh://git@host:22/org/name`,
/// `git@host:org/name.git`.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Repository {
    pub(super) vcs: &'static str,
    pub(super) org: String,
    pub(super) name: String,
}

impl Repository {
    pub(super) fn parse(url: &str) -> Option<Self> {
        let (host, path) = match url.split_once("://") {
            Some((_, rest)) => rest.split_once('/')?,
            None => url.split_once(':')?,
        };
        let host = host.rsplit('@').next()?;
        let host = host.split(':').next()?;
        let path = path.split(['?', '#']).next()?.trim_matches('/');
        let path = path.strip_suffix(".git").unwrap_or(path);
        let (org, name) = path.rsplit_once('/')?;
        Some(Self {
            vcs: vcs_of(host),
            org: organization(org),
            name: name.to_owned(),
        })
    }

    /// Whether two addresses name the same repository, however each is written.
    pub(super) fn is_same(one: &str, other: &str) -> bool {
        match (Self::parse(one), Self::parse(other)) {
            (Some(one), Some(other)) => one == other,
            _ => one == other,
        }
    }
}

/// The kind of host by its name, companies' own ones included: `github.example.com` is a GitHub.
pub(super) fn vcs_of(host: &str) -> &'static str {
    let host = host.to_ascii_lowercase();
    ["github", "gitlab", "bitbucket"]
        .into_iter()
        .find(|word| host.contains(word))
        .unwrap_or("local")
}
