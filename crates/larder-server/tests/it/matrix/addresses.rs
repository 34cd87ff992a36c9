//! A route's template with the names of a place in it.

use crate::matrix::routes::Row;
use crate::matrix::world::{Place, World};

impl Row {
    /// The address of the row's thing in a place.
    pub(crate) fn address(&self, place: &Place) -> String {
        let mut address = String::new();
        for segment in self.template.split('/').skip(1) {
            address.push('/');
            match segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')) {
                Some(name) => address.push_str(&self.value(name, place)),
                None => address.push_str(segment),
            }
        }
        address + self.query
    }

    /// Every place that the row's addresses can name; the first for those that name none.
    pub(crate) fn places<'a>(&self, world: &'a World) -> &'a [Place] {
        if self.template.contains('{') {
            &world.places
        } else {
            &world.places[..1]
        }
    }

    /// On which host of code the place has to be; the site's addresses name it in their first segment.
    pub(crate) fn vcs(&self) -> &'static str {
        match self.template.split('/').nth(1) {
            Some("bb" | "bitbucket") => "bitbucket",
            Some("gl" | "gitlab") => "gitlab",
            _ => "github",
        }
    }

    fn value(&self, name: &str, place: &Place) -> String {
        let below = |part: &str| self.template.contains(part);
        match name {
            "vcs" => place.vcs.to_owned(),
            "username" | "org" => place.org.to_owned(),
            "*name" => "a.txt".to_owned(),
            "project" | "pipeline" | "name" => place.name.to_owned(),
            "slug" => format!("{}%2F{}%2F{}", place.short_vcs(), place.org, place.name),
            "number" if below("/builds/") => place.build_number.to_string(),
            "number" => place.job_number.clone(),
            "index" | "step" | "seq" | "report" => place.index.to_string(),
            "upload" if below("/finish") => place.whole_upload.clone(),
            "upload" => place.upload.clone(),
            "part" => "0".to_owned(),
            "*path" => place.path.to_owned(),
            "*branch" => "main".to_owned(),
            "id" if below("/artifacts/{id}") => place.artifact.clone(),
            "id" if below("/jobs/{id}") => place.job.clone(),
            "id" => place.build.clone(),
            "job" => place.job.clone(),
            "token" => place.link.clone(),
            "secret" if below("/password/") => place.password.clone(),
            "secret" => place.sign_in.clone(),
            "*elsewhere" | "*rest" => "no/such/place".to_owned(),
            other => panic!("{}: nothing is known of {other}", self.template),
        }
    }
}
