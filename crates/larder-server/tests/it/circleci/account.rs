//! Who the caller is, and which projects the caller has.

use crate::support::{DEMO, TestLarder};
use larder_core::model::{EndState, Role};
use serde_json::{Value, json};

#[tokio::test]
async fn me_is_the_user_of_a_personal_token() {
    let larder = TestLarder::start().await;
    larder.project(DEMO, true).await;
    let personal = larder
        .member("ada", Role::Reader, DEMO, "view-builds")
        .await;
    let project = larder.project_token("ada", DEMO, "view-builds").await;
    for path in ["/api/v1.1/me", "/api/v1/me"] {
        let me = larder.get(&personal, path).await.json();
        assert_eq!(
            json!([me["login"], me["admin"], me["created_at"]]),
            json!(["ada", false, "2026-11-21T02:15:00.123Z"])
        );
        assert_eq!(
            larder.get(&project, path).await.pair(),
            (403, r#"{"message":"Permission denied"}"#)
        );
        assert_eq!(
            larder.get("", path).await.pair(),
            (401, r#"{"message":"You must log in first"}"#)
        );
    }
}

/// Jobs 1, 3 and 4 of `master` passed, failed and run; job 2 of `feature/x` failed.
async fn four_jobs() -> TestLarder {
    let larder = TestLarder::start().await;
    larder.project(DEMO, true).await;
    larder.project("github/acme/other", true).await;
    for (branch, end) in [
        ("master", Some(EndState::Passed)),
        ("feature/x", Some(EndState::Failed)),
        ("master", Some(EndState::Failed)),
        ("master", None),
    ] {
        let job = larder.job(branch).await;
        if let Some(end) = end {
            larder.finish(job.id, end, None).await;
        }
    }
    larder
}

fn numbers(builds: &Value) -> Vec<&Value> {
    builds
        .as_array()
        .unwrap()
        .iter()
        .map(|build| &build["build_num"])
        .collect()
}

#[tokio::test]
async fn projects_are_the_callers_with_their_branches_and_newest_builds() {
    let larder = four_jobs().await;
    let token = larder
        .member("ada", Role::Reader, DEMO, "view-builds")
        .await;
    for path in ["/api/v1.1/projects", "/api/v1/projects"] {
        let projects = larder.get(&token, path).await.json();
        assert_eq!(projects.as_array().unwrap().len(), 1);
        let project = &projects[0];
        assert_eq!(project["vcs_url"], "https://github.com/acme/demo");
        let name = json!([
            project["vcs_type"],
            project["username"],
            project["reponame"]
        ]);
        assert_eq!(name, json!(["github", "acme", "demo"]));
        assert_eq!(
            json!([project["default_branch"], project["followed"]]),
            json!(["master", true])
        );
        let master = &project["branches"]["master"];
        let (recent, running) = (&master["recent_builds"], &master["running_builds"]);
        assert_eq!(
            json!([numbers(recent), numbers(running)]),
            json!([[3, 1], [4]])
        );
        assert_eq!(master["last_success"]["build_num"], 1);
        assert_eq!(master["last_non_success"]["build_num"], 3);
        // Encoded, as clients decode it.
        assert_eq!(
            numbers(&project["branches"]["feature%2Fx"]["recent_builds"]),
            [2]
        );
    }
}

#[tokio::test]
async fn projects_need_a_token_that_sees_builds() {
    let larder = four_jobs().await;
    let path = "/api/v1.1/projects";
    let token = larder
        .member("ada", Role::Reader, DEMO, "read_artifacts")
        .await;
    let denied = larder.get(&token, path).await;
    assert_eq!(denied.pair(), (403, r#"{"message":"Permission denied"}"#));
    let unknown = larder.get("", path).await;
    assert_eq!(
        unknown.pair(),
        (401, r#"{"message":"You must log in first"}"#)
    );
}
