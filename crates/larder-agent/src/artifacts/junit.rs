//! Results of tests as test runners write them: JUnit's XML, which every runner spells a little differently. The dialects
//! read here are those of pytest, Surefire, gotestsum, jest-junit, mocha, nextest, `PHPUnit` and `RSpec`.
//!
//! A report is written by what a job ran, so nothing of it is believed: no entity but the five of XML is expanded, and its
//! size, its depth and the number of its tests are bounded.

use larder_protocol::{TestBody, TestReport, TestResult};
use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesRef, BytesStart, Event};
use std::borrow::Cow;

/// Longest file that is read.
pub(crate) const BYTES_MAX: usize = 64 * 1024 * 1024;
/// Most tests of one file; the server takes no more of a job.
const TESTS_MAX: usize = 200_000;
/// How deep elements may stand in each other.
const DEPTH_MAX: usize = 64;
/// Longest message that is kept, in bytes.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Longest name, class or file that is kept, in bytes.
const TEXT_BYTES_MAX: usize = 4 * 1024;
/// Longest file of a suite that its tests are given, in bytes: it is repeated for each of them.
const SUITE_FILE_BYTES_MAX: usize = 512;
/// Longest report in bytes of JSON, as the server takes it.
const REPORT_BYTES_MAX: usize = 1024 * 1024;
/// Most tests of a report, so that the server never writes for long at once.
const REPORT_TESTS_MAX: usize = 5_000;

/// Reads the results in a file. The error says what is wrong with the file, and in which line.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<TestBody>, String> {
    if bytes.len() > BYTES_MAX {
        return Err(format!(
            "it has {} bytes, of which at most {BYTES_MAX} are read",
            bytes.len()
        ));
    }
    let text = decode(bytes)?;
    let mut reader = Reader::from_str(&text);
    reader.config_mut().expand_empty_elements = true;
    let mut reading = Reading::default();
    loop {
        let event = reader.read_event();
        let taken = match event {
            Ok(Event::Eof) => return reading.end(),
            Ok(event) => reading.take(&event),
            Err(error) => Err(error.to_string()),
        };
        if let Err(fault) = taken {
            let place = reader.error_position().max(reader.buffer_position());
            let before = usize::try_from(place).unwrap_or(text.len());
            let before = text.as_bytes().get(..before).unwrap_or(text.as_bytes());
            let line = before.split(|byte| *byte == b'\n').count();
            return Err(format!("line {line}: {fault}"));
        }
    }
}

/// Splits results into reports that the server takes.
pub(crate) fn reports(tests: Vec<TestBody>) -> Vec<TestReport> {
    const AROUND: usize = r#"{"tests":[]}"#.len();
    let mut reports: Vec<TestReport> = Vec::new();
    let mut bytes = usize::MAX;
    for test in tests {
        // What cannot be spelled is nothing that a test can be made of here.
        let length = 1 + serde_json::to_vec(&test).map_or(0, |json| json.len());
        match reports.last_mut() {
            Some(last)
                if bytes + length <= REPORT_BYTES_MAX && last.tests.len() < REPORT_TESTS_MAX =>
            {
                bytes += length;
                last.tests.push(test);
            }
            _ => {
                bytes = AROUND + length;
                reports.push(TestReport { tests: vec![test] });
            }
        }
    }
    reports
}

/// The text of a file. What is declared counts only for bytes that are no UTF-8, since many runners declare something else
/// than they write; a byte that is no character is replaced, since tests print what they like.
fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, String> {
    let is_utf16 = |start: &[u8]| bytes.starts_with(start);
    if [&b"\xff\xfe"[..], b"\xfe\xff", b"<\0", b"\0<"]
        .into_iter()
        .any(is_utf16)
    {
        return Err("it is in UTF-16: have it written in UTF-8".to_owned());
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok(Cow::Borrowed(text));
    }
    match declared_encoding(bytes).to_ascii_lowercase().as_str() {
        "" | "utf-8" | "utf8" | "us-ascii" | "ascii" => Ok(String::from_utf8_lossy(bytes)),
        "iso-8859-1" | "latin1" | "latin-1" => {
            Ok(bytes.iter().map(|byte| char::from(*byte)).collect())
        }
        other => Err(format!(
            "it is in the encoding {other}: have it written in UTF-8"
        )),
    }
}

/// What `<?xml … encoding="…"?>` says.
fn declared_encoding(bytes: &[u8]) -> String {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(256)]).into_owned();
    let declaration = head
        .trim_start()
        .strip_prefix("<?xml")
        .and_then(|rest| rest.split("?>").next())
        .unwrap_or_default();
    let value = declaration
        .split("encoding")
        .nth(1)
        .unwrap_or_default()
        .trim_start_matches([' ', '\t', '\r', '\n', '=']);
    let mut letters = value.chars();
    match letters.next() {
        Some(quote @ ('"' | '\'')) => letters.take_while(|letter| *letter != quote).collect(),
        _ => String::new(),
    }
}

/// An element that is open.
#[derive(Debug)]
enum Open {
    /// `<testsuites>` or `<testsuite>`, with the source file of its tests.
    Suite(Option<String>),
    /// `<testcase>`
    Case,
    /// `<failure>`, `<error>` or `<skipped>` of a test.
    Verdict(Verdict),
    /// Anything else, whose text nobody reads.
    Other,
}

/// What is said of a test that did not pass.
#[derive(Debug)]
struct Verdict {
    result: TestResult,
    /// Attribute `message`.
    message: String,
    /// Attribute `type`.
    kind: String,
    text: String,
}

/// A file as far as it is read.
#[derive(Debug, Default)]
struct Reading {
    open: Vec<Open>,
    /// Whether the element around everything has come.
    has_root: bool,
    case: Option<TestBody>,
    tests: Vec<TestBody>,
}

impl Reading {
    fn take(&mut self, event: &Event<'_>) -> Result<(), String> {
        match event {
            Event::Start(start) => self.begin(start)?,
            Event::End(_) => self.finish()?,
            Event::Text(text) => self.print(&text.xml10_content()),
            Event::CData(text) => self.print(&text.xml10_content()),
            Event::GeneralRef(reference) => self.print(&expand(reference)),
            Event::Empty(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::DocType(_)
            | Event::Eof => {}
        }
        Ok(())
    }

    fn begin(&mut self, start: &BytesStart<'_>) -> Result<(), String> {
        if self.open.len() >= DEPTH_MAX {
            return Err(format!("elements stand more than {DEPTH_MAX} deep"));
        }
        let name = start.local_name();
        let name: &str = name.as_ref();
        let opened = match (name, self.open.last()) {
            ("testsuites" | "testsuite", None | Some(Open::Suite(_))) => Open::Suite(
                attribute(start, "file")
                    .filter(|file| file.len() <= SUITE_FILE_BYTES_MAX)
                    .or_else(|| self.file_of_suite()),
            ),
            (_, None) => {
                let name: String = name.chars().take(60).collect();
                return Err(format!(
                    "it begins with <{name}>, not with <testsuites> or <testsuite>: is it a JUnit report?"
                ));
            }
            ("testcase", Some(Open::Suite(_))) => {
                self.case = Some(self.case_of(start)?);
                Open::Case
            }
            ("failure", Some(Open::Case)) => Open::Verdict(Verdict::of(TestResult::Failure, start)),
            ("error", Some(Open::Case)) => Open::Verdict(Verdict::of(TestResult::Error, start)),
            ("skipped", Some(Open::Case)) => Open::Verdict(Verdict::of(TestResult::Skipped, start)),
            _ => Open::Other,
        };
        self.has_root = true;
        self.open.push(opened);
        Ok(())
    }

    fn case_of(&self, start: &BytesStart<'_>) -> Result<TestBody, String> {
        if self.tests.len() >= TESTS_MAX {
            return Err(format!("it has more than {TESTS_MAX} tests"));
        }
        let is_run = !matches!(
            attribute(start, "status").as_deref(),
            Some("notrun" | "skipped" | "disabled")
        );
        Ok(TestBody {
            name: attribute(start, "name").unwrap_or_default(),
            classname: attribute(start, "classname").filter(|name| !name.is_empty()),
            file: attribute(start, "file")
                .filter(|file| !file.is_empty())
                .or_else(|| self.file_of_suite()),
            result: if is_run {
                TestResult::Success
            } else {
                TestResult::Skipped
            },
            run_time_ms: attribute(start, "time").map_or(0, |time| millis(&time)),
            message: None,
        })
    }

    /// The source file of the innermost suite.
    fn file_of_suite(&self) -> Option<String> {
        match self.open.last() {
            Some(Open::Suite(file)) => file.clone(),
            _ => None,
        }
    }

    fn finish(&mut self) -> Result<(), String> {
        match self.open.pop() {
            Some(Open::Verdict(verdict)) => {
                if let Some(case) = &mut self.case {
                    verdict.settle(case);
                }
            }
            Some(Open::Case) => self.tests.extend(self.case.take()),
            Some(Open::Suite(_) | Open::Other) => {}
            None => return Err("an element ends that never began".to_owned()),
        }
        Ok(())
    }

    fn print(&mut self, text: &str) {
        if let Some(Open::Verdict(verdict)) = self.open.last_mut() {
            push_up_to(&mut verdict.text, text, MESSAGE_BYTES_MAX);
        }
    }

    fn end(self) -> Result<Vec<TestBody>, String> {
        if !self.has_root {
            return Err("it has no XML element: is it a JUnit report?".to_owned());
        }
        if !self.open.is_empty() {
            return Err("it breaks off before its last element ends".to_owned());
        }
        Ok(self.tests)
    }
}

impl Verdict {
    fn of(result: TestResult, start: &BytesStart<'_>) -> Self {
        let long = |name| attribute_up_to(start, name, MESSAGE_BYTES_MAX).unwrap_or_default();
        Self {
            result,
            message: long("message"),
            kind: attribute(start, "type").unwrap_or_default(),
            text: String::new(),
        }
    }

    /// The test went as the worst that is said of it: not passing outweighs not running.
    fn settle(self, case: &mut TestBody) {
        let is_first = case.result == TestResult::Success;
        let outweighs =
            is_first || (case.result == TestResult::Skipped && self.result != TestResult::Skipped);
        if outweighs {
            case.result = self.result;
        }
        let said = self.said();
        if said.is_empty() {
            return;
        }
        let message = case.message.get_or_insert_default();
        if !message.is_empty() {
            push_up_to(message, "\n\n", MESSAGE_BYTES_MAX);
        }
        push_up_to(message, &said, MESSAGE_BYTES_MAX);
    }

    /// Message and text, which most runners begin with the message.
    fn said(self) -> String {
        let (message, text) = (
            self.message.trim(),
            self.text.trim_end().trim_start_matches('\n'),
        );
        match (message.is_empty(), text.is_empty()) {
            (true, true) => self.kind,
            (false, true) => message.to_owned(),
            (true, false) => text.to_owned(),
            (false, false) if text.contains(message) => text.to_owned(),
            (false, false) => format!("{message}\n{text}"),
        }
    }
}

/// The five entities of XML and characters by number; anything else stays as it is written.
fn expand(reference: &BytesRef<'_>) -> String {
    match reference.resolve_char_ref() {
        Ok(Some(letter)) => letter.to_string(),
        Err(_) => char::REPLACEMENT_CHARACTER.to_string(),
        Ok(None) => {
            let name = reference.xml10_content();
            match quick_xml::escape::resolve_predefined_entity(&name) {
                Some(text) => text.to_owned(),
                None => format!("&{name};"),
            }
        }
    }
}

fn attribute(start: &BytesStart<'_>, name: &str) -> Option<String> {
    attribute_up_to(start, name, TEXT_BYTES_MAX)
}

/// The first attribute of that name. A value that cannot be expanded stays as it is written.
fn attribute_up_to(start: &BytesStart<'_>, name: &str, bytes_max: usize) -> Option<String> {
    let mut attributes = start.attributes();
    // The first counts, so doubles are not looked for.
    attributes.with_checks(false);
    let found = attributes
        .filter_map(Result::ok)
        .find(|attribute| attribute.key.as_ref() == name)?;
    let mut kept = String::new();
    match found.normalized_value(XmlVersion::Implicit1_0) {
        Ok(value) => push_up_to(&mut kept, &value, bytes_max),
        Err(_) => push_up_to(&mut kept, &found.value, bytes_max),
    }
    Some(kept)
}

/// Appends whole characters as long as there is room.
fn push_up_to(kept: &mut String, text: &str, bytes_max: usize) {
    let room = bytes_max.saturating_sub(kept.len());
    kept.push_str(&text[..text.floor_char_boundary(room)]);
}

/// Milliseconds of seconds as runners write them: `0.25`, `1,234.5`, `2e-05`. What is no time is none.
fn millis(time: &str) -> i64 {
    /// A hundred years.
    const MOST: f64 = 3.2e12;
    let seconds: f64 = time.trim().replace(',', "").parse().unwrap_or(0.0);
    let millis = (seconds * 1000.0).round();
    if millis.is_finite() {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "it is a whole number within the bounds"
        )]
        let millis = millis.clamp(0.0, MOST) as i64;
        millis
    } else {
        0
    }
}

#[cfg(test)]
mod tests;
