//! Whether work may be sent here: what is asked of the stores, and what is said when one is away.

use crate::support::TestLarder;
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_store_that_is_away_is_named_until_it_is_back() {
    let larder = TestLarder::start().await;
    larder.get("", "/readyz").await.is(200);
    let Some((database, blobs)) = larder.beside.embedded() else {
        return;
    };
    let stores = [(blobs, "blobs"), (database, "database")];
    for (path, name) in stores {
        let aside = path.with_extension("aside");
        std::fs::rename(path, &aside).unwrap();
        let answer = larder.get("", "/readyz").await.is(503);
        assert_eq!(answer.header("content-type"), "application/json");
        let expected = serde_json::json!({"away": [name], "draining": false});
        assert_eq!(answer.json(), expected);
        larder.get("", "/healthz").await.is(200);
        std::fs::rename(&aside, path).unwrap();
        larder.get("", "/readyz").await.is(200);
    }
}

#[tokio::test]
async fn both_stores_may_be_away_at_once() {
    let larder = TestLarder::start().await;
    if larder.beside.embedded().is_none() {
        return;
    }
    let data = larder.folder.path().join("home/data");
    std::fs::rename(&data, larder.folder.path().join("aside")).unwrap();
    let answer = larder.get("", "/readyz").await.is(503).json();
    assert_eq!(answer["away"], serde_json::json!(["database", "blobs"]));
    larder.get("", "/healthz").await.is(200);
}

/// The engine itself would wait for five seconds.
#[tokio::test]
async fn a_store_that_hangs_is_away_after_two_seconds_and_later_questions_do_not_pile_up() {
    let larder = TestLarder::start().await;
    let Some((database, _)) = larder.beside.embedded() else {
        return;
    };
    let other = rusqlite::Connection::open(database).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    for _ in 0..2 {
        let asked = Instant::now();
        let answer = larder.get("", "/readyz").await.is(503);
        assert_eq!(answer.json()["away"], serde_json::json!(["database"]));
        assert!(
            asked.elapsed() < Duration::from_secs(4),
            "{:?}",
            asked.elapsed()
        );
    }
    other.execute_batch("ROLLBACK").unwrap();
    larder.get("", "/readyz").await.is(200);
}

#[tokio::test]
async fn a_server_that_drains_wants_no_more_work() {
    let larder = TestLarder::start().await;
    larder.app.begin_to_drain();
    let answer = larder.get("", "/readyz").await.is(503).json();
    assert_eq!(answer, serde_json::json!({"away": [], "draining": true}));
    larder.get("", "/healthz").await.is(200);
}
