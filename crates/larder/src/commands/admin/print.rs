//! What operators are shown: a line for each thing, with tabs between its columns.

use larder_core::{BackedUp, CheckReport, Fault, Swept};
use larder_server::admin::{
    AdminAnswer, AuditLine, ContentsLine, ProjectLine, TokenLine, UserLine,
};

/// Prints an answer; `url` is where the server is reached.
pub(super) fn print(answer: &AdminAnswer, url: &str) {
    match answer {
        AdminAnswer::Done => {}
        AdminAnswer::Secret(secret) => say!("{secret}"),
        AdminAnswer::SignInSecret(secret) => say!("{url}/sign-in/{secret}"),
        AdminAnswer::PasswordSecret(secret) => say!("{url}/password/{secret}"),
        AdminAnswer::Users(users) => users.iter().for_each(print_user),
        AdminAnswer::Projects(projects) => projects.iter().for_each(print_project),
        AdminAnswer::Deleted(line) => say!("deleted {}", contents(line)),
        AdminAnswer::WouldDelete(line) => eprintln!(
            "larder: this would delete {}; nothing was done: add --yes to do it",
            contents(line)
        ),
        AdminAnswer::Tokens(tokens) => tokens.iter().for_each(print_token),
        AdminAnswer::Audit(page) => page.acts.iter().for_each(print_act),
        AdminAnswer::Checked(report) => print_report(report),
        AdminAnswer::Expired(artifacts) => say!("{artifacts} artifacts expired"),
        AdminAnswer::Swept(swept) => print_swept(swept),
        AdminAnswer::BackedUp(done) => print_backed_up(done),
        AdminAnswer::KeyRotated(id) => {
            say!("key {id} signs from now on; links signed before stay good to their end");
        }
    }
}

fn print_user(user: &UserLine) {
    let kind = if user.admin { "admin" } else { "user" };
    let state = if user.disabled_at.is_some() {
        "\tdisabled"
    } else {
        ""
    };
    say!("{}\t{kind}\t{}{state}", user.name, user.created_at);
}

fn print_project(project: &ProjectLine) {
    let readers = if project.public { "public" } else { "private" };
    let retention = match project.retention.as_str() {
        "default" => "retention as set for all".to_owned(),
        "none" => "no end".to_owned(),
        days => format!("{days} days"),
    };
    let kept = project.total_bytes;
    let space = match project.max_bytes.as_str() {
        "default" => format!("{kept} bytes, limit as set for all"),
        "none" => format!("{kept} bytes, no limit"),
        most => format!("{kept} of {most} bytes"),
    };
    say!(
        "{}\t{readers}\t{retention}\t{space}\t{}",
        project.slug,
        project.created_at
    );
}

/// `github/acme/demo: 2 builds, 3 artifacts, 400 bytes`
fn contents(line: &ContentsLine) -> String {
    let ContentsLine {
        what,
        builds,
        artifacts,
        bytes,
    } = line;
    format!("{what}: {builds} builds, {artifacts} artifacts, {bytes} bytes")
}

fn print_token(token: &TokenLine) {
    let expires = token.expires_at.as_deref().unwrap_or("never");
    let scopes = token.scopes.join(",");
    say!("{}\t{}\t{scopes}\t{expires}", token.id, token.description);
}

pub(super) fn print_act(act: &AuditLine) {
    let token = act.token.as_deref().unwrap_or("-");
    say!(
        "{}\t{}\t{token}\t{}\t{}",
        act.time,
        act.actor,
        act.act,
        act.what
    );
}

fn print_report(report: &CheckReport) {
    report.faults.iter().for_each(print_fault);
    for key in &report.waste {
        say!("waste\t{key}");
    }
    say!(
        "{} artifacts in {} blobs of {} bytes: {} damaged, {} files that no row names",
        report.artifacts,
        report.blobs,
        report.bytes,
        report.faults.len(),
        report.waste.len()
    );
}

fn print_fault(fault: &Fault) {
    say!(
        "damaged\t{}\t{}\t{}",
        fault.artifact,
        fault.path,
        fault.what
    );
}

/// What a backup holds, or what came from one.
pub(super) fn print_backed_up(done: &BackedUp) {
    done.faults.iter().for_each(print_fault);
    say!(
        "{} files of {} bytes, of which {} of {} bytes were copied now: {} damaged",
        done.files,
        done.bytes,
        done.new_files,
        done.new_bytes,
        done.faults.len()
    );
}

fn print_swept(swept: &Swept) {
    say!(
        "{} uploads given up, {} artifacts expired, {} files of deleted or expired artifacts freed, {} files that no \
         row named removed",
        swept.abandoned,
        swept.expired,
        swept.freed,
        swept.orphans
    );
    if let Some(why) = &swept.held {
        say!("nothing expires: {why}; if that is right, `larder admin retention resume`");
    }
}
