//! The commands that move files, as a person and a script use them.

mod commands;
pub(crate) mod counting;
mod kills;
mod odd_files;
