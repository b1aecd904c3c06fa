//! What a comparison is asked about, and what is wrong with the question.

use std::collections::BTreeMap;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName};
use serde::Deserialize;
use shared::chassis::{extract, gzip};
use shared::problem::{Kind, Problem};
use utoipa::ToSchema;

use crate::compare::Level;

/// Files of one document.
const FILES_MAX: usize = 2_000;
/// Characters of a file's path.
const PATH_MAX: usize = 500;
/// Bytes of the files of one document: as much as the catalog reads.
const SIDE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Bytes of the question when it is unpacked: both documents, with what quoting adds to texts.
const BODY_BYTES_MAX: usize = 80 * 1024 * 1024;
/// Characters of a format's name.
const FORMAT_MAX: usize = 40;

/// Two documents, to be compared.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// The earlier document.
    pub before: Side,
    /// The later document.
    pub after: Side,
    /// How strictly Protocol Buffers are compared, `FILE` where it is left out; no other format has levels.
    #[serde(default)]
    #[schema(default = "FILE")]
    pub level: Level,
    /// The format of both documents, where it is not to be found out: `openapi` or `graphql`.
    #[serde(default)]
    #[schema(max_length = 40)]
    pub format: Option<String>,
}

/// A document of one file or of several.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Side {
    /// The texts of the files by their paths, which are relative, with `/`: `api/openapi.yaml`. At most 2,000 files and 32 MB.
    pub files: BTreeMap<String, String>,
    /// Of several files, the path of the one that is meant, where that is not to be found out.
    #[serde(default)]
    #[schema(max_length = 500)]
    pub root: Option<String>,
}

/// Reads a question.
pub(super) fn asked(headers: &HeaderMap, body: &[u8]) -> Result<Asked, Problem> {
    let asked: Asked = match unpacked(headers, body)? {
        Some(bytes) => extract::parse(&bytes)?,
        None => extract::parse(body)?,
    };
    check("before", &asked.before)?;
    check("after", &asked.after)?;
    let fits = |format: &String| {
        (1..=FORMAT_MAX).contains(&format.len())
            && format.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if asked.format.as_ref().is_some_and(|format| !fits(format)) {
        return Err(Problem::invalid(
            "/format",
            format!("must be the name of a format of at most {FORMAT_MAX} characters, such as `openapi`"),
        ));
    }
    Ok(asked)
}

/// The body, if it came packed.
fn unpacked(headers: &HeaderMap, body: &[u8]) -> Result<Option<Vec<u8>>, Problem> {
    let header = |name: HeaderName| {
        let value = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    };
    let (essence, encoding) = (header(CONTENT_TYPE), header(CONTENT_ENCODING));
    let is_encoded = matches!(encoding.as_str(), "gzip" | "x-gzip");
    let is_file = matches!(essence.as_str(), "application/gzip" | "application/x-gzip");
    let is_json = essence == "application/json" || essence.ends_with("+json");
    if !(is_json || is_file) {
        let problem = Problem::new(
            Kind::UnsupportedMediaType,
            "Send JSON with `Content-Type: application/json`, or the same packed with gzip as `application/gzip`.",
        );
        return Err(problem.field("/header/content-type", "must be `application/json` or `application/gzip`"));
    }
    if !(is_encoded || matches!(encoding.as_str(), "" | "identity")) {
        let problem = Problem::new(Kind::UnsupportedMediaType, "Send the body as it is, or packed with gzip.");
        return Err(problem.field("/header/content-encoding", "must be `gzip`, or left out"));
    }
    if !(is_encoded || is_file) {
        return Ok(None);
    }
    gzip::unpack(body, BODY_BYTES_MAX).map(Some).map_err(|error| match error {
        gzip::Unpacking::Damaged => {
            let detail = "The body is not valid gzip: it is damaged or cut off.";
            Problem::new(Kind::InvalidJson, detail).field("", "is not valid gzip")
        }
        gzip::Unpacking::TooLarge(most) => Problem::new(
            Kind::TooLarge,
            format!("The body has more than {most} bytes when it is unpacked, which is the most that is read."),
        ),
    })
}

/// What is wrong with a document before it is read.
fn check(side: &str, document: &Side) -> Result<(), Problem> {
    let files = format!("/{side}/files");
    if document.files.is_empty() {
        return Err(Problem::invalid(files, "must have a file at least"));
    }
    if document.files.len() > FILES_MAX {
        let detail = format!("{files} has {} files; {FILES_MAX} is the most that is read.", document.files.len());
        return Err(Problem::new(Kind::TooLarge, detail).field(files, format!("must have at most {FILES_MAX} files")));
    }
    let bytes: usize = document.files.values().map(String::len).sum();
    if bytes > SIDE_BYTES_MAX {
        let detail = format!("The texts of {files} have {bytes} bytes; {SIDE_BYTES_MAX} is the most that is read.");
        return Err(
            Problem::new(Kind::TooLarge, detail).field(files, format!("must have at most {SIDE_BYTES_MAX} bytes"))
        );
    }
    for path in document.files.keys() {
        if let Some(wrong) = wrong_path(path) {
            return Err(Problem::invalid(pointer(side, path), wrong));
        }
    }
    match &document.root {
        Some(root) if !document.files.contains_key(root) => {
            Err(Problem::invalid(format!("/{side}/root"), "must be the path of one of the files"))
        }
        _ => Ok(()),
    }
}

/// A path is as an archive may have it: relative, and the only one of its file.
fn wrong_path(path: &str) -> Option<&'static str> {
    if path.is_empty() {
        Some("must not be an empty path")
    } else if path.chars().count() > PATH_MAX {
        Some("has a path that is too long: at most 500 characters")
    } else if path.contains(['\\', ':']) || path.chars().any(char::is_control) {
        Some("has a path of another system: no backslashes, colons or control characters")
    } else if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        Some("must have a plain relative path, such as `api/openapi.yaml`: no empty parts, `.` or `..`")
    } else {
        None
    }
}

/// Where a file stands in the question.
pub(super) fn pointer(side: &str, path: &str) -> String {
    format!("/{side}/files/{}", path.replace('~', "~0").replace('/', "~1"))
}
