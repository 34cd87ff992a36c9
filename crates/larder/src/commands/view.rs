//! What a person sees of a run: steps with their output as it comes, and what came of it. Plain lines where nobody
//! looks at a terminal.

mod screen;
mod step;
mod style;
mod summary;

#[cfg(test)]
mod tests;

use larder_agent::run::{Event, JobSummary, RunSummary};
use screen::{Screen, Who};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use style::{Style, plain_name};

/// How often a terminal is told what is running silently.
const TICK: Duration = Duration::from_millis(200);

/// Prints a run to the standard output as it happens. Clones print to the same place.
#[derive(Clone, Debug)]
pub(crate) struct RunView {
    screen: Arc<Mutex<Screen>>,
    /// Addresses that begin with the first are shown with the second instead.
    moved: Option<(String, String)>,
}

impl RunView {
    pub(crate) fn new() -> Self {
        let style = Style::of_standard_output();
        let screen = Arc::new(Mutex::new(Screen::new(Box::new(std::io::stdout()), style)));
        if style.is_terminal {
            tick(Arc::downgrade(&screen));
        }
        Self {
            screen,
            moved: None,
        }
    }

    /// Shows addresses below `from`, which end with this process, as the same below `to`.
    pub(crate) fn with_moved(mut self, from: &str, to: &str) -> Self {
        self.moved = Some((from.to_owned(), to.to_owned()));
        self
    }

    /// Prints one event.
    pub(crate) fn show(&self, event: &Event<'_>) {
        let mut screen = self.screen();
        match event {
            Event::Notice { text } => screen.notice(text),
            Event::Announced { workflow, build } => {
                let lanes = build
                    .jobs
                    .iter()
                    .map(|job| Who::new(&job.id, &job.name, job.index));
                screen.add_lanes(*workflow, lanes);
                screen.line(&format!(
                    "build {}: {}",
                    build.number,
                    self.link(&build.url)
                ));
            }
            Event::JobNotRun {
                workflow,
                job,
                reason,
            } => screen.not_run(*workflow, job, reason),
            Event::StepStarted {
                id,
                job,
                node,
                seq,
                name,
            } => screen.begin_step(Who::new(id, job, *node), *seq, name, Instant::now()),
            Event::Output {
                id,
                job,
                node,
                seq,
                bytes,
            } => screen.output(Who::new(id, job, *node), *seq, bytes, Instant::now()),
            Event::Kept {
                id,
                job,
                node,
                seq,
                file,
            } => screen.kept(Who::new(id, job, *node), *seq, file.size),
            Event::StepFinished {
                id,
                job,
                node,
                step,
            } => screen.end_step(Who::new(id, job, *node), step),
            _ => {}
        }
    }

    /// Prints what came of all jobs, with links to what was kept.
    pub(crate) fn summarize_run(&self, summary: &RunSummary) {
        let mut screen = self.screen();
        screen.line("");
        for workflow in &summary.workflows {
            for job in &workflow.jobs {
                self.summarize_job(&mut screen, workflow.name.as_deref(), job);
            }
            screen.line(&format!("artifacts: {}", self.link(&workflow.build.url)));
        }
    }

    /// Prints what came of one job.
    pub(crate) fn summarize(&self, job: &JobSummary) {
        let mut screen = self.screen();
        screen.line("");
        self.summarize_job(&mut screen, None, job);
        screen.line(&format!("artifacts: {}", self.link(&job.build.url)));
    }

    fn summarize_job(&self, screen: &mut Screen, workflow: Option<&str>, job: &JobSummary) {
        if job.nodes.is_empty() {
            let name = screen.name_of(workflow, &job.job);
            screen.line(&format!("{name}: not run"));
        }
        for node in &job.nodes {
            let failed = screen.failures_of(&node.job_id);
            let name = screen
                .label_of(&node.job_id)
                .unwrap_or_else(|| plain_name(&job.job));
            let link = |url: &str| self.link(url);
            for line in summary::of_node(&name, node, &failed, screen.style(), link) {
                screen.line(&line);
            }
        }
    }

    fn link(&self, url: &str) -> String {
        let moved = self.moved.as_ref();
        let page = moved.and_then(|(from, to)| Some((to, url.strip_prefix(from.as_str())?)));
        page.map_or_else(|| url.to_owned(), |(to, page)| format!("{to}{page}"))
    }

    fn screen(&self) -> MutexGuard<'_, Screen> {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the terminal now and then what is running, for as long as there is a view.
fn tick(screen: Weak<Mutex<Screen>>) {
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(TICK);
            let Some(screen) = screen.upgrade() else {
                return;
            };
            let mut screen = screen.lock().unwrap_or_else(PoisonError::into_inner);
            screen.tick(Instant::now());
        }
    });
}
