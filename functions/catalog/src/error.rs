//! What can go wrong, and the one place where it becomes a problem.

use shared::chassis::table::StoreError;
use shared::problem::{FieldError, Kind, Problem};

use crate::domain::gate::Held;
use crate::upload::Refused;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("no such thing")]
    NotFound,
    #[error("{detail}")]
    Taken { pointer: &'static str, detail: String },
    #[error("{detail}")]
    State { pointer: Option<&'static str>, detail: String },
    #[error("{detail}")]
    Held { held: Held, detail: String },
    #[error("changed in the meantime")]
    Stale,
    #[error("several changes at once")]
    Contended,
    #[error("{0}")]
    TooLarge(String),
    #[error("{0}")]
    Packing(String),
    #[error(transparent)]
    Document(#[from] Refused),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An answer that could not be made.
    #[error("{}", .0.detail)]
    Problem(Problem),
}

impl Error {
    /// A request names a service that is not there.
    pub(crate) fn no_service(name: impl std::fmt::Display) -> Self {
        Self::State {
            pointer: Some("/service"),
            detail: format!("Your organization has no service `{name}`: make it first."),
        }
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => Self::not_found(),
            Error::Taken { pointer, detail } => Self::exists(pointer, detail),
            Error::State { pointer: None, detail } => Self::state(detail),
            Error::State { pointer: Some(pointer), detail } => Self::state(detail.clone()).field(pointer, detail),
            Error::Held { held, detail } => {
                let kind = match held {
                    Held::Unchecked | Held::Ended(_) => Kind::CheckRequired,
                    Held::Pending(_) => Kind::CheckPending,
                    Held::Failed(_) => Kind::CheckFailed,
                };
                let problem = Self::new(kind, detail.clone()).field("/path/version", detail);
                if matches!(held, Held::Pending(_)) { problem.retry_after_s(1) } else { problem }
            }
            Error::Stale => Self::new(
                Kind::PreconditionFailed,
                "It was changed since you read it: read it again, and send the new `ETag` as `If-Match`.",
            )
            .field("/header/if-match", "is not the resource's `ETag`"),
            Error::Contended => Self::unavailable("several changes of one thing at once"),
            Error::TooLarge(detail) => Self::new(Kind::TooLarge, detail),
            Error::Packing(detail) => Self::new(Kind::DocumentInvalid, detail.clone()).field("", detail),
            Error::Document(error) => {
                let kind = match error.code {
                    "too-large" | "too-many-files" | "archive-ratio" => Kind::TooLarge,
                    _ if error.is_unsupported() => Kind::FormatUnknown,
                    _ => Kind::DocumentInvalid,
                };
                // One document has no name that would help.
                let file = error
                    .file
                    .as_deref()
                    .filter(|file| file.contains(['/', '.']))
                    .map_or(String::new(), |file| format!("{file}, "));
                let place = match (error.line, error.column) {
                    (Some(line), Some(column)) if file.is_empty() => format!("Line {line}, column {column}: "),
                    (Some(line), Some(column)) => format!("{file}line {line}, column {column}: "),
                    _ => String::new(),
                };
                let mut problem = Self::new(kind, format!("{place}{}", error.message));
                problem.errors.push(FieldError {
                    pointer: error.pointer.unwrap_or_default(),
                    detail: error.message,
                    line: error.line,
                });
                problem
            }
            Error::Store(error) => error.into(),
            Error::Problem(problem) => problem,
        }
    }
}
