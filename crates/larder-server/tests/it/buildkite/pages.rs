//! `page`, `per_page` and `Link`, as the clients send and read them.

use super::{BUILD, Sample};
use crate::support::Answer;
use http::StatusCode;
use larder_core::model::{ArtifactPath, NewArtifact, Principal, Role};
use serde_json::{Value, json};

/// A build with 250 artifacts.
async fn sample() -> Sample {
    let sample = Sample::new().await;
    let new = (2..250).map(|n| {
        let path = ArtifactPath::parse(&format!("many/{n:03}")).unwrap();
        NewArtifact::new(path, "text/plain")
    });
    let artifacts = &sample.larder.larder.artifacts;
    artifacts
        .announce(&Principal::Operator, sample.build_job, new.collect())
        .await
        .unwrap();
    sample
}

fn length(answer: &Answer) -> usize {
    answer.json().as_array().unwrap().len()
}

#[tokio::test]
async fn a_page_is_thirty_entries_and_at_most_a_hundred() {
    let sample = sample().await;
    let check = async |query: &str, expected: usize| {
        let answer = sample
            .larder
            .get(&sample.token, &format!("{BUILD}/artifacts{query}"))
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{query}");
        assert_eq!(length(&answer), expected, "{query}");
    };
    check("", 30).await;
    check("?per_page=7", 7).await;
    check("?per_page=1000", 100).await;
    check("?per_page=0", 30).await;
    check("?per_page=all", 30).await;
    check("?page=0&per_page=100", 100).await;
    check("?page=-1", 30).await;
    check("?page=3&per_page=100", 50).await;
    check("?page=4&per_page=100", 0).await;
}

#[tokio::test]
async fn pages_hold_every_entry_once_and_in_order() {
    let sample = sample().await;
    let mut seen = Vec::new();
    let mut next = Some(format!("{BUILD}/artifacts?per_page=60"));
    while let Some(address) = next {
        let answer = sample.larder.get(&sample.token, &address).await;
        let list = answer.json();
        seen.extend(
            list.as_array()
                .unwrap()
                .iter()
                .map(|item| item["path"].as_str().unwrap().to_owned()),
        );
        let link = answer.header("link");
        let item = link
            .split(", ")
            .find(|item| item.ends_with(r#"; rel="next""#));
        next = item.map(|item| {
            let url = item.split_once('>').unwrap().0;
            url.strip_prefix("<https://larder.test").unwrap().to_owned()
        });
    }
    assert_eq!(seen.len(), 250);
    assert_eq!(seen[..2], ["dist/app.tar.gz", "log.txt"]);
    assert!(seen[2..].is_sorted());
}

/// The first three requests of the recorded clients differ in their order of parameters and in the slash.
#[tokio::test]
async fn links_are_in_the_form_that_the_clients_can_read() {
    let sample = sample().await;
    let check = async |address: &str, expected: &str| {
        let answer = sample
            .larder
            .get(&sample.token, &format!("{BUILD}{address}"))
            .await;
        let link = answer.header("link");
        let link = link.replace(&format!("https://larder.test{BUILD}"), "");
        assert_eq!(link, expected, "{address}");
    };
    // curl
    check(
        "/artifacts",
        r#"</artifacts?page=2&per_page=30>; rel="next", </artifacts?page=9&per_page=30>; rel="last""#,
    )
    .await;
    // go-buildkite
    check(
        "/artifacts?page=2&per_page=50",
        concat!(
            r#"</artifacts?page=3&per_page=50>; rel="next", </artifacts?page=5&per_page=50>; rel="last", "#,
            r#"</artifacts?page=1&per_page=50>; rel="prev", </artifacts?page=1&per_page=50>; rel="first""#
        ),
    )
    .await;
    // pybuildkite
    check(
        "/artifacts/?page=0&per_page=100",
        r#"</artifacts?page=2&per_page=100>; rel="next", </artifacts?page=3&per_page=100>; rel="last""#,
    )
    .await;
    check(
        "/artifacts/?per_page=200&page=3&state=new&a&path=many%2F*",
        concat!(
            r#"</artifacts?a=&page=2&path=many%2F%2A&per_page=100&state=new>; rel="prev", "#,
            r#"</artifacts?a=&page=1&path=many%2F%2A&per_page=100&state=new>; rel="first""#
        ),
    )
    .await;
    check("/artifacts?path=many%2F00*", "").await;
}

#[tokio::test]
async fn a_place_far_behind_is_refused() {
    let sample = Sample::new().await;
    for (list, page) in [
        ("artifacts", "1002"),
        ("artifacts", "99999999999999999999"),
        ("jobs", "1"),
    ] {
        let address = format!("{BUILD}/{list}?page={page}&per_page=100");
        let answer = sample.larder.get(&sample.token, &address).await;
        if list == "jobs" {
            assert_eq!(answer.status, StatusCode::OK, "this list goes by cursor");
            continue;
        }
        assert_eq!(answer.refusal().0, 422);
        assert!(
            answer
                .refusal()
                .1
                .starts_with("Invalid page: only the first 100000 entries")
        );
    }
    let answer = sample
        .larder
        .get(&sample.token, "/v2/builds?page=5000")
        .await;
    assert_eq!(answer.status.as_u16(), 422);
}

#[tokio::test]
async fn pipelines_and_organizations_have_pages_too() {
    let sample = Sample::new().await;
    for slug in ["github/acme/a", "github/acme/b", "github/other/c"] {
        sample.larder.project(slug, false).await;
        sample.larder.grant("ada", Role::Reader, slug).await;
    }
    let check = async |path: &str, expected: Value, link: &str| {
        let answer = sample.larder.get(&sample.token, path).await;
        let list = answer.json();
        let slugs = list.as_array().unwrap().iter().map(|item| &item["slug"]);
        assert_eq!(json!(slugs.collect::<Vec<_>>()), expected, "{path}");
        let rels = answer.header("link").split("rel=").skip(1);
        let rels: String = rels.filter_map(|rel| rel.split('"').nth(1)).collect();
        assert_eq!(rels, link, "{path}");
    };
    let pipelines = "/v2/organizations/acme/pipelines/?per_page=2";
    check(pipelines, json!(["a", "b"]), "nextlast").await;
    let second = format!("{pipelines}&page=2");
    check(&second, json!(["demo"]), "prevfirst").await;
    let organizations = "/v2/organizations/?per_page=1&page=2";
    check(organizations, json!(["other"]), "prevfirst").await;
}
