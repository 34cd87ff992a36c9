//! Lists and their pages.

use super::{Running, announce};
use crate::support::{DEMO, TestLarder};
use larder_core::model::Role;
use serde_json::{Value, json};

fn names<'a>(list: &'a Value, of: &str, name: &str) -> Vec<&'a str> {
    list[of]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry[name].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn projects_are_listed_by_slug() {
    let test = TestLarder::with_demo().await;
    test.project("github/acme/another", true).await;
    test.project("github/secret/one", false).await;
    let reader = test.member("ada", Role::Reader, DEMO, "read_builds").await;
    let list = test
        .get(&reader, "/larder/v1/projects")
        .await
        .is(200)
        .json();
    assert_eq!(names(&list, "projects", "slug"), [DEMO]);
    let pipelines = test.token("ada", "read_pipelines").await;
    test.get(&pipelines, "/larder/v1/projects").await.is(200);
    let admin = test.admin().await;
    let list = test.get(&admin, "/larder/v1/projects").await.is(200).json();
    assert_eq!(
        names(&list, "projects", "slug"),
        ["github/acme/another", DEMO, "github/secret/one"]
    );
}

/// Five builds, the third on a branch of its own, and the token of their announcer.
async fn five_builds() -> (TestLarder, String) {
    let test = TestLarder::with_demo().await;
    let scopes = "write_builds,read_builds";
    let writer = test.member("ada", Role::Writer, DEMO, scopes).await;
    for number in 1..=5 {
        // Some of them in the same millisecond: the number breaks the tie.
        test.larder.clock().advance_ms(number % 2);
        let branch = if number == 3 { "side" } else { "main" };
        let tag = (number > 3).then(|| format!("v{number}"));
        let build = json!({ "branch": branch, "tag": tag, "jobs": [{ "name": "a" }] });
        announce(&test, &writer, &build).await;
    }
    (test, writer)
}

/// Numbers of the builds on a page, and the page after it.
async fn builds(test: &TestLarder, token: &str, query: &str) -> (Vec<i64>, Option<String>) {
    let path = format!("/larder/v1/projects/{DEMO}/builds{query}");
    let page = test.get(token, &path).await.is(200).json();
    let builds = page["builds"].as_array().unwrap().iter();
    let numbers = builds
        .map(|build| build["number"].as_i64().unwrap())
        .collect();
    (numbers, page["next"].as_str().map(str::to_owned))
}

#[tokio::test]
async fn builds_are_paged_newest_first() {
    let (test, writer) = five_builds().await;
    let mut seen = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let (numbers, next) = builds(&test, &writer, &query).await;
        seen.push(numbers);
        let Some(next) = next else { break };
        query = format!("?limit=2&before={next}");
    }
    assert_eq!(seen, [vec![5, 4], vec![3, 2], vec![1]]);
    assert_eq!(
        builds(&test, &writer, "?limit=5").await,
        (vec![5, 4, 3, 2, 1], None)
    );
}

#[tokio::test]
async fn builds_are_filtered_and_mistakes_in_a_filter_are_named() {
    let (test, writer) = five_builds().await;
    for (query, expected) in [
        ("?branch=side", vec![3]),
        ("?branch=none", vec![]),
        ("?tag=v4", vec![4]),
        ("?tag=v4&branch=side", vec![]),
        ("?state=passed", vec![]),
        ("?state=passed,running&branch=main", vec![5, 4, 2, 1]),
    ] {
        assert_eq!(
            builds(&test, &writer, query).await,
            (expected, None),
            "{query}"
        );
    }
    for (query, says) in [
        ("?limit=0", "limit: must be between 1 and 100"),
        ("?limit=101", "limit: must be between 1 and 100"),
        ("?limit=x", "limit"),
        (
            "?state=red",
            "`red` is not one of running, passed, failed, canceled",
        ),
        ("?before=yesterday", "`next`"),
        ("?page=2", "unknown field `page`"),
    ] {
        let path = format!("/larder/v1/projects/{DEMO}/builds{query}");
        test.get(&writer, &path).await.refused(400, "invalid", says);
    }
}

#[tokio::test]
async fn artifacts_are_paged_oldest_first_and_filtered() {
    let running = Running::start().await;
    for path in ["dist/a.zip", "b.log", "dist/c.zip", "d.zip"] {
        running.keep(path, "abc").await;
    }
    running
        .test
        .delete(&running.writer, &running.artifact("b.log"))
        .await
        .is(204);
    for of in [
        format!("builds/{}", running.build),
        format!("jobs/{}", running.job),
    ] {
        let path = format!("/larder/v1/{of}/artifacts");
        let list = async |query: &str| {
            running
                .test
                .get(&running.writer, &format!("{path}{query}"))
                .await
                .is(200)
                .json()
        };
        let all = list("").await;
        assert_eq!(
            names(&all, "artifacts", "path"),
            ["dist/a.zip", "dist/c.zip", "d.zip"]
        );
        assert_eq!(all["next"], Value::Null);
        let page = list("?limit=2").await;
        assert_eq!(
            names(&page, "artifacts", "path"),
            ["dist/a.zip", "dist/c.zip"]
        );
        let rest = list(&format!(
            "?limit=2&after={}",
            page["next"].as_str().unwrap()
        ))
        .await;
        assert_eq!(names(&rest, "artifacts", "path"), ["d.zip"]);
        assert_eq!(rest["next"], Value::Null);
        assert_eq!(
            names(&list("?path=dist/*").await, "artifacts", "path"),
            ["dist/a.zip", "dist/c.zip"]
        );
        let page = list("?path=*.zip&limit=1").await;
        assert_eq!(names(&page, "artifacts", "path"), ["dist/a.zip"]);
        let rest = list(&format!(
            "?path=*.zip&after={}",
            page["next"].as_str().unwrap()
        ))
        .await;
        assert_eq!(names(&rest, "artifacts", "path"), ["dist/c.zip", "d.zip"]);
        assert_eq!(
            names(
                &list("?path=d.zip&state=finished,new").await,
                "artifacts",
                "path"
            ),
            ["d.zip"]
        );
        assert_eq!(
            names(&list("?state=deleted").await, "artifacts", "path"),
            ["b.log"]
        );
        assert_eq!(
            names(&list("?state=error").await, "artifacts", "path"),
            [""; 0]
        );
        for (query, says) in [
            ("?limit=1001", "limit: must be between 1 and 1000"),
            ("?state=gone", "`gone` is not one of new"),
            ("?after=-", "`next`"),
            ("?paht=x", "unknown field `paht`"),
        ] {
            running
                .test
                .get(&running.writer, &format!("{path}{query}"))
                .await
                .refused(400, "invalid", says);
        }
    }
}
