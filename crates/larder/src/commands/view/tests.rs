//! Scripted events, and the lines that a person reads.

use super::*;
use larder_agent::plan::JobEnd;
use larder_agent::run::{BuildSummary, NodeSummary, StepResult, WorkflowSummary};
use larder_protocol::{AnnouncedBuild, AnnouncedJob, JobState, StepState};
use std::io::Write;

/// Where a view writes in a test.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn view(style: Style) -> (RunView, Paper) {
    let paper = Paper::default();
    let screen = Screen::new(Box::new(paper.clone()), style);
    let view = RunView {
        screen: Arc::new(Mutex::new(screen)),
        moved: None,
    };
    (view, paper)
}

fn build(nodes: u32) -> AnnouncedBuild {
    let jobs = (0..nodes).map(|index| AnnouncedJob {
        id: format!("job-{index}"),
        name: "test".to_owned(),
        number: Some(7),
        index,
        token: String::new(),
    });
    AnnouncedBuild {
        id: "b".to_owned(),
        number: 3,
        url: "http://h:1/local/me/x/builds/3".to_owned(),
        jobs: jobs.collect(),
    }
}

fn result(seq: u32, name: &str, state: StepState, exit_status: Option<i32>) -> StepResult {
    StepResult {
        seq,
        name: name.to_owned(),
        state,
        exit_status,
        duration: Duration::from_millis(1_500),
    }
}

fn node(index: u32, outcome: JobState, steps: Vec<StepResult>) -> NodeSummary {
    NodeSummary {
        index,
        job_id: format!("job-{index}"),
        job_number: Some(7),
        outcome,
        exit_status: steps.iter().find_map(|step| step.exit_status),
        duration: steps.iter().map(|step| step.duration).sum(),
        steps,
        artifacts: Vec::new(),
        warnings: vec!["out/.env: a credential file, skipped".to_owned()],
        problems: Vec::new(),
    }
}

fn summary(nodes: Vec<NodeSummary>) -> JobSummary {
    JobSummary {
        job: "test".to_owned(),
        end: JobEnd::Success,
        build: BuildSummary {
            id: "b".to_owned(),
            number: 3,
            url: "http://h:1/local/me/x/builds/3".to_owned(),
        },
        nodes,
    }
}

#[test]
fn one_node_is_shown_as_it_speaks() {
    let (view, paper) = view(Style::default());
    view.show(&Event::Notice {
        text: "no namespace here",
    });
    view.show(&Event::Announced {
        workflow: None,
        build: &build(1),
    });
    begin(&view, 0, 0, "make\nmake test");
    say(&view, 0, 0, b"compil");
    say(&view, 0, 0, b"ing\n50%");
    let failed = result(0, "make\nmake test", StepState::Failed, Some(2));
    end(&view, 0, &failed);
    end(
        &view,
        0,
        &result(1, "deploy\u{1b}]0;x\u{7}", StepState::Skipped, None),
    );
    view.summarize(&summary(vec![node(0, JobState::Failed, vec![failed])]));
    assert_eq!(
        paper.text(),
        "note: no namespace here\n\
         build 3: http://h:1/local/me/x/builds/3\n\
         ── make…\n\
         compiling\n\
         50%\n\
         \x20  failed with exit status 2 in 1.5 s\n\
         ── deploy ]0;x : skipped\n\
         \n\
         test: failed with exit status 2 in 1.5 s, no artifacts kept\n\
         \x20 step `make…` failed with exit status 2; the end of its output:\n\
         \x20   compiling\n\
         \x20   50%\n\
         \x20 warning: out/.env: a credential file, skipped\n\
         artifacts: http://h:1/local/me/x/builds/3\n"
    );
}

#[test]
fn nodes_side_by_side_speak_in_whole_lines() {
    let (view, paper) = view(Style::default());
    view.show(&Event::Announced {
        workflow: None,
        build: &build(2),
    });
    begin(&view, 0, 0, "count");
    begin(&view, 1, 0, "count");
    say(&view, 0, 0, b"one");
    say(&view, 1, 0, b"uno\ndos\ntr");
    say(&view, 0, 0, b" and two\n\n");
    say(&view, 1, 0, b"es");
    end(&view, 1, &result(0, "count", StepState::Passed, Some(0)));
    end(&view, 0, &result(0, "count", StepState::TimedOut, None));
    assert_eq!(
        paper.text(),
        "build 3: http://h:1/local/me/x/builds/3\n\
         test[0] | ── count\n\
         test[1] | ── count\n\
         test[1] | uno\n\
         test[1] | dos\n\
         test[0] | one and two\n\
         test[0] |\n\
         test[1] | tres\n\
         test[1] |    passed in 1.5 s\n\
         test[0] |    timed out in 1.5 s\n"
    );
}

#[test]
fn a_step_in_the_background_does_not_tear_the_lines_of_another() {
    let (view, paper) = view(Style::default());
    view.show(&Event::Announced {
        workflow: None,
        build: &build(1),
    });
    begin(&view, 0, 0, "server");
    say(&view, 0, 0, b"listen");
    begin(&view, 0, 1, "tests");
    say(&view, 0, 1, b"test a");
    say(&view, 0, 0, b"ing\nrequest\n");
    say(&view, 0, 1, b" passed\n");
    end(&view, 0, &result(0, "server", StepState::Passed, None));
    end(&view, 0, &result(1, "tests", StepState::Passed, Some(0)));
    let text = paper.text();
    let lines: Vec<_> = text.lines().skip(1).collect();
    assert_eq!(
        lines,
        [
            "── server",
            "listen",
            "── tests",
            "ing",
            "request",
            "test a passed",
            "── server: passed in 1.5 s",
            "   passed in 1.5 s",
        ]
    );
}

#[test]
fn the_end_of_a_long_output_is_kept_and_no_more() {
    let (view, paper) = view(Style::default());
    view.show(&Event::Announced {
        workflow: None,
        build: &build(2),
    });
    begin(&view, 0, 0, "noise");
    // A line without an end is shown in pieces; a thousand lines leave twenty.
    say(&view, 0, 0, &vec![b'x'; 40 * 1024]);
    assert!(paper.text().contains("x\ntest[0] | x"), "in pieces");
    for number in 0..1_000 {
        say(
            &view,
            0,
            0,
            format!("\n\u{1b}[31mline\u{1b}[0m {number}").as_bytes(),
        );
    }
    let failed = result(0, "noise", StepState::Failed, Some(1));
    end(&view, 0, &failed);
    let before = paper.text().len();
    view.summarize(&summary(vec![node(0, JobState::Failed, vec![failed])]));
    let text = paper.text().split_off(before);
    let tail: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("    "))
        .collect();
    assert_eq!(tail.len(), 20, "{text}");
    assert_eq!((tail[0], tail[19]), ("    line 980", "    line 999"));
}

#[test]
fn many_links_are_counted_and_moved_ones_lead_where_they_will_be() {
    let (view, paper) = view(Style::default());
    let view = view.with_moved("http://h:1", "http://127.0.0.1:7878");
    let mut node = node(
        0,
        JobState::Passed,
        vec![result(0, "make", StepState::Passed, Some(0))],
    );
    node.artifacts = (10..35).map(file).collect();
    view.summarize(&summary(vec![node]));
    let text = paper.text();
    assert!(
        text.contains("test: passed in 1.5 s, 25 artifacts kept (25.00 kB)\n"),
        "{text}"
    );
    assert!(
        text.contains("  out/29  http://127.0.0.1:7878/out/29\n  … and 5 more\n"),
        "{text}"
    );
    assert!(!text.contains("http://h:1"), "{text}");
}

#[test]
fn a_summary_has_each_file_once_in_order_and_says_timed_out_where_that_is_the_reason() {
    let (view, paper) = view(Style::default());
    view.show(&Event::Announced {
        workflow: None,
        build: &build(1),
    });
    begin(&view, 0, 0, "hang");
    let hung = result(0, "hang", StepState::TimedOut, Some(143));
    end(&view, 0, &hung);
    let mut node = node(0, JobState::TimedOut, vec![hung]);
    node.artifacts = [2, 1, 2].map(file).into();
    view.summarize(&summary(vec![node]));
    let text = paper.text();
    for said in [
        "2 artifacts kept (2.00 kB)\n",
        "  step `hang` timed out; it printed nothing\n",
        "  out/1  http://h:1/out/1\n  out/2  http://h:1/out/2\nartifacts",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
}

#[test]
fn colours_say_what_words_say() {
    let (view, paper) = view(Style {
        has_colour: true,
        ..Style::default()
    });
    view.show(&Event::Announced {
        workflow: None,
        build: &build(2),
    });
    end(&view, 1, &result(0, "x", StepState::Failed, Some(1)));
    let last = "\x1b[36mtest[1] |\x1b[0m    \x1b[31mfailed with exit status 1\x1b[0m in 1.5 s\n";
    assert!(paper.text().ends_with(last), "{:?}", paper.text());
}

fn begin(view: &RunView, node: u32, seq: u32, name: &str) {
    view.show(&Event::StepStarted {
        id: &format!("job-{node}"),
        job: "test",
        node,
        seq,
        name,
    });
}

fn say(view: &RunView, node: u32, seq: u32, bytes: &[u8]) {
    view.show(&Event::Output {
        id: &format!("job-{node}"),
        job: "test",
        node,
        seq,
        bytes,
    });
}

fn end(view: &RunView, node: u32, step: &StepResult) {
    view.show(&Event::StepFinished {
        id: &format!("job-{node}"),
        job: "test",
        node,
        step,
    });
}

fn file(number: usize) -> larder_agent::artifacts::StoredFile {
    let path = format!("out/{number}");
    let artifact = serde_json::json!({
        "id": path, "number": 1, "job_id": "j", "build_id": "b", "path": path, "state": "finished", "size": 1000,
        "content_type": "text/plain", "sha1": null, "sha256": null, "created_at": "", "finished_at": null,
        "url": format!("http://h:1/{path}"),
    });
    larder_agent::artifacts::StoredFile {
        path,
        alias: None,
        sent_bytes: 0,
        warning: None,
        local: "/x".into(),
        size: 1_000,
        sha256: String::new(),
        artifact: serde_json::from_value(artifact).unwrap(),
    }
}

#[test]
fn jobs_of_a_workflow_are_told_apart_and_those_that_did_not_run_are_named() {
    let (view, paper) = view(Style::default());
    let mut announced = build(2);
    announced.jobs.push(AnnouncedJob {
        id: "d".to_owned(),
        name: "deploy\u{1b}[2J".to_owned(),
        number: None,
        index: 0,
        token: String::new(),
    });
    view.show(&Event::Announced {
        workflow: Some("all"),
        build: &announced,
    });
    let deploy = "deploy\u{1b}[2J";
    view.show(&Event::StepStarted {
        id: "d",
        job: deploy,
        node: 0,
        seq: 0,
        name: "push",
    });
    view.show(&Event::JobNotRun {
        workflow: Some("all"),
        job: "notify",
        reason: "test failed",
    });
    let failed = result(0, "make", StepState::Failed, Some(2));
    begin(&view, 1, 0, "make");
    say(&view, 1, 0, b"no rule\n");
    end(&view, 1, &failed);
    let jobs = vec![
        summary(vec![
            node(0, JobState::Passed, Vec::new()),
            node(1, JobState::Failed, vec![failed]),
        ]),
        JobSummary {
            job: "notify".to_owned(),
            end: JobEnd::NotRun,
            ..summary(Vec::new())
        },
    ];
    let build = jobs[0].build.clone();
    view.summarize_run(&RunSummary {
        workflows: vec![WorkflowSummary {
            name: Some("all".to_owned()),
            build,
            jobs,
        }],
    });
    assert_eq!(
        paper.text(),
        "build 3: http://h:1/local/me/x/builds/3\n\
         deploy [2J | ── push\n\
         ── notify is not run: test failed\n\
         test[1] | ── make\n\
         test[1] | no rule\n\
         test[1] |    failed with exit status 2 in 1.5 s\n\
         \n\
         test[0]: passed in 0.0 s, no artifacts kept\n\
         \x20 warning: out/.env: a credential file, skipped\n\
         test[1]: failed with exit status 2 in 1.5 s, no artifacts kept\n\
         \x20 step `make` failed with exit status 2; the end of its output:\n\
         \x20   no rule\n\
         \x20 warning: out/.env: a credential file, skipped\n\
         notify: not run\n\
         artifacts: http://h:1/local/me/x/builds/3\n"
    );
}

#[test]
fn a_terminal_is_told_what_is_silent_and_not_each_of_many_files() {
    let style = Style {
        is_terminal: true,
        ..Style::default()
    };
    let (view, paper) = view(style);
    view.show(&Event::Announced {
        workflow: None,
        build: &build(1),
    });
    begin(&view, 0, 0, "store");
    for number in 0..100 {
        let file = file(number);
        say(
            &view,
            0,
            0,
            format!("  Uploading /x/{number} (1000 B): DONE\n").as_bytes(),
        );
        view.show(&Event::Kept {
            id: "job-0",
            job: "test",
            node: 0,
            seq: 0,
            file: &file,
        });
    }
    say(&view, 0, 0, b"  Error: /x/100: it is a secret\n");
    let soon = Instant::now();
    view.screen().tick(soon);
    assert!(!view.screen().is_waiting());
    view.screen().tick(soon + Duration::from_secs(5));
    assert!(view.screen().is_waiting());
    end(&view, 0, &result(0, "store", StepState::Passed, None));
    assert!(!view.screen().is_waiting());
    let text = paper.text();
    let shown: Vec<_> = text.lines().skip(2).collect();
    assert_eq!(shown[20], "  Uploading /x/20 (1000 B): DONE");
    assert_eq!(
        shown[21..],
        [
            "  Error: /x/100: it is a secret",
            "  … and 79 more",
            "   passed in 1.5 s"
        ]
    );
}

#[test]
fn the_same_job_in_two_workflows_speaks_and_ends_apart() {
    let (view, paper) = view(Style::default());
    let mut runs = Vec::new();
    announce(&view, "w");
    announce(&view, "w2");
    for workflow in ["w", "w2"] {
        let id = format!("test of {workflow}");
        let (id, job) = (id.as_str(), "test");
        view.show(&Event::StepStarted {
            id,
            job,
            node: 0,
            seq: 0,
            name: "make",
        });
        view.show(&Event::Output {
            id,
            job,
            node: 0,
            seq: 0,
            bytes: format!("of {workflow}\n").as_bytes(),
        });
        let (state, status, outcome) = match workflow {
            "w" => (StepState::Failed, 2, JobState::Failed),
            _ => (StepState::Passed, 0, JobState::Passed),
        };
        let step = result(0, "make", state, Some(status));
        view.show(&Event::StepFinished {
            id,
            job,
            node: 0,
            step: &step,
        });
        let mut ended = node(0, outcome, vec![step]);
        id.clone_into(&mut ended.job_id);
        ended.warnings.clear();
        let job = summary(vec![ended]);
        runs.push(WorkflowSummary {
            name: Some(workflow.to_owned()),
            build: job.build.clone(),
            jobs: vec![job],
        });
    }
    view.show(&Event::JobNotRun {
        workflow: Some("w2"),
        job: "test2",
        reason: "canceled",
    });
    view.summarize_run(&RunSummary { workflows: runs });
    let text = paper.text();
    let lines: Vec<_> = text.lines().filter(|line| !line.contains("http")).collect();
    assert_eq!(
        lines,
        [
            "w/test | ── make",
            "w/test | of w",
            "w/test |    failed with exit status 2 in 1.5 s",
            "w2/test | ── make",
            "w2/test | of w2",
            "w2/test |    passed in 1.5 s",
            "── w2/test2 is not run: canceled",
            "",
            "w/test: failed with exit status 2 in 1.5 s, no artifacts kept",
            "  step `make` failed with exit status 2; the end of its output:",
            "    of w",
            "w2/test: passed in 1.5 s, no artifacts kept",
        ]
    );
}

fn announce(view: &RunView, workflow: &str) {
    let mut announced = build(1);
    announced.jobs[0].id = format!("test of {workflow}");
    view.show(&Event::Announced {
        workflow: Some(workflow),
        build: &announced,
    });
}
