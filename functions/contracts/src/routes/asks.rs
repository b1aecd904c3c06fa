//! What is asked of other functions, in the caller's name: the catalog for documents, `usage` for callers.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, Method};
use serde::{Deserialize, Serialize};
use shared::chassis::hop::{Hop, HopError, Question};
use shared::id::{ApiId, VersionId};
use shared::principal::Party;
use shared::problem::{Document, Kind, Problem};
use shared::slug::Slug;
use shared::surface::{PACKED_BYTES_MAX, Surface, Warning};
use shared::time::Time;
use shared::window::Window;

use crate::parcel::query;
use crate::traffic::Traffic;

/// How long the catalog may take for a document of 32 MB, below the 30 s of the whole call.
const DOCUMENT: Duration = Duration::from_secs(15);
/// How long `usage` may take.
const CALLERS: Duration = Duration::from_secs(10);
/// Bytes of what stands beside a surface.
const BESIDE_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of who called.
const TRAFFIC_BYTES_MAX: usize = 32 * 1024 * 1024;

/// An API as the catalog shows it, as far as a check needs it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Api {
    pub(crate) id: ApiId,
    pub(crate) slug: Slug,
    pub(crate) organization: Party,
    pub(crate) upstream_url: Option<String>,
    pub(crate) current: Option<Current>,
}

/// The version that the door serves.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Current {
    pub(crate) id: VersionId,
    pub(crate) version: String,
    pub(crate) deprecated_at: Option<Time>,
    pub(crate) sunset_at: Option<Time>,
}

/// A document that the catalog has read.
pub(crate) struct Read {
    pub(crate) surface: Surface,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) document_sha256: String,
    pub(crate) root: String,
}

#[derive(Deserialize)]
struct Beside {
    warnings: Vec<Warning>,
    document_sha256: String,
    root: String,
}

/// A proposed document, as it came.
pub(crate) struct Proposed<'a> {
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) format: Option<&'a str>,
    pub(crate) filename: Option<&'a str>,
    pub(crate) root: Option<&'a str>,
}

/// Why a document was not read.
pub(crate) enum Unread {
    /// The catalog refused it, with this problem.
    Refused(Box<Document>),
    /// The catalog could not be asked.
    Away(Problem),
}

/// What the catalog's refusal of a document is here, if that is known.
pub(crate) fn kind(refusal: &Document) -> Option<Kind> {
    let slug = refusal.kind.rsplit(':').next().unwrap_or_default();
    Kind::ALL.iter().find(|kind| kind.slug() == slug).map(|kind| match kind {
        // What is made of it does not fit an answer.
        Kind::NotAcceptable => Kind::TooLarge,
        kind => *kind,
    })
}

/// The catalog and `usage`, asked in the caller's name.
pub(crate) struct Asks {
    hop: Hop,
}

fn away(path: &str, error: &dyn std::fmt::Display) -> Problem {
    Problem::unavailable(format!("{path}: {error}"))
}

impl Asks {
    pub(crate) fn of(hop: Hop) -> Self {
        Self { hop }
    }

    /// An API of the caller's own organization.
    pub(crate) async fn api(&self, name: &str) -> Result<Api, Problem> {
        let path = format!("/v1/catalog/apis/{name}");
        self.hop
            .get(&path)
            .await
            .map_err(|error| if error.is_not_found() { Problem::not_found() } else { error.into_problem() })
    }

    /// What a published version offers.
    pub(crate) async fn published(&self, api: ApiId, version: VersionId) -> Result<Read, Problem> {
        let path = format!("/v1/catalog/apis/{api}/versions/{version}/surface");
        let asked = self.ask(Method::GET, &path, "application/json", Bytes::new(), DOCUMENT).await;
        let bytes = asked.map_err(HopError::into_problem)?;
        read(&path, &bytes)
    }

    /// Has the proposed document read. What is wrong with it is for the caller to know, in the catalog's own words.
    pub(crate) async fn proposed(&self, proposed: &Proposed<'_>) -> Result<Read, Problem> {
        let query = query(&[("format", proposed.format), ("filename", proposed.filename), ("root", proposed.root)]);
        let header = |name| proposed.headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
        let content_type = match header(CONTENT_ENCODING) {
            // The same bytes as a file that is packed.
            Some(encoding) if encoding.contains("gzip") => "application/gzip",
            _ => header(CONTENT_TYPE).unwrap_or("application/octet-stream"),
        };
        self.read(&query, content_type, proposed.body.clone(), DOCUMENT).await.map_err(|unread| match unread {
            Unread::Refused(document) => {
                let mut problem = Problem::new(kind(&document).unwrap_or(Kind::DocumentInvalid), document.detail);
                problem.errors = document.errors;
                problem
            }
            Unread::Away(problem) => problem,
        })
    }

    /// Has a document read.
    pub(crate) async fn read(
        &self,
        query: &str,
        content_type: &str,
        body: Bytes,
        within: Duration,
    ) -> Result<Read, Unread> {
        let path = format!("/v1/catalog/surfaces{query}");
        let bytes = self.ask(Method::POST, &path, content_type, body, within).await.map_err(|error| match error {
            HopError::Refused(document) if matches!(document.status, 400 | 406 | 413 | 415 | 422) => {
                Unread::Refused(document)
            }
            other => Unread::Away(other.into_problem()),
        })?;
        read(&path, &bytes).map_err(Unread::Away)
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Bytes,
        within: Duration,
    ) -> Result<Vec<u8>, HopError> {
        let question = Question {
            method,
            path,
            content_type,
            accept: "application/json",
            body,
            within,
            answer_bytes_max: PACKED_BYTES_MAX + BESIDE_BYTES_MAX,
        };
        self.hop.ask(question).await
    }

    /// Who called operations of an API.
    pub(crate) async fn traffic(
        &self,
        api: ApiId,
        operations: &BTreeSet<String>,
        window: Window,
    ) -> Result<Traffic, HopError> {
        #[derive(Serialize)]
        struct Asked<'a> {
            api: ApiId,
            operations: &'a BTreeSet<String>,
            window: Window,
        }
        let path = "/v1/usage/callers";
        let away = |error: serde_json::Error| HopError::Away(format!("{path}: {error}"));
        let question = Question {
            method: Method::POST,
            path,
            content_type: "application/json",
            accept: "application/json",
            body: Bytes::from(serde_json::to_vec(&Asked { api, operations, window }).map_err(away)?),
            within: CALLERS,
            answer_bytes_max: TRAFFIC_BYTES_MAX,
        };
        serde_json::from_slice(&self.hop.ask(question).await?).map_err(away)
    }
}

fn read(path: &str, bytes: &[u8]) -> Result<Read, Problem> {
    let surface = Surface::unpack(bytes).map_err(|error| away(path, &error))?;
    let Beside { warnings, document_sha256, root } =
        serde_json::from_slice(bytes).map_err(|error| away(path, &error))?;
    Ok(Read { surface, warnings, document_sha256, root })
}
