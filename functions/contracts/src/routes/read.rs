//! Documents as the catalog reads them, in the caller's name.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use shared::chassis::hop::{Hop, HopError, Question};
use shared::problem::{Document, FieldError, Kind, Problem};
use shared::surface::{PACKED_BYTES_MAX, Surface, Warning};

use super::asked::{Side, pointer};
use crate::parcel::{Unpackable, parcel};

/// How long the catalog may take for a document of 32 MB, below the 30 s of the whole call.
const WITHIN: Duration = Duration::from_secs(20);
/// Bytes of the warnings that come with a surface.
const WARNINGS_BYTES_MAX: usize = 1024 * 1024;

/// A document that was read.
pub(super) struct Read {
    /// What it offers.
    pub surface: Surface,
    /// What is wrong with it and did not keep it from being read.
    pub warnings: Vec<Warning>,
}

/// The warnings, which stand beside the surface in one object.
#[derive(Deserialize)]
struct Beside {
    warnings: Vec<Warning>,
}

/// Has a document read.
pub(super) async fn read(hop: &Hop, side: &str, document: &Side, format: Option<&str>) -> Result<Read, Problem> {
    let parcel = parcel(&document.files, document.root.as_deref(), format).map_err(|error| match error {
        Unpackable::TooLarge(bytes) => {
            let detail =
                format!("The files of /{side} have {bytes} bytes when they are packed, too many for one call.");
            Problem::new(Kind::TooLarge, detail).field(format!("/{side}/files"), "are too large, even packed")
        }
        Unpackable::Broken(error) => Problem::internal(error),
    })?;
    let path = format!("/v1/catalog/surfaces{}", parcel.query);
    let question = Question {
        method: Method::POST,
        path: &path,
        content_type: "application/gzip",
        accept: "application/json",
        body: Bytes::from(parcel.bytes),
        within: WITHIN,
        answer_bytes_max: PACKED_BYTES_MAX + WARNINGS_BYTES_MAX,
    };
    let bytes = hop.ask(question).await.map_err(|error| match error {
        HopError::Refused(problem) if matches!(problem.status, 400 | 406 | 413 | 415 | 422) => {
            refused(side, document, *problem)
        }
        other => other.into_problem(),
    })?;
    let away = |error: &dyn std::fmt::Display| Problem::unavailable(format!("{path}: {error}"));
    let surface = Surface::unpack(&bytes).map_err(|error| away(&error))?;
    let Beside { warnings } = serde_json::from_slice(&bytes).map_err(|error| away(&error))?;
    Ok(Read { surface, warnings })
}

/// Both documents, or what is wrong with them: with both of them, where that is so.
pub(super) fn both(before: Result<Read, Problem>, after: Result<Read, Problem>) -> Result<(Read, Read), Problem> {
    match (before, after) {
        (Ok(before), Ok(after)) => Ok((before, after)),
        (Err(mut before), Err(after)) if before.kind.status().is_client_error() => {
            before.errors.extend(after.errors);
            Err(before)
        }
        (Err(problem), _) | (_, Err(problem)) => Err(problem),
    }
}

/// What the catalog says of a document, as it concerns this question.
fn refused(side: &str, document: &Side, problem: Document) -> Problem {
    let slug = problem.kind.rsplit(':').next().unwrap_or_default();
    // What the catalog calls wrong with its own parameters is, seen from here, wrong with the document.
    let kind = match Kind::ALL.iter().find(|kind| kind.slug() == slug) {
        Some(kind @ (Kind::DocumentInvalid | Kind::FormatUnknown | Kind::TooLarge)) => *kind,
        // What is made of it does not fit an answer.
        Some(Kind::NotAcceptable) => Kind::TooLarge,
        _ => Kind::DocumentInvalid,
    };
    // The detail begins with the file where there are several.
    let named = document.files.keys().filter(|path| problem.detail.starts_with(&format!("{path}, line ")));
    let file = match named.max_by_key(|path| path.len()) {
        None if document.files.len() == 1 => document.files.keys().next(),
        named => named,
    };
    let place = file.map_or_else(|| format!("/{side}"), |file| pointer(side, file));
    let error = |error: &FieldError| {
        let within = if error.pointer.is_empty() || error.pointer.starts_with("/query/") {
            String::new()
        } else {
            format!(" (at `{}`)", error.pointer)
        };
        FieldError { pointer: place.clone(), detail: format!("{}{within}", error.detail), line: error.line }
    };
    let mut ours = Problem::new(kind, format!("/{side}: {}", problem.detail));
    ours.errors = problem.errors.iter().map(error).collect();
    if ours.errors.is_empty() {
        ours = ours.field(place, problem.detail);
    }
    ours
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn side(files: &[&str]) -> Side {
        Side {
            files: files.iter().map(|path| ((*path).to_owned(), String::new())).collect::<BTreeMap<_, _>>(),
            root: None,
        }
    }

    fn said(kind: Kind, detail: &str, pointer: &str, line: Option<u32>) -> Document {
        let mut problem = Problem::new(kind, detail).field(pointer, "is wrong");
        problem.errors[0].line = line;
        problem.document(None)
    }

    #[test]
    fn a_problem_of_a_document_names_its_side_its_file_and_its_line() {
        let many = side(&["a/b.yaml", "b.yaml"]);
        let problem = said(Kind::DocumentInvalid, "a/b.yaml, line 3, column 1: is wrong", "/paths/~1a", Some(3));
        let ours = refused("after", &many, problem);
        assert_eq!(
            (ours.kind, ours.detail.as_str()),
            (Kind::DocumentInvalid, "/after: a/b.yaml, line 3, column 1: is wrong")
        );
        let wanted = FieldError {
            pointer: "/after/files/a~1b.yaml".into(),
            detail: "is wrong (at `/paths/~1a`)".into(),
            line: Some(3),
        };
        assert_eq!(ours.errors, [wanted]);

        let ours = refused("before", &side(&["only"]), said(Kind::FormatUnknown, "no", "", None));
        assert_eq!((ours.kind, ours.errors[0].pointer.as_str()), (Kind::FormatUnknown, "/before/files/only"));
        let ours = refused("before", &many, said(Kind::DocumentInvalid, "Several files", "", None));
        assert_eq!(ours.errors[0].pointer, "/before");
        let ours = refused("before", &many, said(Kind::InvalidParameter, "x", "/query/root", None));
        assert_eq!((ours.kind, ours.errors[0].detail.as_str()), (Kind::DocumentInvalid, "is wrong"));
    }

    #[test]
    fn both_documents_faults_are_told_at_once_and_a_fault_of_ours_is_never_hidden() {
        let wrong = |side: &str| Err(Problem::invalid(side, "is wrong"));
        let problem = both(wrong("/before"), wrong("/after")).err().unwrap();
        assert_eq!(
            problem.errors.iter().map(|error| error.pointer.as_str()).collect::<Vec<_>>(),
            ["/before", "/after"]
        );
        assert_eq!(both(Err(Problem::unavailable("")), wrong("/after")).err().unwrap().kind, Kind::Unavailable);
    }
}
