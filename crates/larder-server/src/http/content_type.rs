//! What kind of file a path names.

/// For files that nothing else is known of.
pub const UNKNOWN: &str = "application/octet-stream";
const PLAIN_TEXT: &str = "text/plain; charset=utf-8";

/// Names without an extension that are text everywhere.
const TEXT_NAMES: [&str; 10] = [
    "authors",
    "changelog",
    "copying",
    "dockerfile",
    "license",
    "makefile",
    "notice",
    "readme",
    "todo",
    "version",
];

/// The content type that the path's extension means.
///
/// Texts are taken as UTF-8. Sources and configuration files are plain text, since browsers save what they do not
/// know instead of showing it. `.gz` and `.tgz` have the type in `docs/api/circleci.md`.
pub fn content_type_of(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let Some((_, extension)) = name.rsplit_once('.') else {
        let is_text = TEXT_NAMES.contains(&name.as_str());
        return if is_text { PLAIN_TEXT } else { UNKNOWN }.to_owned();
    };
    match extension {
        "gz" | "tgz" => "application/x-gzip".to_owned(),
        "xml" | "xsd" | "xsl" => "text/xml; charset=utf-8".to_owned(),
        "log" | "out" | "err" | "lock" | "ts" | "tsx" | "jsx" | "yml" | "yaml" | "toml" | "ini"
        | "cfg" | "conf" | "sh" | "properties" | "diff" | "patch" | "info" | "tap" => {
            PLAIN_TEXT.to_owned()
        }
        _ => guessed(extension),
    }
}

/// `text/…` without a charset gets UTF-8; other types are left as they are.
pub fn with_charset(content_type: &str) -> String {
    let is_bare_text = content_type.starts_with("text/") && !content_type.contains(';');
    if is_bare_text {
        format!("{content_type}; charset=utf-8")
    } else {
        content_type.to_owned()
    }
}

fn guessed(extension: &str) -> String {
    let Some(guess) = mime_guess::from_ext(extension).first_raw() else {
        return UNKNOWN.to_owned();
    };
    if guess.starts_with("text/x-") {
        return PLAIN_TEXT.to_owned();
    }
    with_charset(guess)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_says_what_a_file_is() {
        for (path, expected) in [
            ("dist/app.tar.gz", "application/x-gzip"),
            ("a.TGZ", "application/x-gzip"),
            ("index.html", "text/html; charset=utf-8"),
            ("style.css", "text/css; charset=utf-8"),
            ("app.js", "text/javascript; charset=utf-8"),
            ("data.json", "application/json"),
            ("junit.xml", "text/xml; charset=utf-8"),
            ("chart.svg", "image/svg+xml"),
            ("shot.png", "image/png"),
            ("paper.pdf", "application/pdf"),
            ("test.log", "text/plain; charset=utf-8"),
            ("main.rs", "text/plain; charset=utf-8"),
            ("config.yml", "text/plain; charset=utf-8"),
            ("docs/README", "text/plain; charset=utf-8"),
            ("bin/tool", "application/octet-stream"),
            ("core.1234.!usr!bin!x", "application/octet-stream"),
            ("dir.d/file", "application/octet-stream"),
            ("", "application/octet-stream"),
            ("x.", "application/octet-stream"),
        ] {
            assert_eq!(content_type_of(path), expected, "{path}");
        }
    }
}
