//! Results of tests.

use super::Running;
use serde_json::{Value, json};

fn test(name: &str, result: &str) -> Value {
    json!({ "name": name, "result": result, "run_time_ms": 12 })
}

fn report(tests: &[Value]) -> String {
    json!({ "tests": tests }).to_string()
}

impl Running {
    fn report(&self, number: impl std::fmt::Display) -> String {
        format!("/larder/v1/jobs/{}/tests/{number}", self.job)
    }

    async fn keep_report(&self, number: u32, tests: &[Value]) {
        let path = self.report(number);
        self.test
            .put(&self.job_token, &path, report(tests))
            .await
            .is(204);
    }

    async fn tests(&self, query: &str) -> Value {
        let path = format!("/larder/v1/jobs/{}/tests{query}", self.job);
        self.test.get(&self.writer, &path).await.is(200).json()
    }

    async fn names(&self, query: &str) -> Vec<String> {
        names(&self.tests(query).await)
    }
}

fn names(list: &Value) -> Vec<String> {
    let tests = list["tests"].as_array().unwrap();
    tests
        .iter()
        .map(|test| test["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn results_come_back_with_failures_first_and_page_by_page() {
    let running = Running::start().await;
    let broken = json!({
        "name": "bakes", "classname": "Oven", "file": "src/oven.rs", "result": "failure", "run_time_ms": 1_234,
        "message": "too hot",
    });
    let second = [test("b1", "success"), test("b2", "error")];
    running.keep_report(1, &second).await;
    let first = [
        test("a1", "success"),
        broken.clone(),
        test("a3", "skipped"),
        test("a4", "success"),
    ];
    running.keep_report(0, &first).await;
    let all = running.tests("").await;
    assert_eq!(names(&all), ["bakes", "b2", "a3", "a1", "a4", "b1"]);
    assert_eq!((&all["tests"][0], &all["next"]), (&broken, &Value::Null));

    let (mut seen, mut query) = (Vec::new(), "?limit=1".to_owned());
    loop {
        let page = running.tests(&query).await;
        seen.extend(names(&page));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        query = format!("?limit=1&after={next}");
    }
    assert_eq!(seen, names(&all));
    let of = async |query| running.names(query).await;
    assert_eq!(of("?result=success").await, ["a1", "a4", "b1"]);
    assert_eq!(of("?result=skipped,error").await, ["b2", "a3"]);
    // A place of another kind: what stands after it in the whole list.
    assert_eq!(of("?result=success&after=error-1-1").await.len(), 3);
}

#[tokio::test]
async fn the_same_report_again_replaces_it() {
    let running = Running::start().await;
    running
        .keep_report(0, &[test("a", "failure"), test("b", "failure")])
        .await;
    running.keep_report(7, &[test("c", "success")]).await;
    running.keep_report(0, &[test("d", "success")]).await;
    assert_eq!(running.names("").await, ["d", "c"]);
    running.keep_report(0, &[]).await;
    assert_eq!(running.names("").await, ["c"]);
}

#[tokio::test]
async fn limits_and_mistakes_are_named() {
    let running = Running::start().await;
    let put = async |number: &str, body: String| {
        let path = running.report(number);
        running.test.put(&running.job_token, &path, body).await
    };
    let with = |field: &str, value: Value| {
        let mut test = test("a", "success");
        test[field] = value;
        report(&[test])
    };
    let long = Value::from("x".repeat(4_097));
    for (number, body, says) in [
        ("x", report(&[]), "report: `x` is not the number"),
        ("-1", report(&[]), "report: `-1`"),
        ("10000", report(&[]), "report: must be below 10000"),
        (
            "0",
            with("result", "green".into()),
            "unknown variant `green`",
        ),
        (
            "0",
            with("run_time_ms", (-1).into()),
            "run_time_ms: must not be",
        ),
        (
            "0",
            with("name", long.clone()),
            "name: must be at most 4096",
        ),
        ("0", with("classname", long.clone()), "classname: must be"),
        ("0", with("file", long), "file: must be at most 4096 bytes"),
        ("0", with("colour", 1.into()), "unknown field `colour`"),
    ] {
        put(number, body).await.refused(400, "invalid", says);
    }
    let whole = with("message", "x".repeat(1024 * 1024).into());
    put("0", whole)
        .await
        .refused(413, "too_large", "1048576 bytes");
    let cut = with("message", format!("x{}", "é".repeat(40_000)).into());
    put("0", cut).await.is(204);
    let list = running.tests("").await;
    assert_eq!(list["tests"][0]["message"].as_str().unwrap().len(), 65_535);
    for (query, says) in [
        ("?limit=0", "limit: must be between 1 and 1000"),
        ("?result=green", "result: `green` is not one of failure"),
        ("?after=1", "after: give the `next`"),
        ("?offset=1", "unknown field `offset`"),
    ] {
        let path = format!("/larder/v1/jobs/{}/tests{query}", running.job);
        let answer = running.test.get(&running.writer, &path).await;
        answer.refused(400, "invalid", says);
    }
}

#[tokio::test]
async fn a_job_has_a_most_of_results_and_what_is_replaced_does_not_count() {
    let running = Running::start().await;
    let tests = vec![json!({ "name": "", "result": "success", "run_time_ms": 0 }); 20_000];
    for number in 0..10 {
        running.keep_report(number, &tests).await;
    }
    let one = report(&[test("a", "success")]);
    let path = running.report(10);
    running
        .test
        .put(&running.job_token, &path, one)
        .await
        .refused(400, "invalid", "at most 200000 results");
    running.keep_report(9, &tests[1..]).await;
    running.keep_report(10, &[test("a", "failure")]).await;
    assert_eq!(running.names("?limit=2").await, ["a", ""]);
}

#[tokio::test]
async fn a_page_of_long_messages_ends_early() {
    let running = Running::start().await;
    let mut long = test("a", "failure");
    long["message"] = "x".repeat(60_000).into();
    for number in 0..8 {
        running.keep_report(number, &vec![long.clone(); 15]).await;
    }
    let page = running.tests("?limit=1000").await;
    let seen = names(&page).len();
    assert!((60..80).contains(&seen), "{seen} of 120");
    let next = page["next"].as_str().unwrap();
    let rest = running.tests(&format!("?limit=1000&after={next}")).await;
    assert_eq!(seen + names(&rest).len(), 120);
}
