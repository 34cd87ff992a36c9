//! Who the caller is, and which projects the caller has.

use crate::circleci::support::{DEMO, TestLarder};
use larder_core::model::{EndState, Role};
use serde_json::json;

#[tokio::test]
async fn me_is_the_user_of_a_personal_token() {
    let larder = TestLarder::start();
    larder.project(DEMO, true).await;
    let personal = larder.token("ada", Some(Role::Reader), "view-builds").await;
    let project = larder.token_of("ada", "view-builds", Some(DEMO)).await;
    for path in ["/api/v1.1/me", "/api/v1/me"] {
        let me = larder.get_as(&personal, path).await.json();
        assert_eq!(
            json!([me["login"], me["admin"], me["created_at"]]),
            json!(["ada", false, "2026-11-21T02:15:00.000Z"])
        );
        assert_eq!(
            larder.get_as(&project, path).await.pair(),
            (403, r#"{"message":"Permission denied"}"#)
        );
        assert_eq!(
            larder.get(path).await.pair(),
            (401, r#"{"message":"You must log in first"}"#)
        );
    }
}

#[tokio::test]
async fn projects_are_the_callers_with_their_branches_and_newest_builds() {
    let larder = TestLarder::start();
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
            larder.finish(&job, end).await;
        }
    }
    let token = larder.token("ada", Some(Role::Reader), "view-builds").await;
    for path in ["/api/v1.1/projects", "/api/v1/projects"] {
        let projects = larder.get_as(&token, path).await.json();
        assert_eq!(projects.as_array().unwrap().len(), 1);
        let project = &projects[0];
        let name = json!([
            project["vcs_url"],
            project["vcs_type"],
            project["username"],
            project["reponame"],
            project["default_branch"],
            project["followed"]
        ]);
        assert_eq!(
            name,
            json!([
                "https://github.com/acme/demo",
                "github",
                "acme",
                "demo",
                "master",
                true
            ])
        );
        let master = &project["branches"]["master"];
        let of = |builds: &serde_json::Value| {
            builds
                .as_array()
                .unwrap()
                .iter()
                .map(|build| build["build_num"].clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            json!([of(&master["recent_builds"]), of(&master["running_builds"])]),
            json!([[3, 1], [4]])
        );
        assert_eq!(
            json!([
                master["last_success"]["build_num"],
                master["last_non_success"]["build_num"]
            ]),
            json!([1, 3])
        );
        // Encoded, as clients decode it.
        assert_eq!(
            of(&project["branches"]["feature%2Fx"]["recent_builds"]),
            [2]
        );
    }
    let status = larder.token_of("ada", "read_artifacts", None).await;
    assert_eq!(
        larder.get_as(&status, "/api/v1.1/projects").await.pair(),
        (403, r#"{"message":"Permission denied"}"#)
    );
    assert_eq!(
        larder.get("/api/v1.1/projects").await.pair(),
        (401, r#"{"message":"You must log in first"}"#)
    );
}
