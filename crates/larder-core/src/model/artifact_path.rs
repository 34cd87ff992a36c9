//! The name under which an artifact is kept: data, never a file name or an object key.

use crate::error::{Error, Result};

/// Longest path in bytes.
const PATH_BYTES_MAX: usize = 1024;
/// Longest component in bytes: what every file system can hold.
const COMPONENT_BYTES_MAX: usize = 255;
/// Most components.
const DEPTH_MAX: usize = 64;

/// A relative path of components separated by `/`, stored as sent. It holds no `.`/`..` and no empty component, no
/// control character, and none that changes the direction or the line of the text around it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ArtifactPath(String);

impl ArtifactPath {
    /// Reads a path exactly as it stands; leading `/` and empty components are refused.
    pub fn parse(text: &str) -> Result<Self> {
        match fault(text) {
            None => Ok(Self(text.to_owned())),
            Some(reason) => Err(Error::invalid("path", reason)),
        }
    }

    /// Reads a path as the browser URLs of CircleCI write it: any number of leading `/` is dropped, so that
    /// `//tmp/x` and `tmp/x` cannot name two artifacts.
    pub fn parse_lenient(text: &str) -> Result<Self> {
        Self::parse(text.trim_start_matches('/'))
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last component.
    pub fn file_name(&self) -> &str {
        self.0
            .rsplit_once('/')
            .map_or(self.0.as_str(), |(_, name)| name)
    }

    /// Everything before the last component; `.` for a file at the root, as Ruby's `File.dirname` gives it.
    pub fn dir_name(&self) -> &str {
        self.0.rsplit_once('/').map_or(".", |(folder, _)| folder)
    }
}

impl std::fmt::Display for ArtifactPath {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn fault(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some("is empty".to_owned());
    }
    if text.len() > PATH_BYTES_MAX {
        return Some(format!("is longer than {PATH_BYTES_MAX} bytes"));
    }
    if let Some(character) = text.chars().find(|character| is_hostile(*character)) {
        return Some(format!(
            "holds the character U+{:04X}, which no path may hold",
            character as u32
        ));
    }
    let mut depth = 0;
    for component in text.split('/') {
        depth += 1;
        match component {
            "" => return Some("begins or ends with `/` or holds `//`".to_owned()),
            "." | ".." => return Some(format!("holds the component `{component}`")),
            long if long.len() > COMPONENT_BYTES_MAX => {
                return Some(format!(
                    "has a component longer than {COMPONENT_BYTES_MAX} bytes"
                ));
            }
            _ => {}
        }
    }
    (depth > DEPTH_MAX).then(|| format!("is deeper than {DEPTH_MAX} folders"))
}

/// Control characters, line and paragraph separators, and those that turn the direction of text; a backslash is a
/// separator to some downloaders and a character to others.
fn is_hostile(character: char) -> bool {
    character.is_control()
        || matches!(character, '\\' | '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, accepted: bool) {
        assert_eq!(ArtifactPath::parse(text).is_ok(), accepted, "{text:?}");
    }

    #[test]
    fn paths_are_relative_and_hold_nothing_that_climbs_or_lies() {
        check("dist/app.tar.gz", true);
        check("~/babel/babel.min.js", true);
        check("a b (1),{x}.txt", true);
        check("core.7.!tmp!dump", true);
        check("..a/...b", true);
        check("", false);
        check("/etc/passwd", false);
        check("a//b", false);
        check("a/", false);
        check("a/../b", false);
        check("./a", false);
        check("a\\b", false);
        check("a\0b", false);
        check("a\nb", false);
        check("a\u{202E}gpj.exe", false);
        check(&"x".repeat(255), true);
        check(&"x".repeat(256), false);
        check(&vec!["x"; 64].join("/"), true);
        check(&vec!["x"; 65].join("/"), false);
    }

    #[test]
    fn leading_slashes_of_old_addresses_name_the_same_file() {
        assert_eq!(
            ArtifactPath::parse_lenient("//tmp/x").unwrap(),
            ArtifactPath::parse("tmp/x").unwrap()
        );
        assert!(ArtifactPath::parse_lenient("/").is_err());
    }

    #[test]
    fn the_folder_of_a_root_file_is_a_dot() {
        let path = ArtifactPath::parse("a.txt").unwrap();
        assert_eq!((path.dir_name(), path.file_name()), (".", "a.txt"));
    }

    proptest! {
        #[test]
        fn an_accepted_path_joined_to_a_folder_stays_inside(text in ".{0,40}") {
            if let Ok(path) = ArtifactPath::parse(&text) {
                prop_assert!(path.as_str().split('/').all(|part| !part.is_empty() && part != ".." && part != "."));
                prop_assert_eq!(path.as_str(), text);
            }
        }
    }
}
