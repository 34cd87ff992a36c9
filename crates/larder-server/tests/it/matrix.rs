//! Every route × everybody who asks × what is there, what is hidden, what is not there.
//!
//! `routes` is the table: a route without a row fails, and so does a row without a route. `expected` says what each caller
//! must be told.

mod addresses;
mod callers;
mod expected;
mod routes;
mod world;

use crate::support::Answer;
use axum::http::{Method, header};
use callers::Caller;
use larder_server::app;
use routes::{Dialect, Needs, Row, Trace};
use std::collections::{BTreeMap, BTreeSet};
use world::{Place, World};

#[test]
fn every_route_has_a_row_and_every_row_a_route() {
    let routes = app::routes().table();
    let routes: BTreeSet<String> = routes
        .iter()
        .map(|(method, template)| format!("{method} {template}"))
        .collect();
    let rows = routes::all();
    let named: Vec<String> = rows
        .iter()
        .map(|row| format!("{} {}", row.method, row.template))
        .collect();
    let rows: BTreeSet<String> = named.iter().cloned().collect();
    assert_eq!(rows.len(), named.len(), "a row stands twice");
    let without_row: Vec<_> = routes.difference(&rows).collect();
    let without_route: Vec<_> = rows.difference(&routes).collect();
    assert!(without_row.is_empty(), "no row for {without_row:#?}");
    assert!(without_route.is_empty(), "no route for {without_route:#?}");
}

#[tokio::test]
async fn reads_of_circleci() {
    let rows = routes::circleci();
    for vcs in ["github", "bitbucket", "gitlab"] {
        let rows: Vec<_> = rows.iter().filter(|row| row.vcs() == vcs).collect();
        check_reads(&World::of(vcs).await, &rows).await;
    }
}

#[tokio::test]
async fn reads_of_buildkite() {
    let rows = routes::buildkite();
    check_reads(&World::of("github").await, &reading(&rows)).await;
}

#[tokio::test]
async fn reads_of_the_native_api() {
    let rows = routes::native();
    check_reads(&World::of("github").await, &reading(&rows)).await;
}

#[tokio::test]
async fn reads_of_links_and_pages() {
    let rows = [routes::plain(), routes::pages()].concat();
    check_reads(&World::of("github").await, &reading(&rows)).await;
}

/// A change that is refused leaves every row and every file of the store as it was.
#[tokio::test]
async fn refused_changes_change_nothing() {
    let world = World::of("github").await;
    let (rows, files) = (world.rows().await, world.files().await);
    let mut faults = Faults::default();
    for row in &changing() {
        for caller in &world.callers {
            for place in row.places(&world) {
                let expected = row.expected(caller, place);
                if expected.status == row.ok {
                    continue;
                }
                check(&world, row, caller, place, &mut faults).await;
                faults.note_difference(&world.rows().await, &rows, || told(row, caller, place));
            }
        }
    }
    assert_eq!(world.files().await, files);
    faults.report();
}

/// Each in a world of its own: a change that is made leaves a row that says who made it.
#[tokio::test]
async fn changes_that_are_made_are_noted_in_the_audit_log() {
    let world = World::of("github").await;
    let mut faults = Faults::default();
    for row in &changing() {
        for caller in &world.callers {
            for place in row.places(&world) {
                if row.expected(caller, place).status == row.ok {
                    check_change(&world.copy().await, row, caller, place, &mut faults).await;
                }
            }
        }
    }
    faults.report();
}

async fn check_change(
    world: &World,
    row: &Row,
    caller: &Caller,
    place: &Place,
    faults: &mut Faults,
) {
    let before = world.rows().await;
    world.test.clock.advance_ms(1_000);
    check(world, row, caller, place, faults).await;
    let after = world.rows().await;
    let noted = after["audit"].len() - before["audit"].len();
    // Who signs in anew is signed out first.
    let sets_password = row.template == "/password/{secret}";
    let again = (row.template == "/sign-in/{secret}" || sets_password) && caller.signed_in;
    // Who sets a password is signed in too.
    let expected =
        usize::from(row.trace == Trace::Audited) + usize::from(again) + usize::from(sets_password);
    if noted != expected {
        let told = told(row, caller, place);
        faults.note(format!(
            "{told}: {noted} rows in the audit log, not {expected}"
        ));
    }
    if before == after {
        faults.note(format!("{}: nothing has changed", told(row, caller, place)));
    }
}

#[tokio::test]
async fn what_no_route_takes_is_refused_with_the_methods_that_it_takes() {
    let world = World::of("github").await;
    let mut methods: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let rows = routes::all();
    for row in &rows {
        let of_template = methods.entry(&row.template).or_default();
        of_template.insert(row.method.as_str());
        if row.method == Method::GET {
            of_template.insert("HEAD");
        }
    }
    let tried = [
        "GET", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW",
    ];
    let mut faults = Faults::default();
    for row in &rows {
        let taken = &methods[row.template.as_str()];
        for method in tried.iter().filter(|method| !taken.contains(*method)) {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let address = row.address(&world.places[0]);
            let answer = world.test.ask(method.clone(), &address, &[], "").await;
            let allow: BTreeSet<_> = answer.header("allow").split(", ").collect();
            if answer.status != 405 || allow != *taken || !in_form(row, &answer) {
                faults.note(format!("{method} {address}: {answer:?}"));
            }
        }
    }
    faults.report();
}

fn reading(rows: &[Row]) -> Vec<&Row> {
    let mut rows: Vec<_> = rows.iter().collect();
    rows.retain(|row| row.trace == Trace::Reads);
    rows
}

fn changing() -> Vec<Row> {
    let mut rows = routes::all();
    rows.retain(|row| row.trace != Trace::Reads);
    rows
}

async fn check_reads(world: &World, rows: &[&Row]) {
    let mut faults = Faults::default();
    for row in rows {
        for caller in &world.callers {
            for place in row.places(world) {
                let answer = check(world, row, caller, place, &mut faults).await;
                if row.method == Method::GET && place.name == "demo" {
                    check_head(world, row, caller, place, &answer, &mut faults).await;
                }
            }
            if let Needs::SecretInAddress(status) = row.needs {
                let answer = ask(world, row, caller, &Place::nowhere("github")).await;
                if answer.status.as_u16() != status {
                    faults.note(format!("{}: {answer:?}", row.template));
                }
            }
        }
    }
    faults.report();
}

/// Asks about one place, and where nothing may be known of it, also about what is not there.
async fn check(
    world: &World,
    row: &Row,
    caller: &Caller,
    place: &Place,
    faults: &mut Faults,
) -> Answer {
    let expected = row.expected(caller, place);
    let seen = &row.seen(caller);
    let answer = ask(world, row, caller, place).await;
    if answer.status.as_u16() != expected.status {
        let told = told(row, caller, place);
        faults.note(format!("{told}: not {} but {answer:?}", expected.status));
    }
    if answer.status.is_client_error() && !in_form(row, &answer) {
        faults.note(format!(
            "{}: not in its form: {answer:?}",
            told(row, caller, place)
        ));
    }
    if answer.status.is_success() && seen.is_known() {
        check_silence(world, row, seen, &answer, faults);
    }
    let mut absent = expected.as_of;
    if !absent.is_empty() {
        absent.extend(place.beside());
        if !seen.sees(place) {
            absent.push(place.latest());
        }
    }
    for absent in &absent {
        let other = ask(world, row, caller, absent).await;
        if other != answer {
            let (told, address) = (told(row, caller, place), row.address(absent));
            faults.note(format!("{told}: {answer:?}, but of {address}: {other:?}"));
        }
    }
    answer
}

/// An answer to somebody does not name what the caller may not see.
fn check_silence(world: &World, row: &Row, caller: &Caller, answer: &Answer, faults: &mut Faults) {
    // The same for all, and whoever holds the secret may read what it leads to.
    if matches!(row.needs, Needs::Nothing | Needs::SecretInAddress(_)) {
        return;
    }
    let hidden = world
        .places
        .iter()
        .filter(|place| !caller.sees(place) && !place.public);
    for place in hidden {
        let body = answer.text();
        if [place.name, &place.build, &place.job, &place.artifact]
            .iter()
            .any(|name| body.contains(name))
        {
            let told = told(row, caller, place);
            faults.note(format!("{told}: named to a stranger: {body}"));
        }
    }
}

/// `HEAD` says what `GET` says, without a body.
async fn check_head(
    world: &World,
    row: &Row,
    caller: &Caller,
    place: &Place,
    get: &Answer,
    faults: &mut Faults,
) {
    let head = Row {
        method: Method::HEAD,
        ..row.clone()
    };
    let head = ask(world, &head, caller, place).await;
    let without_length = |answer: &Answer| {
        let mut headers = answer.headers.clone();
        headers.remove(header::CONTENT_LENGTH);
        headers
    };
    let same = head.status == get.status && without_length(&head) == without_length(get);
    if !same || !head.body.is_empty() {
        let told = told(row, caller, place);
        faults.note(format!("{told}: GET {get:?}, but HEAD {head:?}"));
    }
}

async fn ask(world: &World, row: &Row, caller: &Caller, place: &Place) -> Answer {
    let (carrier, secret) = if caller.signed_in {
        ("cookie", format!("__Host-larder_session={}", caller.token))
    } else {
        ("authorization", format!("Bearer {}", caller.token))
    };
    let mut headers = vec![(carrier, secret.as_str()), ("accept", "*/*")];
    if row.dialect == Dialect::Page {
        headers.push(("sec-fetch-site", "same-origin"));
        headers.push(("content-type", "application/x-www-form-urlencoded"));
    }
    let from = usize::from(caller.token.is_empty());
    let (method, address) = (row.method.clone(), row.address(place));
    world
        .test
        .ask(method, &address, &headers[from..], row.body)
        .await
}

/// Whether a refusal is in the words of its API: JSON with a message where the API speaks JSON.
fn in_form(row: &Row, answer: &Answer) -> bool {
    let is_json = answer
        .header("content-type")
        .starts_with("application/json");
    let says = |pointer| is_json && answer.json().pointer(pointer).is_some();
    match row.dialect {
        // The artifact hosts answer so.
        Dialect::CircleCi if row.template.starts_with("/output/{") && answer.status == 404 => {
            answer.text() == "invalid build specification"
        }
        Dialect::CircleCi if row.template.starts_with("/api/v3") => says("/error/detail"),
        Dialect::CircleCi | Dialect::CircleCiAccount | Dialect::Buildkite => says("/message"),
        Dialect::Native => says("/message") && says("/code"),
        Dialect::Page if answer.status == 405 => true,
        Dialect::Page => answer.header("content-type").starts_with("text/html"),
        Dialect::Plain => answer.header("content-type").starts_with("text/plain"),
    }
}

fn told(row: &Row, caller: &Caller, place: &Place) -> String {
    let public = if place.public { " (public)" } else { "" };
    let address = row.address(place);
    let known = if caller.is_known() {
        ""
    } else {
        " (no token that works)"
    };
    let (method, name) = (&row.method, caller.name);
    format!("{method} {address}{public} as {name}{known}")
}

/// What is wrong, collected: one run shows all of it.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn note(&mut self, mut fault: String) {
        fault.truncate(fault.floor_char_boundary(1_000));
        self.0.push(fault);
    }

    fn note_difference(
        &mut self,
        now: &BTreeMap<String, Vec<Vec<String>>>,
        before: &BTreeMap<String, Vec<Vec<String>>>,
        told: impl Fn() -> String,
    ) {
        for (table, rows) in now.iter().filter(|(table, rows)| before[*table] != **rows) {
            self.note(format!("{}: {table} has changed: {rows:#?}", told()));
        }
    }

    #[track_caller]
    fn report(self) {
        let (count, first) = (
            self.0.len(),
            self.0.iter().take(20).cloned().collect::<Vec<_>>(),
        );
        assert!(count == 0, "{count} faults:\n{}", first.join("\n"));
    }
}
