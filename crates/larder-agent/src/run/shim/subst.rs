//! `circleci env subst`: a text with the values of variables in it, in the shell's own notation.

/// A default may hold variables with defaults of their own, so deep.
const DEPTH_MAX: usize = 16;

/// Replaces `$NAME`, `${NAME}`, `${NAME-TEXT}`, `${NAME:-TEXT}`, `${NAME+TEXT}` and `${NAME:+TEXT}`;
/// `$$` is one `$`. A variable that is not set is empty; a `$` before anything else stays as it is.
pub(super) fn substitute(
    text: &str,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<String, String> {
    expand(text, &variable, DEPTH_MAX)
}

fn expand(
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
    depth: usize,
) -> Result<String, String> {
    let mut answer = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        answer.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            answer.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            let inside = inside(after)
                .ok_or_else(|| format!("env subst: no }} after ${{{}", start_of(after)))?;
            answer.push_str(&braced(inside, variable, depth)?);
            rest = &after[inside.len() + 1..];
        } else {
            let name = &rest[..name_length(rest)];
            if name.is_empty() {
                answer.push('$');
            } else {
                answer.push_str(&variable(name).unwrap_or_default());
            }
            rest = &rest[name.len()..];
        }
    }
    answer.push_str(rest);
    Ok(answer)
}

/// What stands between the braces.
fn braced(
    inside: &str,
    variable: &dyn Fn(&str) -> Option<String>,
    depth: usize,
) -> Result<String, String> {
    let name = &inside[..name_length(inside)];
    let rest = &inside[name.len()..];
    let wrong = || format!("env subst: ${{{inside}}} is not a form that is known here");
    if name.is_empty() || depth == 0 {
        return Err(wrong());
    }
    let value = variable(name);
    if rest.is_empty() {
        return Ok(value.unwrap_or_default());
    }
    // With the colon an empty value counts as none.
    let (counts_empty, rest) = match rest.strip_prefix(':') {
        Some(rest) => (false, rest),
        None => (true, rest),
    };
    let value = value.filter(|value| counts_empty || !value.is_empty());
    match (rest.chars().next(), value) {
        (Some('-' | '='), Some(value)) => Ok(value),
        (Some('-' | '='), None) | (Some('+'), Some(_)) => expand(&rest[1..], variable, depth - 1),
        (Some('+'), None) => Ok(String::new()),
        (_, _) => Err(wrong()),
    }
}

/// Up to the brace that closes, past those that are opened in between.
fn inside(text: &str) -> Option<&str> {
    let mut open = 1_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' if text[..at].ends_with('$') => open += 1,
            b'}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(&text[..at]);
        }
    }
    None
}

fn name_length(text: &str) -> usize {
    let is_name = |(at, byte): &(usize, u8)| {
        *byte == b'_' || byte.is_ascii_alphabetic() || (*at > 0 && byte.is_ascii_digit())
    };
    text.bytes().enumerate().take_while(is_name).count()
}

fn start_of(text: &str) -> &str {
    &text[..text.floor_char_boundary(20)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str) -> Option<String> {
        match name {
            "A" => Some("1".to_owned()),
            "LONG_NAME2" => Some("two words".to_owned()),
            "EMPTY" => Some(String::new()),
            "DOLLAR" => Some("$A".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn each_form_is_replaced_as_a_shell_would() {
        let check = |text: &str, expected: &str| {
            assert_eq!(substitute(text, variable).unwrap(), expected, "{text}");
        };
        check("a $A ${A} é", "a 1 1 é");
        check("$LONG_NAME2-$A2-${A}2", "two words--12");
        check("${NONE}|$NONE|${EMPTY}", "||");
        check("${NONE:-x}${NONE-y}${EMPTY:-z}${EMPTY-w}", "xyz");
        check("${A:-x}${A:+set}${NONE:+set}${EMPTY:+s}${EMPTY+s}", "1sets");
        check("${NONE:-${A}${EMPTY:-{}}b", "1{b");
        check("$$A costs $5 and $", "$A costs $5 and $");
        check("$DOLLAR", "$A");
        check("{\"k\": \"${A}\"}", "{\"k\": \"1\"}");
        check("", "");
    }

    #[test]
    fn what_is_not_a_form_is_named() {
        for text in ["${A", "${}", "${A:}", "${A%x}", "${1}", "${é}"] {
            let error = substitute(text, variable).unwrap_err();
            assert!(error.starts_with("env subst: "), "{text}: {error}");
        }
        let deep = "${N:-".repeat(100) + &"}".repeat(100);
        assert!(substitute(&deep, variable).is_err());
        // A name that nobody closes costs no more than one look at it.
        assert!(substitute(&"${A".repeat(10_000), variable).is_err());
    }
}
