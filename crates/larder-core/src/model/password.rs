//! A password that a user may have.

use crate::error::{Error, Result};

/// Fewer letters are guessed soon, whatever they are.
const LETTERS_MIN: usize = 10;
/// More bytes are no password but an attempt to make us hash them.
const BYTES_MAX: usize = 1_024;

/// A password; what prints it prints nothing of it.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    /// Takes a new password, if it is neither too short nor too long. Every letter counts, spaces at its ends too.
    pub fn parse(text: &str) -> Result<Self> {
        if text.chars().count() < LETTERS_MIN {
            let reason = format!("must have at least {LETTERS_MIN} characters");
            return Err(Error::invalid("password", reason));
        }
        if text.len() > BYTES_MAX || text.chars().any(char::is_control) {
            let reason = format!(
                "must have at most {BYTES_MAX} bytes, and no tabs, line breaks or the like"
            );
            return Err(Error::invalid("password", reason));
        }
        Ok(Self(text.to_owned()))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("(password)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_neither_short_nor_endless() {
        let long = "x".repeat(BYTES_MAX);
        for good in ["ten letter", "zehn Bären", " spaces  x ", &long] {
            assert_eq!(Password::parse(good).unwrap().bytes(), good.as_bytes());
        }
        for wrong in [
            "",
            "nine lett",
            "ää ää ää ",
            "ten\tletters",
            "ten letters\n",
            &format!("{long}x"),
        ] {
            let error = Password::parse(wrong).unwrap_err().to_string();
            assert!(!error.contains("lett") || wrong.is_empty(), "{error}");
        }
        let shown = format!("{:?}", Password::parse("correct horse").unwrap());
        assert!(!shown.contains("horse"));
    }
}
