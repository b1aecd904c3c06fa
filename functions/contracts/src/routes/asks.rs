//! What a check asks other functions, in the caller's name: the catalog for documents, `usage` for callers.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, Method};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use shared::chassis::hop::{Hop, HopError, Question};
use shared::id::{ApiId, VersionId};
use shared::principal::Party;
use shared::problem::{Kind, Problem};
use shared::slug::Slug;
use shared::surface::{PACKED_BYTES_MAX, Surface, Warning};
use shared::time::Time;
use shared::window::Window;

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

/// The catalog and `usage`, asked in the caller's name.
pub(crate) struct Catalog {
    hop: Hop,
}

fn away(path: &str, error: &dyn std::fmt::Display) -> Problem {
    Problem::unavailable(format!("{path}: {error}"))
}

impl Catalog {
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
        let bytes =
            self.ask(Method::GET, &path, "application/json", Bytes::new()).await.map_err(HopError::into_problem)?;
        read(&path, &bytes)
    }

    /// Has the proposed document read. What is wrong with it is for the caller to know, in the catalog's own words.
    pub(crate) async fn proposed(&self, proposed: &Proposed<'_>) -> Result<Read, Problem> {
        let mut path = "/v1/catalog/surfaces".to_owned();
        for (name, value) in [("format", proposed.format), ("filename", proposed.filename), ("root", proposed.root)] {
            if let Some(value) = value {
                let separator = if path.contains('?') { '&' } else { '?' };
                // Writing to a `String` cannot fail.
                let _ = write!(path, "{separator}{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC));
            }
        }
        let header = |name| proposed.headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
        let content_type = match header(CONTENT_ENCODING) {
            // The same bytes as a file that is packed.
            Some(encoding) if encoding.contains("gzip") => "application/gzip",
            _ => header(CONTENT_TYPE).unwrap_or("application/octet-stream"),
        };
        let asked = self.ask(Method::POST, &path, content_type, proposed.body.clone()).await;
        let bytes = asked.map_err(|error| match error {
            HopError::Refused(document) if matches!(document.status, 400 | 406 | 413 | 415 | 422) => {
                let slug = document.kind.rsplit(':').next().unwrap_or_default();
                let kind = match Kind::ALL.iter().find(|kind| kind.slug() == slug) {
                    // What is made of it does not fit an answer.
                    Some(Kind::NotAcceptable) => Kind::TooLarge,
                    Some(kind) => *kind,
                    None => Kind::DocumentInvalid,
                };
                let mut problem = Problem::new(kind, document.detail);
                problem.errors = document.errors;
                problem
            }
            other => other.into_problem(),
        })?;
        read(&path, &bytes)
    }

    async fn ask(&self, method: Method, path: &str, content_type: &str, body: Bytes) -> Result<Vec<u8>, HopError> {
        let question = Question {
            method,
            path,
            content_type,
            accept: "application/json",
            body,
            within: DOCUMENT,
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
