//! Documents as the catalog reads them, in the caller's name.

use std::time::Duration;

use bytes::Bytes;
use shared::problem::{Document, FieldError, Kind, Problem};

use super::asked::{Side, pointer};
use super::asks::{Asks, Read, Unread, kind};
use crate::parcel::{Unpackable, parcel};

/// How long the catalog may take for a document of 32 MB, below the 30 s of the whole call.
const WITHIN: Duration = Duration::from_secs(20);
/// Has a document read.
pub(super) async fn read(asks: &Asks, side: &str, document: &Side, format: Option<&str>) -> Result<Read, Problem> {
    let parcel = parcel(&document.files, document.root.as_deref(), format).map_err(|error| match error {
        Unpackable::TooLarge(bytes) => {
            let detail =
                format!("The files of /{side} have {bytes} bytes when they are packed, too many for one call.");
            Problem::new(Kind::TooLarge, detail).field(format!("/{side}/files"), "are too large, even packed")
        }
        Unpackable::Broken(error) => Problem::internal(error),
    })?;
    let body = Bytes::from(parcel.bytes);
    asks.read(&parcel.query, "application/gzip", body, WITHIN).await.map_err(|unread| match unread {
        Unread::Refused(problem) => refused(side, document, *problem),
        Unread::Away(problem) => problem,
    })
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
    let kind = match kind(&problem) {
        Some(kind @ (Kind::DocumentInvalid | Kind::FormatUnknown | Kind::TooLarge)) => kind,
        // What the catalog calls wrong with its own parameters is, seen from here, wrong with the document.
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
