//! Results of tests and how many a job has.

/// One test and how it went.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TestResult {
    /// Name of the test; may be empty.
    pub name: String,
    /// The class, module or suite that it belongs to.
    pub classname: Option<String>,
    /// Its source file.
    pub file: Option<String>,
    /// How it went.
    pub outcome: TestOutcome,
    /// Milliseconds that it took.
    pub run_time_ms: i64,
    /// What a failure or a skip said; at most 64 KiB are kept.
    pub message: Option<String>,
}

/// How a test went, in the order of lists.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum TestOutcome {
    /// An assertion did not hold.
    Failure,
    /// It broke.
    Error,
    /// Not run.
    Skipped,
    /// As expected.
    Success,
}

impl TestOutcome {
    /// All of them, in the order of lists.
    pub const ALL: [Self; 4] = [Self::Failure, Self::Error, Self::Skipped, Self::Success];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Failure => "failure",
            Self::Error => "error",
            Self::Skipped => "skipped",
            Self::Success => "success",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.word() == word)
    }
}

/// How many results of tests a job has.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct TestCounts {
    /// Assertions did not hold.
    pub failures: i64,
    /// Broken.
    pub errors: i64,
    /// Not run.
    pub skipped: i64,
    /// As expected.
    pub successes: i64,
}

impl TestCounts {
    /// How many of these results went each way.
    pub fn of(results: &[TestResult]) -> Self {
        let mut counts = Self::default();
        for result in results {
            match result.outcome {
                TestOutcome::Failure => counts.failures += 1,
                TestOutcome::Error => counts.errors += 1,
                TestOutcome::Skipped => counts.skipped += 1,
                TestOutcome::Success => counts.successes += 1,
            }
        }
        counts
    }

    /// All of them.
    pub fn total(self) -> i64 {
        self.failures + self.errors + self.skipped + self.successes
    }

    /// Those of both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            failures: self.failures + other.failures,
            errors: self.errors + other.errors,
            skipped: self.skipped + other.skipped,
            successes: self.successes + other.successes,
        }
    }

    /// These without those of `other`.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            failures: self.failures - other.failures,
            errors: self.errors - other.errors,
            skipped: self.skipped - other.skipped,
            successes: self.successes - other.successes,
        }
    }
}

/// A place in the list of a job's test results: the last one that was seen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TestPlace {
    /// How that one went.
    pub outcome: TestOutcome,
    /// The report that it came in.
    pub report: u32,
    /// Its place in the report.
    pub seq: u32,
}

impl TestPlace {
    /// The opaque form that an API hands out.
    pub fn encode(self) -> String {
        format!("{}-{:x}-{:x}", self.outcome.word(), self.report, self.seq)
    }

    /// Reads what [`TestPlace::encode`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let place = Self {
            outcome: TestOutcome::parse(parts.next()?)?,
            report: u32::from_str_radix(parts.next()?, 16).ok()?,
            seq: u32::from_str_radix(parts.next()?, 16).ok()?,
        };
        parts.next().is_none().then_some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_comes_back_from_its_opaque_form_and_nothing_else_does() {
        let place = TestPlace {
            outcome: TestOutcome::Skipped,
            report: 31,
            seq: 4_294_967_295,
        };
        assert_eq!(place.encode(), "skipped-1f-ffffffff");
        assert_eq!(TestPlace::parse(&place.encode()), Some(place));
        for wrong in ["", "skipped", "skipped-1", "green-1-1", "skipped-1-1-1"] {
            assert_eq!(TestPlace::parse(wrong), None, "{wrong}");
        }
    }
}
