use super::*;
use proptest::prelude::*;

const HEAD: &str = r#"<?xml version="1.0" encoding="utf-8"?>"#;

fn one(xml: &str) -> TestBody {
    let mut tests = read(xml.as_bytes()).unwrap();
    assert_eq!(tests.len(), 1, "{tests:?}");
    tests.remove(0)
}

fn in_case(inside: &str) -> TestBody {
    one(&format!(
        r#"<testsuite><testcase name="a" time="0.1">{inside}</testcase></testsuite>"#
    ))
}

#[track_caller]
fn check(test: &TestBody, said: &str) {
    let or = |text: &Option<String>| text.clone().unwrap_or("-".to_owned());
    let got = format!(
        "{} | {} | {} | {:?} | {} | {}",
        test.name,
        or(&test.classname),
        or(&test.file),
        test.result,
        test.run_time_ms,
        or(&test.message)
    );
    assert_eq!(got, said);
}

#[track_caller]
fn check_all(xml: &str, said: &[&str]) {
    let tests = read(xml.as_bytes()).unwrap();
    assert_eq!(tests.len(), said.len(), "{tests:?}");
    for (test, said) in tests.iter().zip(said) {
        check(test, said);
    }
}

#[test]
fn pytest() {
    check_all(
        &format!(
            r#"{HEAD}<testsuites name="pytest tests"><testsuite name="pytest" errors="0" failures="1" skipped="1" tests="3" time="0.045" timestamp="2026-01-05T10:00:00" hostname="box">
            <testcase classname="test_oven.TestOven" name="test_heat[180]" time="0.001" />
            <testcase classname="test_oven" name="test_cold" time="0.002"><failure message="assert 1 == 2&#10;  +  where 1 = f()">def test_cold():
&gt;       assert f() == 2
E       assert 1 == 2</failure></testcase>
            <testcase classname="test_oven" name="test_later" time="0.000"><skipped type="pytest.skip" message="no oven">/tests/test_oven.py:9: no oven</skipped></testcase>
            </testsuite></testsuites>"#
        ),
        &[
            "test_heat[180] | test_oven.TestOven | - | Success | 1 | -",
            "test_cold | test_oven | - | Failure | 2 | assert 1 == 2\n  +  where 1 = f()\ndef test_cold():\n>       assert f() == 2\nE       assert 1 == 2",
            "test_later | test_oven | - | Skipped | 0 | /tests/test_oven.py:9: no oven",
        ],
    );
}

#[test]
fn surefire() {
    check_all(
        &format!(
            r#"{HEAD}<testsuite xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" version="3.0" name="OvenTest" time="1,234.5" tests="3">
            <properties><property name="java.version" value="21"/></properties>
            <testcase name="heats" classname="com.acme.OvenTest" time="1,234.5"><error message="oops" type="java.lang.IllegalStateException"><![CDATA[java.lang.IllegalStateException: oops
	at com.acme.Oven.<init>(Oven.java:1)]]></error><system-out><![CDATA[<failure>not one</failure>]]></system-out></testcase>
            <testcase name="flaky" classname="com.acme.OvenTest" time="0.5"><flakyFailure message="first" type="X">trace</flakyFailure></testcase>
            <testcase name="again" classname="com.acme.OvenTest" time="0.5"><failure message="no" type="X">no: 1</failure><rerunFailure message="no" type="X">no: 2</rerunFailure></testcase>
            </testsuite>"#
        ),
        &[
            "heats | com.acme.OvenTest | - | Error | 1234500 | java.lang.IllegalStateException: oops\n\tat com.acme.Oven.<init>(Oven.java:1)",
            "flaky | com.acme.OvenTest | - | Success | 500 | -",
            "again | com.acme.OvenTest | - | Failure | 500 | no: 1",
        ],
    );
}

#[test]
fn gotestsum_and_nextest() {
    check_all(
        &format!(
            r#"{HEAD}
<testsuites tests="2" failures="1" errors="0" time="0.5">
	<testsuite tests="2" failures="1" time="0.010000" name="example.com/oven" timestamp="2026-01-05T10:00:00Z">
		<properties><property name="go.version" value="go1.25"></property></properties>
		<testcase classname="example.com/oven" name="TestHeat/180" time="0.000000"><failure message="Failed" type="">=== RUN   TestHeat/180&#xA;    oven_test.go:7: cold&#xA;--- FAIL: TestHeat/180 (0.00s)&#xA;</failure></testcase>
		<testcase classname="example.com/oven" name="TestSkip" time="0.000000"><skipped message="=== RUN   TestSkip&#xA;    oven_test.go:9: later"></skipped></testcase>
	</testsuite>
    <testsuite name="oven::it" tests="1" disabled="0" errors="0" failures="1">
        <testcase name="bakes" classname="oven::it" timestamp="2026-01-05T10:00:00.000+00:00" time="0.003">
            <failure message="thread &apos;bakes&apos; panicked at tests/it.rs:3:5" type="test failure with exit code 101">assertion failed</failure>
            <system-err>thread</system-err>
        </testcase>
    </testsuite>
</testsuites>"#
        ),
        &[
            "TestHeat/180 | example.com/oven | - | Failure | 0 | Failed\n=== RUN   TestHeat/180\n    oven_test.go:7: cold\n--- FAIL: TestHeat/180 (0.00s)",
            "TestSkip | example.com/oven | - | Skipped | 0 | === RUN   TestSkip\n    oven_test.go:9: later",
            "bakes | oven::it | - | Failure | 3 | thread 'bakes' panicked at tests/it.rs:3:5\nassertion failed",
        ],
    );
}

#[test]
fn jest_mocha_rspec_and_phpunit() {
    check_all(
        &format!(
            r#"{HEAD}<testsuites name="all"><testsuite name="Root Suite.oven" file="/home/ci/test/oven.spec.js" tests="1"><testcase name="oven heats" time="0.0020" classname="heats"/></testsuite>
            <testsuite name="rspec" tests="1"><testcase classname="spec.oven_spec" name="Oven heats" file="./spec/oven_spec.rb" time="2.1e-05"><failure message="expected: 2" type="RSpec::Expectations::ExpectationNotMetError">Failure/Error: expect(1).to eq 2</failure></testcase></testsuite>
            <testsuite name="phpunit" file="/src/phpunit.xml"><testsuite name="OvenTest" file="/src/OvenTest.php"><testsuite name="OvenTest::testHeat"><testcase name="testHeat with data set #0" class="OvenTest" classname="OvenTest" line="12" assertions="1" time="0.005"><failure type="PHPUnit\Framework\ExpectationFailedException">OvenTest::testHeat
Failed asserting that false is true.</failure><warning>w</warning></testcase></testsuite></testsuite></testsuite></testsuites>"#
        ),
        &[
            "oven heats | heats | /home/ci/test/oven.spec.js | Success | 2 | -",
            "Oven heats | spec.oven_spec | ./spec/oven_spec.rb | Failure | 0 | expected: 2\nFailure/Error: expect(1).to eq 2",
            "testHeat with data set #0 | OvenTest | /src/OvenTest.php | Failure | 5 | OvenTest::testHeat\nFailed asserting that false is true.",
        ],
    );
}

#[test]
fn a_test_goes_as_the_worst_that_is_said_of_it_and_keeps_all_that_is_said() {
    check(
        &in_case(r#"<skipped/><failure message="one"/><error>two</error>"#),
        "a | - | - | Failure | 100 | one\n\ntwo",
    );
    check(
        &in_case(r#"<error type="Boom"/>"#),
        "a | - | - | Error | 100 | Boom",
    );
    check(&in_case("<skipped/>"), "a | - | - | Skipped | 100 | -");
    check(
        &one(r#"<testsuite><testcase name="a" status="notrun"/></testsuite>"#),
        "a | - | - | Skipped | 0 | -",
    );
    check(
        &one("<testsuite><testcase/></testsuite>"),
        " | - | - | Success | 0 | -",
    );
    check(
        &one(
            r#"<j:testsuites xmlns:j="x"><j:testcase name="a"><j:failure>f</j:failure></j:testcase></j:testsuites>"#,
        ),
        "a | - | - | Failure | 0 | f",
    );
}

#[test]
fn only_the_entities_of_xml_are_expanded() {
    let bomb = r#"<?xml version="1.0"?><!DOCTYPE t [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;"><!ENTITY x SYSTEM "file:///etc/passwd">]>
        <testsuite><testcase name="&b;&lt;" classname="&x;"><failure>&b;&x; &amp;&lt;&gt;&quot;&apos; &#65;&#x42;&#0;&#xFFFFFFFF;</failure></testcase></testsuite>"#;
    check(
        &one(bomb),
        "&b;&lt; | &x; | - | Failure | 0 | &b;&x; &<>\"' AB\u{fffd}\u{fffd}",
    );
}

#[test]
fn encodings_are_read_or_refused_by_name() {
    let named = |encoding: &str, name: &[u8]| {
        let mut xml =
            format!("<?xml version='1.0' encoding='{encoding}'?><testsuite><testcase name='")
                .into_bytes();
        xml.extend_from_slice(name);
        xml.extend_from_slice(b"'/></testsuite>");
        read(&xml).map(|tests| tests[0].name.clone())
    };
    assert_eq!(named("UTF-8", "é".as_bytes()).unwrap(), "é");
    assert_eq!(named("windows-1252", "é".as_bytes()).unwrap(), "é");
    assert_eq!(named("UTF-8", b"\xe9").unwrap(), "\u{fffd}");
    assert_eq!(named("ISO-8859-1", b"\xe9").unwrap(), "é");
    let refused = named("windows-1252", b"\xe9").unwrap_err();
    assert_eq!(
        refused,
        "it is in the encoding windows-1252: have it written in UTF-8"
    );
    let bom = "\u{feff}<testsuite><testcase name='a'/></testsuite>";
    assert_eq!(one(bom).name, "a");
    for start in [&b"\xff\xfe<\0"[..], b"<\0t\0", b"\0<\0t"] {
        assert!(read(start).unwrap_err().contains("UTF-16"));
    }
}

#[test]
fn what_is_no_report_is_refused_with_its_line() {
    for (xml, says) in [
        ("", "it has no XML element: is it a JUnit report?"),
        (
            "1..4\nok 1\n",
            "it has no XML element: is it a JUnit report?",
        ),
        (
            "\n<html>\n</html>",
            "line 2: it begins with <html>, not with <testsuites>",
        ),
        (
            "<testsuite>\n<testcase name='a'>",
            "it breaks off before its last element ends",
        ),
        ("<testsuite>\n\n</testcase>", "line 3: "),
        ("<testsuite>\n<testcase", "line 2: "),
    ] {
        let error = read(xml.as_bytes()).unwrap_err();
        assert!(error.starts_with(says), "{xml}: {error}");
    }
}

#[test]
fn size_depth_and_number_are_bounded() {
    let deep = |levels: usize| "<testsuite>".repeat(levels) + &"</testsuite>".repeat(levels);
    assert!(read(deep(64).as_bytes()).is_ok());
    let error = read(deep(65).as_bytes()).unwrap_err();
    assert_eq!(error, "line 1: elements stand more than 64 deep");
    let many = |tests: usize| {
        let xml = format!("<testsuite>{}</testsuite>", "<testcase/>".repeat(tests));
        read(xml.as_bytes()).map(|tests| tests.len())
    };
    assert_eq!(many(200_000), Ok(200_000));
    assert!(
        many(200_001)
            .unwrap_err()
            .contains("more than 200000 tests")
    );
    let error = read(&vec![b' '; BYTES_MAX + 1]).unwrap_err();
    assert!(error.contains("at most 67108864"), "{error}");
    let long = "é".repeat(100_000);
    let cut = in_case(&format!("<failure>x{long}</failure>"));
    assert_eq!(cut.message.unwrap().len(), 65_535);
    let cut = one(&format!(
        "<testsuite><testcase name='x{long}' file='{long}'/></testsuite>"
    ));
    assert_eq!((cut.name.len(), cut.file.unwrap().len()), (4_095, 4_096));
    let attributes: Vec<_> = (0..200_000).map(|at| format!(" a{at}=''")).collect();
    let attributes = attributes.concat();
    let one = one(&format!(
        "<testsuite><testcase{attributes} name='a'/></testsuite>"
    ));
    assert_eq!(one.name, "a");
}

#[test]
fn times_are_read_however_they_are_written() {
    for (time, expected) in [
        ("0.25", 250),
        ("1,234.5", 1_234_500),
        ("2e-05", 0),
        (" 3 ", 3_000),
        ("-1", 0),
        ("NaN", 0),
        ("inf", 0),
        ("1e300", 3_200_000_000_000),
        ("soon", 0),
        ("", 0),
    ] {
        assert_eq!(millis(time), expected, "{time}");
    }
}

#[test]
fn many_results_become_reports_that_the_server_takes() {
    let test = |length: usize| TestBody {
        name: "a".to_owned(),
        classname: None,
        file: None,
        result: TestResult::Failure,
        run_time_ms: 1,
        message: Some("\u{1}".repeat(length)),
    };
    assert!(reports(Vec::new()).is_empty());
    let tests: Vec<_> = (0..12_345)
        .map(|at| test(if at % 100 == 0 { 65_536 } else { 0 }))
        .collect();
    let split = reports(tests.clone());
    assert!(split.len() > 3);
    for report in &split {
        let length = serde_json::to_vec(report).unwrap().len();
        assert!(length <= REPORT_BYTES_MAX, "{length}");
        assert!(report.tests.len() <= REPORT_TESTS_MAX);
    }
    let joined: Vec<_> = split.into_iter().flat_map(|report| report.tests).collect();
    assert!(joined == tests);
}

const SAMPLE: &str = r#"<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE t [<!ENTITY a "b">]>
<testsuites><testsuite name="s" file="f"><testcase classname="c" name="n &amp; &#10;" time="1,0.5">
<failure message="m" type="t">x &lt; y <![CDATA[ & ]]></failure><system-out>o</system-out><!-- c --></testcase>
<testcase name="t"><skipped/></testcase></testsuite></testsuites>"#;

proptest! {
    #[test]
    fn no_file_makes_the_reader_panic(
        edits in prop::collection::vec((0..SAMPLE.len(), 0..12_usize, prop::collection::vec(any::<u8>(), 0..6)), 0..8),
        pieces in prop::collection::vec((0..SAMPLE.len(), 0..40_usize), 0..4),
    ) {
        let mut xml = SAMPLE.as_bytes().to_vec();
        for (at, length, bytes) in edits {
            let start = at.min(xml.len());
            let end = (start + length).min(xml.len());
            xml.splice(start..end, bytes);
        }
        for (at, length) in pieces {
            let piece = SAMPLE.as_bytes()[at..(at + length).min(SAMPLE.len())].to_vec();
            let at = at.min(xml.len());
            xml.splice(at..at, piece);
        }
        if let Ok(tests) = read(&xml) {
            prop_assert!(tests.len() <= xml.len());
            prop_assert!(reports(tests).len() <= 1);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
    }
}
