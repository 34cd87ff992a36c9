//! Every command explains itself.

use crate::support::run;

/// Commands whose help ends with examples.
const WITH_EXAMPLES: &[&str] = &[
    "serve",
    "demo",
    "run",
    "upload",
    "download",
    "list",
    "search",
    "shasum",
    "delete",
    "build start",
    "build finish",
    "admin",
    "admin audit",
    "admin user create",
    "admin user password",
    "admin user reset",
    "admin user disable",
    "admin user enable",
    "admin project rename",
    "admin project delete",
    "admin project limit",
    "admin build delete",
];

#[test]
fn every_command_has_help_and_those_of_daily_use_have_examples() {
    let commands = all_below("");
    assert!(commands.len() > 20, "{commands:?}");
    for command in WITH_EXAMPLES {
        assert!(
            commands.iter().any(|known| known == command),
            "no `{command}` in {commands:?}"
        );
        let help = help_of(command);
        let (_, examples) = help
            .split_once("Example")
            .unwrap_or_else(|| panic!("{command}: {help}"));
        assert!(examples.contains("larder "), "{command}: {help}");
    }
    let version = run(&["--version"]).is(0).stdout;
    assert_eq!(version, concat!("larder ", env!("CARGO_PKG_VERSION"), "\n"));
}

/// Every command below `parent`, as their help lists them.
fn all_below(parent: &str) -> Vec<String> {
    let help = help_of(parent);
    assert!(help.contains("Usage: larder"), "{parent}: {help}");
    let Some((_, listed)) = help.split_once("\nCommands:\n") else {
        return Vec::new();
    };
    let (listed, _) = listed.split_once("\n\n").unwrap_or((listed, ""));
    let names = listed
        .lines()
        .filter(|line| !line.starts_with("    "))
        .filter_map(|line| line.split_whitespace().next());
    let mut found = Vec::new();
    for name in names.filter(|name| *name != "help") {
        let command = format!("{parent} {name}").trim().to_owned();
        found.extend(all_below(&command));
        found.push(command);
    }
    found
}

fn help_of(command: &str) -> String {
    let words: Vec<_> = command.split_whitespace().chain(["--help"]).collect();
    run(&words).is(0).stdout
}
