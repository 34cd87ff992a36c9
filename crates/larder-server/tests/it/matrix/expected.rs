//! What the test expects, from the table and from what it knows of the caller: an account of the rules that shares
//! nothing with the larder's own.

use crate::matrix::callers::{Caller, Job, Kind};
use crate::matrix::routes::{Dialect, JobMay, Level, Needs, Row};
use crate::matrix::world::Place;
use axum::http::Method;

/// What a caller must be told.
pub(crate) struct Expected {
    pub(crate) status: u16,
    /// Places that are not there and of which exactly the same must be said.
    pub(crate) as_of: Vec<Place>,
}

impl Row {
    /// The caller as far as this row looks: pages look at sessions and not at tokens, APIs look at sessions only where
    /// artifacts are read.
    pub(crate) fn seen(&self, caller: &Caller) -> Caller {
        let is_of_artifacts = self
            .template
            .split('/')
            .any(|segment| segment == "artifacts");
        let counts = match self.dialect {
            Dialect::Page => caller.signed_in,
            _ if caller.signed_in => is_of_artifacts && self.method == Method::GET,
            _ => true,
        };
        let mut seen = caller.clone();
        if !counts {
            seen.kind = Kind::Anonymous;
        }
        seen
    }

    pub(crate) fn expected(&self, caller: &Caller, place: &Place) -> Expected {
        let caller = &self.seen(caller);
        let status = match self.needs {
            Needs::SecretInForm => 401,
            Needs::NotSignedIn if caller.is_known() => 303,
            Needs::Nothing | Needs::NotSignedIn | Needs::SecretInAddress(_) => self.ok,
            Needs::NoSuchRoute => 404,
            _ if matches!(caller.kind, Kind::Wrong) => 401,
            Needs::On {
                level,
                scopes,
                role,
                job,
            } => {
                return self.expected_on(level, caller, place, |kind| match kind {
                    Kind::User(user) => {
                        // Who sees an organization is a reader of something in it.
                        let has_role =
                            level == Level::Organization || user.role_on(place) >= Some(role);
                        may(self.ok, has_role && user.has_one_of(scopes))
                    }
                    Kind::Job(asking) => may(self.ok, job_may(asking, job)),
                    Kind::Anonymous | Kind::Wrong => unreachable!("has no rights"),
                });
            }
            needs => self.expected_of(needs, &caller.kind),
        };
        Expected {
            status,
            as_of: Vec::new(),
        }
    }

    /// Of routes that name nothing.
    fn expected_of(&self, needs: Needs, kind: &Kind) -> u16 {
        match (needs, kind) {
            (_, Kind::Anonymous) if self.dialect == Dialect::Page => 302,
            (_, Kind::Anonymous | Kind::Wrong) => 401,
            (Needs::NoSuchRouteForCallers, _) => 404,
            (Needs::AnyToken, _) => self.ok,
            (Needs::PersonalToken, Kind::User(user)) => may(self.ok, user.personal),
            (Needs::Own(scopes), Kind::User(user)) => may(self.ok, user.has_one_of(scopes)),
            _ => 403,
        }
    }

    /// Of routes that name something: without a token, or where the caller sees nothing, all is as if nothing were there.
    fn expected_on(
        &self,
        level: Level,
        caller: &Caller,
        place: &Place,
        rights: impl Fn(&Kind) -> u16,
    ) -> Expected {
        let in_project = place.absent_in_project();
        let in_organization = place.absent_in_organization();
        let nowhere = Place::nowhere(place.vcs);
        if let Kind::Anonymous = caller.kind {
            return match self.dialect {
                Dialect::CircleCi | Dialect::Page if place.public => Expected::is(self.ok),
                Dialect::Page => Expected::is(302),
                Dialect::CircleCi => Expected::as_of(404, [in_project, in_organization, nowhere]),
                _ => Expected::as_of(401, [in_project, in_organization, nowhere]),
            };
        }
        let sees_organization = caller.sees_organization(place);
        if level == Level::Organization {
            return if sees_organization {
                Expected::is(rights(&caller.kind))
            } else {
                Expected::as_of(404, [nowhere])
            };
        }
        if !caller.sees(place) {
            let mut absent = vec![in_project, in_organization];
            // In an organization of the caller's own it is the project that is not there.
            if !(sees_organization && self.dialect == Dialect::Buildkite) {
                absent.push(nowhere);
            }
            return Expected::as_of(404, absent);
        }
        match &caller.kind {
            Kind::Job(job) if level == Level::Build && !job.same_build => {
                Expected::as_of(404, [in_project])
            }
            kind => Expected::is(rights(kind)),
        }
    }
}

impl Expected {
    fn is(status: u16) -> Self {
        Self::as_of(status, [])
    }

    fn as_of(status: u16, places: impl IntoIterator<Item = Place>) -> Self {
        Self {
            status,
            as_of: places.into_iter().collect(),
        }
    }
}

fn may(ok: u16, may: bool) -> u16 {
    if may { ok } else { 403 }
}

fn job_may(job: &Job, may: JobMay) -> bool {
    match may {
        JobMay::Never => false,
        JobMay::OfProject => true,
        JobMay::OfBuild => job.same_build,
        JobMay::Itself => job.same_job,
    }
}
