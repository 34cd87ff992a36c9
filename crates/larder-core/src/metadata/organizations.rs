//! Organizations.

use crate::error::Result;
use crate::metadata::{Row, Tx};
use crate::model::{Organization, OrganizationId, Vcs};

/// Columns of an organization, in the order that [`organization_at`] reads.
pub(crate) const COLUMNS: &str = "organization.pk, organization.id, organization.vcs, organization.name, organization.slug, organization.created_at";

pub(crate) async fn insert(tx: &mut Tx, organization: &Organization) -> Result<()> {
    tx.execute(
        "INSERT INTO organization (pk, id, vcs, name, slug, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        &[
            organization.pk.into(),
            organization.id.to_string().into(),
            organization.vcs.word().into(),
            organization.name.as_str().into(),
            organization.slug.as_str().into(),
            organization.created_at.into(),
        ],
    )
    .await?;
    Ok(())
}

pub(crate) async fn by_name(tx: &mut Tx, vcs: Vcs, name: &str) -> Result<Option<Organization>> {
    let sql = format!("SELECT {COLUMNS} FROM organization WHERE vcs = ?1 AND name = ?2");
    tx.first(&sql, &[vcs.word().into(), name.into()], |row| {
        organization_at(row, 0)
    })
    .await
}

pub(crate) async fn by_slug(tx: &mut Tx, slug: &str) -> Result<Option<Organization>> {
    let sql = format!("SELECT {COLUMNS} FROM organization WHERE slug = ?1");
    tx.first(&sql, &[slug.into()], |row| organization_at(row, 0))
        .await
}

/// Reads the columns of an organization that begin at `first`.
pub(crate) fn organization_at(row: &Row<'_>, first: usize) -> Result<Organization> {
    Ok(Organization {
        pk: row.int(first)?,
        id: row.parsed(first + 1, OrganizationId::parse)?,
        vcs: row.parsed(first + 2, Vcs::parse)?,
        name: row.text(first + 3)?,
        slug: row.text(first + 4)?,
        created_at: row.time(first + 5)?,
    })
}
