//! Users for whom a trusted proxy speaks: made at first sight, with the roles that it names and no others.

use crate::support::{OPERATOR, TestStore};
use larder_core::model::{PlacedRole, Principal, Role, RolePlace, Scope};
use larder_core::{Error, Vouched};

fn says(name: &str, roles: &[(&str, Role)]) -> Vouched {
    let placed = |&(on, role)| PlacedRole {
        on: RolePlace::parse(on).unwrap(),
        role,
    };
    Vouched::new(name, false, roles.iter().map(placed).collect()).unwrap()
}

async fn vouched(store: &TestStore, said: &Vouched) -> Principal {
    let access = &store.larder.access;
    access.vouched(said).await.unwrap().unwrap()
}

/// How many projects the caller sees.
async fn sees(store: &TestStore, who: &Principal) -> usize {
    let projects = &store.larder.projects;
    let seen = projects.list(who, Scope::ReadPipelines).await.unwrap();
    seen.len()
}

async fn disable(store: &TestStore, name: &str) {
    let sql = format!("UPDATE account SET disabled_at = 1 WHERE name = '{name}'");
    store.beside.run(&sql).await;
}

#[tokio::test]
async fn a_user_is_made_once_and_that_is_noted() {
    let store = TestStore::open().await;
    for _ in 0..3 {
        let ada = vouched(&store, &says("ada@acme.example", &[])).await;
        assert_eq!(ada.user().unwrap().user.name, "ada@acme.example");
    }
    let users = store.larder.access.users(OPERATOR).await.unwrap();
    assert_eq!(users.len(), 1);
    let sql = "SELECT actor || ': ' || act || ' ' || what FROM audit WHERE act LIKE 'create user%'";
    let notes = store.beside.ask(sql).await.concat();
    assert_eq!(
        notes,
        ["larder: create user for the proxy ada@acme.example"]
    );
}

#[tokio::test]
async fn roles_hold_while_the_proxy_names_them_and_no_longer() {
    let store = TestStore::open().await;
    store.job().await;
    for place in ["*", "github/acme", "github/acme/demo"] {
        let with = vouched(&store, &says("ada", &[(place, Role::Reader)])).await;
        assert_eq!(sees(&store, &with).await, 1, "{place}");
        let without = vouched(&store, &says("ada", &[])).await;
        assert_eq!(sees(&store, &without).await, 0, "after {place}");
    }
    let elsewhere = [
        ("github/other", Role::Admin),
        ("github/acme/none", Role::Admin),
    ];
    let ada = vouched(&store, &says("ada", &elsewhere)).await;
    assert_eq!(sees(&store, &ada).await, 0);
    let admin = Vouched::new("ada", true, Vec::new()).unwrap();
    assert_eq!(sees(&store, &vouched(&store, &admin).await).await, 1);
    assert_eq!(
        sees(&store, &vouched(&store, &says("ada", &[])).await).await,
        0
    );
}

#[tokio::test]
async fn a_link_of_such_a_user_dies_when_the_user_is_disabled() {
    let store = TestStore::open().await;
    let job = store.job().await;
    let artifact = store.keep(&job, "a", b"hello").await.unwrap().artifact;
    let said = says("ada", &[("*", Role::Reader)]);
    let ada = vouched(&store, &said).await;
    let artifacts = &store.larder.artifacts;
    let link = artifacts.link(&ada, artifact.id).await.unwrap();
    assert!(artifacts.readable_by_link(&link.token).await.is_ok());
    disable(&store, "ada").await;
    assert!(artifacts.readable_by_link(&link.token).await.is_err());
    let refused = store.larder.access.vouched(&said).await.unwrap();
    assert!(refused.is_none(), "a disabled user was let in");
}

#[test]
fn what_is_no_name_is_no_user() {
    for wrong in ["", "ada lovelace", "ada,bob", "é", &*"a".repeat(101)] {
        let refused = Vouched::new(wrong, false, Vec::new());
        assert!(matches!(refused, Err(Error::Invalid { .. })), "{wrong}");
    }
}
