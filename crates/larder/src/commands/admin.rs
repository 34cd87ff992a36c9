//! `larder admin`: works on a stopped server's store, or through the socket of a running one.

mod operator;
mod password;
mod print;
mod restore;

use crate::cli::{
    AdminBuildCommand, AdminCommand, AuditArguments, KeysCommand, ProjectCommand, RetentionCommand,
    TokenCommand, UserCommand,
};
use crate::failure::{FAILED, Failure, USAGE};
use anyhow::anyhow;
use larder_server::admin::{AdminAnswer, AdminRequest, AuditPage, AuditRequest};
use larder_server::config::{Config, Overrides};
use operator::Operator;
use print::{print, print_act};
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
    if let AdminCommand::Audit(wanted) = command {
        let operator = Operator::reach(&config, false).await?;
        return audit(&operator, wanted, json).await;
    }
    if let AdminCommand::Restore { dir } = command {
        return restore::run(&config, &dir, json).await;
    }
    let request = request(command)?;
    let operator = Operator::reach(&config, request.makes_a_store()).await?;
    let answer = operator.ask(request).await?;
    if json {
        say!("{}", serde_json::to_string_pretty(&answer)?);
    } else {
        print(&answer, &operator.url);
    }
    match answer {
        AdminAnswer::Checked(report)
            if !report.is_clean() || (strict && !report.waste.is_empty()) =>
        {
            Ok(ExitCode::from(FAILED))
        }
        AdminAnswer::BackedUp(done) if !done.is_whole() => Ok(ExitCode::from(FAILED)),
        AdminAnswer::WouldDelete(_) => Ok(ExitCode::from(USAGE)),
        _ => Ok(ExitCode::SUCCESS),
    }
}

async fn audit(
    operator: &Operator,
    wanted: AuditArguments,
    json: bool,
) -> Result<ExitCode, Failure> {
    if json {
        let mut acts = Vec::new();
        operator.audit(wanted, |act| acts.push(act)).await?;
        let answer = AdminAnswer::Audit(AuditPage { acts, next: None });
        say!("{}", serde_json::to_string_pretty(&answer)?);
    } else {
        operator.audit(wanted, |act| print_act(&act)).await?;
    }
    Ok(ExitCode::SUCCESS)
}

fn request(command: AdminCommand) -> Result<AdminRequest, Failure> {
    Ok(match command {
        AdminCommand::User(command) => of_user(command)?,
        AdminCommand::Project(command) => of_project(command),
        AdminCommand::Build(AdminBuildCommand::Delete { slug, number, yes }) => {
            AdminRequest::DeleteBuild {
                project: slug,
                number,
                yes,
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
        AdminCommand::Audit(_) => AdminRequest::Audit(AuditRequest::default()),
        AdminCommand::Keys(KeysCommand::Rotate) => AdminRequest::RotateKeys,
        AdminCommand::Check { .. } => AdminRequest::Check,
        AdminCommand::Gc => AdminRequest::CollectGarbage,
        AdminCommand::Backup { dir } => AdminRequest::Backup {
            folder: std::path::absolute(dir)?,
        },
        AdminCommand::Restore { .. } => {
            return Err(Failure::usage(anyhow!(
                "a restore is no act on a store that is there"
            )));
        }
    })
}

fn of_user(command: UserCommand) -> Result<AdminRequest, Failure> {
    Ok(match command {
        UserCommand::Create { name, admin } => AdminRequest::CreateUser { name, admin },
        UserCommand::List => AdminRequest::ListUsers,
        UserCommand::Link { name } => AdminRequest::SignInLink {
            user: name,
            path: "/".to_owned(),
        },
        UserCommand::Password { name, stdin } => AdminRequest::SetPassword {
            password: password::read(&name, stdin)?,
            user: name,
        },
        UserCommand::Reset { name } => AdminRequest::PasswordLink { user: name },
        UserCommand::Disable { name } => AdminRequest::DisableUser { user: name },
        UserCommand::Enable { name } => AdminRequest::EnableUser { user: name },
        UserCommand::Grant {
            name,
            project,
            role,
        } => AdminRequest::Grant {
            user: name,
            project,
            role,
        },
    })
}

fn of_project(command: ProjectCommand) -> AdminRequest {
    match command {
        ProjectCommand::Create { slug, public } => AdminRequest::CreateProject { slug, public },
        ProjectCommand::List => AdminRequest::ListProjects,
        ProjectCommand::Rename { from, to } => AdminRequest::RenameProject { from, to },
        ProjectCommand::Delete { slug, yes } => AdminRequest::DeleteProject { project: slug, yes },
        ProjectCommand::Limit { slug, max_bytes } => AdminRequest::SetSpaceLimit {
            project: slug,
            max_bytes,
        },
        ProjectCommand::Retention { slug, retention } => AdminRequest::SetRetention {
            project: slug,
            retention,
        },
    }
}
