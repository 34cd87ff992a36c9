//! Whether a file holds a value that must stay secret.

/// A shorter value is found in too many innocent files.
const VALUE_BYTES_MIN: usize = 8;
/// Words in the name of a variable that make its value a secret.
const NAME_WORDS: [&str; 4] = ["TOKEN", "SECRET", "PASSWORD", "KEY"];

/// The secret values of a job, with the names of their variables.
#[derive(Clone, Default)]
pub(crate) struct Secrets {
    values: Vec<(String, Vec<u8>)>,
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
    /// Those of the given variables whose names say that they are secret.
    pub(crate) fn among<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let values = variables
            .into_iter()
            .filter(|(name, value)| is_secret(name) && value.len() >= VALUE_BYTES_MIN)
            .map(|(name, value)| (name.to_owned(), value.as_bytes().to_owned()))
            .collect();
        Self { values }
    }

    pub(crate) fn search(&self) -> Search<'_> {
        Search {
            secrets: self,
            tail: Vec::new(),
        }
    }
}

/// A search through one file, piece by piece.
pub(crate) struct Search<'a> {
    secrets: &'a Secrets,
    /// The end of what was seen: a value may begin there.
    tail: Vec<u8>,
}

impl Search<'_> {
    /// The name of the variable whose value was found in what was seen so far.
    pub(crate) fn find(&mut self, piece: &[u8]) -> Option<&str> {
        let longest = self
            .secrets
            .values
            .iter()
            .map(|(_, value)| value.len())
            .max()?;
        let keep = longest - 1;
        let joint = [self.tail.as_slice(), &piece[..piece.len().min(keep)]].concat();
        let found = self
            .secrets
            .values
            .iter()
            .find(|(_, value)| contains(&joint, value) || contains(piece, value));
        let seen = [
            self.tail.as_slice(),
            &piece[piece.len().saturating_sub(keep)..],
        ]
        .concat();
        self.tail = seen[seen.len().saturating_sub(keep)..].to_vec();
        found.map(|(name, _)| name.as_str())
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    name.split('_').any(|word| NAME_WORDS.contains(&word))
}

fn contains(text: &[u8], value: &[u8]) -> bool {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| *byte == value[0]) {
        rest = &rest[at..];
        if rest.starts_with(value) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_however_the_file_is_cut_into_pieces() {
        let secrets = Secrets::among([
            ("MY_TOKEN", "s3cret-value"),
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
        }
        let mut search = secrets.search();
        assert_eq!(
            search.find(b"some text s3cret-valuX and /usr/bin:/bin, short"),
            None
        );
    }
}
