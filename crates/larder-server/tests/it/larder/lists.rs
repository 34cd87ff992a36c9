//! Lists and their pages.

use super::{Running, announce};
use crate::larder::support::{PROJECT, TestLarder};
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
    let test = TestLarder::start().await;
    test.project("github/acme/another", true).await;
    test.project("github/secret/one", false).await;
    let reader = test
        .token("ada", Role::Reader, PROJECT, "read_builds")
        .await;
    let list = test
        .get(&reader, "/larder/v1/projects")
        .await
        .is(200)
        .json();
    assert_eq!(names(&list, "projects", "slug"), [PROJECT]);
    let pipelines = test.token_of("ada", "read_pipelines").await;
    test.get(&pipelines, "/larder/v1/projects").await.is(200);
    let admin = test.admin().await;
    let list = test.get(&admin, "/larder/v1/projects").await.is(200).json();
    assert_eq!(
        names(&list, "projects", "slug"),
        ["github/acme/another", PROJECT, "github/secret/one"]
    );
}

#[tokio::test]
async fn builds_are_paged_newest_first_and_filtered() {
    let test = TestLarder::start().await;
    let writer = test
        .token("ada", Role::Writer, PROJECT, "write_builds,read_builds")
        .await;
    for number in 1..=5 {
        // Two of them in the same millisecond: the number breaks the tie.
        test.larder.clock().advance_ms(number % 2);
        let branch = if number == 3 { "side" } else { "main" };
        announce(
            &test,
            &writer,
            &json!({ "branch": branch, "jobs": [{ "name": "a" }] }),
        )
        .await;
    }
    let path = format!("/larder/v1/projects/{PROJECT}/builds");
    let mut seen = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let page = test
            .get(&writer, &format!("{path}{query}"))
            .await
            .is(200)
            .json();
        seen.extend(
            page["builds"]
                .as_array()
                .unwrap()
                .iter()
                .map(|build| build["number"].as_i64().unwrap()),
        );
        match page["next"].as_str() {
            Some(next) => query = format!("?limit=2&before={next}"),
            None => break,
        }
    }
    assert_eq!(seen, [5, 4, 3, 2, 1]);
    let numbers = async |query: &str| -> Vec<i64> {
        let page = test
            .get(&writer, &format!("{path}{query}"))
            .await
            .is(200)
            .json();
        page["builds"]
            .as_array()
            .unwrap()
            .iter()
            .map(|build| build["number"].as_i64().unwrap())
            .collect()
    };
    assert_eq!(numbers("?branch=side").await, [3]);
    assert_eq!(numbers("?state=passed").await, [0_i64; 0]);
    assert_eq!(
        numbers("?state=passed,running&branch=main").await,
        [5, 4, 2, 1]
    );
    assert_eq!(numbers("?limit=5").await.len(), 5);
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
        test.get(&writer, &format!("{path}{query}"))
            .await
            .refused(400, "invalid", says);
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
