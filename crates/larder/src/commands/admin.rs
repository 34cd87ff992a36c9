//! `larder admin`: works on a stopped server's store, or through the socket of a running one.

use crate::cli::{AdminCommand, ProjectCommand, RetentionCommand, TokenCommand, UserCommand};
use crate::failure::{FAILED, Failure};
use anyhow::{Context as _, Result, anyhow};
use larder_core::Swept;
use larder_server::admin::{AdminAnswer, AdminRequest, ProjectLine, ask, perform};
use larder_server::config::{Config, Overrides};
use larder_server::lock::{Locked, StoreLock};
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
    let link_to = match &command {
        AdminCommand::User(UserCommand::Link { .. }) => {
            config.public_url.as_ref().map(ToString::to_string)
        }
        _ => None,
    };
    let answer = answer(&config, request(command)).await?;
    if json {
        println!("{}", serde_json::to_string_pretty(&answer)?);
    } else {
        print(&answer, link_to.as_deref());
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

async fn answer(config: &Config, request: AdminRequest) -> Result<AdminAnswer> {
    match StoreLock::take(&config.data)? {
        Locked::Mine(_lock) => {
            let larder = larder_server::open_store(config)?;
            perform(&larder, request)
                .await
                .map_err(|error| anyhow!("{error}"))
        }
        Locked::Held(owner) => {
            let socket = owner.socket.with_context(|| {
                format!(
                    "the store in {} is in use by process {}, which does not listen for admin commands; wait or stop it",
                    config.data.display(),
                    owner.process
                )
            })?;
            ask(&socket, &request).await
        }
    }
}

fn print(answer: &AdminAnswer, link_to: Option<&str>) {
    match answer {
        AdminAnswer::Done => {}
        AdminAnswer::Secret(secret) => match link_to {
            Some(url) => println!("{url}/sign-in/{secret}"),
            None => println!("{secret}"),
        },
        AdminAnswer::Users(users) => {
            for user in users {
                println!(
                    "{}\t{}\t{}",
                    user.name,
                    if user.admin { "admin" } else { "user" },
                    user.created_at
                );
            }
        }
        AdminAnswer::Projects(projects) => projects.iter().for_each(print_project),
        AdminAnswer::Tokens(tokens) => {
            for token in tokens {
                let expires = token.expires_at.as_deref().unwrap_or("never");
                println!(
                    "{}\t{}\t{}\t{expires}",
                    token.id,
                    token.description,
                    token.scopes.join(",")
                );
            }
        }
        AdminAnswer::Checked(report) => {
            for fault in &report.faults {
                println!(
                    "damaged\t{}\t{}\t{}",
                    fault.artifact, fault.path, fault.what
                );
            }
            for key in &report.waste {
                println!("waste\t{key}");
            }
            let (artifacts, blobs, bytes) = (report.artifacts, report.blobs, report.bytes);
            println!(
                "{artifacts} artifacts in {blobs} blobs of {bytes} bytes: {} damaged, {} files that no row names",
                report.faults.len(),
                report.waste.len()
            );
        }
        AdminAnswer::Expired(artifacts) => println!("{artifacts} artifacts expired"),
        AdminAnswer::Swept(swept) => print_swept(swept),
    }
}

fn print_project(project: &ProjectLine) {
    let readers = if project.public { "public" } else { "private" };
    let retention = match project.retention.as_str() {
        "default" => "retention as set for all".to_owned(),
        "none" => "no end".to_owned(),
        days => format!("{days} days"),
    };
    let (slug, created_at) = (&project.slug, &project.created_at);
    println!("{slug}\t{readers}\t{retention}\t{created_at}");
}

fn print_swept(swept: &Swept) {
    println!(
        "{} uploads given up, {} artifacts expired, {} files of deleted or expired artifacts freed, {} files that no row \
         named removed",
        swept.abandoned, swept.expired, swept.freed, swept.orphans
    );
    if let Some(why) = &swept.held {
        println!("nothing expires: {why}; if that is right, `larder admin retention resume`");
    }
}
