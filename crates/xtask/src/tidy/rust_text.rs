//! A Rust file taken apart as far as the rules need: code without comments and literals, the string
//! literals, and which lines are tests. It knows tokens, not grammar.

/// One Rust file, with its literals and comments told apart from its code.
#[derive(Debug)]
pub(crate) struct RustText {
    /// The file with every comment and the inside of every literal blanked; bytes keep their lines.
    pub(crate) code: String,
    /// Each string literal: the line on which it starts, and what is between its quotes.
    pub(crate) strings: Vec<(usize, String)>,
    /// The first and last line of each item under `#[cfg(test)]`.
    tests: Vec<(usize, usize)>,
}

impl RustText {
    /// Takes a file apart. Text that is not Rust gives nonsense, never a panic.
    pub(crate) fn parse(text: &str) -> Self {
        let mut scanner = Scanner {
            bytes: text.as_bytes(),
            at: 0,
            line: 1,
            code: Vec::with_capacity(text.len()),
            strings: Vec::new(),
        };
        while scanner.at < scanner.bytes.len() {
            scanner.step();
        }
        let code = String::from_utf8_lossy(&scanner.code).into_owned();
        let tests = test_items(&code);
        Self {
            code,
            strings: scanner.strings,
            tests,
        }
    }

    /// Whether a line belongs to an item under `#[cfg(test)]`.
    pub(crate) fn is_test_line(&self, line: usize) -> bool {
        self.tests
            .iter()
            .any(|&(first, last)| (first..=last).contains(&line))
    }

    /// Every line of code on which `word` stands as a whole word (it may hold `::`), tests included.
    pub(crate) fn lines_with(&self, word: &str) -> Vec<usize> {
        let lines = self.code.lines().enumerate();
        lines
            .filter(|(_, line)| holds_word(line, word))
            .map(|(at, _)| at + 1)
            .collect()
    }
}

/// Whether `word` stands in `text` with no letter, digit or `_` on either side.
pub(crate) fn holds_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(is_word_char) && !after.is_some_and(is_word_char)
    })
}

/// The line, counted from 1, of a byte offset.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    1 + text
        .bytes()
        .take(offset)
        .filter(|&byte| byte == b'\n')
        .count()
}

fn is_word_char(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    line: usize,
    code: Vec<u8>,
    strings: Vec<(usize, String)>,
}

impl Scanner<'_> {
    fn step(&mut self) {
        let rest = &self.bytes[self.at..];
        let after_word = self
            .code
            .last()
            .is_some_and(|&byte| is_word_char(char::from(byte)));
        if rest.starts_with(b"//") {
            let end = rest
                .iter()
                .position(|&byte| byte == b'\n')
                .unwrap_or(rest.len());
            self.blank(end);
        } else if rest.starts_with(b"/*") {
            self.blank(block_comment(rest));
        } else if let Some(hashes) = raw_string(rest).filter(|_| !after_word) {
            self.raw_string(hashes);
        } else if rest[0] == b'"' {
            self.string();
        } else if let Some(length) = character(rest) {
            self.blank(length);
        } else {
            self.copy(1);
        }
    }

    fn string(&mut self) {
        self.copy(1);
        let rest = &self.bytes[self.at..];
        let mut end = 0;
        while end < rest.len() && rest[end] != b'"' {
            end += if rest[end] == b'\\' { 2 } else { 1 };
        }
        self.literal(end.min(rest.len()));
        self.copy(1);
    }

    fn raw_string(&mut self, hashes: usize) {
        let quote = self.bytes[self.at..]
            .iter()
            .position(|&byte| byte == b'"')
            .unwrap_or(0);
        self.copy(quote + 1);
        let mut closing = vec![b'"'];
        closing.resize(hashes + 1, b'#');
        let rest = &self.bytes[self.at..];
        let end = rest
            .windows(closing.len())
            .position(|window| window == closing);
        self.literal(end.unwrap_or(rest.len()));
        self.copy(closing.len());
    }

    fn literal(&mut self, length: usize) {
        let inside = &self.bytes[self.at..self.at + length];
        self.strings
            .push((self.line, String::from_utf8_lossy(inside).into_owned()));
        self.blank(length);
    }

    fn blank(&mut self, length: usize) {
        for &byte in &self.bytes[self.at..self.at + length] {
            self.line += usize::from(byte == b'\n');
            self.code.push(if byte == b'\n' { b'\n' } else { b' ' });
        }
        self.at += length;
    }

    fn copy(&mut self, length: usize) {
        let end = (self.at + length).min(self.bytes.len());
        let copied = &self.bytes[self.at..end];
        for &byte in copied {
            self.line += usize::from(byte == b'\n');
            self.code.push(byte);
        }
        self.at = end;
    }
}

/// The length of the block comment that `rest` starts with; they nest.
fn block_comment(rest: &[u8]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
        } else {
            at += 1;
        }
        if depth == 0 {
            break;
        }
    }
    at.min(rest.len())
}

/// How many `#` a raw string literal has, if `rest` starts with one.
fn raw_string(rest: &[u8]) -> Option<usize> {
    let rest = rest.strip_prefix(b"b").unwrap_or(rest).strip_prefix(b"r")?;
    let hashes = rest.iter().take_while(|&&byte| byte == b'#').count();
    (rest.get(hashes) == Some(&b'"')).then_some(hashes)
}

/// The length of the character literal that `rest` starts with; a lifetime is none.
fn character(rest: &[u8]) -> Option<usize> {
    let inside = rest.strip_prefix(b"'")?;
    if inside.first() == Some(&b'\\') {
        let end = inside.iter().skip(2).position(|&byte| byte == b'\'')?;
        return Some(end + 4);
    }
    let text = std::str::from_utf8(&inside[..inside.len().min(5)]);
    let text = match &text {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&inside[..error.valid_up_to()]).unwrap_or_default(),
    };
    let first = text.chars().next()?.len_utf8();
    (inside.get(first) == Some(&b'\'')).then_some(first + 2)
}

/// The line ranges of the items under `#[cfg(test)]`; an item without braces is its one statement.
fn test_items(code: &str) -> Vec<(usize, usize)> {
    code.match_indices("#[cfg(test)]")
        .map(|(start, _)| {
            let end = item_end(code, start);
            (line_of(code, start), line_of(code, end))
        })
        .collect()
}

fn item_end(code: &str, start: usize) -> usize {
    let mut depth = 0_i32;
    for (at, byte) in code.bytes().enumerate().skip(start) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth <= 1 => return at,
            b'}' => depth -= 1,
            b';' if depth == 0 => return at,
            _ => {}
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_not_code() {
        let rust =
            RustText::parse("let a = \"unsafe\"; // unsafe\n/* unsafe /* x */ */ let b = 'u';\n");
        assert!(rust.lines_with("unsafe").is_empty());
        assert_eq!(rust.strings, [(1, "unsafe".to_owned())]);
    }

    #[test]
    fn raw_strings_end_at_their_own_hashes() {
        let rust = RustText::parse("let a = r#\"say \"hi\" \"#;\nunsafe {}\n");
        assert_eq!(rust.strings, [(1, "say \"hi\" ".to_owned())]);
        assert_eq!(rust.lines_with("unsafe"), [2]);
    }

    #[test]
    fn a_lifetime_opens_no_literal() {
        let rust = RustText::parse(
            "fn f<'a>(x: &'a str) -> char { '\"' }\nunsafe {}\nlet c = '\\'';\nunsafe {}",
        );
        assert_eq!(rust.lines_with("unsafe"), [2, 4]);
    }

    #[test]
    fn a_line_keeps_its_number_after_a_long_literal() {
        let rust = RustText::parse("let a = \"one\n two \\\" three\n\";\nunsafe {}\n");
        assert_eq!(rust.lines_with("unsafe"), [4]);
    }

    #[test]
    fn items_under_cfg_test_are_tests() {
        let rust = RustText::parse(
            "fn a() {}\n#[cfg(test)]\nmod tests {\n  fn b() {}\n}\nfn c() {}\n#[cfg(test)]\nmod x;\nfn d() {}\n",
        );
        let tests: Vec<_> = (1..=9).filter(|&line| rust.is_test_line(line)).collect();
        assert_eq!(tests, [2, 3, 4, 5, 7, 8]);
    }

    #[test]
    fn text_that_is_not_rust_does_no_harm() {
        for text in [
            "\"",
            "'",
            "r#\"",
            "/*",
            "'\\",
            "b",
            "\"\\",
            "#[cfg(test)]",
            "'é",
            "r\"\u{1F980}",
        ] {
            RustText::parse(text);
        }
    }
}
