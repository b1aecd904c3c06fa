//! A question to another function, when someone waits for an answer that must be right now: through the platform's own
//! HTTP API, in the caller's name, one hop deep. No function has rights of its own in another.

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use serde::de::DeserializeOwned;

use super::Context;
use super::context::Bearer;
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
        let body = self.send(Method::GET, path, None, Bytes::new()).await?;
        serde_json::from_slice(&body).map_err(|error| HopError::Away(format!("{path}: {error}")))
    }

    /// Sends JSON, with one more header.
    pub async fn post(&self, path: &str, header: (HeaderName, HeaderValue), body: Bytes) -> Result<Bytes, HopError> {
        self.send(Method::POST, path, Some(header), body).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        header: Option<(HeaderName, HeaderValue)>,
        body: Bytes,
    ) -> Result<Bytes, HopError> {
        let away = |error: &dyn std::fmt::Display| HopError::Away(format!("{path}: {error}"));
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base_url))
            .header(CONTENT_TYPE, "application/json");
        if let Some(bearer) = &self.bearer {
            request = request.header(AUTHORIZATION, format!("Bearer {}", bearer.as_str()));
        }
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body)).map_err(|error| away(&error))?;
        let answer = tokio::time::timeout(TIMEOUT, async {
            let response = self.client.0.request(request).await.map_err(|error| away(&error))?;
            let status = response.status();
            let body =
                Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await.map_err(|error| away(&error))?;
            Ok::<_, HopError>((status, body.to_bytes()))
        });
        let (status, body) =
            answer.await.map_err(|_| HopError::Away(format!("{path}: no answer in {} s", TIMEOUT.as_secs())))??;
        if status.is_success() {
            return Ok(body);
        }
        match serde_json::from_slice::<Document>(&body) {
            Ok(document) => Err(HopError::Refused(Box::new(document))),
            Err(_) => Err(HopError::Away(format!("{path}: {status}"))),
        }
    }
}

impl HopError {
    /// Whether the other function said that there is no such thing.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused(document) if document.status == StatusCode::NOT_FOUND.as_u16())
    }
}
