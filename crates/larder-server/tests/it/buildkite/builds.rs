//! What clients walk through on the way to artifacts: organizations, pipelines, builds, jobs, the user.

use super::{BUILD, Sample};
use crate::support::{START, URL};
use http::StatusCode;
use larder_core::model::{EndState, JobId, NewBuild, NewJob, Principal, ProjectSlug, Role};
use serde_json::{Value, json};

#[track_caller]
fn numbers(list: &Value) -> Vec<i64> {
    let builds = list.as_array().unwrap().iter();
    builds
        .map(|build| build["number"].as_i64().unwrap())
        .collect()
}

/// Puts the same words for what differs from run to run.
fn stable(text: &str, names: &[(&Value, &str)]) -> String {
    names.iter().fold(text.to_owned(), |text, (value, name)| {
        text.replace(value.as_str().unwrap(), name)
    })
}

#[tokio::test]
async fn the_root_greets_and_meta_needs_no_token() {
    let sample = Sample::new().await;
    let greeting = sample.larder.get("", "/v2").await.json();
    assert_eq!(
        greeting,
        json!({ "message": "🛠", "timestamp": START.seconds() })
    );
    let meta = sample.larder.get("", "/v2/meta").await.json();
    assert_eq!(meta, json!({ "webhook_ips": [] }));
}

#[tokio::test]
async fn an_organization_has_the_fields_that_clients_read() {
    let sample = Sample::new().await;
    let answer = sample
        .larder
        .get(&sample.token, "/v2/organizations/acme")
        .await;
    let body = answer.json();
    let text = stable(
        answer.text(),
        &[(&body["id"], "ID"), (&body["graphql_id"], "GRAPHQL")],
    );
    insta::assert_snapshot!(text, @r#"
    {
      "id": "ID",
      "graphql_id": "GRAPHQL",
      "url": "https://larder.test/v2/organizations/acme",
      "web_url": "https://larder.test/github/acme",
      "name": "acme",
      "slug": "acme",
      "pipelines_url": "https://larder.test/v2/organizations/acme/pipelines",
      "agents_url": "https://larder.test/v2/organizations/acme/agents",
      "emojis_url": "https://larder.test/v2/organizations/acme/emojis",
      "created_at": "2026-11-21T02:15:00.123Z"
    }
    "#);
    let list = sample
        .larder
        .get(&sample.token, "/v2/organizations")
        .await
        .json();
    assert_eq!(list, json!([body]));
}

#[tokio::test]
async fn a_pipeline_has_the_fields_that_clients_read() {
    let sample = Sample::new().await;
    let answer = sample
        .larder
        .get(&sample.token, "/v2/organizations/acme/pipelines/demo")
        .await;
    let body = answer.json();
    let text = stable(
        answer.text(),
        &[(&body["id"], "ID"), (&body["graphql_id"], "GRAPHQL")],
    );
    insta::assert_snapshot!(text, @r#"
    {
      "id": "ID",
      "graphql_id": "GRAPHQL",
      "url": "https://larder.test/v2/organizations/acme/pipelines/demo",
      "web_url": "https://larder.test/github/acme/demo",
      "name": "demo",
      "slug": "demo",
      "repository": "https://github.com/acme/demo.git",
      "default_branch": null,
      "description": null,
      "branch_configuration": null,
      "provider": {
        "id": "git",
        "settings": {}
      },
      "builds_url": "https://larder.test/v2/organizations/acme/pipelines/demo/builds",
      "badge_url": null,
      "created_at": "2026-11-21T02:15:00.123Z",
      "archived_at": null,
      "skip_queued_branch_builds": false,
      "cancel_running_branch_builds": false,
      "visibility": "private",
      "steps": [],
      "env": {}
    }
    "#);
    let list = sample
        .larder
        .get(&sample.token, "/v2/organizations/acme/pipelines")
        .await
        .json();
    assert_eq!(list, json!([body]));
}

#[tokio::test]
async fn a_build_has_the_fields_that_clients_read() {
    let sample = Sample::new().await;
    let answer = sample.larder.get(&sample.token, BUILD).await;
    let mut body = answer.json();
    let pipeline = sample
        .larder
        .get(&sample.token, "/v2/organizations/acme/pipelines/demo")
        .await
        .json();
    assert_eq!(body["pipeline"], pipeline);
    let jobs = sample
        .larder
        .get(&sample.token, &format!("{BUILD}/jobs"))
        .await
        .json();
    assert_eq!(body["jobs"], jobs["items"]);
    let alone = sample
        .larder
        .get(
            &sample.token,
            &format!("{BUILD}?exclude_jobs=true&exclude_pipeline=true"),
        )
        .await;
    let text = stable(
        alone.text(),
        &[(&body["id"], "ID"), (&body["graphql_id"], "GRAPHQL")],
    );
    insta::assert_snapshot!(text, @r#"
    {
      "id": "ID",
      "graphql_id": "GRAPHQL",
      "url": "https://larder.test/v2/organizations/acme/pipelines/demo/builds/1",
      "web_url": "https://larder.test/github/acme/demo/builds/1",
      "number": 1,
      "state": "running",
      "blocked": false,
      "message": null,
      "commit": null,
      "branch": null,
      "tag": null,
      "env": {},
      "source": "api",
      "creator": null,
      "created_at": "2026-11-21T02:15:00.123Z",
      "scheduled_at": "2026-11-21T02:15:00.123Z",
      "started_at": "2026-11-21T02:15:00.123Z",
      "finished_at": null,
      "meta_data": {},
      "pull_request": null,
      "rebuilt_from": null
    }
    "#);
    let body = body.as_object_mut().unwrap();
    body.remove("jobs");
    body.remove("pipeline");
    assert_eq!(alone.json(), json!(body));
}

#[tokio::test]
async fn a_job_has_the_fields_that_clients_read_by_either_address() {
    let sample = Sample::new().await;
    let [by_build, by_organization] = sample.job_addresses();
    let answer = sample.larder.get(&sample.token, &by_build).await;
    let body = answer.json();
    let text = stable(
        answer.text(),
        &[(&body["id"], "ID"), (&body["graphql_id"], "GRAPHQL")],
    );
    insta::assert_snapshot!(text, @r#"
    {
      "id": "ID",
      "graphql_id": "GRAPHQL",
      "type": "script",
      "name": "build",
      "label": "build",
      "step_key": "build",
      "state": "running",
      "build_url": "https://larder.test/v2/organizations/acme/pipelines/demo/builds/1",
      "web_url": "https://larder.test/github/acme/demo/builds/1#ID",
      "log_url": null,
      "raw_log_url": null,
      "artifacts_url": "https://larder.test/v2/organizations/acme/pipelines/demo/builds/1/jobs/ID/artifacts",
      "command": null,
      "exit_status": null,
      "soft_failed": false,
      "artifact_paths": "",
      "agent": null,
      "created_at": "2026-11-21T02:15:00.123Z",
      "scheduled_at": "2026-11-21T02:15:00.123Z",
      "runnable_at": "2026-11-21T02:15:00.123Z",
      "started_at": "2026-11-21T02:15:00.123Z",
      "finished_at": null,
      "retried": false,
      "retried_in_job_id": null,
      "retries_count": null,
      "parallel_group_index": null,
      "parallel_group_total": null
    }
    "#);
    assert_eq!(
        sample
            .larder
            .get(&sample.token, &by_organization)
            .await
            .json(),
        body
    );
    let list = sample
        .larder
        .get(&sample.token, &format!("{BUILD}/jobs"))
        .await
        .json();
    assert_eq!(list["items"][0], body);
}

#[tokio::test]
async fn a_user_is_shown_to_itself() {
    let sample = Sample::new().await;
    let answer = sample.larder.get(&sample.token, "/v2/user").await;
    let body = answer.json();
    let text = stable(
        answer.text(),
        &[(&body["id"], "ID"), (&body["graphql_id"], "GRAPHQL")],
    );
    insta::assert_snapshot!(text, @r#"
    {
      "id": "ID",
      "graphql_id": "GRAPHQL",
      "name": "ada",
      "email": null,
      "avatar_url": null,
      "created_at": "2026-11-21T02:15:00.123Z"
    }
    "#);
}

/// Announces build 2 with a job in each state, and ends them a second later.
async fn with_every_state() -> Sample {
    let sample = Sample::new().await;
    let slug = ProjectSlug::parse("github/acme/demo").unwrap();
    let names = ["passes", "fails", "stops", "hangs", "goes on", "waits"];
    let new_jobs = names.map(|name| NewJob {
        name: name.to_owned(),
        parallelism: if name == "goes on" { 2 } else { 1 },
        queued: name == "waits",
    });
    let builds = &sample.larder.larder.builds;
    let announced = builds.announce(
        &Principal::Operator,
        &slug,
        NewBuild::default(),
        new_jobs.to_vec(),
    );
    let nodes = announced.await.unwrap().nodes;
    sample.larder.clock.advance_ms(1_000);
    let ends = [
        (EndState::Passed, Some(0)),
        (EndState::Failed, Some(134)),
        (EndState::Canceled, None),
        (EndState::TimedOut, None),
    ];
    for (node, (end, exit_status)) in nodes.iter().zip(ends) {
        sample.larder.finish(node.job.id, end, exit_status).await;
    }
    sample
}

#[tokio::test]
async fn jobs_are_said_in_buildkites_words() {
    let sample = with_every_state().await;
    let path = "/v2/organizations/acme/pipelines/demo/builds/2/jobs";
    let list = sample.larder.get(&sample.token, path).await.json();
    let items = list["items"].as_array().unwrap();
    let fields = ["name", "state", "exit_status", "started_at", "finished_at"];
    let shown: Vec<_> = items
        .iter()
        .map(|job| fields.map(|field| job[field].clone()))
        .collect();
    let (start, end) = (START.rfc3339(), START.plus_ms(1_000).rfc3339());
    assert_eq!(
        json!(shown),
        json!([
            ["passes", "passed", 0, start, end],
            ["fails", "failed", 134, start, end],
            ["stops", "canceled", null, start, end],
            ["hangs", "timed_out", null, start, end],
            ["goes on", "running", null, start, null],
            ["goes on", "running", null, start, null],
            ["waits", "scheduled", null, null, null],
        ])
    );
    let places: Vec<_> = items
        .iter()
        .map(|job| &job["parallel_group_index"])
        .collect();
    assert_eq!(json!(places), json!([null, null, null, null, 0, 1, null]));
    assert_eq!(items[5]["parallel_group_total"], 2);
}

#[tokio::test]
async fn the_list_of_jobs_goes_by_cursor_and_narrows() {
    let sample = Sample::new().await;
    sample
        .larder
        .build(
            "github/acme/demo",
            NewBuild::default(),
            &[("lint", 1), ("test", 44)],
        )
        .await;
    let list = "/v2/organizations/acme/pipelines/demo/builds/2/jobs";
    let first = sample.larder.get(&sample.token, list).await.json();
    assert_eq!(first["items"].as_array().unwrap().len(), 30);
    assert_eq!(first["links"]["self"], format!("{URL}{list}?per_page=30"));
    let cursor = JobId::parse(first["items"][29]["id"].as_str().unwrap()).unwrap();
    let next = first["links"]["next"].as_str().unwrap();
    assert_eq!(next, format!("{URL}{list}?after={cursor}&per_page=30"));
    let second = sample
        .larder
        .get(&sample.token, next.strip_prefix(URL).unwrap())
        .await
        .json();
    assert_eq!(second["items"].as_array().unwrap().len(), 15);
    assert_eq!(second["links"]["next"], Value::Null);

    let check = async |query: &str, expected: usize| {
        let answer = sample
            .larder
            .get(&sample.token, &format!("{list}?per_page=100&{query}"))
            .await
            .json();
        assert_eq!(
            answer["items"].as_array().unwrap().len(),
            expected,
            "{query}"
        );
    };
    check("", 45).await;
    check("step_key=lint", 1).await;
    check("state[]=running&state[]=passed", 45).await;
    check("state=failed", 0).await;
    check("include_retried_jobs=false", 45).await;
    for (query, expected) in [
        (
            "state=nonsense",
            "Invalid state: nonsense. Valid states are pending, ",
        ),
        ("after=nonsense", "Invalid after: nonsense."),
    ] {
        let (status, message) = sample
            .larder
            .get(&sample.token, &format!("{list}?{query}"))
            .await
            .refusal();
        assert_eq!(status, 400);
        assert!(message.starts_with(expected), "{message}");
    }
}

/// Builds 2 to 5 of the sample's project, a minute apart, and one of another organization.
async fn with_more_builds() -> Sample {
    let sample = Sample::new().await;
    let larder = &sample.larder;
    larder.project("github/other/thing", false).await;
    larder
        .grant("ada", Role::Reader, "github/other/thing")
        .await;
    let slugs = ["github/acme/demo"; 4]
        .into_iter()
        .chain(["github/other/thing"]);
    for (slug, branch) in slugs.zip(["main", "main", "topic", "main", "main"]) {
        larder.clock.advance_ms(60_000);
        let new = NewBuild {
            branch: Some(branch.to_owned()),
            revision: (branch == "topic").then(|| "c0ffee".to_owned()),
            ..NewBuild::default()
        };
        larder.build(slug, new, &[("build", 1)]).await;
    }
    for (number, end) in [
        (2, EndState::Passed),
        (3, EndState::Failed),
        (4, EndState::Canceled),
    ] {
        larder.clock.advance_ms(60_000);
        let path = BUILD.replace("builds/1", &format!("builds/{number}"));
        let build = larder.get(&sample.token, &path).await.json();
        let job = JobId::parse(build["jobs"][0]["id"].as_str().unwrap()).unwrap();
        larder.finish(job, end, None).await;
    }
    sample
}

#[tokio::test]
async fn builds_are_listed_newest_first_by_pipeline_organization_or_all() {
    let sample = with_more_builds().await;
    let list = async |path: &str| sample.larder.get(&sample.token, path).await.json();
    let of_pipeline = list("/v2/organizations/acme/pipelines/demo/builds").await;
    assert_eq!(numbers(&of_pipeline), [5, 4, 3, 2, 1]);
    assert_eq!(list("/v2/organizations/acme/builds").await, of_pipeline);
    let all = list("/v2/builds").await;
    assert_eq!(numbers(&all), [1, 5, 4, 3, 2, 1]);
    assert_eq!(all[0]["pipeline"]["slug"], "thing");
    assert_eq!(of_pipeline[4], list(BUILD).await);
    let lean = list("/v2/builds?exclude_jobs=true&exclude_pipeline=true").await;
    assert!(lean[0].get("jobs").is_none() && lean[0].get("pipeline").is_none());
}

#[tokio::test]
async fn lists_of_builds_narrow_by_every_documented_filter() {
    let sample = with_more_builds().await;
    let check = async |query: &str, expected: &[i64]| {
        let path = format!("/v2/organizations/acme/pipelines/demo/builds?{query}");
        let list = sample.larder.get(&sample.token, &path).await.json();
        assert_eq!(numbers(&list), expected, "{query}");
    };
    let at = |minutes: i64| START.plus_ms(minutes * 60_000).rfc3339();
    check("state=passed", &[2]).await;
    check("state[]=passed&state[]=failed", &[3, 2]).await;
    check("state=finished", &[4, 3, 2]).await;
    check("state=running", &[5, 1]).await;
    check("state=blocked", &[]).await;
    check("branch=topic", &[4]).await;
    check("branch[]=topic&branch[]=main", &[5, 4, 3, 2]).await;
    check("commit=c0ffee", &[4]).await;
    check("commit=c0ff", &[]).await;
    check(&format!("created_from={}", at(3)), &[5, 4]).await;
    check(&format!("created_to={}", at(2)), &[2, 1]).await;
    check(
        &format!("created_from={}&created_to={}", at(1), at(3)),
        &[3, 2],
    )
    .await;
    check(&format!("finished_from={}", at(7)), &[4, 3]).await;
    check("created_from=2036-01-01", &[]).await;
    check("include_retried_jobs=true", &[5, 4, 3, 2, 1]).await;
    check("page=2&per_page=2", &[3, 2]).await;
    check("branch=main&page=2&per_page=2", &[2]).await;
    for (query, expected) in [
        (
            "state=foo",
            "Invalid state: foo. Valid states are creating, scheduled, running, passed, ",
        ),
        (
            "created_from=yesterday",
            "Invalid created_from: yesterday. Use ISO 8601, ",
        ),
    ] {
        let path = format!("/v2/organizations/acme/pipelines/demo/builds?{query}");
        let (status, message) = sample.larder.get(&sample.token, &path).await.refusal();
        assert_eq!(status, 422, "{query}");
        assert!(message.starts_with(expected), "{message}");
    }
}

#[tokio::test]
async fn lists_of_builds_lead_on_by_link() {
    let sample = with_more_builds().await;
    let answer = sample
        .larder
        .get(
            &sample.token,
            "/v2/builds?created_to=2036-01-01&branch=main&per_page=3",
        )
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    let query = "branch=main&created_to=2036-01-01&page=2&per_page=3";
    let expected =
        format!(r#"<{URL}/v2/builds?{query}>; rel="next", <{URL}/v2/builds?{query}>; rel="last""#);
    assert_eq!(answer.header("link"), expected);
}
