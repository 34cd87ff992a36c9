//! The pages, as a browser asks for them.

mod api_tokens;
mod artifact_files;
mod build_pages;
mod build_tests;
mod passwords;
mod sign_in;
mod steps;
mod support;
