//! What must not be read in a log is taken out of each line, wherever in it and whoever wrote it.

use std::fmt::Write as _;

/// A secret stands right behind one of these, up to a character that ends a value.
const BEFORE_SECRETS: [&str; 22] = [
    "circle-token=",
    "circle-token: ",
    "circle-token%3d",
    "circle_token=",
    "access_token=",
    "access_token%3d",
    "x-amz-signature=",
    "x-amz-security-token=",
    "password=",
    "secret_key=",
    "authorization: ",
    "authorization: bearer ",
    "authorization: basic ",
    "authorization: token ",
    "bearer ",
    "basic ",
    "cookie: ",
    "\"circle-token\": ",
    "\"authorization\": ",
    "/d/",
    "/sign-in/",
    "/password/",
];
/// Our own tokens say what they are.
const TOKEN_PREFIX: &str = "lrd_";
const REMOVED: &str = "…";
/// Words like `Basic usage` or `/d/x` are no secrets: shorter values stay behind the ambiguous marks.
const AMBIGUOUS: [&str; 5] = ["bearer ", "basic ", "/d/", "/sign-in/", "/password/"];
const AMBIGUOUS_LENGTH_MIN: usize = 6;

/// The line with its secrets replaced and its control characters written out.
///
/// What is written out reads `\u001b`, which inside JSON is the character again.
pub fn scrub(line: &str) -> String {
    let mut clean = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(letter) = rest.chars().next() {
        if let Some((kept, secret)) = secret_at(line, line.len() - rest.len()) {
            clean.push_str(&rest[..kept]);
            clean.push_str(REMOVED);
            rest = &rest[kept + secret..];
            continue;
        }
        push_visible(&mut clean, letter);
        rest = &rest[letter.len_utf8()..];
    }
    clean
}

/// If a mark begins at `start`: the lengths of the mark and of the secret behind it.
fn secret_at(line: &str, start: usize) -> Option<(usize, usize)> {
    let rest = &line[start..];
    let starts_with = |mark: &str| {
        rest.get(..mark.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(mark))
    };
    if starts_with(TOKEN_PREFIX) {
        let length = rest
            .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
            .unwrap_or(rest.len());
        return (length > TOKEN_PREFIX.len())
            .then(|| (TOKEN_PREFIX.len(), length - TOKEN_PREFIX.len()));
    }
    // The longest mark that fits: `authorization: bearer x` hides x and not `bearer`.
    let mark = BEFORE_SECRETS
        .iter()
        .filter(|mark| starts_with(mark))
        .max_by_key(|mark| mark.len())?;
    let quotes = rest[mark.len()..]
        .bytes()
        .take_while(|&byte| byte == b'"' || byte == b'\\')
        .count();
    let value = &rest[mark.len() + quotes..];
    let is_end = |letter: char| {
        letter.is_whitespace() || letter.is_control() || "&\"'<>\\,;/)]}".contains(letter)
    };
    let is_cookie = *mark == "cookie: ";
    let length = if is_cookie {
        value.find(['"', '\n', '\\'])
    } else {
        value.find(is_end)
    }
    .unwrap_or(value.len());
    let is_ambiguous = AMBIGUOUS.contains(mark);
    let is_secret = if is_ambiguous {
        length >= AMBIGUOUS_LENGTH_MIN && is_word_start(line, start, mark)
    } else {
        length > 0
    };
    is_secret.then_some((mark.len() + quotes, length))
}

/// `forbearer x` is no mark; a path may stand anywhere.
fn is_word_start(line: &str, start: usize, mark: &str) -> bool {
    mark.starts_with('/') || !line[..start].ends_with(|letter: char| letter.is_ascii_alphanumeric())
}

fn push_visible(clean: &mut String, letter: char) {
    let is_bidi = matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_line_end = matches!(letter, '\u{2028}' | '\u{2029}');
    if letter.is_control() || is_bidi || is_line_end {
        let _ = write!(clean, "\\u{:04x}", u32::from(letter));
    } else {
        clean.push(letter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: &str) {
        assert_eq!(scrub(line), expected);
    }

    #[test]
    fn tokens_are_taken_out_wherever_they_stand() {
        check("/api?circle-token=abc&x=1", "/api?circle-token=…&x=1");
        check("/api?x=1&Access_Token=abc", "/api?x=1&Access_Token=…");
        check("Circle-Token: abc def", "Circle-Token: … def");
        check("Authorization: Bearer abcdef", "Authorization: Bearer …");
        check("authorization: token abc\"", "authorization: token …\"");
        check("Bearer abcdefgh.", "Bearer …");
        check("Basic dXNlcjpwYXNz, x", "Basic …, x");
        check("token lrd_job_abc123 seen", "token lrd_… seen");
        check("(lrd_a)", "(lrd_…)");
        check("GET /d/AAECAwQFBg.abc/report.html", "GET /d/…/report.html");
        check("cookie: a=b; __Host-s=c\" x", "cookie: …\" x");
        check(
            "https://s3/x?X-Amz-Signature=00ff&y",
            "https://s3/x?X-Amz-Signature=…&y",
        );
        check("{\"circle-token\": \"abc\"}", "{\"circle-token\": \"…\"}");
    }

    #[test]
    fn plain_words_stay() {
        for line in [
            "Basic use",
            "the /d/ routes",
            "a bearer of news",
            "lrd_",
            "circle-token=",
            "übersicht ✓",
            "",
        ] {
            check(line, line);
        }
    }

    #[test]
    fn control_characters_are_written_out() {
        check(
            "a\u{1b}[0m\r\n\u{9b}\u{202e}",
            "a\\u001b[0m\\u000d\\u000a\\u009b\\u202e",
        );
    }
}
