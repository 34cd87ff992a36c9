//! The module paths that a file of Rust names, made absolute inside its crate.

use super::rust_text::line_of;

/// A path that starts with `crate` or `super`, written out from the root of its crate.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct NamedPath {
    /// Counted from 1.
    pub(crate) line: usize,
    /// `["api", "buildkite", "error"]` for `crate::api::buildkite::error`.
    pub(crate) segments: Vec<String>,
}

/// The module of a source file, as segments from the root of its crate: `src/api/x/mod.rs` is `api::x`.
pub(crate) fn module_of(file_in_src: &str) -> Vec<String> {
    let stem = file_in_src.strip_suffix(".rs").unwrap_or(file_in_src);
    let mut segments: Vec<String> = stem.split('/').map(str::to_owned).collect();
    if segments
        .last()
        .is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str()))
    {
        segments.pop();
    }
    segments
}

/// Every path in `code` that starts with `crate` or `super`. `use` trees are spread out; inside an inline
/// module `super` is the module around it.
pub(crate) fn named_paths(code: &str, module: &[String]) -> Vec<NamedPath> {
    let tokens = tokens(code);
    let mut inline: Vec<Option<String>> = Vec::new();
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        let previous = at.checked_sub(1).map(|before| tokens[before].1);
        match tokens[at].1 {
            "{" => inline.push(inline_module(&tokens, at)),
            "}" => drop(inline.pop()),
            "crate" | "super" if previous != Some("::") && !is_visibility(&tokens, at) => {
                let mut here = module.to_vec();
                here.extend(inline.iter().flatten().cloned());
                for segments in tree(&tokens, at, &here) {
                    found.push(NamedPath {
                        line: line_of(code, tokens[at].0),
                        segments,
                    });
                }
            }
            _ => {}
        }
    }
    found
}

/// The name of the module whose body opens at `brace`, if it is one.
fn inline_module(tokens: &[(usize, &str)], brace: usize) -> Option<String> {
    let keyword = brace.checked_sub(2)?;
    (tokens[keyword].1 == "mod").then(|| tokens[brace - 1].1.to_owned())
}

/// Whether the path at `at` only says who may see an item: `pub(super)`, `pub(in crate::api)`.
fn is_visibility(tokens: &[(usize, &str)], at: usize) -> bool {
    let before = |steps: usize| at.checked_sub(steps).map(|index| tokens[index].1);
    let open = if before(1) == Some("in") { 2 } else { 1 };
    before(open) == Some("(") && before(open + 1) == Some("pub")
}

/// Spreads the path at `at` (with `{…}` groups) into absolute paths.
fn tree(tokens: &[(usize, &str)], mut at: usize, here: &[String]) -> Vec<Vec<String>> {
    let mut prefix = if tokens[at].1 == "crate" {
        at += 1;
        Vec::new()
    } else {
        here.to_vec()
    };
    let mut paths = Vec::new();
    if tokens.get(at).map(|token| token.1) == Some("super") {
        prefix.pop();
        at += 1;
    }
    rest_of_tree(tokens, &mut at, &prefix, &mut paths);
    paths
}

/// Reads `::segment`, `::super` and `::{…}` from `at`, which it leaves behind the path.
fn rest_of_tree(
    tokens: &[(usize, &str)],
    at: &mut usize,
    prefix: &[String],
    paths: &mut Vec<Vec<String>>,
) {
    let mut path = prefix.to_vec();
    while tokens.get(*at).map(|token| token.1) == Some("::") {
        *at += 1;
        match tokens.get(*at).map(|token| token.1) {
            Some("super") => drop(path.pop()),
            Some("self") => {}
            Some("{") => {
                *at += 1;
                group(tokens, at, &path, paths);
                return;
            }
            Some(segment) if is_segment(segment) => path.push(segment.to_owned()),
            _ => break,
        }
        *at += 1;
    }
    paths.push(path);
}

fn group(
    tokens: &[(usize, &str)],
    at: &mut usize,
    prefix: &[String],
    paths: &mut Vec<Vec<String>>,
) {
    while let Some(&(_, token)) = tokens.get(*at) {
        match token {
            "}" => {
                *at += 1;
                return;
            }
            "self" => {
                paths.push(prefix.to_vec());
                *at += 1;
            }
            segment if is_segment(segment) => {
                let mut path = prefix.to_vec();
                if segment == "super" {
                    path.pop();
                } else {
                    path.push(segment.to_owned());
                }
                *at += 1;
                rest_of_tree(tokens, at, &path, paths);
            }
            _ => *at += 1,
        }
    }
}

fn is_segment(token: &str) -> bool {
    token == "*" || token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Words, `::` and single signs, each with its offset.
fn tokens(code: &str) -> Vec<(usize, &str)> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = code[at..].chars().next() {
        let rest = &code[at..];
        let word = rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(rest.len());
        let length = match word {
            0 if rest.starts_with("::") => 2,
            0 => first.len_utf8(),
            word => word,
        };
        if !first.is_whitespace() {
            tokens.push((at, &rest[..length]));
        }
        at += length;
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(module: &str, code: &str) -> Vec<String> {
        let paths = named_paths(code, &module_of(module));
        paths
            .into_iter()
            .map(|path| path.segments.join("::"))
            .collect()
    }

    #[test]
    fn relative_paths_become_absolute() {
        assert_eq!(
            paths("api/x/error.rs", "super::super::y::f();"),
            ["api::y::f"]
        );
        assert_eq!(paths("api/x/mod.rs", "use super::y;"), ["api::y"]);
        assert_eq!(
            paths("api/x/mod.rs", "mod tests { use super::y; }\nuse super::z;"),
            ["api::x::y", "api::z"]
        );
    }

    #[test]
    fn use_trees_are_spread_out() {
        let code = "use crate::{api::{x, y::{self, z}}, http};";
        assert_eq!(
            paths("app.rs", code),
            ["api::x", "api::y", "api::y::z", "http"]
        );
    }

    #[test]
    fn visibility_names_no_other_module() {
        assert_eq!(
            paths(
                "api/x/error.rs",
                "pub(super) fn f() {}\npub(in crate::api) fn g() {}"
            ),
            [""; 0]
        );
    }
}
