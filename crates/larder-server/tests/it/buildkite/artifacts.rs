//! `…/artifacts`: lists, one, filters, delete.

use super::{BUILD, Sample};
use crate::support::URL;
use http::{Method, StatusCode};
use larder_core::model::{ArtifactPath, NewArtifact, NewBuild, Principal, Role};
use serde_json::{Value, json};

/// The example of the source document, in which every documented field has its documented type.
const DOCUMENTED: &str = r#"{
    "id": "76365070-34d5-4104-8b91-952780f8029f",
    "job_id": "aae578fe-994c-44e6-84da-4102616928ba",
    "url": "https://api.buildkite.com/v2/organizations/my-great-org/pipelines/my-pipeline/builds/1/jobs/aae578fe-994c-44e6-84da-4102616928ba/artifacts/76365070-34d5-4104-8b91-952780f8029f",
    "download_url": "https://api.buildkite.com/v2/organizations/my-great-org/pipelines/my-pipeline/builds/1/jobs/aae578fe-994c-44e6-84da-4102616928ba/artifacts/76365070-34d5-4104-8b91-952780f8029f/download",
    "state": "finished",
    "path": "dist/app.tar.gz",
    "dirname": "dist",
    "filename": "app.tar.gz",
    "mime_type": "application/x-gzip",
    "file_size": 529371,
    "glob_path": null,
    "original_path": null,
    "sha1sum": "884c4ad3f2545c85c69d0d0ef50c5d4f5266f0b7"
}"#;

#[track_caller]
fn paths(list: &Value) -> Vec<&str> {
    let items = list.as_array().unwrap().iter();
    items.map(|item| item["path"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_artifact_has_the_documented_fields_in_their_order_and_ours_after_them() {
    let sample = Sample::new().await;
    let url = format!(
        "{URL}{BUILD}/jobs/{}/artifacts/{}",
        sample.build_job, sample.app.id
    );
    let id = sample.app.id;
    let [by_build, by_organization] = sample
        .job_addresses()
        .map(|job| format!("{job}/artifacts/{id}"));
    let answer = sample.larder.get(&sample.token, &by_build).await;
    assert_eq!(answer.status, StatusCode::OK);
    let of_type = answer.header("content-type");
    assert_eq!(of_type, "application/json; charset=utf-8");
    let other = sample.larder.get(&sample.token, &by_organization).await;
    assert_eq!(other.text(), answer.text(), "the same by either address");
    let body = answer.text().replace(&url, "URL");
    let body = body.replace(&id.to_string(), "ID");
    let body = body.replace(&sample.build_job.to_string(), "JOB");
    insta::assert_snapshot!(body, @r#"
    {
      "id": "ID",
      "job_id": "JOB",
      "url": "URL",
      "download_url": "URL/download",
      "state": "finished",
      "path": "dist/app.tar.gz",
      "dirname": "dist",
      "filename": "app.tar.gz",
      "mime_type": "text/plain",
      "file_size": 10,
      "glob_path": null,
      "original_path": null,
      "sha1sum": "0096cb2abf1d7d6711bf29ad90fa5423e5bf3799",
      "sha256sum": "9e691d5adacf0e102f203100842ffaba4e2a7dfe3dbd536827d3c0db8c7e88f1",
      "created_at": "2026-11-21T02:15:00.123Z"
    }
    "#);
}

#[tokio::test]
async fn every_field_of_the_documents_example_is_there_with_its_type() {
    let sample = Sample::new().await;
    let path = format!(
        "{BUILD}/jobs/{}/artifacts/{}",
        sample.build_job, sample.app.id
    );
    let ours = sample.larder.get(&sample.token, &path).await.json();
    let documented: Value = serde_json::from_str(DOCUMENTED).unwrap();
    for (field, example) in documented.as_object().unwrap() {
        let value = ours.get(field).unwrap_or_else(|| panic!("no {field}"));
        let same = std::mem::discriminant(value) == std::mem::discriminant(example);
        assert!(same, "{field}: {value}, in the document {example}");
    }
}

#[tokio::test]
async fn lists_hold_the_artifacts_of_the_build_or_of_the_job() {
    let sample = Sample::new().await;
    let list = async |path: String| sample.larder.get(&sample.token, &path).await.json();
    let all = list(format!("{BUILD}/artifacts")).await;
    assert_eq!(paths(&all), ["dist/app.tar.gz", "log.txt"]);
    assert_eq!(all[1]["dirname"], ".");
    for job in sample.job_addresses() {
        let of_job = list(format!("{job}/artifacts")).await;
        assert_eq!(of_job, json!([all[0]]), "the same body by either address");
    }
    let of_other = list(format!("{BUILD}/jobs/{}/artifacts", sample.test_job)).await;
    assert_eq!(of_other, json!([all[1]]));
}

#[tokio::test]
async fn a_slash_at_the_end_changes_nothing() {
    let sample = Sample::new().await;
    let job = format!("{BUILD}/jobs/{}", sample.build_job);
    let by_org = format!("/v2/organizations/acme/jobs/{}", sample.build_job);
    let id = sample.app.id;
    let mut addresses = vec![
        "/v2".to_owned(),
        "/v2/meta".to_owned(),
        "/v2/user".to_owned(),
        "/v2/access-token".to_owned(),
        "/v2/builds".to_owned(),
        "/v2/organizations".to_owned(),
        "/v2/organizations/acme".to_owned(),
        "/v2/organizations/acme/builds".to_owned(),
        "/v2/organizations/acme/pipelines".to_owned(),
        "/v2/organizations/acme/pipelines/demo".to_owned(),
        "/v2/organizations/acme/pipelines/demo/builds".to_owned(),
        BUILD.to_owned(),
        format!("{BUILD}/artifacts"),
        format!("{BUILD}/jobs"),
    ];
    for job in [job, by_org] {
        addresses.extend([
            job.clone(),
            format!("{job}/artifacts"),
            format!("{job}/artifacts/{id}"),
        ]);
    }
    for address in addresses {
        let without = sample.larder.get(&sample.token, &address).await;
        let with = sample
            .larder
            .get(&sample.token, &format!("{address}/"))
            .await;
        assert_eq!(without.status, StatusCode::OK, "{address}");
        assert_eq!(with.status, StatusCode::OK, "{address}/");
        assert_eq!(without.json(), with.json(), "{address}");
    }
}

#[tokio::test]
async fn a_state_or_a_path_narrows_a_list() {
    let sample = Sample::new().await;
    let new = NewArtifact::new(ArtifactPath::parse("dist/late.bin").unwrap(), "text/plain");
    let artifacts = &sample.larder.larder.artifacts;
    let job = sample.build_job;
    artifacts
        .announce(&Principal::Operator, job, vec![new])
        .await
        .unwrap();
    let dead = sample.larder.keep(job, "dead.txt", b"x").await;
    let path = format!("{BUILD}/jobs/{job}/artifacts/{}", dead.id);
    assert_eq!(
        sample
            .larder
            .send(&sample.token, Method::DELETE, &path, "")
            .await
            .status,
        204
    );

    let check = async |query: &str, expected: &[&str]| {
        let path = format!("{BUILD}/artifacts?{query}");
        let list = sample.larder.get(&sample.token, &path).await.json();
        assert_eq!(paths(&list), expected, "{query}");
    };
    check("", &["dist/app.tar.gz", "log.txt", "dist/late.bin"]).await;
    check("state=", &["dist/app.tar.gz", "log.txt", "dist/late.bin"]).await;
    check("state=new", &["dist/late.bin"]).await;
    check("state=finished", &["dist/app.tar.gz", "log.txt"]).await;
    check("state=deleted", &["dead.txt"]).await;
    check("state=expired", &[]).await;
    check(
        "state[]=new&state[]=deleted",
        &["dist/late.bin", "dead.txt"],
    )
    .await;
    check("path=log.txt", &["log.txt"]).await;
    check("path=dist/*", &["dist/app.tar.gz", "dist/late.bin"]).await;
    check("path=dist%2F*&state=finished", &["dist/app.tar.gz"]).await;
    check("path=*.txt", &["log.txt"]).await;
    check("path=app.tar.gz", &[]).await;
    check("path={log,x}.txt", &[]).await;
}

#[tokio::test]
async fn an_unknown_state_is_refused_with_the_known_ones() {
    let sample = Sample::new().await;
    let answer = sample
        .larder
        .get(&sample.token, &format!("{BUILD}/artifacts?state=foo"))
        .await;
    let message = "Invalid state: foo. Valid states are new, error, finished, deleted, expired.";
    assert_eq!(answer.refusal(), (422, message.to_owned()));
}

#[tokio::test]
async fn deleting_answers_204_without_a_body_and_then_nothing_is_there() {
    for form in 0..2 {
        let sample = Sample::new().await;
        let path = format!(
            "{}/artifacts/{}",
            sample.job_addresses()[form],
            sample.app.id
        );
        let deleted = sample
            .larder
            .send(&sample.token, Method::DELETE, &path, "")
            .await;
        assert_eq!(deleted.status, StatusCode::NO_CONTENT);
        assert!(deleted.body.is_empty());
        let gone = (404, "No artifact found".to_owned());
        for (method, path) in [
            (Method::GET, path.clone()),
            (Method::GET, format!("{path}/download")),
            (Method::DELETE, path.clone()),
        ] {
            let answer = sample
                .larder
                .send(&sample.token, method.clone(), &path, "")
                .await;
            assert_eq!(answer.refusal(), gone, "{method} {path}");
        }
        let list = sample
            .larder
            .get(&sample.token, &format!("{BUILD}/artifacts"))
            .await
            .json();
        assert_eq!(paths(&list), ["log.txt"]);
    }
}

/// Addresses below `/v2/organizations/` and what there is none of. `JOB` made `APP`, `TEST` in the same build made `LOG`,
/// `LATER` belongs to build 2.
const WRONG: &str = "
    nobody/pipelines/demo/builds/1/jobs/JOB/artifacts/APP   organization
    acme/pipelines/none/builds/1/jobs/JOB/artifacts/APP     pipeline
    acme/pipelines/other/builds/1/jobs/JOB/artifacts/APP    job
    acme/pipelines/demo/builds/9/jobs/JOB/artifacts/APP     build
    acme/pipelines/demo/builds/2/jobs/JOB/artifacts/APP     job
    acme/pipelines/demo/builds/1/jobs/LATER/artifacts/APP   job
    acme/pipelines/demo/builds/1/jobs/nope/artifacts/APP    job
    acme/pipelines/demo/builds/1/jobs/TEST/artifacts/APP    artifact
    acme/pipelines/demo/builds/1/jobs/JOB/artifacts/LOG     artifact
    acme/pipelines/demo/builds/1/jobs/JOB/artifacts/1       artifact
    nobody/jobs/JOB/artifacts/APP                           organization
    acme%ff/jobs/JOB/artifacts/APP                          organization
    acme/jobs/APP/artifacts/APP                             job
    acme/jobs/TEST/artifacts/APP                            artifact
";

#[tokio::test]
async fn every_ancestor_in_an_address_is_the_artifacts_own() {
    let sample = Sample::new().await;
    let larder = &sample.larder;
    larder.project("github/acme/other", false).await;
    larder.grant("ada", Role::Writer, "github/acme/other").await;
    let mut jobs = Vec::new();
    for slug in ["github/acme/other", "github/acme/demo"] {
        let announced = larder.build(slug, NewBuild::default(), &[("build", 1)]);
        jobs.push(announced.await.nodes[0].job.id);
    }
    let names = [
        ("JOB", sample.build_job.to_string()),
        ("TEST", sample.test_job.to_string()),
        ("LATER", jobs[1].to_string()),
        ("APP", sample.app.id.to_string()),
        ("LOG", sample.log.id.to_string()),
    ];
    for line in WRONG.lines().filter(|line| !line.trim().is_empty()) {
        let (address, what) = line.trim().split_once(' ').unwrap();
        let filled = names.iter().fold(address.to_owned(), |text, (name, id)| {
            text.replace(name, id)
        });
        let expected = (404, format!("No {} found", what.trim()));
        for (method, tail) in [
            (Method::GET, ""),
            (Method::GET, "/download"),
            (Method::DELETE, ""),
        ] {
            let path = format!("/v2/organizations/{filled}{tail}");
            let answer = larder.send(&sample.token, method, &path, "").await;
            assert_eq!(answer.refusal(), expected, "{address}{tail}");
        }
    }
    let [job, _] = sample.job_addresses();
    let path = format!("{job}/artifacts/{}", sample.app.id);
    let still = larder.get(&sample.token, &path).await;
    assert_eq!(
        still.status,
        StatusCode::OK,
        "a wrong address deletes nothing"
    );
}

#[tokio::test]
async fn what_is_no_number_names_no_build() {
    let sample = Sample::new().await;
    let uuid = sample.app.build_id.to_string();
    for number in [
        uuid.as_str(),
        "x",
        "-1",
        "+1",
        "1.0",
        "0",
        "99999999999999999999999",
    ] {
        let path = format!("/v2/organizations/acme/pipelines/demo/builds/{number}/artifacts");
        let answer = sample.larder.get(&sample.token, &path).await;
        assert_eq!(
            answer.refusal(),
            (404, "No build found".to_owned()),
            "{number}"
        );
    }
}

#[tokio::test]
async fn an_artifact_without_bytes_is_shown_and_cannot_be_downloaded() {
    let sample = Sample::new().await;
    let new = NewArtifact::new(ArtifactPath::parse("late.bin").unwrap(), "text/plain");
    let artifacts = &sample.larder.larder.artifacts;
    let announced = artifacts
        .announce(&Principal::Operator, sample.build_job, vec![new])
        .await
        .unwrap();
    let path = format!(
        "{BUILD}/jobs/{}/artifacts/{}",
        sample.build_job, announced[0].id
    );
    assert_eq!(
        sample.larder.get(&sample.token, &path).await.json()["state"],
        "new"
    );
    let answer = sample
        .larder
        .get(&sample.token, &format!("{path}/download"))
        .await;
    assert_eq!(answer.refusal(), (404, "No artifact found".to_owned()));
}
