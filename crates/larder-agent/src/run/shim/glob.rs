//! `circleci tests glob`: the files that patterns mean, as the documentation describes it: `*` and
//! `?` stay within a folder's name, `**` reaches any depth, `[…]` and `{a,b}` choose.

use globset::GlobBuilder;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// The files that match any of the patterns, sorted, each once.
pub(super) fn find(patterns: &[&str]) -> Result<Vec<PathBuf>, String> {
    find_in(Path::new(""), patterns)
}

fn find_in(base: &Path, patterns: &[&str]) -> Result<Vec<PathBuf>, String> {
    // By the bytes of the whole path, as `sort` in a job does it.
    let mut found: BTreeSet<OsString> = BTreeSet::new();
    for pattern in patterns {
        let pattern = plain(pattern);
        let wanted = GlobBuilder::new(&pattern)
            .literal_separator(true)
            .backslash_escape(true)
            .build()
            .map_err(|error| format!("tests glob: {pattern}: {}", error.kind()))?
            .compile_matcher();
        let start = fixed_start(&pattern);
        let root = match base.join(&start) {
            root if root.as_os_str().is_empty() => PathBuf::from("."),
            root => root,
        };
        // Links are entries of their own and are not walked through, so that no walk goes in circles.
        let walk = ignore::WalkBuilder::new(&root)
            .standard_filters(false)
            .max_depth(depth(&pattern, &start))
            .build();
        for entry in walk.flatten().filter(|entry| entry.path().is_file()) {
            let Ok(rest) = entry.path().strip_prefix(&root) else {
                continue;
            };
            let path = if rest.as_os_str().is_empty() {
                start.clone()
            } else {
                start.join(rest)
            };
            if wanted.is_match(&path) {
                found.insert(path.into());
            }
        }
    }
    Ok(found.into_iter().map(PathBuf::from).collect())
}

/// Without `.` and doubled `/`.
fn plain(pattern: &str) -> String {
    let root = if pattern.starts_with('/') { "/" } else { "" };
    let parts: Vec<&str> = pattern
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    format!("{root}{}", parts.join("/"))
}

/// The folders before the first one that is a pattern.
fn fixed_start(pattern: &str) -> PathBuf {
    let is_fixed = |part: &Component<'_>| {
        let part = part.as_os_str().to_string_lossy();
        !part.contains(['*', '?', '[', ']', '{', '}', '\\'])
    };
    Path::new(pattern)
        .components()
        .take_while(is_fixed)
        .collect()
}

/// How far below its start files can match; no limit for `**` and where braces may hold folders.
fn depth(pattern: &str, start: &Path) -> Option<usize> {
    let is_simple = !pattern.contains("**") && !pattern.contains(['{', '\\']);
    let parts = |path: &Path| path.components().count();
    is_simple.then(|| parts(Path::new(pattern)) - parts(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_the_documentation_says() {
        let folder = tempfile::tempdir().unwrap();
        for file in [
            "a.go",
            "a/b.go",
            "a/c/d.go",
            "a/c/d.rs",
            "a/.hidden/e.go",
            "spec/one_spec.rb",
            "spec/x/two_spec.rb",
            "spec/x/2.rb",
            "with space/f.go",
        ] {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        std::os::unix::fs::symlink("..", folder.path().join("a/up")).unwrap();
        let check = |patterns: &[&str], expected: &[&str]| {
            let found = find_in(folder.path(), patterns).unwrap();
            let found: Vec<_> = found.iter().map(|path| path.to_str().unwrap()).collect();
            assert_eq!(found, expected, "{patterns:?}");
        };
        let all_go = [
            "a.go",
            "a/.hidden/e.go",
            "a/b.go",
            "a/c/d.go",
            "with space/f.go",
        ];
        check(&["**/*.go"], &all_go);
        check(&["./**/*.go", "*.go"], &all_go);
        check(&["*.go"], &["a.go"]);
        check(&["a/*.go"], &["a/b.go"]);
        check(&["a//**/d.??"], &["a/c/d.go", "a/c/d.rs"]);
        check(&["a/**/*.go"], &["a/.hidden/e.go", "a/b.go", "a/c/d.go"]);
        check(
            &["spec/**/*_spec.rb"],
            &["spec/one_spec.rb", "spec/x/two_spec.rb"],
        );
        check(
            &["{a,spec/x}/*.{go,rb}"],
            &["a/b.go", "spec/x/2.rb", "spec/x/two_spec.rb"],
        );
        check(
            &["spec/x/[0-9].rb", "spec/x/[!0-9]*"],
            &["spec/x/2.rb", "spec/x/two_spec.rb"],
        );
        check(&["with space/*"], &["with space/f.go"]);
        check(&["a.go", "a"], &["a.go"]);
        check(&["no/such/**"], &[]);
        check(&[], &[]);
        assert!(
            find_in(folder.path(), &["a[", "b"])
                .unwrap_err()
                .contains("a[")
        );
    }

    #[test]
    fn a_pattern_may_lead_outside_of_the_current_folder() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("x.txt"), "").unwrap();
        let pattern = format!("{}/*.txt", folder.path().display());
        assert_eq!(find(&[&pattern]).unwrap(), [folder.path().join("x.txt")]);
    }
}
