//! Everybody who asks, and what the test knows of each.

use crate::matrix::world::{JobTokens, Place};
use crate::support::{START, TestLarder};
use larder_core::clock::Timestamp;
use larder_core::model::{Principal, Role, Scope, Scopes};

/// Somebody who asks.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) name: &'static str,
    /// Empty for nobody.
    pub(crate) token: String,
    /// In a browser: what stands for a token is the secret of a session.
    pub(crate) signed_in: bool,
    pub(crate) kind: Kind,
}

/// What the test knows of a caller.
#[derive(Clone)]
pub(crate) enum Kind {
    /// Without a token.
    Anonymous,
    /// With something that is no token, or not any more.
    Wrong,
    User(User),
    Job(Job),
}

/// A user through a token.
#[derive(Clone)]
pub(crate) struct User {
    /// On projects by slug; those that the token does not reach are left out.
    pub(crate) roles: Vec<(String, Role)>,
    /// Admin of everything.
    pub(crate) root: bool,
    pub(crate) scopes: Scopes,
    /// Speaks for the user in all of the user's projects.
    pub(crate) personal: bool,
}

/// A job through its token, as it stands to the job that addresses name.
#[derive(Clone)]
pub(crate) struct Job {
    pub(crate) project: String,
    pub(crate) same_build: bool,
    pub(crate) same_job: bool,
}

/// All scopes but `admin`, which lets its holder make projects.
const EVERY: &str = "read_artifacts,write_artifacts,delete_artifacts,read_builds,write_builds,read_user,\
                     read_organizations,read_pipelines";
const READ: &str = "read_artifacts,read_builds,read_user,read_organizations,read_pipelines";

/// All callers of a world; the first place is theirs, the third the strangers'.
pub(crate) async fn all(test: &TestLarder, places: &[Place], tokens: &[JobTokens]) -> Vec<Caller> {
    let mut callers = with_roles(test, places).await;
    callers.extend(with_scopes(test, places).await);
    callers.extend(with_wrong_tokens(test, places, tokens).await);
    callers.extend(jobs(places, tokens));
    callers.extend(signed_in(test, places).await);
    callers
}

/// Users in their browsers.
async fn signed_in(test: &TestLarder, places: &[Place]) -> Vec<Caller> {
    let (demo, secret) = (places[0].slug(), places[2].slug());
    let mut callers = Vec::new();
    for (name, user, roles) in [
        ("reader in a browser", "reader", vec![(demo, Role::Reader)]),
        (
            "stranger in a browser",
            "user-of-another-project",
            vec![(secret, Role::Writer)],
        ),
    ] {
        let access = &test.larder.access;
        let link = access.sign_in_link(&Principal::Operator, user, "/");
        let signed_in = access.sign_in_by_link(&link.await.unwrap()).await.unwrap();
        let caller = user_caller(name, signed_in.secret, "admin", roles);
        callers.push(Caller {
            signed_in: true,
            ..caller
        });
    }
    callers
}

async fn with_roles(test: &TestLarder, places: &[Place]) -> Vec<Caller> {
    let (demo, secret) = (places[0].slug(), places[2].slug());
    let mut callers = vec![Caller {
        name: "anonymous",
        token: String::new(),
        signed_in: false,
        kind: Kind::Anonymous,
    }];
    let users = [
        ("user of another project", Role::Writer, &secret),
        ("reader", Role::Reader, &demo),
        ("writer", Role::Writer, &demo),
        ("admin of the project", Role::Admin, &demo),
    ];
    for (name, role, slug) in users {
        let user = name.replace(' ', "-");
        let token = test.member(&user, role, slug, EVERY).await;
        callers.push(user_caller(name, token, EVERY, vec![(slug.clone(), role)]));
    }
    let token = test.admin().await;
    let mut root = user_caller("admin of everything", token, "admin", Vec::new());
    if let Kind::User(user) = &mut root.kind {
        user.root = true;
    }
    callers.push(root);
    callers
}

async fn with_scopes(test: &TestLarder, places: &[Place]) -> Vec<Caller> {
    let (demo, secret) = (places[0].slug(), places[2].slug());
    let mut callers = Vec::new();
    let scopes = [
        ("read token", READ),
        ("write token", "write_artifacts,write_builds"),
        ("token that writes artifacts", "write_artifacts"),
        ("token that deletes", "delete_artifacts"),
        ("status", "status"),
        ("view-builds", "view-builds"),
    ];
    for (name, scopes) in scopes {
        let token = test.token("writer", scopes).await;
        let roles = vec![(demo.clone(), Role::Writer)];
        callers.push(user_caller(name, token, scopes, roles));
    }
    test.account("both").await;
    for slug in [&demo, &secret] {
        test.grant("both", Role::Writer, slug).await;
    }
    for (name, slug) in [
        ("token for the project", &demo),
        ("token for another project", &secret),
    ] {
        let token = test.token_for("both", EVERY, Some(slug), None).await;
        let roles = vec![(slug.clone(), Role::Writer)];
        let mut caller = user_caller(name, token, EVERY, roles);
        if let Kind::User(user) = &mut caller.kind {
            user.personal = false;
        }
        callers.push(caller);
    }
    callers
}

fn user_caller(
    name: &'static str,
    token: String,
    scopes: &str,
    roles: Vec<(String, Role)>,
) -> Caller {
    let user = User {
        roles,
        root: false,
        scopes: Scopes::parse(scopes).unwrap(),
        personal: true,
    };
    Caller {
        name,
        token,
        signed_in: false,
        kind: Kind::User(user),
    }
}

async fn with_wrong_tokens(
    test: &TestLarder,
    places: &[Place],
    tokens: &[JobTokens],
) -> Vec<Caller> {
    let expired_at = Some(Timestamp(START.0 + 1));
    let expired = test.token_for("writer", EVERY, None, expired_at).await;
    let revoked = test.token("writer", EVERY).await;
    let access = &test.larder.access;
    let principal = access.authenticate(&revoked).await.unwrap();
    access.revoke_own_token(&principal).await.unwrap();
    let mut unknown = test.token("writer", EVERY).await.into_bytes();
    // Another secret with the same name and length.
    let place = unknown.len() - 10;
    unknown[place] = if unknown[place] == b'a' { b'b' } else { b'a' };
    let wrong = [
        ("expired token", expired),
        ("revoked token", revoked),
        ("unknown token", String::from_utf8(unknown).unwrap()),
        ("ended job", tokens[0].ended.clone()),
        ("signed link as a token", places[0].link.clone()),
    ];
    wrong
        .map(|(name, token)| Caller {
            name,
            token,
            signed_in: false,
            kind: Kind::Wrong,
        })
        .into()
}

fn jobs(places: &[Place], tokens: &[JobTokens]) -> [Caller; 5] {
    let (demo, secret) = (places[0].slug(), places[2].slug());
    let caller = |name, token: &str, project: &str, same_build, same_job| Caller {
        name,
        token: token.to_owned(),
        signed_in: false,
        kind: Kind::Job(Job {
            project: project.to_owned(),
            same_build,
            same_job,
        }),
    };
    let [own, other] = [&tokens[0], &tokens[2]];
    [
        caller("own job", &own.own, &demo, true, true),
        caller("other node of the job", &own.other_node, &demo, true, false),
        caller(
            "other job of the build",
            &own.same_build,
            &demo,
            true,
            false,
        ),
        caller(
            "job of another build",
            &own.other_build,
            &demo,
            false,
            false,
        ),
        caller("job of another project", &other.own, &secret, true, true),
    ]
}

impl Caller {
    /// Whether the token works.
    pub(crate) fn is_known(&self) -> bool {
        matches!(self.kind, Kind::User(_) | Kind::Job(_))
    }

    /// Whether the caller may know that there is such a project.
    pub(crate) fn sees(&self, place: &Place) -> bool {
        match &self.kind {
            Kind::Anonymous | Kind::Wrong => false,
            Kind::User(user) => user.role_on(place).is_some(),
            Kind::Job(job) => job.project == place.slug(),
        }
    }

    /// Whether a project of the organization is the caller's own: a public project alone does not make it so.
    pub(crate) fn sees_organization(&self, place: &Place) -> bool {
        let prefix = format!("{}/{}/", place.vcs, place.org);
        match &self.kind {
            Kind::Anonymous | Kind::Wrong => false,
            Kind::User(user) => {
                let known = user.roles.iter().any(|(slug, _)| slug.starts_with(&prefix));
                known || (user.root && place.org != Place::nowhere(place.vcs).org)
            }
            Kind::Job(job) => job.project.starts_with(&prefix),
        }
    }
}

impl User {
    pub(crate) fn role_on(&self, place: &Place) -> Option<Role> {
        let granted = self.roles.iter().find(|(slug, _)| *slug == place.slug());
        let granted = granted.map(|(_, role)| *role);
        let everywhere = self.root.then_some(Role::Admin);
        let everyone = place.public.then_some(Role::Reader);
        granted.max(everywhere).max(everyone)
    }

    pub(crate) fn has_one_of(&self, scopes: &[Scope]) -> bool {
        scopes.is_empty() || scopes.iter().any(|scope| self.scopes.allow(*scope))
    }
}
