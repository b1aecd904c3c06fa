//! Answers: JSON bodies with their `ETag`, and problems.

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;

use super::invocation::Seen;
use crate::problem::{Kind, Problem};

/// A JSON answer. It can be stored and given again, word for word, when a request is repeated.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Reply {
    status: u16,
    body: String,
    etag: Option<u64>,
    location: Option<String>,
    #[serde(default)]
    replayed: bool,
}

impl Reply {
    fn new<T: Serialize>(status: StatusCode, body: &T) -> Result<Self, Problem> {
        let body = serde_json::to_string(body).map_err(Problem::internal)?;
        Ok(Self { status: status.as_u16(), body, etag: None, location: None, replayed: false })
    }

    /// 200 with a body.
    pub fn ok<T: Serialize>(body: &T) -> Result<Self, Problem> {
        Self::new(StatusCode::OK, body)
    }

    /// 201 with a body and the address of what was made.
    pub fn created<T: Serialize>(body: &T, location: impl Into<String>) -> Result<Self, Problem> {
        let mut reply = Self::new(StatusCode::CREATED, body)?;
        reply.location = Some(location.into());
        Ok(reply)
    }

    /// With the revision that an update must name in `If-Match`.
    #[must_use]
    pub fn revision(mut self, revision: u64) -> Self {
        self.etag = Some(revision);
        self
    }

    /// The same answer with another body: what is stored where the real one holds a secret.
    pub fn with_body<T: Serialize>(&self, body: &T) -> Result<Self, Problem> {
        Ok(Self { body: serde_json::to_string(body).map_err(Problem::internal)?, ..self.clone() })
    }

    /// The address of what was made.
    #[must_use]
    pub fn location(&self) -> Option<&str> {
        self.location.as_deref()
    }

    pub(super) fn replayed(mut self) -> Self {
        self.replayed = true;
        self
    }
}

/// Adds a header whose value is known to be fit.
fn add(headers: &mut HeaderMap, name: http::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = Response::new(self.body.into());
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(revision) = self.etag {
            add(headers, ETAG, &format!("\"{revision}\""));
        }
        if let Some(location) = self.location {
            add(headers, LOCATION, &location);
        }
        if self.replayed {
            headers.insert("idempotency-replayed", HeaderValue::from_static("true"));
        }
        response
    }
}

impl Problem {
    /// As an HTTP answer. Only a fault of ours names the request, so that every 404 is the same to the byte.
    #[must_use]
    pub fn response(self, request_id: Option<&str>) -> http::Response<bytes::Bytes> {
        let instance = request_id.filter(|_| self.kind != Kind::NotFound).map(|id| format!("urn:request:{id}"));
        let body = serde_json::to_vec(&self.document(instance)).unwrap_or_default();
        let mut response = http::Response::new(bytes::Bytes::from(body));
        *response.status_mut() = self.kind.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_s {
            add(headers, RETRY_AFTER, &seconds.to_string());
        }
        if self.kind.status() == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(Seen {
            route: String::new(),
            problem: self.kind.slug(),
            cause: self.internal.unwrap_or_default(),
        });
        response
    }
}

/// In a handler the request's id is not at hand: [`super::extract::serve`] names it.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(axum::body::Body::empty());
        *response.status_mut() = self.kind.status();
        response.extensions_mut().insert(self);
        response
    }
}
