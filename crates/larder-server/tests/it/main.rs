//! Every API in process: one binary, whose modules mirror the addresses.

mod hostile_names;
mod larder;
mod support;
