//! What callers may do with organizations and projects.

use crate::access::{Action, Resource, absent, authorize, require_scope, role_on};
use crate::clock::Timestamp;
use crate::error::{Error, Lack, Result, What};
use crate::metadata::{Room, Tx, accounts, audit, organizations, projects};
use crate::model::{
    GrantOn, Organization, OrganizationId, Principal, Project, ProjectId, ProjectSlug, Retention,
    Role, Scope, SpaceLimit,
};
use crate::store::Store;
use std::sync::Arc;

/// Organizations and projects.
#[derive(Clone, Debug)]
pub struct Projects(pub(crate) Arc<Store>);

impl Projects {
    /// Changes a setting of a project, whose number `set` is given, and notes the act. Needs `admin` and the role of an
    /// admin on the project.
    pub(crate) async fn change_setting(
        &self,
        who: &Principal,
        slug: &ProjectSlug,
        act: &'static str,
        what: String,
        set: impl AsyncFn(&mut Tx, i64) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let (who, slug, now) = (who.clone(), slug.clone(), self.0.clock.now());
        self.0
            .database
            .write(async move |tx| {
                let Some(project) = projects::by_slug(tx, &slug).await? else {
                    return Err(absent(&who, What::Project));
                };
                authorize(&who, Action::SetUpProject, Resource::project(&project))?;
                set(tx, project.number).await?;
                audit::record_in(tx, now, &who, &slug, act, &what).await
            })
            .await
    }

    /// Makes a project, and its organization when that is new. Needs `admin`.
    pub async fn create(
        &self,
        who: &Principal,
        slug: &ProjectSlug,
        public: bool,
    ) -> Result<Project> {
        require_admin(who)?;
        let (now, numbers) = (self.0.clock.now(), self.0.database.numbers(2).await?);
        let (who, slug) = (who.clone(), slug.clone());
        self.0
            .database
            .write_in(Room::Names, async move |tx| {
                if projects::by_slug(tx, &slug).await?.is_some() {
                    return Err(Error::Conflict(format!(
                        "there is a project {slug} already"
                    )));
                }
                insert(
                    tx,
                    [numbers.start, numbers.start + 1],
                    &who,
                    &slug,
                    public,
                    now,
                )
                .await
            })
            .await
    }

    /// Gives a project another name, perhaps in another organization; the old one names nothing from then on. Whoever has a
    /// role on the project keeps it, and so does a token that is tied to it. Needs `admin`.
    pub async fn rename(
        &self,
        who: &Principal,
        from: &ProjectSlug,
        to: &ProjectSlug,
    ) -> Result<()> {
        require_admin(who)?;
        let project = self.set_up(who, from).await?;
        let (now, pk) = (self.0.clock.now(), self.0.database.number().await?);
        let (who, from, to) = (who.clone(), from.clone(), to.clone());
        self.0
            .database
            .write_in(Room::Names, async move |tx| {
                if projects::by_slug(tx, &to).await?.is_some() {
                    return Err(Error::Conflict(format!("there is a project {to} already")));
                }
                let organization = organization_of(tx, pk, &to, now).await?;
                if !projects::rename(tx, &project, organization.pk, &to.name).await? {
                    return Err(Error::NotFound(What::Project));
                }
                let what = format!("{from} to {to}");
                audit::record_in(tx, now, &who, &to, "rename project", &what).await
            })
            .await
    }

    /// The project of that slug, if the caller may see it.
    pub async fn by_slug(&self, who: &Principal, slug: &ProjectSlug) -> Result<Project> {
        let slug = slug.clone();
        let found = self
            .0
            .database
            .read(async move |tx| projects::by_slug(tx, &slug).await)
            .await?;
        seen(who, found)
    }

    /// The project of an organization's slug and a pipeline's slug, if the caller may see it. An organization in which
    /// the caller sees nothing is not there for the caller either.
    pub async fn by_pipeline(
        &self,
        who: &Principal,
        organization: &str,
        pipeline: &str,
    ) -> Result<Project> {
        let (org, name) = (organization.to_owned(), pipeline.to_owned());
        let found = self
            .0
            .database
            .read(async move |tx| projects::by_pipeline(tx, &org, &name).await)
            .await?;
        match seen(who, found) {
            Err(Error::NotFound(_)) => {
                self.visible_organization(who, organization).await?;
                Err(Error::NotFound(What::Project))
            }
            other => other,
        }
    }

    /// The project of that number, if the caller may see it.
    pub async fn by_number(&self, who: &Principal, number: i64) -> Result<Project> {
        let found = self
            .0
            .database
            .read(async move |tx| projects::by_number(tx, number).await)
            .await?;
        seen(who, found)
    }

    /// All projects that the caller has a role on, by slug. Needs `scope`.
    pub async fn list(&self, who: &Principal, scope: Scope) -> Result<Vec<Project>> {
        require_scope(who, scope)?;
        self.visible(who).await
    }

    /// All organizations in which the caller sees a project, by slug. Needs `read_organizations`.
    pub async fn organizations(&self, who: &Principal) -> Result<Vec<Organization>> {
        require_scope(who, Scope::ReadOrganizations)?;
        let mut organizations: Vec<_> = self
            .visible(who)
            .await?
            .into_iter()
            .map(|project| project.organization)
            .collect();
        organizations.sort_by(|a, b| a.slug.cmp(&b.slug));
        organizations.dedup_by(|a, b| a.pk == b.pk);
        Ok(organizations)
    }

    /// An organization in which the caller sees a project. Needs `read_organizations`.
    pub async fn organization(&self, who: &Principal, slug: &str) -> Result<Organization> {
        let organization = self.visible_organization(who, slug).await?;
        require_scope(who, Scope::ReadOrganizations)?;
        Ok(organization)
    }

    /// The projects of an organization that the caller sees. Needs `read_pipelines`.
    pub async fn of_organization(&self, who: &Principal, slug: &str) -> Result<Vec<Project>> {
        let organization = self.visible_organization(who, slug).await?;
        require_scope(who, Scope::ReadPipelines)?;
        let projects = self.visible(who).await?;
        Ok(projects
            .into_iter()
            .filter(|project| project.organization.pk == organization.pk)
            .collect())
    }

    /// An organization in which the caller sees a project, by whatever scope. What may be done in it is asked later.
    pub async fn seen_organization(&self, who: &Principal, slug: &str) -> Result<Organization> {
        self.visible_organization(who, slug).await
    }

    async fn visible_organization(&self, who: &Principal, slug: &str) -> Result<Organization> {
        let wanted = slug.to_owned();
        let found = self
            .0
            .database
            .read(async move |tx| organizations::by_slug(tx, &wanted).await)
            .await?;
        let Some(organization) = found else {
            return Err(absent(who, What::Organization));
        };
        let sees = self
            .visible(who)
            .await?
            .iter()
            .any(|project| project.organization.pk == organization.pk);
        if sees {
            Ok(organization)
        } else {
            Err(absent(who, What::Organization))
        }
    }

    /// Every project that the caller may see, by whatever scope.
    pub(crate) async fn visible(&self, who: &Principal) -> Result<Vec<Project>> {
        let mut projects = self
            .0
            .database
            .scan(async |tx| projects::all(tx).await)
            .await?;
        projects.retain(|project| {
            authorize(who, Action::SeeProject, Resource::project(project)).is_ok()
        });
        // Public projects of others can be read, but are not the caller's.
        if let Principal::User(user) = who {
            let own = |project: &Project| {
                user.user.admin
                    || role_on(
                        user,
                        &Project {
                            public_at: None,
                            ..project.clone()
                        },
                    )
                    .is_some()
            };
            projects.retain(own);
        }
        Ok(projects)
    }
}

/// The project of that slug, in which the caller may announce builds: made, private, if it is unknown and the caller may
/// make it. Whoever makes it is its admin from then on.
pub(crate) async fn find_or_create(
    tx: &mut Tx,
    numbers: [i64; 2],
    who: &Principal,
    slug: &ProjectSlug,
    auto_create: bool,
    now: Timestamp,
) -> Result<Project> {
    if let Some(project) = projects::by_slug(tx, slug).await? {
        authorize(who, Action::WriteBuilds, Resource::project(&project))?;
        return Ok(project);
    }
    let may_create = match who {
        Principal::Operator => true,
        Principal::User(user) => {
            user.is_personal()
                && (who.has_scope(Scope::Admin)
                    || (auto_create && who.has_scope(Scope::WriteBuilds)))
        }
        Principal::Anonymous | Principal::Job(_) => false,
    };
    if !may_create {
        return Err(absent(who, What::Project));
    }
    tx.lock(Room::Names).await?;
    // Another server may have made it while we waited.
    if let Some(project) = projects::by_slug(tx, slug).await? {
        authorize(who, Action::WriteBuilds, Resource::project(&project))?;
        return Ok(project);
    }
    insert(tx, numbers, who, slug, false, now).await
}

async fn insert(
    tx: &mut Tx,
    numbers: [i64; 2],
    who: &Principal,
    slug: &ProjectSlug,
    public: bool,
    now: Timestamp,
) -> Result<Project> {
    let organization = organization_of(tx, numbers[0], slug, now).await?;
    let project = Project {
        number: numbers[1],
        id: ProjectId::new(now),
        organization,
        name: slug.name.clone(),
        public_at: public.then_some(now),
        retention: Retention::OfInstance,
        space_limit: SpaceLimit::OfInstance,
        total_bytes: 0,
        created_at: now,
    };
    projects::insert(tx, &project).await?;
    if let Principal::User(user) = who {
        accounts::grant(
            tx,
            user.user.pk,
            GrantOn::Project(project.number),
            Role::Admin,
        )
        .await?;
    }
    audit::record_in(tx, now, who, slug, "create project", &slug.to_string()).await?;
    Ok(project)
}

/// The organization of a slug, made when it is new.
async fn organization_of(
    tx: &mut Tx,
    pk: i64,
    slug: &ProjectSlug,
    now: Timestamp,
) -> Result<Organization> {
    match organizations::by_name(tx, slug.vcs, &slug.org).await? {
        Some(organization) => Ok(organization),
        None => insert_organization(tx, pk, slug, now).await,
    }
}

async fn insert_organization(
    tx: &mut Tx,
    pk: i64,
    slug: &ProjectSlug,
    now: Timestamp,
) -> Result<Organization> {
    let mut unique = slug.org.clone();
    if organizations::by_slug(tx, &unique).await?.is_some() {
        unique = format!("{}-{}", slug.org, slug.vcs);
    }
    let organization = Organization {
        pk,
        id: OrganizationId::new(now),
        vcs: slug.vcs,
        name: slug.org.clone(),
        slug: unique,
        created_at: now,
    };
    organizations::insert(tx, &organization).await?;
    Ok(organization)
}

fn seen(who: &Principal, found: Option<Project>) -> Result<Project> {
    let Some(project) = found else {
        return Err(absent(who, What::Project));
    };
    authorize(who, Action::SeeProject, Resource::project(&project))?;
    Ok(project)
}

fn require_admin(who: &Principal) -> Result<()> {
    match who {
        Principal::Operator => Ok(()),
        Principal::Anonymous => Err(Error::Unauthenticated),
        Principal::User(user) if user.is_personal() && who.has_scope(Scope::Admin) => Ok(()),
        Principal::User(_) => Err(Error::Forbidden(Lack::Scope(Scope::Admin))),
        Principal::Job(_) => Err(Error::Forbidden(Lack::JobToken)),
    }
}
