//! What every API needs of HTTP and none of them defines.

pub mod byte_range;
pub mod content_encoding;
pub mod content_headers;
pub mod content_type;
pub mod hosts;
pub mod invalid_tokens;
pub mod request_log;
