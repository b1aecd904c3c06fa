//! A question to another function, when someone waits for an answer that must be right now: through the platform's own
//! HTTP API, in the caller's name, one hop deep. No function has rights of its own in another.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use serde::de::DeserializeOwned;

use super::Context;
use super::context::Bearer;
use super::gzip;
use super::web::{Web, by_the_system, web};
use crate::problem::{Document, Kind, Problem};

const TIMEOUT: Duration = Duration::from_secs(4);
const CONNECT: Duration = Duration::from_secs(2);
const ANSWER_BYTES_MAX: usize = 6 * 1024 * 1024;

/// The client for hops: one for a sandbox.
#[derive(Clone, Debug)]
pub struct Hops(Web);

/// Why a question was not answered.
#[derive(Debug)]
pub enum HopError {
    /// The other function refused, with this problem.
    Refused(Box<Document>),
    /// The other function could not be reached, or its answer not be read.
    Away(String),
}

impl HopError {
    /// As a problem of ours, where a refusal has no meaning of its own here.
    #[must_use]
    pub fn into_problem(self) -> Problem {
        match self {
            // The caller's own token was refused in the meantime, or lacks a permission there: that is for the caller to know.
            Self::Refused(document) if matches!(document.status, 401 | 403) => {
                let kind = if document.status == 401 { Kind::TokenInvalid } else { Kind::Forbidden };
                Problem::new(kind, document.detail)
            }
            Self::Refused(document) => {
                Problem::unavailable(format!("{} {}: {}", document.status, document.kind, document.detail))
            }
            Self::Away(cause) => Problem::unavailable(cause),
        }
    }
}

impl Default for Hops {
    fn default() -> Self {
        Self(web(by_the_system(), CONNECT, Duration::from_secs(30)))
    }
}

impl Hops {
    /// Questions in the name of this call's caller.
    #[must_use]
    pub fn of(&self, context: &Context) -> Hop {
        Hop { client: self.clone(), base_url: context.base_url.clone(), bearer: context.bearer.clone() }
    }
}

/// Questions in the name of one caller.
#[derive(Clone, Debug)]
pub struct Hop {
    client: Hops,
    base_url: String,
    bearer: Option<Bearer>,
}

impl Hop {
    /// Reads something.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, HopError> {
        let body = self.send(Method::GET, path, json(), Bytes::new(), TIMEOUT).await?.1;
        serde_json::from_slice(&body).map_err(|error| HopError::Away(format!("{path}: {error}")))
    }

    /// Sends JSON, with one more header.
    pub async fn post(&self, path: &str, header: (HeaderName, HeaderValue), body: Bytes) -> Result<Bytes, HopError> {
        let mut headers = json();
        headers.insert(header.0, header.1);
        Ok(self.send(Method::POST, path, headers, body, TIMEOUT).await?.1)
    }

    /// Asks for something large: whatever the body is, and with an answer that may come packed.
    pub async fn ask(&self, question: Question<'_>) -> Result<Vec<u8>, HopError> {
        let path = question.path;
        let content_type =
            HeaderValue::from_str(question.content_type).map_err(|error| HopError::Away(format!("{path}: {error}")))?;
        let headers = HeaderMap::from_iter([
            (CONTENT_TYPE, content_type),
            (ACCEPT, HeaderValue::from_static(question.accept)),
            (ACCEPT_ENCODING, HeaderValue::from_static("gzip")),
        ]);
        let (headers, body) = self.send(question.method, path, headers, question.body, question.within).await?;
        if headers.get(CONTENT_ENCODING).is_none_or(|encoding| encoding != "gzip") {
            return Ok(body.into());
        }
        gzip::unpack(&body, question.answer_bytes_max).map_err(|error| HopError::Away(format!("{path}: {error}")))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
        within: Duration,
    ) -> Result<(HeaderMap, Bytes), HopError> {
        let away = |error: &dyn std::fmt::Display| HopError::Away(format!("{path}: {error}"));
        let mut request = http::Request::builder().method(method).uri(format!("{}{path}", self.base_url));
        if let Some(bearer) = &self.bearer {
            request = request.header(AUTHORIZATION, format!("Bearer {}", bearer.as_str()));
        }
        let mut request = request.body(Full::new(body)).map_err(|error| away(&error))?;
        request.headers_mut().extend(headers);
        let answer = tokio::time::timeout(within, async {
            let response = self.client.0.request(request).await.map_err(|error| away(&error))?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|error| away(&error))?;
            Ok::<_, HopError>((parts, body.to_bytes()))
        });
        let (parts, body) =
            answer.await.map_err(|_| HopError::Away(format!("{path}: no answer in {} s", within.as_secs())))??;
        if parts.status.is_success() {
            return Ok((parts.headers, body));
        }
        match serde_json::from_slice::<Document>(&body) {
            Ok(document) => Err(HopError::Refused(Box::new(document))),
            Err(_) => Err(HopError::Away(format!("{path}: {}", parts.status))),
        }
    }
}

fn json() -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))])
}

/// A question whose body or answer is not a little JSON.
#[derive(Debug)]
pub struct Question<'a> {
    /// How.
    pub method: Method,
    /// Where, with its query.
    pub path: &'a str,
    /// What the body is.
    pub content_type: &'a str,
    /// What the answer shall be.
    pub accept: &'static str,
    /// The body.
    pub body: Bytes,
    /// How long an answer may take.
    pub within: Duration,
    /// Bytes of the answer once it is unpacked.
    pub answer_bytes_max: usize,
}

impl HopError {
    /// Whether the other function said that there is no such thing.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused(document) if document.status == StatusCode::NOT_FOUND.as_u16())
    }
}
