//! How far a transfer is: a bar on a terminal, plain lines elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use std::cell::OnceCell;
use std::io::IsTerminal as _;

/// One transfer of several files.
#[derive(Debug)]
pub(crate) struct Progress {
    verb: &'static str,
    bar: OnceCell<ProgressBar>,
}

impl Progress {
    /// `verb` says what happens to a file: "kept", "saved".
    pub(crate) fn new(verb: &'static str) -> Self {
        Self {
            verb,
            bar: OnceCell::new(),
        }
    }

    /// The number of files is known.
    pub(crate) fn begin(&self, files: usize) {
        if !std::io::stderr().is_terminal() {
            return;
        }
        let bar = ProgressBar::new(files as u64).with_message(self.verb);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} {elapsed}") {
            bar.set_style(style);
        }
        let _ = self.bar.set(bar);
    }

    /// A file is done.
    pub(crate) fn line(&self, text: &str) {
        match self.bar.get() {
            Some(bar) => {
                bar.suspend(|| say!("{text}"));
                bar.inc(1);
            }
            None => say!("{text}"),
        }
    }

    /// Something that is no result.
    pub(crate) fn note(&self, text: &str) {
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
}
