//! Users who are disabled and let in again, and their passwords.

use crate::support::{OPERATOR, TestStore, slug};
use larder_core::model::{AuditFilter, Password, Principal, Role};
use larder_core::{Error, Larder};

const PASSWORD: &str = "correct horse";

fn password(text: &str) -> Password {
    Password::parse(text).unwrap()
}

/// Who sits in front of a browser that was signed in by a link.
async fn browser(larder: &Larder, user: &str) -> String {
    let link = larder.access.sign_in_link(OPERATOR, user, "/").await;
    let signed_in = larder.access.sign_in_by_link(&link.unwrap()).await;
    signed_in.unwrap().secret
}

async fn is_in(larder: &Larder, session: &str) -> bool {
    larder.access.session(session).await.unwrap().is_some()
}

async fn can(larder: &Larder, user: &str, password: &str) -> bool {
    let signed_in = larder.access.sign_in_by_password(user, password).await;
    signed_in.unwrap().is_some()
}

/// What was done to a user or by the user, newest first.
async fn acts_of(store: &TestStore, user: &str) -> Vec<String> {
    let filter = AuditFilter {
        user: Some(user.to_owned()),
        ..AuditFilter::default()
    };
    let access = &store.larder.access;
    let entries = access.audit_log(OPERATOR, filter, None, 100).await.unwrap();
    entries.into_iter().map(|entry| entry.act).collect()
}

#[tokio::test]
async fn nothing_lets_a_disabled_user_in() {
    let store = TestStore::open().await;
    let job = store.job().await;
    let kept = store.keep(&job, "a", b"hello").await.unwrap().artifact;
    let token = store.user("ada", false).await;
    let (larder, access) = (&store.larder, &store.larder.access);
    access
        .grant(OPERATOR, "ada", &slug(), Role::Reader)
        .await
        .unwrap();
    access
        .set_password(OPERATOR, "ada", password(PASSWORD))
        .await
        .unwrap();
    let session = browser(larder, "ada").await;
    let sign_in = access.sign_in_link(OPERATOR, "ada", "/").await.unwrap();
    let artifacts = &larder.artifacts;
    let by_token = access.authenticate(&token).await.unwrap();
    let by_session = access.session(&session).await.unwrap().unwrap();
    let mut links = Vec::new();
    for who in [&by_token, &by_session] {
        let link = artifacts.link(who, kept.id).await.unwrap();
        assert!(artifacts.readable_by_link(&link.token).await.is_ok());
        links.push(link.token);
    }
    access.disable_user(OPERATOR, "ada").await.unwrap();
    access.disable_user(OPERATOR, "ada").await.unwrap();

    let refused = access.authenticate(&token).await;
    assert!(matches!(refused, Err(Error::InvalidToken(_))));
    assert!(!is_in(larder, &session).await);
    assert!(access.sign_in_link_leads(&sign_in).await.is_err());
    assert!(access.sign_in_by_link(&sign_in).await.is_err());
    assert!(!can(larder, "ada", PASSWORD).await);
    for link in &links {
        assert!(artifacts.readable_by_link(link).await.is_err());
    }
    for refused in [
        access.sign_in_link(OPERATOR, "ada", "/").await,
        access.password_link(OPERATOR, "ada").await,
    ] {
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("ada is disabled"), "{error}");
    }
    let users = access.users(OPERATOR).await.unwrap();
    assert_eq!(users[0].disabled_at, Some(store.clock.now()));

    access.enable_user(OPERATOR, "ada").await.unwrap();
    assert!(access.authenticate(&token).await.is_ok());
    assert!(artifacts.readable_by_link(&links[0]).await.is_ok());
    assert!(can(larder, "ada", PASSWORD).await);
    // What was ended stays so.
    assert!(!is_in(larder, &session).await);
    assert!(access.sign_in_by_link(&sign_in).await.is_err());
    assert!(artifacts.readable_by_link(&links[1]).await.is_err());
    let acts = acts_of(&store, "ada").await;
    let disabled = acts.iter().filter(|act| *act == "disable user").count();
    assert_eq!(disabled, 1, "{acts:?}");
    assert!(acts.contains(&"enable user".to_owned()), "{acts:?}");
}

#[tokio::test]
async fn the_last_admin_stays() {
    let store = TestStore::open().await;
    for (name, admin) in [("ada", true), ("bob", true), ("cyd", false)] {
        store.user(name, admin).await;
    }
    let access = &store.larder.access;
    access.disable_user(OPERATOR, "ada").await.unwrap();
    let refused = access.disable_user(OPERATOR, "bob").await.unwrap_err();
    assert!(refused.to_string().contains("bob is the last admin"));
    access.disable_user(OPERATOR, "cyd").await.unwrap();
    access.enable_user(OPERATOR, "ada").await.unwrap();
    access.disable_user(OPERATOR, "bob").await.unwrap();
}

#[tokio::test]
async fn a_disabled_users_name_is_not_given_again() {
    let store = TestStore::open().await;
    store.user("ada", false).await;
    let access = &store.larder.access;
    access.disable_user(OPERATOR, "ada").await.unwrap();
    let again = access.create_user(OPERATOR, "ada", false).await;
    assert!(matches!(again, Err(Error::Conflict(_))));
}

#[tokio::test]
async fn a_password_lets_its_user_in_and_nobody_else() {
    let store = TestStore::open().await;
    store.user("ada", false).await;
    store.user("bob", false).await;
    let (larder, access) = (&store.larder, &store.larder.access);
    assert!(!can(larder, "ada", "").await);
    access
        .set_password(OPERATOR, "ada", password(PASSWORD))
        .await
        .unwrap();
    for (user, tried) in [
        ("ada", "correct hors"),
        ("ada", " correct horse"),
        ("ada", ""),
        ("bob", PASSWORD),
        ("nobody", PASSWORD),
        ("Ada", PASSWORD),
    ] {
        assert!(!can(larder, user, tried).await, "{user} by {tried}");
    }
    let signed_in = access.sign_in_by_password("ada", PASSWORD).await.unwrap();
    let who = access.session(&signed_in.unwrap().secret).await.unwrap();
    let name = who
        .as_ref()
        .and_then(Principal::user)
        .map(|user| &user.user.name);
    assert_eq!(name.map(String::as_str), Some("ada"));
    let acts = acts_of(&store, "ada").await;
    let expected = [
        "sign in",
        "refuse sign-in by password",
        "refuse sign-in by password",
        "refuse sign-in by password",
        "set password",
    ];
    assert_eq!(acts[..5], expected);
    // A name that is none may be a password in the wrong field.
    assert!(acts_of(&store, "nobody").await.is_empty());
    assert_eq!(acts_of(&store, "(unknown user)").await.len(), 2);
}

#[tokio::test]
async fn a_new_password_ends_what_the_old_one_began() {
    let store = TestStore::open().await;
    store.user("ada", false).await;
    let (larder, access) = (&store.larder, &store.larder.access);
    let session = browser(larder, "ada").await;
    access
        .set_password(OPERATOR, "ada", password(PASSWORD))
        .await
        .unwrap();
    assert!(!is_in(larder, &session).await);
    access
        .set_password(OPERATOR, "ada", password("battery staple"))
        .await
        .unwrap();
    assert!(!can(larder, "ada", PASSWORD).await);
    assert!(can(larder, "ada", "battery staple").await);
}

#[tokio::test]
async fn a_link_sets_a_password_once_within_ten_minutes() {
    let store = TestStore::open().await;
    store.user("ada", false).await;
    let (larder, access) = (&store.larder, &store.larder.access);
    let session = browser(larder, "ada").await;
    let sign_in = access.sign_in_link(OPERATOR, "ada", "/").await.unwrap();
    let older = access.password_link(OPERATOR, "ada").await.unwrap();
    let link = access.password_link(OPERATOR, "ada").await.unwrap();
    assert!(access.password_link_leads(&older).await.is_err());
    store.clock.advance_ms(10 * 60 * 1000 - 1);
    assert_eq!(access.password_link_leads(&link).await.unwrap().name, "ada");
    let signed_in = access.set_password_by_link(&link, password(PASSWORD)).await;
    assert!(is_in(larder, &signed_in.unwrap().secret).await);
    assert!(!is_in(larder, &session).await);
    assert!(can(larder, "ada", PASSWORD).await);
    for dead in [&link, &older, &sign_in] {
        let again = access
            .set_password_by_link(dead, password("battery staple"))
            .await;
        assert!(matches!(again, Err(Error::NotFound(_))));
        assert!(access.sign_in_by_link(dead).await.is_err());
    }
    assert!(can(larder, "ada", PASSWORD).await);

    let late = access.password_link(OPERATOR, "ada").await.unwrap();
    store.clock.advance_ms(10 * 60 * 1000);
    let late = access
        .set_password_by_link(&late, password("battery staple"))
        .await;
    assert!(matches!(late, Err(Error::NotFound(_))));
}
