//! The pages, as a browser asks for them.

mod api_tokens;
mod artifact_files;
mod build_pages;
mod sign_in;
mod support;
