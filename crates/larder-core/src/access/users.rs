//! Users, their roles, and the links by which they sign in.

use crate::access::{Access, secrets};
use crate::error::{Error, Result, What};
use crate::metadata::{Tx, accounts, audit, instance, projects, sessions};
use crate::model::{GrantOn, Principal, ProjectSlug, Role, User, UserId};

/// How long a one-time sign-in link is good.
const SIGN_IN_LINK_MS: i64 = 10 * 60 * 1000;

impl Access {
    /// Makes a user without a password: a token or a sign-in link lets the user in.
    pub async fn create_user(&self, who: &Principal, name: &str, admin: bool) -> Result<User> {
        only_operator(who)?;
        require_name(name)?;
        let now = self.0.clock.now();
        let pk = self.0.database.number().await?;
        let user = User {
            pk,
            id: UserId::new(now),
            name: name.to_owned(),
            admin,
            created_at: now,
            disabled_at: None,
        };
        let (row, who) = (user.clone(), who.clone());
        self.0
            .database
            .write(async move |tx| {
                if accounts::by_name(tx, &row.name).await?.is_some() {
                    return Err(Error::Conflict(format!(
                        "there is a user {} already",
                        row.name
                    )));
                }
                accounts::insert(tx, &row).await?;
                audit::record(tx, now, &who, "create user", &row.name).await
            })
            .await?;
        Ok(user)
    }

    /// All users by name, disabled ones too.
    pub async fn users(&self, who: &Principal) -> Result<Vec<User>> {
        only_operator(who)?;
        self.0
            .database
            .read(async move |tx| accounts::all(tx).await)
            .await
    }

    /// Ends all that lets a user in, on every server and at once: sessions and links are gone, tokens are refused for as
    /// long as the user is disabled, and so is what they signed. The last admin who can come in stays.
    pub async fn disable_user(&self, who: &Principal, name: &str) -> Result<()> {
        only_operator(who)?;
        let (now, who, name) = (self.0.clock.now(), who.clone(), name.to_owned());
        self.0
            .database
            .write(async move |tx| {
                // One after the other, or two admins could be disabled at once, each as if the other stayed.
                instance::touch(tx).await?;
                let found = accounts::by_name(tx, &name).await?;
                let user = found.ok_or(Error::NotFound(What::User))?;
                if user.admin && !accounts::has_admin_beside(tx, user.pk).await? {
                    return Err(Error::Conflict(format!(
                        "{name} is the last admin who is not disabled: make another one first, with `larder admin user \
                         create NAME --admin`"
                    )));
                }
                if accounts::disable(tx, user.pk, now).await? {
                    sessions::remove_of_account(tx, user.pk).await?;
                    accounts::end_links(tx, user.pk, now).await?;
                    audit::record(tx, now, &who, "disable user", &name).await?;
                }
                Ok(())
            })
            .await
    }

    /// Lets a disabled user in again: tokens work as before, sessions and links are over.
    pub async fn enable_user(&self, who: &Principal, name: &str) -> Result<()> {
        only_operator(who)?;
        let (now, who, name) = (self.0.clock.now(), who.clone(), name.to_owned());
        self.0
            .database
            .write(async move |tx| {
                let found = accounts::by_name(tx, &name).await?;
                let user = found.ok_or(Error::NotFound(What::User))?;
                if accounts::enable(tx, user.pk).await? {
                    audit::record(tx, now, &who, "enable user", &name).await?;
                }
                Ok(())
            })
            .await
    }

    /// Gives a user a role on a project, in place of the one that the user had there.
    pub async fn grant(
        &self,
        who: &Principal,
        user: &str,
        slug: &ProjectSlug,
        role: Role,
    ) -> Result<()> {
        only_operator(who)?;
        let (now, who, user, slug) = (
            self.0.clock.now(),
            who.clone(),
            user.to_owned(),
            slug.clone(),
        );
        self.0
            .database
            .write(async move |tx| {
                let account = accounts::by_name(tx, &user)
                    .await?
                    .ok_or(Error::NotFound(What::User))?;
                let project = projects::by_slug(tx, &slug)
                    .await?
                    .ok_or(Error::NotFound(What::Project))?;
                accounts::grant(tx, account.pk, GrantOn::Project(project.number), role).await?;
                let what = format!("{role} on {slug} to {user}");
                audit::record_in(tx, now, &who, &slug, "grant role", &what).await
            })
            .await
    }

    /// A secret that signs a user in once within ten minutes and leads to `path`.
    pub async fn sign_in_link(&self, who: &Principal, user: &str, path: &str) -> Result<String> {
        only_operator(who)?;
        let secret = secrets::new_secret()?;
        let (now, who, user, path) = (
            self.0.clock.now(),
            who.clone(),
            user.to_owned(),
            path.to_owned(),
        );
        let digest = secrets::digest(&secret);
        self.0
            .database
            .write(async move |tx| {
                let account = enabled(tx, &user).await?;
                let expires_at = now.plus_ms(SIGN_IN_LINK_MS);
                accounts::insert_sign_in_link(tx, &digest, account.pk, &path, expires_at).await?;
                audit::record(tx, now, &who, "issue sign-in link", &user).await
            })
            .await?;
        Ok(secret)
    }

    /// Whom a link that is still good would sign in, and where it leads. The link stays good.
    pub async fn sign_in_link_leads(&self, secret: &str) -> Result<(User, String)> {
        let (now, digest) = (self.0.clock.now(), secrets::digest(secret));
        self.0
            .database
            .read(async move |tx| {
                let found = accounts::sign_in_link(tx, &digest, now).await?;
                let (account, path) = found.ok_or(Error::NotFound(What::SignInLink))?;
                let user = accounts::by_pk(tx, account)
                    .await?
                    .ok_or(Error::NotFound(What::SignInLink))?;
                Ok((user, path))
            })
            .await
    }
}

/// Refuses what is no name of a user.
pub(super) fn require_name(name: &str) -> Result<()> {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'@');
    if name.is_empty() || name.len() > 100 || !name.bytes().all(plain) {
        return Err(Error::invalid(
            "name",
            "may hold letters, digits, `-`, `_`, `.` and `@`, at most 100",
        ));
    }
    Ok(())
}

/// The user of that name, who must not be disabled.
pub(super) async fn enabled(tx: &mut Tx, name: &str) -> Result<User> {
    let found = accounts::by_name(tx, name).await?;
    let user = found.ok_or(Error::NotFound(What::User))?;
    if user.disabled_at.is_some() {
        return Err(Error::Conflict(format!(
            "the user {name} is disabled: enable the user first"
        )));
    }
    Ok(user)
}

pub(super) fn only_operator(who: &Principal) -> Result<()> {
    match who {
        Principal::Operator => Ok(()),
        Principal::Anonymous => Err(Error::Unauthenticated),
        Principal::User(_) | Principal::Job(_) => Err(Error::NotFound(What::User)),
    }
}
