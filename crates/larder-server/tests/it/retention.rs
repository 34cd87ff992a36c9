//! What every API says of artifacts whose life is over, by the clock and before any sweep.

use crate::support::{DEMO, TestLarder, URL};
use axum::http::Method;
use larder_core::DeletingScope;
use larder_core::model::{
    Artifact, ArtifactPath, EndState, JobId, NewArtifact, NewBuild, Principal, ProjectSlug,
    Retention,
};
use serde_json::Value;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const JOBS: &str = "/api/v1.1/project/github/acme/demo";
const BUILDS: &str = "/v2/organizations/acme/pipelines/demo/builds/1";

/// A project that keeps for 30 days, with a running job of number 1 and in it `old.txt`, kept at the start.
struct Sample {
    test: TestLarder,
    token: String,
    build: String,
    job: JobId,
    old: Artifact,
}

impl Sample {
    async fn new() -> Self {
        let test = TestLarder::start().await;
        test.project(DEMO, false).await;
        test.root("root").await;
        let token = test.token("root", "admin").await;
        let announced = test.build(DEMO, NewBuild::default(), &[("build", 1)]).await;
        let job = announced.nodes[0].job.id;
        let old = test.keep(job, "old.txt", "old").await;
        let sample = Self {
            build: announced.build.id.to_string(),
            test,
            token,
            job,
            old,
        };
        sample.retain("30").await;
        sample
    }

    async fn retain(&self, retention: &str) {
        let (slug, retention) = (
            ProjectSlug::parse(DEMO).unwrap(),
            Retention::parse(retention).unwrap(),
        );
        let projects = &self.test.larder.projects;
        let set = projects.set_retention(&Principal::Operator, &slug, retention);
        set.await.unwrap();
    }

    async fn finish(&self) {
        let jobs = &self.test.larder.jobs;
        let ended = jobs.finish(&Principal::Operator, self.job, EndState::Passed, None);
        ended.await.unwrap();
    }

    async fn status(&self, path: &str) -> u16 {
        let bearer = format!("Bearer {}", self.token);
        let headers = [("authorization", bearer.as_str())];
        let answer = self.test.ask(Method::GET, path, &headers, "").await;
        answer.status.as_u16()
    }

    async fn json(&self, path: &str) -> Value {
        let bearer = format!("Bearer {}", self.token);
        let headers = [("authorization", bearer.as_str())];
        let answer = self.test.ask(Method::GET, path, &headers, "").await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }

    /// The path of the link that Buildkite's API gives for an artifact.
    async fn link(&self, artifact: &str) -> String {
        let bearer = format!("Bearer {}", self.token);
        let headers = [("authorization", bearer.as_str())];
        let path = format!("{artifact}/download");
        let answer = self.test.ask(Method::GET, &path, &headers, "").await;
        assert_eq!(answer.status, 302, "{answer:?}");
        let link = answer.header("location").strip_prefix(URL);
        link.unwrap().to_owned()
    }

    /// Paths and states that both lists of the build show for a query.
    async fn listed(&self, query: &str) -> Vec<(String, String)> {
        let native = format!("/larder/v1/builds/{}/artifacts?{query}", self.build);
        let native = entries(&self.json(&native).await["artifacts"]);
        let buildkite = self.json(&format!("{BUILDS}/artifacts?{query}")).await;
        assert_eq!(entries(&buildkite), native, "{query}");
        native
    }

    /// Paths that CircleCI's lists show, by number and as the latest.
    async fn shown(&self) -> Vec<String> {
        let paths = |list: &Value| -> Vec<String> {
            let list = list.as_array().unwrap().iter();
            list.map(|entry| entry["path"].as_str().unwrap().to_owned())
                .collect()
        };
        let list = paths(&self.json(&format!("{JOBS}/1/artifacts")).await);
        let latest = paths(&self.json(&format!("{JOBS}/latest/artifacts")).await);
        let second = self.json("/api/v2/project/gh/acme/demo/1/artifacts").await;
        assert_eq!(latest, list);
        assert_eq!(paths(&second["items"]), list);
        list
    }

    /// Every address of the bytes of `old.txt`, and what it answers once the file has expired.
    fn addresses(&self) -> Vec<(String, u16)> {
        let (job, id) = (self.job, self.old.id);
        vec![
            (format!("{JOBS}/1/artifacts/0/old.txt"), 404),
            (format!("{JOBS}/latest/artifacts/0/old.txt"), 404),
            (format!("/output/job/{job}/artifacts/0/old.txt"), 404),
            ("/gh/acme/demo/1/artifacts/0/old.txt".to_owned(), 404),
            (format!("/larder/v1/artifacts/{id}/content"), 410),
            (format!("/larder/v1/jobs/{job}/artifacts/old.txt"), 410),
        ]
    }
}

fn entries(list: &Value) -> Vec<(String, String)> {
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let list = list.as_array().unwrap().iter();
    list.map(|entry| (word(&entry["path"]), word(&entry["state"])))
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let expected = expected.iter();
    expected
        .map(|(path, state)| ((*path).to_owned(), (*state).to_owned()))
        .collect()
}

#[tokio::test]
async fn every_address_gives_a_file_up_to_its_last_millisecond_and_none_after() {
    let sample = Sample::new().await;
    sample.finish().await;
    let download = format!("{BUILDS}/jobs/{}/artifacts/{}", sample.job, sample.old.id);
    sample.test.clock.advance_ms(30 * DAY_MS - 1);
    let link = sample.link(&download).await;
    assert_eq!(sample.status(&link).await, 200);
    for (address, _) in sample.addresses() {
        assert_eq!(sample.status(&address).await, 200, "{address}");
    }
    assert_eq!(sample.shown().await, ["old.txt"]);

    sample.test.clock.advance_ms(1);
    for round in ["before the sweep", "after it"] {
        for (address, status) in sample.addresses() {
            let found = sample.status(&address).await;
            assert_eq!(found, status, "{address} {round}");
        }
        assert_eq!(sample.status(&link).await, 404, "{round}");
        assert_eq!(sample.status(&format!("{download}/download")).await, 404);
        assert_eq!(sample.json(&download).await["state"], "expired");
        let native = format!("/larder/v1/artifacts/{}", sample.old.id);
        assert_eq!(sample.json(&native).await["state"], "expired");
        assert!(sample.shown().await.is_empty(), "{round}");
        let expected = pairs(&[("old.txt", "expired")]);
        assert_eq!(sample.listed("state=expired").await, expected, "{round}");
        sample.test.larder.collect_garbage().await.unwrap();
    }
}

#[tokio::test]
async fn a_state_lists_what_it_should_by_the_clock() {
    let sample = Sample::new().await;
    let artifacts = &sample.test.larder.artifacts;
    let dead = sample.test.keep(sample.job, "dead.txt", "dead").await;
    let delete = artifacts.delete(&Principal::Operator, dead.id, DeletingScope::Delete);
    delete.await.unwrap();
    let announce = async |path: &str| {
        let new = NewArtifact::new(ArtifactPath::parse(path).unwrap(), "text/plain");
        let announced = artifacts.announce(&Principal::Operator, sample.job, vec![new]);
        announced.await.unwrap();
    };
    announce("lost.txt").await;
    sample.test.clock.advance_ms(DAY_MS - 1);
    let check = async |query: &str, expected: &[(&str, &str)]| {
        assert_eq!(sample.listed(query).await, pairs(expected), "{query}");
    };
    check("state=new", &[("lost.txt", "new")]).await;
    check("state=error", &[]).await;
    sample.test.clock.advance_ms(1);
    check("state=new", &[]).await;
    check("state=error", &[("lost.txt", "error")]).await;

    sample.test.clock.advance_ms(29 * DAY_MS - 1);
    check("state=expired", &[]).await;
    check("state=finished", &[("old.txt", "finished")]).await;
    sample.test.clock.advance_ms(1);
    sample.test.keep(sample.job, "young.txt", "young").await;
    announce("soon.txt").await;
    for _ in 0..2 {
        check("state=expired", &[("old.txt", "expired")]).await;
        check("state=finished", &[("young.txt", "finished")]).await;
        check("state=error", &[("lost.txt", "error")]).await;
        check("state=new", &[("soon.txt", "new")]).await;
        check("state=deleted", &[("dead.txt", "deleted")]).await;
        let all = [
            ("old.txt", "expired"),
            ("lost.txt", "error"),
            ("young.txt", "finished"),
            ("soon.txt", "new"),
        ];
        check("", &all).await;
        check("path=*.txt&state=expired", &[("old.txt", "expired")]).await;
        assert_eq!(sample.shown().await, ["young.txt"]);
        sample.test.larder.collect_garbage().await.unwrap();
    }
}

#[tokio::test]
async fn a_changed_retention_counts_at_once_on_every_api() {
    let sample = Sample::new().await;
    sample.test.clock.advance_ms(10 * DAY_MS);
    let content = format!("/larder/v1/artifacts/{}/content", sample.old.id);
    for (retention, status) in [("30", 200), ("10", 410), ("11", 200), ("none", 200)] {
        sample.retain(retention).await;
        assert_eq!(sample.status(&content).await, status, "{retention}");
    }
}

#[tokio::test]
async fn what_has_expired_says_so_to_who_would_delete_it() {
    let sample = Sample::new().await;
    sample.test.clock.advance_ms(30 * DAY_MS);
    let bearer = format!("Bearer {}", sample.token);
    let delete = async |path: String| {
        let headers = [("authorization", bearer.as_str())];
        let answer = sample.test.ask(Method::DELETE, &path, &headers, "").await;
        (answer.status.as_u16(), answer.text().to_owned())
    };
    let (status, body) = delete(format!("/larder/v1/artifacts/{}", sample.old.id)).await;
    assert_eq!(status, 410);
    assert!(body.contains("expired"), "{body}");
    let path = format!("{BUILDS}/jobs/{}/artifacts/{}", sample.job, sample.old.id);
    let (status, body) = delete(path).await;
    assert_eq!(status, 404);
    assert!(body.contains("its retention is over"), "{body}");
    let expected = pairs(&[("old.txt", "expired")]);
    assert_eq!(sample.listed("state=expired").await, expected);
}
