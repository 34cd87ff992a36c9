//! Which files an upload's patterns mean, and under which names they are kept.

use super::collect::{Collect, EmptyFolder, Found, OWN_FOLDERS};
use super::destination::{Destination, plain};
use super::pattern::{Kind, Pattern, Patterns, joined, stripped};
use super::upload::UploadOptions;
use super::view::View;
use crate::error::{Error, Result};
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

/// What an upload is about to keep.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    /// In the order in which they were found, no name twice.
    pub(crate) files: Vec<Found>,
    pub(crate) empty_folders: Vec<EmptyFolder>,
    /// What was left out, and why.
    pub(crate) warnings: Vec<String>,
    /// Patterns that mean nothing, said in sentences.
    pub(crate) unmatched: Vec<String>,
}

/// Looks for the files; blocks.
pub(crate) fn select(options: &UploadOptions) -> Result<Selection> {
    let base = options
        .base
        .canonicalize()
        .map_err(Error::io(options.base.display().to_string()))?;
    let patterns = Patterns::parse(&options.patterns)?;
    let rules = patterns.rules();
    let is_alone = rules.iter().filter(|rule| !rule.is_exclusion).count() == 1;
    let mut names = Names::default();
    let mut selection = Selection::default();
    for (place, rule) in rules.iter().enumerate() {
        if rule.is_exclusion {
            continue;
        }
        let excluded = rules[place + 1..].iter().filter(|rule| rule.is_exclusion);
        let view = View::default();
        let mut collect = Collect::new(&view, vec![base.clone()], options.include_all);
        collect.excluded = excluded.collect();
        let root = rooted(&base, &rule.text, options.home.as_deref());
        let kind = take(&mut collect, rule, &base, &root, options.home.as_deref());
        if collect.files.is_empty() && collect.empty_folders.is_empty() {
            selection.unmatched.push(format!(
                "{}: no file matches in {}",
                rule.text,
                base.display()
            ));
        }
        let name_of = |name: &str| named(options, rule, kind, name, is_alone);
        for found in collect.files {
            names.add(found.path.clone(), name_of(&found.path), found)?;
        }
        let folders = collect.empty_folders.into_iter().map(|folder| EmptyFolder {
            path: name_of(&folder.path),
            ..folder
        });
        selection
            .empty_folders
            .extend(folders.filter(|folder| !folder.path.is_empty()));
        selection.warnings.append(&mut collect.warnings);
    }
    selection.files = names.files;
    Ok(selection)
}

/// Files by the names that they were found under; a later pattern decides again about one.
#[derive(Default)]
struct Names {
    files: Vec<Found>,
    by_found: HashMap<String, usize>,
    by_new: HashMap<String, usize>,
}

impl Names {
    fn add(&mut self, found_as: String, path: String, found: Found) -> Result<()> {
        if path.is_empty() {
            return Err(Error::Usage(format!(
                "{found_as}: nothing is left of its name"
            )));
        }
        let place = self.by_found.get(&found_as).copied();
        if let Some(&other) = self.by_new.get(&path)
            && Some(other) != place
        {
            let other = &self.files[other];
            if other.local == found.local {
                return Ok(());
            }
            return Err(Error::Usage(format!(
                "{} and {} would both be kept as {path}; give one of them another name",
                other.local.display(),
                found.local.display()
            )));
        }
        let place = if let Some(place) = place {
            self.by_new.remove(&self.files[place].path);
            self.files[place].path.clone_from(&path);
            place
        } else {
            self.files.push(Found {
                path: path.clone(),
                ..found
            });
            self.files.len() - 1
        };
        self.by_found.insert(found_as, place);
        self.by_new.insert(path, place);
        Ok(())
    }
}

/// A pattern that names an existing file or folder is that file or folder; any other is a glob.
fn take<'a>(
    collect: &mut Collect<'a>,
    rule: &'a Pattern,
    base: &Path,
    path: &Path,
    home: Option<&Path>,
) -> Kind {
    if let Ok(resolved) = collect.view.resolve(path) {
        let own = resolved.strip_prefix(base).is_ok_and(|inner| {
            inner
                .iter()
                .any(|part| OWN_FOLDERS.iter().any(|own| part == *own))
        });
        if own {
            collect.warn(format!("{}: a folder of Larder itself, skipped", rule.text));
        } else if leads_out(collect, base, path, &resolved) {
            collect.warn(outside(rule, &resolved));
        } else if resolved.is_dir() {
            collect.folder(&resolved, &rule.name);
            return Kind::Below;
        } else {
            collect.file(&resolved, rule.name.clone());
        }
        return Kind::File;
    }
    let path = rooted(base, &rule.root, home);
    let Ok(root) = collect.view.resolve(&path) else {
        return Kind::Glob;
    };
    if leads_out(collect, base, &path, &root) {
        collect.warn(outside(rule, &root));
        return Kind::Glob;
    }
    collect.wanted = Some(rule);
    collect.folder(&root, &rule.fixed);
    Kind::Glob
}

/// Whether a symbolic link takes what is named from where its name says that it is: out of the working directory, or of
/// the folder that a name from outside of it is in. Somebody may have put the link there who must not read that.
fn leads_out(collect: &Collect<'_>, base: &Path, path: &Path, resolved: &Path) -> bool {
    if resolved.starts_with(base) {
        return false;
    }
    let is_climbing = path.components().any(|it| it == Component::ParentDir);
    if !is_climbing && path.starts_with(base) {
        return true;
    }
    let (Some(parent), Some(_)) = (path.parent(), path.file_name()) else {
        return false;
    };
    let parent = collect.view.resolve(parent);
    !parent.is_ok_and(|parent| resolved.starts_with(parent))
}

fn outside(rule: &Pattern, resolved: &Path) -> String {
    let to = resolved.display();
    format!(
        "{}: a link leads outside, to {to}, skipped; to keep that, name it by its own path",
        rule.text
    )
}

/// The name of an artifact.
fn named(
    options: &UploadOptions,
    rule: &Pattern,
    kind: Kind,
    name: &str,
    is_alone: bool,
) -> String {
    let destination = options.destination.as_deref();
    let name = if rule.has_target() {
        rule.renamed(name, kind)
    } else {
        stripped(name, options.strip.as_deref().unwrap_or_default()).to_owned()
    };
    if kind == Kind::File && is_alone && !rule.has_target() {
        let file_name = name.rsplit('/').next().unwrap_or_default().to_owned();
        return Destination {
            path: &name,
            destination,
        }
        .of_file(&file_name);
    }
    joined(&plain(destination.unwrap_or_default()), &name)
}

fn rooted(base: &Path, path: &str, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix('~'), home) {
        (Some(""), Some(home)) => home.to_owned(),
        (Some(rest), Some(home)) if rest.starts_with('/') => {
            home.join(rest.trim_start_matches('/'))
        }
        _ => base.join(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::{Server, ServerAddress};
    use std::os::unix::fs::symlink;

    fn options(base: &Path, patterns: &[&str]) -> UploadOptions {
        let address = ServerAddress {
            url: "http://127.0.0.1:1".into(),
            token: "t".into(),
            ca_pem: None,
        };
        UploadOptions::new(Server::new(&address).unwrap(), "", base, patterns)
    }

    fn tree() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in [
            "dist/app.tar.gz",
            "dist/sub/b.txt",
            "dist/.hidden",
            "log/a.txt",
            "top.txt",
            "odd [1].txt",
        ] {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, file).unwrap();
        }
        std::fs::create_dir_all(folder.path().join("dist/empty/inner")).unwrap();
        folder
    }

    fn names(selection: &Selection) -> Vec<&str> {
        let files = selection.files.iter().map(|found| found.path.as_str());
        files.collect()
    }

    #[test]
    fn patterns_select_files_each_once() {
        let tree = tree();
        let check = |patterns: &[&str], destination: Option<&str>, expected: &[&str]| {
            let mut options = options(tree.path(), patterns);
            options.destination = destination.map(str::to_owned);
            let selection = select(&options).unwrap();
            assert_eq!(names(&selection), expected, "{patterns:?} {destination:?}");
            assert_eq!(selection.warnings, [""; 0]);
            assert_eq!(selection.unmatched, [""; 0]);
        };
        check(
            &["dist"],
            None,
            &["dist/.hidden", "dist/app.tar.gz", "dist/sub/b.txt"],
        );
        check(&["dist/*"], None, &["dist/.hidden", "dist/app.tar.gz"]);
        check(
            &["**/*.txt", "!odd*"],
            None,
            &["dist/sub/b.txt", "log/a.txt", "top.txt"],
        );
        check(
            &["{log,dist/sub}/*.txt", "top.txt", "./top.txt"],
            None,
            &["dist/sub/b.txt", "log/a.txt", "top.txt"],
        );
        check(
            &["dist/**", "!**/.hidden"],
            Some("release"),
            &["release/dist/app.tar.gz", "release/dist/sub/b.txt"],
        );
        check(&["odd [1].txt"], None, &["odd [1].txt"]);
        check(&["top.txt"], Some("renamed.txt"), &["renamed.txt"]);
        check(&["top.txt"], Some("in/"), &["in/top.txt"]);
        check(&["dist/s*/* => out/"], Some("x"), &["x/out/sub/b.txt"]);
        check(&["log", "log/a.txt => first.txt"], None, &["first.txt"]);
    }

    #[test]
    fn a_prefix_is_stripped_and_an_absolute_or_home_path_keeps_its_name() {
        let tree = tree();
        let root = tree.path().canonicalize().unwrap();
        let mut upload = options(&root, &["dist/sub", "top.txt"]);
        upload.strip = Some("dist".into());
        assert_eq!(names(&select(&upload).unwrap()), ["sub/b.txt", "top.txt"]);
        let absolute = format!("{}/log/*", root.display());
        let upload = options(&root, &[&absolute]);
        let expected = format!("{}/log/a.txt", root.display());
        assert_eq!(names(&select(&upload).unwrap()), [&expected[1..]]);
        let mut upload = options(&root.join("dist"), &["~/log/*", "../top.txt"]);
        upload.home = Some(root.clone());
        assert_eq!(names(&select(&upload).unwrap()), ["~/log/a.txt", "top.txt"]);
    }

    #[test]
    fn empty_folders_are_kept_with_whole_trees() {
        let tree = tree();
        let folders = |patterns: &[&str]| -> Vec<String> {
            let selection = select(&options(tree.path(), patterns)).unwrap();
            selection
                .empty_folders
                .into_iter()
                .map(|it| it.path)
                .collect()
        };
        assert_eq!(folders(&["dist"]), ["dist/empty/inner"]);
        assert_eq!(folders(&["dist/** => x"]), ["x/empty/inner"]);
        assert_eq!(folders(&["dist/empty"]), ["dist/empty/inner"]);
        assert_eq!(folders(&["dist/*/*"]), [""; 0]);
    }

    #[test]
    fn what_means_nothing_is_said_and_what_clashes_is_refused() {
        let tree = tree();
        let selection = select(&options(tree.path(), &["nothing-*", "top.txt"])).unwrap();
        assert_eq!(names(&selection), ["top.txt"]);
        let said = selection.unmatched.join(" ");
        assert!(
            said.starts_with("nothing-*: no file matches in /"),
            "{said}"
        );
        let patterns = ["top.txt => x", "log/a.txt => x"];
        let error = select(&options(tree.path(), &patterns))
            .unwrap_err()
            .to_string();
        for part in ["top.txt", "log/a.txt", "kept as x"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_link_that_is_named_leads_no_further_than_one_that_is_found() {
        let tree = tree();
        let root = tree.path().canonicalize().unwrap();
        let work = root.join("dist");
        symlink("../top.txt", work.join("report")).unwrap();
        symlink("../log", work.join("logs")).unwrap();
        symlink("sub", work.join("inner")).unwrap();
        symlink("/etc", root.join("etc")).unwrap();
        let outer = format!("{}/etc/passwd", root.display());
        let etc = format!("{}/etc/*", root.display());
        for pattern in ["report", "logs", "logs/a.txt", "logs/*", "../etc", &etc] {
            let selection = select(&options(&work, &[pattern])).unwrap();
            assert_eq!(names(&selection), [""; 0], "{pattern}");
            let said = selection.warnings.join(" ");
            assert!(said.contains("leads outside, to /"), "{pattern}: {said}");
        }
        // What the user names from outside of the folder is the user's choice, and so is the way there.
        for pattern in ["inner", "inner/b.txt", "../top.txt", "../log", &outer] {
            let selection = select(&options(&work, &[pattern])).unwrap();
            assert_eq!(names(&selection).len(), 1, "{pattern}");
            assert_eq!(selection.warnings, [""; 0], "{pattern}");
        }
    }

    #[test]
    fn warnings_are_about_what_the_pattern_means() {
        let tree = tree();
        std::fs::write(tree.path().join(".netrc"), "").unwrap();
        std::fs::create_dir(tree.path().join(".git")).unwrap();
        symlink("/etc", tree.path().join("outer")).unwrap();
        let warnings = |patterns: &[&str]| {
            let options = options(tree.path(), patterns);
            select(&options).unwrap().warnings
        };
        assert_eq!(warnings(&["*.txt"]), [""; 0]);
        assert_eq!(warnings(&["**", "!.git", "!outer", "!.netrc"]), [""; 0]);
        assert_eq!(warnings(&["**"]).len(), 3, "{:?}", warnings(&["**"]));
    }
}
