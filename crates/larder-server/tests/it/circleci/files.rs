//! The file itself, under each of its addresses.

use super::{LIST, sample};
use crate::support::{DEMO, TestLarder};
use axum::http::Method;

const FIRST: &str = "my artifact file\n";
const SECOND: &str = "my artifact files in a dir\n";

/// Vectors 1, 2, 13, 15, 16 and 31.
#[tokio::test]
async fn a_file_answers_under_every_address_that_people_have_pasted() {
    let (larder, job) = sample().await;
    let output = format!("/output/job/{}/artifacts/0", job.id);
    for (path, bytes) in [
        (format!("{LIST}/0/artifact-file"), FIRST),
        (format!("{LIST}/0/tmp/artifacts/artifact-2"), SECOND),
        (format!("{LIST}/0//tmp/artifacts/artifact-2"), SECOND),
        (format!("{LIST}/0//tmp//artifacts/artifact-2"), SECOND),
        ("/api/v1/project/acme/demo/1/artifacts/0/artifact-file".into(), FIRST),
        ("/api/v1/project/acme/demo/latest/artifacts/0/artifact-file".into(), FIRST),
        (
            "/api/v1.1/project/gh/acme/demo/latest/artifacts/0/artifact-file?branch=master&filter=successful".into(),
            FIRST,
        ),
        ("/gh/acme/demo/1/artifacts/0/artifact-file".into(), FIRST),
        ("/github/acme/demo/latest/artifacts/0//tmp/artifacts/artifact-2".into(), SECOND),
        (format!("{output}/artifact-file"), FIRST),
        (format!("{output}//tmp/artifacts/artifact-2"), SECOND),
    ] {
        assert_eq!(larder.get("", &path).await.pair(), (200, bytes), "{path}");
        let head = larder.ask(Method::HEAD, &path, &[], "").await;
        assert_eq!((head.status.as_u16(), head.body.len()), (200, 0), "HEAD {path}");
    }
}

/// Vector 14, and what else is not there.
#[tokio::test]
async fn a_file_that_is_not_there_is_an_artifact_not_found() {
    let (larder, job) = sample().await;
    for path in [
        format!("{LIST}/0/nope"),
        format!("{LIST}/1/artifact-file"),
        format!("{LIST}/x/artifact-file"),
        format!("{LIST}/0/tmp"),
        format!("{LIST}/0/artifact-file/"),
        format!("{LIST}/0/../artifact-file"),
        format!("{LIST}/0/a%00b"),
        format!("/output/job/{}/artifacts/0/nope", job.id),
        format!("/output/job/{}/artifacts/7/artifact-file", job.id),
        "/gh/acme/demo/1/artifacts/0/nope".into(),
    ] {
        assert_eq!(
            larder.get("", &path).await.pair(),
            (404, r#"{"message":"Artifact not found"}"#),
            "{path}"
        );
    }
}

/// Vector 23.
#[tokio::test]
async fn the_literal_variable_of_old_addresses_leads_to_the_file() {
    let larder = TestLarder::start().await;
    larder.project(DEMO, true).await;
    let job = larder.job("master").await;
    let path = "tmp/circle-artifacts.AbC/hello.txt";
    larder
        .keep_as(job.id, path, Some("$CIRCLE_ARTIFACTS/hello.txt"), "hello")
        .await;
    let list = larder.get("", LIST).await.json();
    assert_eq!(list[0]["path"], path);
    assert_eq!(list[0]["pretty_path"], "$CIRCLE_ARTIFACTS/hello.txt");
    for name in [
        "$CIRCLE_ARTIFACTS/hello.txt",
        "%24CIRCLE_ARTIFACTS/hello.txt",
        "/$CIRCLE_ARTIFACTS/hello.txt",
        "/tmp/circle-artifacts.AbC/hello.txt",
    ] {
        assert_eq!(
            larder.get("", &format!("{LIST}/0/{name}")).await.pair(),
            (200, "hello"),
            "{name}"
        );
    }
}

/// Vectors 24 and 25.
#[tokio::test]
async fn names_come_back_through_the_address_that_the_list_gives() {
    let larder = TestLarder::start().await;
    larder.project(DEMO, true).await;
    let job = larder.job("master").await;
    let names = [
        "a b (1),{x}.txt",
        "a+b",
        "100%",
        "a#b",
        "a?b=c",
        "wow!",
        "é.txt",
        "c:d",
        "a&b",
        "~/x",
        "日本/🥫",
        "%2e%2e/x",
        "\"q\"",
        "a;b",
        "$HOME/x",
        "'",
        "a=b",
        "[1]",
        "a%2Fb",
        ".hidden",
    ];
    for name in names {
        larder.keep(job.id, name, name).await;
    }
    let list = larder.get("", LIST).await.json();
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), names.len());
    for item in list {
        let (path, url) = (
            item["path"].as_str().unwrap(),
            item["url"].as_str().unwrap(),
        );
        assert_eq!(larder.get("", url).await.pair(), (200, path), "{url}");
    }
    let spaced = list.iter().find(|item| item["path"] == names[0]).unwrap();
    assert!(
        spaced["url"]
            .as_str()
            .unwrap()
            .ends_with("/a%20b%20%281%29%2C%7Bx%7D.txt")
    );
}

#[tokio::test]
async fn a_plus_means_itself_and_if_there_is_no_such_file_a_space() {
    let larder = TestLarder::start().await;
    larder.project(DEMO, true).await;
    let job = larder.job("master").await;
    larder.keep(job.id, "a b", "space").await;
    assert_eq!(
        larder.get("", &format!("{LIST}/0/a+b")).await.pair(),
        (200, "space")
    );
    larder.keep(job.id, "a+b", "plus").await;
    assert_eq!(
        larder.get("", &format!("{LIST}/0/a+b")).await.pair(),
        (200, "plus")
    );
    assert_eq!(
        larder.get("", &format!("{LIST}/0/a%20b")).await.pair(),
        (200, "space")
    );
}

/// Vector 45: the recipe appends the token to the address as the list gives it.
#[tokio::test]
async fn an_address_with_a_token_appended_gives_the_file_of_a_private_project() {
    let larder = TestLarder::start().await;
    super::keep_sample(&larder, false).await;
    let token = larder
        .member("ada", larder_core::model::Role::Reader, DEMO, "view-builds")
        .await;
    let list = larder
        .get("", &format!("{LIST}?circle-token={token}"))
        .await
        .json();
    let url = list[1]["url"].as_str().unwrap();
    assert_eq!(
        larder
            .get("", &format!("{url}?circle-token={token}"))
            .await
            .pair(),
        (200, SECOND)
    );
    assert_eq!(
        larder.get("", url).await.pair(),
        (404, r#"{"message":"Build not found"}"#)
    );
}

/// Any node's id means the job, and the index picks the node.
#[tokio::test]
async fn an_output_address_takes_the_node_from_its_index() {
    let larder = TestLarder::start().await;
    larder.project(DEMO, true).await;
    let nodes = larder
        .build(
            DEMO,
            larder_core::model::NewBuild::default(),
            &[("build", 2)],
        )
        .await
        .nodes;
    for node in &nodes {
        larder
            .keep(node.job.id, "out", &node.job.index.to_string())
            .await;
    }
    for node in &nodes {
        for index in ["0", "1"] {
            let path = format!("/output/job/{}/artifacts/{index}/out", node.job.id);
            assert_eq!(larder.get("", &path).await.pair(), (200, index), "{path}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_an_output_address_is_an_invalid_build_specification() {
    let (larder, job) = sample().await;
    for path in [
        "/output/job/nope/artifacts/0/artifact-file".into(),
        format!("/output/job/{}/artifacts/x/artifact-file", job.id),
        format!("/output/job/{}", job.id),
        "/output/static/style.css".into(),
    ] {
        assert_eq!(
            larder.get("", &path).await.pair(),
            (404, "invalid build specification"),
            "{path}"
        );
    }
    let unknown = larder
        .get(
            "",
            "/output/job/00000000-0000-7000-8000-000000000000/artifacts/0/x",
        )
        .await;
    assert_eq!(unknown.pair(), (404, r#"{"message":"Build not found"}"#));
}
