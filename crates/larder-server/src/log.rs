//! The log: lines of text or of JSON on the standard error output, without secrets and without control characters.

mod scrub;

use std::io::{self, Write};

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

pub use scrub::scrub;

use crate::config::{LogConfig, LogFormat, LogLevel};

/// Begins to log, for the whole process. Whoever logs already goes on (in a test).
pub fn begin(config: LogConfig) {
    let _ = tracing::subscriber::set_global_default(subscriber(config, io::stderr));
}

/// What [`begin`] installs, with another place to write to.
pub fn subscriber<W>(config: LogConfig, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt()
        .with_max_level(level(config.level))
        .with_ansi(false)
        .with_writer(Scrubbing(writer));
    match config.format {
        LogFormat::Text => Box::new(builder.finish()),
        LogFormat::Json => Box::new(builder.json().flatten_event(true).finish()),
    }
}

fn level(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

/// Makes writers that scrub what passes.
struct Scrubbing<W>(W);

/// Gets each line whole: the formatter writes a line at once.
struct ScrubbingWriter<W>(W);

impl<'writer, W: MakeWriter<'writer>> MakeWriter<'writer> for Scrubbing<W> {
    type Writer = ScrubbingWriter<W::Writer>;

    fn make_writer(&'writer self) -> Self::Writer {
        ScrubbingWriter(self.0.make_writer())
    }
}

impl<W: Write> Write for ScrubbingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let mut clean = scrub(line);
        clean.push('\n');
        self.0.write_all(clean.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, message: &str) -> String {
        let memory = Memory::default();
        let writer = memory.clone();
        let config = LogConfig {
            format,
            level: LogLevel::Info,
        };
        tracing::subscriber::with_default(subscriber(config, move || writer.clone()), || {
            tracing::info!(agent = message, "seen {message}");
        });
        String::from_utf8(memory.0.lock().unwrap().clone()).unwrap()
    }

    const HOSTILE: [&str; 7] = [
        "a\r\nINFO forged",
        "\u{1b}[31mred\u{1b}[0m",
        "c1 \u{9b}31m and \u{85}next",
        "bidi \u{202e}evil\u{2066}",
        "quote \" backslash \\ brace }",
        "nul \0 bell \u{7} delete \u{7f}",
        "line \u{2028} paragraph \u{2029}",
    ];

    #[test]
    fn each_event_is_one_line_of_json_without_control_characters() {
        for message in HOSTILE
            .map(str::to_owned)
            .into_iter()
            .chain([HOSTILE.concat().repeat(1000)])
        {
            let line = logged(LogFormat::Json, &message);
            assert_eq!(line.matches('\n').count(), 1);
            assert!(!line.trim_end().contains(char::is_control), "{line}");
            let event: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!(event["agent"], message.as_str());
        }
    }

    #[test]
    fn each_event_is_one_line_of_text_without_control_characters() {
        for message in HOSTILE {
            let line = logged(LogFormat::Text, message);
            assert_eq!(line.matches('\n').count(), 1, "{line}");
            assert!(!line.trim_end().contains(char::is_control), "{line}");
        }
    }

    #[test]
    fn secrets_are_in_no_line() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let line = logged(
                format,
                "GET /x?circle-token=hunter2&y=1 Bearer hunter2 lrd_job_hunter2 /d/hunter2hunter2.hunter2/a",
            );
            assert!(!line.contains("hunter2"), "{line}");
            assert!(line.contains("y=1"), "{line}");
        }
    }
}
