//! The command line: help, exit codes, settings, and a build from its beginning to its end in a shell.

mod admin;
mod exit_codes;
mod help;
mod life;
mod operators;
mod settings;
