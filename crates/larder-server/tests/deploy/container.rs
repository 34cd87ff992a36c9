//! No container is built here, so what can be read of its file is: paths, names and the user.

use crate::{root, text};
use larder_server::config::Config;

/// The instructions of the file, each on one line.
fn instructions() -> Vec<(String, String)> {
    let joined = text("deploy/Dockerfile").replace("\\\n", " ");
    let lines = joined.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let split = |line: &str| {
        let (word, rest) = line.split_once(' ').unwrap();
        (word.to_owned(), rest.trim().to_owned())
    };
    lines.map(split).collect()
}

#[test]
fn what_the_container_copies_is_there_and_is_not_ignored() {
    let ignore = text("deploy/Dockerfile.dockerignore");
    let kept: Vec<_> = ignore
        .lines()
        .filter_map(|line| line.strip_prefix('!'))
        .collect();
    let mut copied = Vec::new();
    for (word, rest) in instructions() {
        if word != "COPY" || rest.starts_with("--from=build") {
            continue;
        }
        let words: Vec<_> = rest.split_whitespace().collect();
        copied.extend(
            words[..words.len() - 1]
                .iter()
                .map(|word| (*word).to_owned()),
        );
    }
    assert!(copied.len() >= 6, "{copied:?}");
    for path in &copied {
        assert!(root().join(path).exists(), "{path} is not there");
        assert!(kept.contains(&path.as_str()), "{path} is ignored");
    }
    for path in kept {
        assert!(copied.contains(&path.to_owned()), "{path} is not copied");
    }
}

#[test]
fn the_container_has_all_that_the_sources_include() {
    // Sources are in `crates`; what they include from elsewhere must be copied too.
    let mut folders = vec![root().join("crates")];
    let copied: Vec<_> = instructions()
        .into_iter()
        .filter(|(word, _)| word == "COPY")
        .flat_map(|(_, rest)| {
            rest.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    let mut included = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_source = !path.components().any(|part| {
                let name = part.as_os_str();
                name == "tests" || name == "tests.rs"
            });
            if path.is_dir() {
                folders.push(path);
            } else if is_source && path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let text = text.split("#[cfg(test)]").next().unwrap();
                let crates = path.strip_prefix(root().join("crates")).unwrap();
                let depth = crates.components().count();
                let outward = format!("include_str!(\"{}", "../".repeat(depth));
                for part in text.split(&outward).skip(1) {
                    let first = part.split(['/', '"']).next().unwrap().to_owned();
                    assert!(copied.contains(&first), "{} needs {first}", path.display());
                    included += 1;
                }
            }
        }
    }
    assert!(included > 0, "the demo includes its samples");
}

#[test]
fn the_container_runs_as_nobody_special_and_asks_itself_whether_it_is_ready() {
    let instructions = instructions();
    let of = |word: &str| {
        let found = instructions.iter().rev().find(|(known, _)| known == word);
        found.unwrap_or_else(|| panic!("no {word}")).1.clone()
    };
    assert_eq!(of("USER"), "10001:10001");
    assert!(of("HEALTHCHECK").ends_with("CMD [\"/usr/local/bin/larder\", \"ready\"]"));
    assert_eq!(of("ENTRYPOINT"), "[\"/usr/local/bin/larder\"]");
    let binary = "COPY --from=build /src/target/dist/larder /usr/local/bin/larder";
    assert!(text("deploy/Dockerfile").contains(binary));
    let known = Config::variables();
    let mut data = None;
    for setting in of("ENV").split_whitespace() {
        let (name, value) = setting.split_once('=').unwrap();
        assert!(known.contains(&name.to_owned()), "{name} is no setting");
        if name == "LARDER__DATA" {
            data = Some(value.to_owned());
        }
    }
    assert_eq!(data, Some(of("VOLUME")));
    // The profile and the version that the workspace has.
    let manifest = text("Cargo.toml");
    assert!(manifest.contains("[profile.dist]"));
    let version = manifest.split("rust-version = \"").nth(1).unwrap();
    let version = version.split('"').next().unwrap();
    assert!(
        instructions[0].1.starts_with(&format!("rust:{version}-")),
        "{}",
        instructions[0].1
    );
}
