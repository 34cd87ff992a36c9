//! Acts on jobs leave rows that say who did what.

use crate::support::{OPERATOR, TestStore};
use larder_core::model::{NewBuild, NewJob};

/// Rows of the audit log, in order.
fn acts(store: &TestStore) -> Vec<(String, String)> {
    let database = rusqlite::Connection::open(&store.larder.settings().database).unwrap();
    let mut rows = database
        .prepare("SELECT act, what FROM audit ORDER BY rowid")
        .unwrap();
    let acts = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    acts.unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn who_adds_jobs_to_a_build_or_starts_one_is_noted_once() {
    let store = TestStore::open();
    let build = store.build(NewBuild::default(), &[]).await.build;
    let before = acts(&store).len();
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
    let noted = acts(&store).split_off(before);
    let expected = [
        (
            "announce jobs".to_owned(),
            "github/acme/demo build 1".to_owned(),
        ),
        ("start job".to_owned(), format!("job {job}")),
    ];
    assert_eq!(noted, expected);
}
