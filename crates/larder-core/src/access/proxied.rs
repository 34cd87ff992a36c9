//! Users for whom a trusted proxy speaks: it has found out who somebody is, and says so with each request.
//!
//! What the proxy says of somebody's roles is believed for that request and kept nowhere. A role that was kept would
//! outlive the proxy's word, and somebody who has left a group would go on until the next sign-in. The price: tokens,
//! for which no proxy speaks, have only those roles that an operator gave their user.

use crate::access::{Access, users::require_name};
use crate::error::{Error, Result, TokenFault};
use crate::metadata::{Tx, accounts, audit, organizations, projects};
use crate::model::{
    Credential, Grant, GrantOn, PlacedRole, Principal, Role, RolePlace, User, UserId, UserPrincipal,
};

/// What a trusted proxy says of whoever sends a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Vouched {
    name: String,
    admin: bool,
    roles: Vec<PlacedRole>,
}

impl Vouched {
    /// The user of that name, with these roles beside those that an operator gave; `admin` is admin everywhere. What is
    /// no name of a user is refused.
    pub fn new(name: &str, admin: bool, roles: Vec<PlacedRole>) -> Result<Self> {
        require_name(name)?;
        Ok(Self {
            name: name.to_owned(),
            admin,
            roles,
        })
    }
}

impl Access {
    /// The user for whom a trusted proxy speaks, made if there is none of that name; `None` if an operator disabled the
    /// user.
    pub async fn vouched(&self, said: &Vouched) -> Result<Option<Principal>> {
        if let Some(known) = self.known(said).await? {
            return Ok(known);
        }
        let (now, name) = (self.0.clock.now(), said.name.clone());
        let pk = self.0.database.number().await?;
        self.0
            .database
            .write(async move |tx| {
                // Two first requests may come at once.
                if accounts::by_name(tx, &name).await?.is_some() {
                    return Ok(());
                }
                let user = User {
                    pk,
                    id: UserId::new(now),
                    name: name.clone(),
                    admin: false,
                    created_at: now,
                    disabled_at: None,
                };
                accounts::insert(tx, &user).await?;
                audit::record_own(tx, now, None, "create user for the proxy", &name).await
            })
            .await?;
        Ok(self.known(said).await?.flatten())
    }

    /// Who may follow a link for which a user asked through a trusted proxy. No proxy speaks when the link is followed,
    /// so the user's roles are not known; the link lives a minute and names one artifact that the user could read.
    pub(crate) async fn principal_of_vouched(&self, id: UserId) -> Result<Principal> {
        let user = self
            .0
            .database
            .read(async move |tx| accounts::by_id(tx, id).await)
            .await?;
        let user = user.ok_or(Error::InvalidToken(TokenFault::Revoked))?;
        Ok(Principal::User(Box::new(UserPrincipal {
            user,
            grants: Vec::new(),
            everywhere: Some(Role::Reader),
            credential: Credential::Proxy,
            only_project: None,
        })))
    }

    /// The user, if there is one of that name; `Some(None)` if disabled.
    async fn known(&self, said: &Vouched) -> Result<Option<Option<Principal>>> {
        let said = said.clone();
        self.0
            .database
            .read(
                async move |tx| match accounts::by_name(tx, &said.name).await? {
                    Some(user) if user.disabled_at.is_some() => Ok(Some(None)),
                    Some(user) => Ok(Some(Some(principal(tx, user, &said).await?))),
                    None => Ok(None),
                },
            )
            .await
    }
}

async fn principal(tx: &mut Tx, mut user: User, said: &Vouched) -> Result<Principal> {
    let mut grants = accounts::grants(tx, user.pk).await?;
    let mut everywhere = None;
    for PlacedRole { on, role } in &said.roles {
        let on = match on {
            RolePlace::Everywhere => {
                everywhere = everywhere.max(Some(*role));
                continue;
            }
            RolePlace::Organization { vcs, name } => {
                let found = organizations::by_name(tx, *vcs, name).await?;
                found.map(|organization| GrantOn::Organization(organization.pk))
            }
            RolePlace::Project(slug) => {
                let found = projects::by_slug(tx, slug).await?;
                found.map(|project| GrantOn::Project(project.number))
            }
        };
        grants.extend(on.map(|on| Grant { on, role: *role }));
    }
    user.admin |= said.admin;
    Ok(Principal::User(Box::new(UserPrincipal {
        user,
        grants,
        everywhere,
        credential: Credential::Proxy,
        only_project: None,
    })))
}
