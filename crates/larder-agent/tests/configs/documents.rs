//! The examples in the source documents themselves, and that the samples are these examples.

use crate::show;
use larder_agent::plan::{ConfigError, Position, Selection, Workflow, plan};
use std::fs;
use std::path::{Path, PathBuf};

/// The three pages of CircleCI's that show configs.
const PAGES: [&str; 3] = ["000.txt", "001.txt", "002.txt"];

#[test]
fn every_example_of_the_documents_is_the_plan_that_its_page_describes() {
    for page in PAGES {
        let example = &blocks(page, "YAML")[0];
        let workflows = read(example).unwrap();
        assert_eq!(
            show::outline(&workflows),
            ["no workflow", "build 3 2"],
            "{page}"
        );
        let whole = show::whole(&workflows);
        assert!(whole.contains("in /tmp\n"), "{page}: {whole}");
        assert!(
            whole.contains("\"/tmp/artifact-1\" as \"artifact-file\""),
            "{page}: {whole}"
        );
        assert!(
            whole.contains("     \"/tmp/artifacts\"\n"),
            "{page}: {whole}"
        );
    }
}

#[test]
fn the_documents_broken_example_is_refused_by_place_and_cause() {
    let error = read(&core_dump_example()).unwrap_err();
    let place = Position {
        line: 12,
        column: 11,
    };
    assert_eq!(error.position, Some(place), "{error}");
    let said = error.to_string();
    assert!(
        said.contains("line 11: this comment is indented less"),
        "{said}"
    );
    let caret = "12 |           ulimit -c unlimited\n   |           ^";
    assert!(said.contains(caret), "{said}");

    let workflows = read(&mended(&core_dump_example())).unwrap();
    assert_eq!(show::outline(&workflows), ["no workflow", "build 5 1"]);
}

#[test]
fn the_samples_are_the_documents_examples() {
    for page in PAGES {
        assert_eq!(blocks(page, "YAML")[0], sample("artifacts.yml"), "{page}");
    }
    assert_eq!(mended(&core_dump_example()), sample("core-dump.yml"));
    // Shown with spaces, where `make` wants a tab.
    let makefile = blocks("001.txt", "")[0].replace("\n  gcc", "\n\tgcc");
    assert_eq!(makefile, sample("core-dump/Makefile"));
    assert_eq!(blocks("001.txt", "C")[0], sample("core-dump/main.c"));
}

fn read(text: &str) -> Result<Vec<Workflow>, ConfigError> {
    plan("config.yml", text, &Selection::default())
}

fn core_dump_example() -> String {
    blocks("001.txt", "YAML").remove(1)
}

/// With its one comment indented like the text that it stands in.
fn mended(example: &str) -> String {
    let mended = example.replace("\n    # tell", "\n          # tell");
    assert_ne!(mended, example);
    mended
}

/// The blocks between lines of three backticks and a word, without the indentation of the whole block.
fn blocks(page: &str, word: &str) -> Vec<String> {
    let page = repository()
        .join("tests/fixtures/source-documents")
        .join(page);
    let text = fs::read_to_string(page).unwrap();
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String, String)> = None;
    for line in text.lines() {
        let inner = line.trim_start();
        match (&mut open, inner.strip_prefix("```")) {
            (None, Some(word)) => {
                open = Some((line.len() - inner.len(), word.to_owned(), String::new()));
            }
            (None, None) => {}
            (Some((indent, _, block)), None) => {
                *block += line.get(*indent..).unwrap_or_default();
                block.push('\n');
            }
            (Some(_), Some(_)) => {
                let (_, found, block) = open.take().unwrap();
                if found == word {
                    blocks.push(block);
                }
            }
        }
    }
    blocks
}

fn sample(name: &str) -> String {
    fs::read_to_string(repository().join("samples").join(name)).unwrap()
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
