//! How far a transfer is: a bar on a terminal, plain lines elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use larder_agent::artifacts::printable;
use std::cell::{Cell, OnceCell};
use std::io::IsTerminal as _;

/// One transfer of several files.
#[derive(Debug)]
pub(crate) struct Progress {
    verb: &'static str,
    bar: OnceCell<ProgressBar>,
    files: Cell<usize>,
    done: Cell<usize>,
}

impl Progress {
    /// `verb` says what happens to a file: "kept", "saved".
    pub(crate) fn new(verb: &'static str) -> Self {
        Self {
            verb,
            bar: OnceCell::new(),
            files: Cell::new(0),
            done: Cell::new(0),
        }
    }

    /// The number of files and their bytes are known.
    pub(crate) fn begin(&self, files: usize, bytes: u64) {
        self.files.set(files);
        if !std::io::stderr().is_terminal() {
            return;
        }
        let bar = ProgressBar::new(bytes);
        let template =
            "{bar:30} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {msg} {elapsed}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        let _ = self.bar.set(bar);
        self.count();
    }

    /// So many bytes are over.
    pub(crate) fn bytes(&self, bytes: u64) {
        if let Some(bar) = self.bar.get() {
            // What is sent again makes it more than there is.
            bar.set_position(bytes.min(bar.length().unwrap_or(bytes)));
        }
    }

    /// A file is done.
    pub(crate) fn line(&self, text: &str) {
        self.done.set(self.done.get() + 1);
        match self.bar.get() {
            Some(bar) => {
                bar.suspend(|| say!("{text}"));
                self.count();
            }
            None => say!("{text}"),
        }
    }

    /// Something that is no result.
    pub(crate) fn note(&self, text: &str) {
        let text = printable(text);
        match self.bar.get() {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }

    /// All files are done.
    pub(crate) fn end(&self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }

    fn count(&self) {
        if let Some(bar) = self.bar.get() {
            let (done, files) = (self.done.get(), self.files.get());
            bar.set_message(format!("{done}/{files} {}", self.verb));
        }
    }
}
