//! `larder admin`: works on a stopped server's store, or through the socket of a running one.

use crate::cli::{AdminCommand, ProjectCommand, RetentionCommand, TokenCommand, UserCommand};
use crate::failure::{FAILED, Failure};
use anyhow::{Context as _, anyhow};
use larder_core::{CheckReport, Swept};
use larder_server::admin::{
    AdminAnswer, AdminRefusal, AdminRequest, ProjectLine, TokenLine, UserLine, ask, perform,
};
use larder_server::config::{Config, Overrides};
use larder_server::lock::{Locked, StoreLock};
use larder_server::store_exists;
use std::path::PathBuf;
use std::process::ExitCode;

pub(crate) async fn run(
    data: Option<String>,
    config: Option<PathBuf>,
    json: bool,
    command: AdminCommand,
) -> Result<ExitCode, Failure> {
    let overrides = Overrides {
        data,
        ..Overrides::default()
    };
    let config = Config::load(config.as_deref(), &overrides).map_err(Failure::usage)?;
    let strict = matches!(command, AdminCommand::Check { strict: true });
    let (answer, url) = answer(&config, request(command)).await?;
    if json {
        say!("{}", serde_json::to_string_pretty(&answer)?);
    } else {
        print(&answer, &url);
    }
    match answer {
        AdminAnswer::Checked(report)
            if !report.is_clean() || (strict && !report.waste.is_empty()) =>
        {
            Ok(ExitCode::from(FAILED))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn request(command: AdminCommand) -> AdminRequest {
    match command {
        AdminCommand::User(UserCommand::Create { name, admin }) => {
            AdminRequest::CreateUser { name, admin }
        }
        AdminCommand::User(UserCommand::List) => AdminRequest::ListUsers,
        AdminCommand::User(UserCommand::Link { name }) => AdminRequest::SignInLink {
            user: name,
            path: "/".to_owned(),
        },
        AdminCommand::User(UserCommand::Grant {
            name,
            project,
            role,
        }) => AdminRequest::Grant {
            user: name,
            project,
            role,
        },
        AdminCommand::Project(ProjectCommand::Create { slug, public }) => {
            AdminRequest::CreateProject { slug, public }
        }
        AdminCommand::Project(ProjectCommand::List) => AdminRequest::ListProjects,
        AdminCommand::Project(ProjectCommand::Retention { slug, retention }) => {
            AdminRequest::SetRetention {
                project: slug,
                retention,
            }
        }
        AdminCommand::Token(TokenCommand::Create {
            user,
            scopes,
            project,
            name,
            days,
        }) => AdminRequest::CreateToken {
            user,
            scopes,
            project,
            description: name,
            days,
        },
        AdminCommand::Token(TokenCommand::List { user }) => AdminRequest::ListTokens { user },
        AdminCommand::Token(TokenCommand::Revoke { id }) => AdminRequest::RevokeToken { id },
        AdminCommand::Retention(RetentionCommand::Resume) => AdminRequest::ResumeRetention,
        AdminCommand::Check { .. } => AdminRequest::Check,
        AdminCommand::Gc => AdminRequest::CollectGarbage,
    }
}

/// The answer, and where the server is reached: as the running one says, else as it is set to.
async fn answer(config: &Config, request: AdminRequest) -> Result<(AdminAnswer, String), Failure> {
    let is_missing = || anyhow::Ok(!request.makes_a_store() && !store_exists(config)?);
    // Looked at before the lock makes the folder, and again once nobody else is about to make a store there.
    if is_missing()? && !config.data.exists() {
        return Err(no_store(config));
    }
    match StoreLock::take_patiently(&config.data)? {
        Locked::Mine(_lock) => {
            if is_missing()? {
                return Err(no_store(config));
            }
            let larder = larder_server::open_store(config)?;
            let answer = perform(&larder, request).await;
            Ok((answer.map_err(AdminRefusal::from)?, set_url(config)))
        }
        Locked::Held(owner) => {
            let socket = owner.socket.with_context(|| {
                format!(
                    "the store in {} is in use by process {}, which does not listen for admin commands; wait or stop it",
                    config.data.display(),
                    owner.process
                )
            })?;
            let answer = ask(&socket, &request).await?;
            Ok((answer, owner.url.unwrap_or_else(|| set_url(config))))
        }
    }
}

fn no_store(config: &Config) -> Failure {
    let data = config.data.display();
    Failure::usage(anyhow!(
        "there is no store in {data}: name another with --data"
    ))
}

fn set_url(config: &Config) -> String {
    let scheme = if config.tls.cert.is_some() {
        "https"
    } else {
        "http"
    };
    config.public_url.as_ref().map_or_else(
        || format!("{scheme}://{}", config.listen),
        ToString::to_string,
    )
}

fn print(answer: &AdminAnswer, url: &str) {
    match answer {
        AdminAnswer::Done => {}
        AdminAnswer::Secret(secret) => say!("{secret}"),
        AdminAnswer::SignInSecret(secret) => say!("{url}/sign-in/{secret}"),
        AdminAnswer::Users(users) => users.iter().for_each(print_user),
        AdminAnswer::Projects(projects) => projects.iter().for_each(print_project),
        AdminAnswer::Tokens(tokens) => tokens.iter().for_each(print_token),
        AdminAnswer::Checked(report) => print_report(report),
        AdminAnswer::Expired(artifacts) => say!("{artifacts} artifacts expired"),
        AdminAnswer::Swept(swept) => print_swept(swept),
    }
}

fn print_user(user: &UserLine) {
    let kind = if user.admin { "admin" } else { "user" };
    say!("{}\t{kind}\t{}", user.name, user.created_at);
}

fn print_project(project: &ProjectLine) {
    let readers = if project.public { "public" } else { "private" };
    let retention = match project.retention.as_str() {
        "default" => "retention as set for all".to_owned(),
        "none" => "no end".to_owned(),
        days => format!("{days} days"),
    };
    say!(
        "{}\t{readers}\t{retention}\t{}",
        project.slug,
        project.created_at
    );
}

fn print_token(token: &TokenLine) {
    let expires = token.expires_at.as_deref().unwrap_or("never");
    let scopes = token.scopes.join(",");
    say!("{}\t{}\t{scopes}\t{expires}", token.id, token.description);
}

fn print_report(report: &CheckReport) {
    for fault in &report.faults {
        say!(
            "damaged\t{}\t{}\t{}",
            fault.artifact,
            fault.path,
            fault.what
        );
    }
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
