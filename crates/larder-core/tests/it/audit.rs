//! The log of acts: what leaves a row, and how it is read.

use crate::support::{OPERATOR, TestStore, slug};
use larder_core::model::{AuditFilter, NewBuild, NewJob, Role};
use larder_core::{Error, NotedDownloads};

/// Acts that the filter lets through, newest first: who, what, to what.
async fn log(store: &TestStore, filter: AuditFilter) -> Vec<[String; 3]> {
    let access = &store.larder.access;
    let entries = access.audit_log(OPERATOR, filter, None, 1_000).await;
    let entries = entries.unwrap().into_iter();
    entries
        .map(|entry| [entry.actor, entry.act, entry.what])
        .collect()
}

/// Acts in the order in which they were done.
async fn acts(store: &TestStore) -> Vec<(String, String)> {
    let mut acts = log(store, AuditFilter::default()).await;
    acts.reverse();
    acts.into_iter().map(|[_, act, what]| (act, what)).collect()
}

#[tokio::test]
async fn who_adds_jobs_to_a_build_or_starts_one_is_noted_once() {
    let store = TestStore::open().await;
    let build = store.build(NewBuild::default(), &[]).await.build;
    let before = acts(&store).await.len();
    let queued = NewJob {
        name: "later".to_owned(),
        parallelism: 1,
        queued: true,
    };
    let builds = &store.larder.builds;
    let nodes = builds.add_jobs(OPERATOR, build.id, vec![queued]).await;
    let job = nodes.unwrap().remove(0).job.id;
    for _ in 0..2 {
        store.larder.jobs.start(OPERATOR, job).await.unwrap();
    }
    let noted = acts(&store).await.split_off(before);
    let expected = [
        (
            "announce jobs".to_owned(),
            "github/acme/demo build 1".to_owned(),
        ),
        ("start job".to_owned(), format!("job {job}")),
    ];
    assert_eq!(noted, expected);
}

#[tokio::test]
async fn the_log_is_read_newest_first_and_page_by_page() {
    let store = TestStore::open().await;
    // All within one millisecond: the order is that of the acts.
    for name in ["ada", "bob", "cyd", "dan", "eve"] {
        store.user(name, false).await;
    }
    let access = &store.larder.access;
    let (mut place, mut seen) = (None, Vec::new());
    loop {
        let page = access.audit_log(OPERATOR, AuditFilter::default(), place.take(), 3);
        let page = page.await.unwrap();
        let Some(last) = page.last() else { break };
        let text = last.place.encode();
        place = larder_core::model::AuditPlace::parse(&text);
        seen.extend(page.into_iter().map(|entry| entry.what));
    }
    let made: Vec<_> = seen.iter().filter(|what| what.len() == 3).collect();
    assert_eq!(made, ["eve", "dan", "cyd", "bob", "ada"]);
    assert_eq!(seen.len(), 10);
}

#[tokio::test]
async fn the_log_is_filtered_by_time_user_act_and_project() {
    let store = TestStore::open().await;
    store.user("ada", false).await;
    let job = store.job().await;
    store.clock.advance_ms(1_000);
    let later = store.clock.now();
    let access = &store.larder.access;
    access
        .grant(OPERATOR, "ada", &slug(), Role::Writer)
        .await
        .unwrap();
    store.keep(&job, "a", b"hello").await.unwrap();
    let only = |change: fn(&mut AuditFilter)| {
        let mut filter = AuditFilter::default();
        change(&mut filter);
        filter
    };
    let since = AuditFilter {
        since: Some(later),
        ..AuditFilter::default()
    };
    let acts = |log: Vec<[String; 3]>| log.into_iter().map(|[_, act, _]| act).collect::<Vec<_>>();
    assert_eq!(
        acts(log(&store, since).await),
        ["create artifact", "grant role"]
    );
    let of_ada = log(&store, only(|filter| filter.user = Some("ada".to_owned()))).await;
    assert_eq!(acts(of_ada), ["create user"]);
    let kept = log(
        &store,
        only(|filter| filter.act = Some("create artifact".to_owned())),
    )
    .await;
    assert_eq!(kept.len(), 1);
    let in_demo = log(&store, only(|filter| filter.project = Some(slug()))).await;
    assert_eq!(
        acts(in_demo),
        [
            "create artifact",
            "grant role",
            "announce build",
            "create project"
        ]
    );
}

#[tokio::test]
async fn the_log_is_for_operators() {
    let store = TestStore::open().await;
    let token = store.user("ada", true).await;
    let access = &store.larder.access;
    let ada = access.authenticate(&token).await.unwrap();
    let read = access
        .audit_log(&ada, AuditFilter::default(), None, 10)
        .await;
    assert!(matches!(read, Err(Error::NotFound(_))));
}

#[tokio::test]
async fn downloads_from_private_projects_are_noted_when_the_writer_comes() {
    let store = TestStore::open().await;
    let job = store.job().await;
    let kept = store.keep(&job, "a", b"hello").await.unwrap().artifact;
    let token = store.user("ada", true).await;
    let access = &store.larder.access;
    let ada = access.authenticate(&token).await.unwrap();
    let artifacts = &store.larder.artifacts;
    let readable = artifacts.readable(&ada, kept.id).await.unwrap();
    store.clock.advance_ms(5);
    let downloaded_at = store.clock.now();
    artifacts.open(&readable, None).await.unwrap();
    // A link stands for whoever asked for it.
    let link = artifacts.link(&ada, kept.id).await.unwrap();
    let linked = artifacts.readable_by_link(&link.token).await.unwrap();
    artifacts.open(&linked, None).await.unwrap();

    let downloads = AuditFilter {
        act: Some("download".to_owned()),
        ..AuditFilter::default()
    };
    assert!(log(&store, downloads.clone()).await.is_empty());
    store.clock.advance_ms(900);
    let done = store.larder.note_downloads().await.unwrap();
    assert_eq!(done, NotedDownloads { noted: 2, lost: 0 });
    let entries = access
        .audit_log(OPERATOR, downloads, None, 10)
        .await
        .unwrap();
    assert_eq!(entries.len(), 2);
    for entry in entries {
        assert_eq!(entry.at, downloaded_at);
        assert_eq!(entry.actor, "user ada");
        assert_eq!(entry.what, format!("artifact {}", kept.id));
        assert_eq!(entry.token, ada.token().map(|token| token.id.to_string()));
        assert_eq!(entry.project.as_deref(), Some("github/acme/demo"));
    }
    let again = store.larder.note_downloads().await.unwrap();
    assert_eq!(again, NotedDownloads::default());
}

#[tokio::test]
async fn downloads_from_public_projects_are_nobodys_secret() {
    let store = TestStore::open().await;
    let created = store.larder.projects.create(OPERATOR, &slug(), true).await;
    created.unwrap();
    let job = store.job().await;
    let kept = store.keep(&job, "a", b"hello").await.unwrap().artifact;
    store.bytes(&kept).await.unwrap();
    let done = store.larder.note_downloads().await.unwrap();
    assert_eq!(done, NotedDownloads::default());
}
