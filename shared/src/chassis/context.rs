//! What a call brings along besides itself.

use crate::principal::Authentication;
use crate::time::Time;

/// A bearer token on its way through. Shows itself to nobody who prints it.
#[derive(Clone)]
pub struct Bearer(String);

impl Bearer {
    /// From what came behind `Bearer`.
    #[must_use]
    pub fn new(token: &str) -> Self {
        Self(token.to_owned())
    }

    /// The token, to be sent on.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Bearer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bearer(…)")
    }
}

/// The circumstances of one call, in the request's extensions.
#[derive(Clone, Debug)]
pub struct Context {
    /// API Gateway's id of the request, or Lambda's where there is none.
    pub request_id: String,
    /// When the request came, by API Gateway's clock.
    pub now: Time,
    /// The caller's address.
    pub source_ip: String,
    /// Where this platform's HTTP API is, as the caller reached it: `https://host`.
    pub base_url: String,
    /// The bearer token that came, to hand on to another function in the caller's name.
    pub bearer: Option<Bearer>,
    /// What the authorizer found. `Anonymous` where a route has no authorizer.
    pub authentication: Authentication,
    /// `Idempotency-Key`, if one came, with the fingerprint of the request it came with.
    pub idempotency: Option<(String, String)>,
}

impl Context {
    /// For a call that does not come over HTTP.
    #[must_use]
    pub fn direct(request_id: &str, now: Time) -> Self {
        Self {
            request_id: request_id.to_owned(),
            now,
            source_ip: String::new(),
            base_url: String::new(),
            bearer: None,
            authentication: Authentication::Anonymous,
            idempotency: None,
        }
    }
}
