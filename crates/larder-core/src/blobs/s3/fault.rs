//! What errors of a bucket mean to the larder.

use crate::error::Error;

/// What an error of a bucket means: the bucket is another machine, so what does not work now may work soon.
pub(super) fn meaning(error: object_store::Error) -> Error {
    match error {
        object_store::Error::NotFound { path, .. } => {
            Error::internal("open a blob", format!("the object {path} is missing"))
        }
        object_store::Error::PermissionDenied { .. }
        | object_store::Error::Unauthenticated { .. } => {
            Error::Unavailable("the bucket refuses the keys of this server".into())
        }
        other => Error::Unavailable(format!("the bucket is away: {}", brief(&other))),
    }
}

/// The first line of what an error says, with its deepest cause; answers of services can be pages.
pub(super) fn brief(error: &object_store::Error) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    let line = |text: String| {
        text.lines()
            .next()
            .unwrap_or_default()
            .chars()
            .take(300)
            .collect::<String>()
    };
    let (said, cause) = (line(error.to_string()), line(deepest.to_string()));
    if said.contains(&cause) {
        said
    } else {
        format!("{said}: {cause}")
    }
}
