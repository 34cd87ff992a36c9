//! The one language in which files here and artifacts there are named: by uploads, downloads,
//! lists, searches and checksums.
//!
//! | pattern | means |
//! |---|---|
//! | `*`, `?` | any characters, any one, within one name |
//! | `**` | any number of folders: `**/x`, `a/**/x`; `a/**` is all that lies below `a` |
//! | `{a,b}` | one or the other; they may be nested and empty |
//! | `[a-z]`, `[!a-z]` | one character of these, of all others |
//! | `\` | takes the next character as it is |
//! | a name | that file, or all files below that folder, whatever characters it has |
//! | `X/` | all files below the folders that match `X` |
//! | `!X` | leaves out what matches `X`, and all below it |
//! | `X => Y` | renames: see below |
//!
//! Case counts. A leading `./`, `/`, `../` or doubled `/` is no part of a name. The last pattern that
//! matches a name decides about it, so that one after `!X` takes some of it back; an exclusion in
//! front of all others would do nothing and is refused.
//!
//! `X => Y` replaces the part of the name in front of the first glob by the folder `Y`; a single
//! file becomes `Y` itself unless that ends in `/`:
//!
//! | pattern | file | becomes |
//! |---|---|---|
//! | `dist/** => release/` | `dist/a/b` | `release/a/b` |
//! | `dist => release` | `dist/a/b` | `release/a/b` |
//! | `target/*/app => bin/` | `target/debug/app` | `bin/debug/app` |
//! | `**/*.xml => reports` | `a/b.xml` | `reports/a/b.xml` |
//! | `dist/** => /` | `dist/a/b` | `a/b` |
//! | `out/app.tgz => app-1.tgz` | `out/app.tgz` | `app-1.tgz` |
//! | `out/app.tgz => bin/` | `out/app.tgz` | `bin/app.tgz` |

use super::destination::plain;
use super::glob::Glob;
use crate::error::{Error, Result};

/// Between a pattern and the new name.
const RENAMES: &str = " => ";

/// Patterns in the order in which they were given.
#[derive(Clone, Debug)]
pub struct Patterns {
    rules: Vec<Pattern>,
}

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    /// As it was written, without `!` and without the new name.
    pub(crate) text: String,
    /// The same as a plain name: that of a file or folder, if it is no glob.
    pub(crate) name: String,
    pub(crate) is_exclusion: bool,
    /// The folders in front of the first glob, as a plain name; all of it if there is no glob.
    pub(crate) fixed: String,
    /// The same as it was written, with `/`, `~` and `..`.
    pub(crate) root: String,
    /// As written after ` => `.
    target: Option<String>,
    whole: Glob,
    /// What matches the first folder, the first two …; ends where a folder may be anything.
    folders: Vec<Glob>,
    /// Whether folders below those of `folders` may hold matches too.
    pub(crate) is_deep: bool,
}

/// How a name matched.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// It is the name in the pattern.
    File,
    /// It lies below the folder that the pattern names.
    Below,
    /// The glob matches.
    Glob,
}

impl Patterns {
    /// Reads patterns. One that is empty or cannot be read, and an exclusion in front of all others,
    /// are usage errors. None at all mean everything.
    pub fn parse<T: AsRef<str>>(patterns: &[T]) -> Result<Self> {
        let rules = patterns
            .iter()
            .map(|text| Pattern::parse(text.as_ref()))
            .collect::<Result<Vec<_>>>()?;
        if let Some(first) = rules.first().filter(|rule| rule.is_exclusion) {
            return Err(Error::Usage(format!(
                "!{}: nothing comes before it that it could leave out; put it after the patterns",
                first.text
            )));
        }
        Ok(Self { rules })
    }

    /// The new name of what is called `name`, if the patterns mean it.
    pub fn renamed(&self, name: &str) -> Option<String> {
        if self.rules.is_empty() {
            return Some(name.to_owned());
        }
        let (rule, kind) = self
            .rules
            .iter()
            .rev()
            .find_map(|rule| Some((rule, rule.matches(name)?)))?;
        (!rule.is_exclusion).then(|| rule.renamed(name, kind))
    }

    /// Whether the patterns mean what is called `name`.
    pub fn is_match(&self, name: &str) -> bool {
        self.renamed(name).is_some()
    }

    pub(crate) fn rules(&self) -> &[Pattern] {
        &self.rules
    }
}

impl Pattern {
    fn parse(written: &str) -> Result<Self> {
        let (source, target) = match written.split_once(RENAMES) {
            Some((source, target)) => (source.trim_end(), Some(target.trim_start().to_owned())),
            None => (written, None),
        };
        let refused = |reason: &str| Error::Usage(format!("pattern {written:?}: {reason}"));
        let is_exclusion = source.starts_with('!');
        let text = source.strip_prefix('!').unwrap_or(source);
        if text.is_empty() {
            // A variable that is not set, more likely than the whole folder.
            return Err(refused("it is empty: name files, folders or globs"));
        }
        if is_exclusion && target.is_some() {
            return Err(refused("what is left out has no new name"));
        }
        let name = plain(text);
        let glob = if text.ends_with('/') && !name.is_empty() {
            format!("{name}/**")
        } else {
            name.clone()
        };
        let whole = Glob::parse(&glob)
            .map_err(|reason| refused(&format!("{reason}; \\ takes a character as it is")))?;
        let parts: Vec<&str> = glob.split('/').collect();
        let fixed_count = parts.iter().take_while(|part| !is_glob(part)).count();
        let mut root: Vec<&str> = text.split('/').take_while(|part| !is_glob(part)).collect();
        if root == [""] && text.starts_with('/') {
            root.push("");
        }
        let mut folders = Vec::new();
        let mut prefix = String::new();
        let mut is_deep = false;
        for part in &parts[..parts.len() - 1] {
            prefix.push_str(part);
            match Glob::parse(&prefix) {
                Ok(matcher) if !part.contains("**") => folders.push(matcher),
                // `**`, or a brace with a `/` inside.
                _ => {
                    is_deep = true;
                    break;
                }
            }
            prefix.push('/');
        }
        is_deep |= parts.last().is_some_and(|last| last.contains("**"));
        Ok(Self {
            text: text.to_owned(),
            fixed: parts[..fixed_count].join("/"),
            root: root.join("/"),
            name,
            is_exclusion,
            target,
            whole,
            folders,
            is_deep,
        })
    }

    /// How the pattern means what is called `name`, if it does.
    pub(crate) fn matches(&self, name: &str) -> Option<Kind> {
        if name == self.name {
            return Some(Kind::File);
        }
        let below = |folder: &str| folder.is_empty() || is_below(name, folder);
        if below(&self.name) {
            return Some(Kind::Below);
        }
        let mut above = name.match_indices('/').map(|(at, _)| &name[..at]);
        let is_match = self.whole.is_match(name)
            || (self.is_exclusion && above.any(|folder| self.whole.is_match(folder)));
        is_match.then_some(Kind::Glob)
    }

    /// Whether something below the folder of that name may match the glob.
    pub(crate) fn may_match_below(&self, folder: &str) -> bool {
        let depth = folder.split('/').count();
        match self.folders.get(depth - 1) {
            Some(matcher) => matcher.is_match(folder),
            // Deeper than the pattern goes.
            None => self.is_deep,
        }
    }

    /// The name with which `name` is kept or saved.
    pub(crate) fn renamed(&self, name: &str, kind: Kind) -> String {
        let Some(target) = &self.target else {
            return name.to_owned();
        };
        let folder = plain(target);
        let file_name = name.rsplit('/').next().unwrap_or(name);
        let front = match kind {
            Kind::File if folder.is_empty() || target.ends_with('/') => {
                return joined(&folder, file_name);
            }
            Kind::File => return folder,
            Kind::Below => &self.name,
            Kind::Glob => &self.fixed,
        };
        let rest = name
            .strip_prefix(front.as_str())
            .map_or(name, |rest| rest.trim_start_matches('/'));
        joined(&folder, rest)
    }

    pub(crate) fn has_target(&self) -> bool {
        self.target.is_some()
    }
}

/// `name` without the folder `prefix` in front, if that is there.
pub(crate) fn stripped<'a>(name: &'a str, prefix: &str) -> &'a str {
    let prefix = plain(prefix);
    name.strip_prefix(prefix.as_str())
        .and_then(|rest| rest.strip_prefix('/'))
        .unwrap_or(name)
}

/// `name` in `folder`, which may be the root: "".
pub(crate) fn joined(folder: &str, name: &str) -> String {
    match (folder, name) {
        ("", name) => name.to_owned(),
        (folder, "") => folder.to_owned(),
        (folder, name) => format!("{folder}/{name}"),
    }
}

fn is_glob(part: &str) -> bool {
    part.contains(['*', '?', '[', '{', '\\'])
}

fn is_below(name: &str, folder: &str) -> bool {
    name.strip_prefix(folder)
        .is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(patterns: &[&str], name: &str, expected: Option<&str>) {
        let renamed = Patterns::parse(patterns).unwrap().renamed(name);
        assert_eq!(renamed.as_deref(), expected, "{patterns:?} {name}");
    }

    #[track_caller]
    fn same(patterns: &[&str], name: &str) {
        check(patterns, name, Some(name));
    }

    #[track_caller]
    fn none(patterns: &[&str], name: &str) {
        check(patterns, name, None);
    }

    #[test]
    fn globs_match_within_a_name_and_two_stars_over_folders() {
        same(&["*.txt"], "a.txt");
        same(&["*"], ".hidden");
        none(&["*.txt"], "d/a.txt");
        none(&["*.txt"], "a.TXT");
        same(&["?.txt"], "é.txt");
        none(&["a?b"], "a/b");
        same(&["**/*.txt"], "a.txt");
        same(&["**/*.txt"], "d/e/a.txt");
        same(&["d/**"], "d/e/a.txt");
        none(&["d/**"], "d");
        none(&["d/**"], "dd/a");
        same(&["d/**/x"], "d/x");
        same(&["d/**/x"], "d/a/b/x");
        same(&["{a,b/{c,d}}/*.{txt,log}"], "b/d/x.log");
        none(&["{a,b/{c,d}}/*.{txt,log}"], "b/x.log");
        same(&["app{,-debug}"], "app");
        same(&["[a-c]x"], "bx");
        none(&["[!a-c]x"], "bx");
        same(&["[!a-c]x"], "dx");
        same(&["[]x-]a"], "]a");
        same(&["[]x-]a"], "-a");
        none(&["a[.-0]b"], "a/b");
        same(&["[à-é]"], "è");
        same(&["a**b"], "axyb");
        none(&["a**b"], "ax/yb");
        same(&["{**/x,y/**}"], "y/a/b");
        same(&["a.b+(c)"], "a.b+(c)");
        none(&["a.c*"], "abc");
        same(&["**"], "line\nbreak");
        same(&[r"\*.txt"], "*.txt");
        none(&[r"\*.txt"], "a.txt");
    }

    #[test]
    fn a_name_is_itself_or_all_below_it_whatever_its_characters() {
        same(&["d"], "d/e/a");
        same(&["d/"], "d/e/a");
        same(&["./d//e/"], "d/e/a");
        same(&["/tmp/x"], "tmp/x");
        none(&["d"], "dd");
        same(&["a[1].txt"], "a[1].txt");
        same(&["a[1].txt"], "a1.txt");
        same(&["{x}"], "{x}/y");
        same(&["."], "any/thing");
        same(&[], "any/thing");
        same(&["build-*/"], "build-7/x/y");
        none(&["build-*"], "build-7/x/y");
    }

    #[test]
    fn the_last_pattern_that_matches_decides() {
        none(&["dist/**", "!**/*.map"], "dist/a.map");
        same(&["dist/**", "!**/*.map"], "dist/a.js");
        same(&["dist/**", "!**/*.map", "dist/keep.map"], "dist/keep.map");
        none(&["**", "!**/node_modules"], "a/node_modules/b/c");
        none(&["**", "!tmp"], "tmp/b/c");
        check(
            &["dist/**", "dist/app => bin/"],
            "dist/app",
            Some("bin/app"),
        );
    }

    #[test]
    fn a_new_name_replaces_what_is_in_front_of_the_first_glob() {
        let renames = |pattern: &str, name: &str, to: &str| check(&[pattern], name, Some(to));
        renames("dist/** => release/", "dist/a/b", "release/a/b");
        renames("dist/** => release", "dist/a/b", "release/a/b");
        renames("dist => release", "dist/a/b", "release/a/b");
        renames("dist/ => release/", "dist/a/b", "release/a/b");
        renames("target/*/app => bin/", "target/debug/app", "bin/debug/app");
        renames("**/*.xml => reports", "a/b.xml", "reports/a/b.xml");
        renames("dist/** => /", "dist/a/b", "a/b");
        renames("dist => .", "dist/a/b", "a/b");
        renames("out/app.tgz => app-1.tgz", "out/app.tgz", "app-1.tgz");
        renames("out/app.tgz => bin/", "out/app.tgz", "bin/app.tgz");
        renames("out/app.tgz => /", "out/app.tgz", "app.tgz");
        renames("a/* => ../../x", "a/b", "x/b");
        renames("a => b => c", "a", "b => c");
        renames("{a,b}/x => y", "b/x", "y/b/x");
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_name() {
        for (patterns, part) in [
            (&["[a"] as &[_], "[ is not closed"),
            (&["{a"], "{ is not closed"),
            (&["a}"], "} closes nothing"),
            (&["[z-a]"], "upside down"),
            (&["a\\"], "nothing follows"),
            (&[""], "empty"),
            (&["a", "!"], "empty"),
            (&["!a", "b"], "!a"),
            (&["a", "!b => c"], "no new name"),
        ] {
            let error = Patterns::parse(patterns).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(part), "{patterns:?}: {error}");
        }
    }

    #[test]
    fn a_walk_enters_no_folder_in_which_nothing_can_match() {
        let may =
            |pattern: &str, folder: &str| Pattern::parse(pattern).unwrap().may_match_below(folder);
        assert!(may("a/*/c", "a") && may("a/*/c", "a/b") && !may("a/*/c", "a/b/c"));
        assert!(!may("a/*/c", "b") && !may("*.txt", "a"));
        assert!(may("**/x", "a/b") && may("a/**", "a/b/c") && !may("a/**", "b"));
        assert!(may("{a/b,c}/x", "a") && may("{a/b,c}/x", "a/b"));
    }

    #[test]
    fn a_prefix_is_stripped_as_a_folder() {
        assert_eq!(stripped("a/b/c", "a/b/"), "c");
        assert_eq!(stripped("ab/c", "a"), "ab/c");
        assert_eq!(stripped("a", "a"), "a");
    }
}
