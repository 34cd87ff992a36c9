//! Under which name a file is kept. The rules are those of `docs/api/circleci.md`:
//! one file with a destination gets exactly that name; with a trailing `/`, or for a folder, the
//! destination is the folder; without one, the path as written counts.

/// `path` and `destination` of a step, as written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Destination<'a> {
    pub(crate) path: &'a str,
    pub(crate) destination: Option<&'a str>,
}

impl Destination<'_> {
    /// Name of the artifact if `path` is a file called `file_name`.
    pub(crate) fn of_file(self, file_name: &str) -> String {
        let Some(destination) = self.destination else {
            return plain(self.path);
        };
        let folder = plain(destination);
        if folder.is_empty() {
            file_name.to_owned()
        } else if destination.ends_with('/') {
            format!("{folder}/{file_name}")
        } else {
            folder
        }
    }

    /// Name in front of a folder's files; empty if they are at the root.
    pub(crate) fn of_folder(self) -> String {
        plain(self.destination.unwrap_or(self.path))
    }
}

/// Without leading `/`, `.`, `..` and doubled or trailing `/`.
pub(crate) fn plain(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_kept_under_its_destination_or_its_path_as_written() {
        let check = |path: &str, destination: Option<&str>, expected: &str| {
            let name = path.rsplit('/').next().unwrap();
            assert_eq!(
                Destination { path, destination }.of_file(name),
                expected,
                "{path} {destination:?}"
            );
        };
        check("/tmp/artifact-1", Some("artifact-file"), "artifact-file");
        check("/tmp/artifact-1", Some("a/"), "a/artifact-1");
        check("/tmp/artifact-1", Some("/"), "artifact-1");
        check("/tmp/artifact-1", Some(""), "artifact-1");
        check("/tmp/artifact-1", Some("/a//b"), "a/b");
        check("/tmp/artifact-1", None, "tmp/artifact-1");
        check("~/babel/babel.min.js", None, "~/babel/babel.min.js");
        check("./a/./b", None, "a/b");
        check("../x/b", None, "x/b");
    }

    #[test]
    fn a_folders_files_are_kept_below_its_destination_or_its_path_as_written() {
        let check = |path: &str, destination: Option<&str>, expected: &str| {
            assert_eq!(
                Destination { path, destination }.of_folder(),
                expected,
                "{path} {destination:?}"
            );
        };
        check("/tmp/artifacts", None, "tmp/artifacts");
        check("doc/build/html/", None, "doc/build/html");
        check("~/out", None, "~/out");
        check("jekyll/_site/docs/", Some("circleci-docs"), "circleci-docs");
        check("dist", Some("/"), "");
        check(".", None, "");
    }
}
