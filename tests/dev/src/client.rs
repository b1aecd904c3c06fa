//! A small HTTP client for whoever drives a running Doorway: the demo, journeys, benchmarks.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client as Pool, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;

/// Why there is no answer, or none that was hoped for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The request cannot be written down.
    #[error("{method} {path}: {source}")]
    Request {
        /// The request's method.
        method: Method,
        /// The request's path.
        path: String,
        /// What is wrong with it.
        source: http::Error,
    },
    /// No answer came.
    #[error("{method} {path}: no answer: {reason}")]
    Transport {
        /// The request's method.
        method: Method,
        /// The request's path.
        path: String,
        /// What happened to the connection.
        reason: String,
    },
    /// Another answer came than the caller needs.
    #[error("{method} {path}: {status}: {body}")]
    Refused {
        /// The request's method.
        method: Method,
        /// The request's path.
        path: String,
        /// The answer's status.
        status: StatusCode,
        /// The answer's body, which says why.
        body: String,
    },
    /// The body is not JSON.
    #[error("{method} {path}: the answer is not JSON: {source}")]
    Json {
        /// The request's method.
        method: Method,
        /// The request's path.
        path: String,
        /// Where it ceases to be JSON.
        source: serde_json::Error,
    },
}

/// A request under construction.
#[derive(Debug, Clone)]
pub struct Call {
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl Call {
    /// A request without a body. The path has its query.
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), headers: Vec::new(), body: Bytes::new() }
    }

    /// A `GET`.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// A `POST`.
    pub fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path)
    }

    /// With `Authorization: Bearer`.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(self, value: &Value) -> Self {
        self.body("application/json", value.to_string())
    }

    /// With a body of any kind.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.header("content-type", content_type)
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    method: Method,
    path: String,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// It is not JSON.
    pub fn json(&self) -> Result<Value, ClientError> {
        serde_json::from_slice(&self.body).map_err(|source| ClientError::Json {
            method: self.method.clone(),
            path: self.path.clone(),
            source,
        })
    }

    /// A header's text, empty when it is missing.
    pub fn header(&self, name: impl header::AsHeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// The body as JSON, if the status is one of class 2xx.
    ///
    /// # Errors
    /// It is another, or the body is not JSON.
    pub fn success(&self) -> Result<Value, ClientError> {
        if self.status.is_success() { self.json() } else { Err(self.refused()) }
    }

    /// The error that says what came.
    pub fn refused(&self) -> ClientError {
        ClientError::Refused {
            method: self.method.clone(),
            path: self.path.clone(),
            status: self.status,
            body: String::from_utf8_lossy(&self.body).into_owned(),
        }
    }
}

/// Speaks to one base address.
#[derive(Debug, Clone)]
pub struct Client {
    pool: Pool<HttpConnector, Full<Bytes>>,
    base: String,
}

impl Client {
    /// For a base address without a slash at the end.
    pub fn new(base: &str) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self { pool: Pool::builder(TokioExecutor::new()).build(connector), base: base.to_owned() }
    }

    /// Sends a request and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// The request is malformed, or no whole answer came.
    pub async fn send(&self, call: Call) -> Result<Answer, ClientError> {
        let Call { method, path, headers, body } = call;
        let mut builder = Request::builder().method(method.clone()).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            builder = builder.header(name, value);
        }
        let request = builder.body(Full::new(body)).map_err(|source| ClientError::Request {
            method: method.clone(),
            path: path.clone(),
            source,
        })?;
        let lost = |reason: String| ClientError::Transport { method: method.clone(), path: path.clone(), reason };
        let (parts, incoming) = self.pool.request(request).await.map_err(|error| lost(error.to_string()))?.into_parts();
        let body = incoming.collect().await.map_err(|error| lost(error.to_string()))?.to_bytes();
        Ok(Answer { status: parts.status, headers: parts.headers, body, method, path })
    }
}
