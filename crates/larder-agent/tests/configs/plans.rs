//! Right configs and their plans.

use crate::{assert_snapshot, check_all, configs, fixtures, show, table};
use larder_agent::plan::{ConfigError, Selection, Workflow, plan};
use std::collections::BTreeSet;
use std::fs;

/// Its plan is checked by a test of its own: a table of 150 jobs shows nobody anything.
const MATRIX: &str = "matrix-of-150-jobs.yml";

/// One section of the table: what is asked of a config, and the outline of the answer.
struct Section {
    file: String,
    words: Vec<(String, String)>,
    outline: Vec<String>,
    is_first: bool,
}

#[test]
fn every_config_is_read_as_the_table_says_and_as_before() {
    let sections = sections();
    let named: BTreeSet<String> = sections.iter().map(|s| s.file.clone()).collect();
    let mut found = configs("configs");
    assert!(found.len() >= 40, "{} configs", found.len());
    assert!(found.remove(MATRIX));
    assert_eq!(named, found);
    check_all(
        sections
            .into_iter()
            .map(|section| (section.title(), section)),
        |title, section| {
            let workflows = match read(&section) {
                Ok(workflows) => workflows,
                Err(error) => return section.is_refused(&error.to_string()),
            };
            assert_eq!(
                show::outline(&workflows),
                section.outline,
                "{title}: as read, and as the table says"
            );
            if section.is_first {
                let name = section.file.trim_end_matches(".yml");
                assert_snapshot("configs", name, &show::whole(&workflows));
            }
        },
    );
}

#[test]
fn a_matrix_of_150_jobs_is_150_jobs_in_order() {
    let text = fs::read_to_string(fixtures("configs").join(MATRIX)).unwrap();
    let workflows = plan(MATRIX, &text, &Selection::default()).unwrap();
    let [workflow] = workflows.as_slice() else {
        panic!("{} workflows", workflows.len())
    };
    let (collect, matrix) = workflow.jobs.split_last().unwrap();
    let names: Vec<&str> = matrix.iter().map(|job| job.plan.job.as_str()).collect();
    let mut expected = Vec::new();
    for arch in ["amd64", "arm64", "riscv64"] {
        expected.extend((1..=50).map(|suite| format!("{arch}-{suite}")));
    }
    let is_in_order = names.len() == 150 && names.iter().eq(expected.iter());
    assert!(is_in_order, "{names:?}");
    assert_eq!(collect.plan.job, "collect");
    let required: Vec<&str> = collect.requires.iter().map(|r| r.job.as_str()).collect();
    assert_eq!(required, names);
    let last = show::whole(&[Workflow {
        name: workflow.name.clone(),
        jobs: vec![matrix[149].clone()],
        notices: workflow.notices.clone(),
    }]);
    assert_snapshot("configs", "matrix-of-150-jobs-the-last", &last);
}

impl Section {
    fn title(&self) -> String {
        let words = self
            .words
            .iter()
            .map(|(key, value)| format!(" {key}={value}"));
        format!("{}{}", self.file, words.collect::<String>())
    }

    #[track_caller]
    fn is_refused(&self, said: &str) {
        let outline = self.outline.join(" ");
        let Some(words) = outline.strip_prefix("refused ") else {
            panic!("{said}")
        };
        assert!(said.contains(words), "{words:?} is not in: {said}");
    }

    fn selection(&self) -> Selection {
        let mut selection = Selection {
            project: Some("github/acme/demo".to_owned()),
            revision: Some("8a1f60e5d1b3c2a4f5968778695a4b3c2d1e0f12".to_owned()),
            repository_url: Some("https://github.com/acme/demo".to_owned()),
            ..Selection::default()
        };
        for (key, value) in &self.words {
            let value = value.clone();
            match key.split_once('.') {
                None if key == "branch" => selection.branch = Some(value),
                None if key == "tag" => selection.tag = Some(value),
                None if key == "job" => selection.job = Some(value),
                None if key == "workflow" => selection.workflow = Some(value),
                Some(("parameter", name)) => selection.parameters.push((name.to_owned(), value)),
                _ => panic!("{key}: no word of the table"),
            }
        }
        selection
    }
}

fn sections() -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for line in table("configs") {
        let Some(title) = line.strip_prefix("== ") else {
            sections.last_mut().unwrap().outline.push(line);
            continue;
        };
        let mut words = title.split_whitespace();
        let file = words.next().unwrap().to_owned();
        let words = words.map(|word| word.split_once('=').unwrap());
        sections.push(Section {
            words: words.map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
            outline: Vec::new(),
            is_first: sections.iter().all(|section| section.file != file),
            file,
        });
    }
    sections
}

fn read(section: &Section) -> Result<Vec<Workflow>, ConfigError> {
    let text = fs::read_to_string(fixtures("configs").join(&section.file)).unwrap();
    plan(&section.file, &text, &section.selection())
}
