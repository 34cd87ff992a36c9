//! Which values of a job must stay secret, and whether a file holds one of them.

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use std::collections::BTreeMap;

/// A shorter value is found in too many innocent files.
const VALUE_BYTES_MIN: usize = 8;
/// A value of so many bytes that a variable with another name has too is a user's name or the like.
/// A longer one is a secret under two names.
const OPEN_BYTES_MAX: usize = 15;
/// Words in the name of a variable that make its value a secret.
const NAME_WORDS: [&str; 4] = ["TOKEN", "SECRET", "PASSWORD", "KEY"];
/// Words beside `KEY` that say what kind of key it is: one that everybody may see. `CACHE_KEY` names
/// a cache and `PUBLIC_KEY` is public; `CACHE_SECRET_KEY` is a secret all the same.
const OPEN_KEYS: [&str; 2] = ["CACHE", "PUBLIC"];
/// What configs set as the password of a database that lives as long as the job. A file that holds
/// such a word tells nobody anything.
const PLACEHOLDERS: [&str; 6] = [
    "changeme",
    "circleci",
    "password",
    "passw0rd",
    "postgres",
    "postgresql",
];

/// The secret values of a job, with the names of their variables.
#[derive(Clone, Default)]
pub(crate) struct Secrets {
    values: Vec<(String, Vec<u8>)>,
    /// Finds the values, by their places in the list; none if there are none.
    automaton: Option<AhoCorasick>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_list()
            .entries(self.values.iter().map(|(name, _)| name))
            .finish()
    }
}

impl Secrets {
    /// Those of the given variables whose names say that they are secret. A short value that another
    /// variable without such a name has too (`DB_USER`, say) is none, nor is a placeholder. Line
    /// breaks at the end are not part of a value: a shell takes them away.
    pub(crate) fn among<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let (secret, open): (Vec<_>, Vec<_>) = variables
            .into_iter()
            .map(|(name, value)| (name, value.trim_end_matches(['\n', '\r'])))
            .partition(|(name, _)| is_secret(name));
        let is_open = |value: &str| {
            let is_known = || open.iter().any(|(_, known)| *known == value);
            PLACEHOLDERS.contains(&value) || (value.len() <= OPEN_BYTES_MAX && is_known())
        };
        // One entry for each value: which of several names it is found under does not matter.
        let values: BTreeMap<&str, &str> = secret
            .into_iter()
            .filter(|(_, value)| value.len() >= VALUE_BYTES_MIN && !is_open(value))
            .map(|(name, value)| (value, name))
            .collect();
        let values: Vec<(String, Vec<u8>)> = values
            .into_iter()
            .map(|(value, name)| (name.to_owned(), value.as_bytes().to_owned()))
            .collect();
        let texts = values.iter().map(|(_, value)| value);
        let automaton = (!values.is_empty())
            .then(|| Self::automaton(texts))
            .flatten();
        Self { values, automaton }
    }

    pub(crate) fn search(&self) -> Search<'_> {
        let longest = self.values.iter().map(|(_, value)| value.len()).max();
        Search {
            secrets: self,
            tail: Vec::new(),
            tail_bytes_max: longest.unwrap_or(1) - 1,
        }
    }

    /// What nobody may read in a kept output: each line of a value that has several, since a shell
    /// may print them apart.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.values
            .iter()
            .flat_map(|(_, value)| value.split(|byte| matches!(byte, b'\n' | b'\r')))
            .map(<[u8]>::trim_ascii)
            .filter(|line| line.len() >= VALUE_BYTES_MIN)
    }

    /// Finds all texts in one pass. It takes memory in proportion to them: the kind that is fastest
    /// takes a kilobyte for each of their bytes. None only if they are too many for any config.
    pub(crate) fn automaton(
        texts: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Option<AhoCorasick> {
        AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(texts)
            .ok()
    }
}

/// A search through one file, piece by piece. It remembers fewer bytes than the longest value has.
pub(crate) struct Search<'a> {
    secrets: &'a Secrets,
    /// The end of what was seen: a value may begin there.
    tail: Vec<u8>,
    tail_bytes_max: usize,
}

impl Search<'_> {
    /// The name of the variable whose value was found in what was seen so far.
    pub(crate) fn find(&mut self, piece: &[u8]) -> Option<&str> {
        let automaton = self.secrets.automaton.as_ref()?;
        // What lies across the border, then what lies inside of the piece.
        let border = self.tail.len() + piece.len().min(self.tail_bytes_max);
        self.tail
            .extend_from_slice(&piece[..piece.len().min(self.tail_bytes_max)]);
        let found = automaton
            .find(&self.tail[..border])
            .or_else(|| automaton.find(piece));
        if piece.len() >= self.tail_bytes_max {
            self.tail.clear();
            self.tail
                .extend_from_slice(&piece[piece.len() - self.tail_bytes_max..]);
        } else {
            let surplus = self.tail.len().saturating_sub(self.tail_bytes_max);
            self.tail.drain(..surplus);
        }
        found.map(|found| self.secrets.values[found.pattern().as_usize()].0.as_str())
    }
}

/// Whether the name of a variable says that its value is a secret.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let is_key = |word: &str| word == "KEY";
    let has = |words: &[&str]| name.split('_').any(|word| words.contains(&word));
    let has_other = name
        .split('_')
        .any(|word| NAME_WORDS.contains(&word) && !is_key(word));
    has_other || (has(&["KEY"]) && !has(&OPEN_KEYS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_however_the_file_is_cut_into_pieces() {
        let secrets = Secrets::among([
            ("MY_TOKEN", "s3cret-value"),
            ("OTHER_SECRET", "s3cret-value-that-is-longer"),
            ("PATH", "/usr/bin:/bin"),
            ("API_KEY", "short"),
        ]);
        let text = b"some text s3cret-value and /usr/bin:/bin, short";
        for size in 1..text.len() {
            let mut search = secrets.search();
            let found = text
                .chunks(size)
                .any(|piece| search.find(piece) == Some("MY_TOKEN"));
            assert!(found, "in pieces of {size}");
            assert!(search.tail.len() < 27, "it remembers no more than it must");
        }
        let mut search = secrets.search();
        assert_eq!(
            search.find(b"some text s3cret-valuX and /usr/bin:/bin, short"),
            None
        );
    }

    #[test]
    fn names_say_what_is_secret() {
        let check = |name: &str, expected: bool| assert_eq!(is_secret(name), expected, "{name}");
        check("GITHUB_TOKEN", true);
        check("aws_secret_access_key", true);
        check("DB_PASSWORD", true);
        check("KEY", true);
        check("MONKEY", false);
        check("KEYBOARD", false);
        check("CACHE_KEY", false);
        check("SSH_PUBLIC_KEY", false);
        check("CACHE_SECRET_KEY", true);
        check("PATH", false);
    }

    #[test]
    fn a_value_that_everybody_may_read_is_no_secret() {
        let secrets = Secrets::among([
            ("POSTGRES_PASSWORD", "postgres"),
            ("DB_USER", "larder-test"),
            ("DB_PASSWORD", "larder-test"),
            ("GH_PAT", "ghp_0123456789abcdef"),
            ("GITHUB_TOKEN", "ghp_0123456789abcdef"),
            ("DEPLOY_KEY", "-----BEGIN KEY-----\nabcdefgh01234\nshort\n"),
        ]);
        assert_eq!(format!("{secrets:?}"), "[\"DEPLOY_KEY\", \"GITHUB_TOKEN\"]");
        let lines: Vec<&[u8]> = secrets.lines().collect();
        let expected: [&[u8]; 3] = [
            b"-----BEGIN KEY-----",
            b"abcdefgh01234",
            b"ghp_0123456789abcdef",
        ];
        assert_eq!(lines, expected);
        let mut search = secrets.search();
        let written = b"x-----BEGIN KEY-----\nabcdefgh01234\nshort";
        assert_eq!(search.find(written), Some("DEPLOY_KEY"));
        let mut search = secrets.search();
        let innocent = search.find(b"-----BEGIN KEY-----\nof somebody else");
        assert_eq!(innocent, None);
    }
}
