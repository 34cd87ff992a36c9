//! Keys of caches: texts with templates that the run fills in (`docs/api/circleci.md`).

/// Longer keys are refused, as the vendor does.
const KEY_CHARS_MAX: usize = 900;

/// What a template may ask for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ask<'a> {
    Branch,
    Revision,
    BuildNumber,
    CheckoutKey,
    /// A variable of the job's environment.
    Environment(&'a str),
    /// Digest of a file, relative to the working directory.
    Checksum(&'a str),
    /// Seconds since 1970.
    Epoch,
    /// The machine's system and processor.
    Arch,
}

/// The key without templates; `answer` fills each of them in. Errors say what is wrong with the key.
pub(super) fn fill_in(
    key: &str,
    mut answer: impl FnMut(Ask<'_>) -> Result<String, String>,
) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = key;
    while let Some((before, from)) = rest.split_once("{{") {
        let Some((inside, after)) = from.split_once("}}") else {
            return Err(format!("the key {key} has a {{{{ without its }}}}"));
        };
        filled.push_str(before);
        let ask = parse(inside).ok_or_else(|| {
            format!(
                "the key {key} has the unknown template {{{{{inside}}}}}; known are .Branch, \
                 .Revision, .BuildNum, .CheckoutKey, .Environment.NAME, checksum \"FILE\", epoch and arch"
            )
        })?;
        filled.push_str(&answer(ask)?);
        rest = after;
    }
    filled.push_str(rest);
    let filled = filled.trim().to_owned();
    if filled.is_empty() || filled.chars().count() > KEY_CHARS_MAX {
        return Err(format!(
            "the key {key} is empty or longer than {KEY_CHARS_MAX} characters"
        ));
    }
    if filled.contains(char::is_control) {
        return Err(format!("the key {key} holds a control character"));
    }
    Ok(filled)
}

fn parse(inside: &str) -> Option<Ask<'_>> {
    // A template may ask to trim the white space around it; keys have none that matters.
    let inside = inside.trim_matches('-').trim();
    if let Some(name) = inside.strip_prefix(".Environment.") {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        return (!name.is_empty() && name.chars().all(is_plain)).then_some(Ask::Environment(name));
    }
    if let Some(file) = inside.strip_prefix("checksum") {
        let file = file.strip_prefix(char::is_whitespace)?.trim();
        let quoted = |quote: char| file.strip_prefix(quote)?.strip_suffix(quote);
        let file = quoted('"').or_else(|| quoted('`'))?;
        return (!file.is_empty()).then_some(Ask::Checksum(file));
    }
    match inside {
        ".Branch" => Some(Ask::Branch),
        ".Revision" => Some(Ask::Revision),
        ".BuildNum" => Some(Ask::BuildNumber),
        ".CheckoutKey" => Some(Ask::CheckoutKey),
        "epoch" => Some(Ask::Epoch),
        "arch" => Some(Ask::Arch),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_filled_in() {
        let check = |key: &str, expected: Result<&str, &str>| {
            let filled = fill_in(key, |ask| match ask {
                Ask::Checksum("missing") => Err("no such file".to_owned()),
                ask => Ok(format!("<{ask:?}>")),
            });
            match (&filled, expected) {
                (Ok(filled), Ok(expected)) => assert_eq!(filled, expected, "{key}"),
                (Err(error), Err(part)) => assert!(error.contains(part), "{key}: {error}"),
                other => panic!("{key}: {other:?}"),
            }
        };
        check("v1-plain", Ok("v1-plain"));
        check(
            "v1-{{ .Branch }}-{{.Revision}}",
            Ok("v1-<Branch>-<Revision>"),
        );
        check("{{ .BuildNum }}{{ epoch }}", Ok("<BuildNumber><Epoch>"));
        check("{{ arch }}-{{ .CheckoutKey }}", Ok("<Arch>-<CheckoutKey>"));
        check(
            "{{ .Environment.NODE_VERSION }}",
            Ok("<Environment(\"NODE_VERSION\")>"),
        );
        check(
            "d-{{ checksum \"a b/Cargo.lock\" }}",
            Ok("d-<Checksum(\"a b/Cargo.lock\")>"),
        );
        check("{{ checksum \"missing\" }}", Err("no such file"));
        check("{{ checksum missing }}", Err("unknown template"));
        check("{{ .Nonsense }}", Err("unknown template"));
        check("{{ .Branch", Err("without its }}"));
        check("", Err("empty"));
        check(&"k".repeat(901), Err("longer than 900"));
        check("a\nb", Err("control character"));
    }
}
