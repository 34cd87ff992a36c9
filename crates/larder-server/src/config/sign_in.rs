//! `[sign_in]`: what a trusted proxy says of whoever it lets in, and what its groups may do here.

use std::str::FromStr;

use http::HeaderName;
use larder_core::model::{PlacedRole, Role, RolePlace};
use serde::Deserialize;

use super::BaseUrl;

/// Fields that mean something else already, so that a proxy cannot name users in them.
const TAKEN: [&str; 12] = [
    "authorization",
    "circle-token",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "origin",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-prefix",
    "x-forwarded-proto",
];

/// `[sign_in]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SignInConfig {
    /// The field in which a trusted proxy names the user; nobody is believed when not set.
    pub user_header: Option<ProxyHeader>,
    /// The field in which it names the user's groups.
    pub groups_header: Option<ProxyHeader>,
    /// Whoever is in this group is admin everywhere.
    pub admin_group: Option<String>,
    /// What other groups may do.
    pub groups: Vec<GroupRule>,
    /// Where signing out leads.
    pub sign_out_url: Option<SignOutUrl>,
}

/// The name of a request's field that only a trusted proxy sets.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ProxyHeader(HeaderName);

impl ProxyHeader {
    /// The name in lower case.
    pub fn name(&self) -> &HeaderName {
        &self.0
    }
}

impl TryFrom<String> for ProxyHeader {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let name =
            HeaderName::from_str(&text).map_err(|_| "it is not the name of a header".to_owned())?;
        if TAKEN.contains(&name.as_str()) {
            return Err("this header means something else already".to_owned());
        }
        Ok(Self(name))
    }
}

/// `GROUP=PLACE:ROLE`: who is in the group has the role there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct GroupRule {
    /// The group, as the proxy spells it.
    pub group: String,
    /// What its members may do, and where.
    pub grants: PlacedRole,
}

impl TryFrom<String> for GroupRule {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        // Groups of some proxies have `=` and `:` in their names, places and roles have not.
        let (rest, role) = text.rsplit_once(':').ok_or("it has no `:ROLE`")?;
        let (group, on) = rest.rsplit_once('=').ok_or("it has no `=PLACE`")?;
        if group.is_empty() {
            return Err("it names no group".to_owned());
        }
        let role = Role::parse(role)
            .ok_or_else(|| format!("`{role}` is not one of reader, writer, admin"))?;
        let on = RolePlace::parse(on).map_err(|error| error.to_string())?;
        Ok(Self {
            group: group.to_owned(),
            grants: PlacedRole { on, role },
        })
    }
}

/// A URL, or a path on the proxy's own host.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct SignOutUrl(String);

impl SignOutUrl {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SignOutUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("it has spaces or letters that a URL cannot have".to_owned());
        }
        let is_path = text.starts_with('/') && !text.starts_with("//");
        let base = text.split(['?', '#']).next().unwrap_or_default();
        if is_path || base.parse::<BaseUrl>().is_ok() {
            return Ok(Self(text));
        }
        Err("it is neither a URL nor a path that begins with one `/`".to_owned())
    }
}
