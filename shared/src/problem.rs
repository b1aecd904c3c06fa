//! Problems: every refusal is a problem document (RFC 9457) of a closed set of types.
//!
//! Inside a function errors are enums; they become a [`Problem`] once, at the edge. `detail` says what to do, `errors`
//! name the fields. A problem of class 5xx shows the request's id and nothing of its cause.

use http::StatusCode;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $slug:literal, $status:ident, $title:literal;)*) => {
        /// The closed registry of problem types.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Kind { $($(#[$doc])* $name,)* }

        impl Kind {
            /// Every problem type.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The last part of its type URI.
            #[must_use]
            pub fn slug(self) -> &'static str {
                match self { $(Self::$name => $slug),* }
            }

            /// Its HTTP status.
            #[must_use]
            pub fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status),* }
            }

            /// Its title: the same for every problem of the type.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title),* }
            }
        }
    };
}

kinds! {
    /// A path or query parameter is missing or wrong.
    InvalidParameter = "invalid-parameter", BAD_REQUEST, "A parameter is wrong";
    /// A header is missing or wrong.
    InvalidHeader = "invalid-header", BAD_REQUEST, "A header is wrong";
    /// The body is not JSON.
    InvalidJson = "invalid-json", BAD_REQUEST, "The body is not JSON";
    /// Fields of the body are missing or wrong.
    ValidationFailed = "validation-failed", UNPROCESSABLE_ENTITY, "Some fields are wrong";
    /// The document cannot be read.
    DocumentInvalid = "document-invalid", UNPROCESSABLE_ENTITY, "The document cannot be read";
    /// The document's format or version is not known.
    FormatUnknown = "format-unknown", UNPROCESSABLE_ENTITY, "The document's format is not known";
    /// No credentials came.
    Unauthenticated = "unauthenticated", UNAUTHORIZED, "Credentials are needed";
    /// The credentials' time has passed.
    TokenExpired = "token-expired", UNAUTHORIZED, "The token has expired";
    /// The credentials are unknown, malformed or revoked.
    TokenInvalid = "token-invalid", UNAUTHORIZED, "The token is not valid";
    /// The caller may not do this.
    Forbidden = "forbidden", FORBIDDEN, "The role or the token's scopes do not allow this";
    /// There is no such thing, or the caller may not know of it.
    NotFound = "not-found", NOT_FOUND, "Not found";
    /// The path is known, the method is not.
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "The method is not allowed here";
    /// No representation fits what the caller accepts.
    NotAcceptable = "not-acceptable", NOT_ACCEPTABLE, "No acceptable representation";
    /// Something of that name exists.
    AlreadyExists = "already-exists", CONFLICT, "It exists already";
    /// The state does not allow this.
    StateConflict = "state-conflict", CONFLICT, "The state does not allow this";
    /// Nothing was checked of this document against the published version, or the check does not hold any more.
    CheckRequired = "check-required", CONFLICT, "A check is required first";
    /// The check of this document is under way.
    CheckPending = "check-pending", CONFLICT, "The check is not complete";
    /// The check of this document failed.
    CheckFailed = "check-failed", CONFLICT, "The check failed";
    /// The thing was changed since it was read.
    PreconditionFailed = "precondition-failed", PRECONDITION_FAILED, "It was changed in the meantime";
    /// An update without `If-Match`.
    PreconditionRequired = "precondition-required", PRECONDITION_REQUIRED, "`If-Match` is required";
    /// The body is over a limit.
    TooLarge = "too-large", PAYLOAD_TOO_LARGE, "The body is too large";
    /// The body's media type is not one that is read here.
    UnsupportedMediaType = "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, "The media type is not supported";
    /// An `Idempotency-Key` came again with another request.
    IdempotencyConflict = "idempotency-conflict", CONFLICT, "The idempotency key belongs to another request";
    /// At the door: no key came.
    KeyMissing = "key-missing", UNAUTHORIZED, "A key is needed";
    /// At the door: the key is unknown, malformed, expired or revoked.
    KeyInvalid = "key-invalid", UNAUTHORIZED, "The key is not valid";
    /// At the door: the subscription is not active.
    SubscriptionInactive = "subscription-inactive", FORBIDDEN, "The subscription is not active";
    /// At the door: the quota of the window is used up.
    QuotaExceeded = "quota-exceeded", TOO_MANY_REQUESTS, "The quota is used up";
    /// At the door: calls come faster than the plan's rate.
    RateLimited = "rate-limited", TOO_MANY_REQUESTS, "Too many calls in a short time";
    /// At the door: the call came through this door before.
    LoopDetected = "loop-detected", LOOP_DETECTED, "The call goes in a circle";
    /// At the door: the upstream's address may not be reached.
    UpstreamForbidden = "upstream-forbidden", BAD_GATEWAY, "The upstream's address is not allowed";
    /// At the door: the upstream could not be reached, or broke off.
    UpstreamFailed = "upstream-failed", BAD_GATEWAY, "The upstream failed";
    /// At the door: the upstream did not answer in time.
    UpstreamTimeout = "upstream-timeout", GATEWAY_TIMEOUT, "The upstream did not answer in time";
    /// At the door: the upstream did not answer several times in a row and is left alone for a while.
    UpstreamUnavailable = "upstream-unavailable", SERVICE_UNAVAILABLE, "The upstream is away";
    /// Something of ours is busy or away; trying again helps.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "Not available right now";
    /// A fault of ours.
    Internal = "internal", INTERNAL_SERVER_ERROR, "Something went wrong on our side";
}

/// A field that is wrong, and what to do about it.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct FieldError {
    /// Where: a JSON pointer into the body, or `/query/{name}`, `/path/{name}`, `/header/{name}`.
    pub pointer: String,
    /// What is wrong and what is expected.
    pub detail: String,
    /// The line in the body, counted from 1, where the body is a document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// A problem, on its way to a caller.
#[derive(Clone, Debug)]
pub struct Problem {
    /// Its type.
    pub kind: Kind,
    /// What happened here, and what to do.
    pub detail: String,
    /// The fields that are wrong.
    pub errors: Vec<FieldError>,
    /// Seconds after which trying again may help.
    pub retry_after_s: Option<u32>,
    /// What only the log is told.
    pub internal: Option<String>,
}

impl Problem {
    /// A problem of a type with its detail.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), errors: Vec::new(), retry_after_s: None, internal: None }
    }

    /// There is no such thing, or the caller may not know: always the same words.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(
            Kind::NotFound,
            "There is nothing here that you may see: check the name and the organization that your token belongs to.",
        )
    }

    /// A query parameter is wrong.
    pub fn parameter(name: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self::new(Kind::InvalidParameter, format!("The query parameter `{name}` {detail}."))
            .field(format!("/query/{name}"), detail)
    }

    /// A field of the body is wrong.
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let (pointer, detail) = (pointer.into(), detail.into());
        Self::new(Kind::ValidationFailed, format!("The field `{pointer}` {detail}.")).field(pointer, detail)
    }

    /// Something of that name exists.
    pub fn exists(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let (pointer, detail) = (pointer.into(), detail.into());
        Self::new(Kind::AlreadyExists, detail.clone()).field(pointer, detail)
    }

    /// The state does not allow this.
    pub fn state(detail: impl Into<String>) -> Self {
        Self::new(Kind::StateConflict, detail)
    }

    /// Something of ours is busy or away.
    pub fn unavailable(cause: impl std::fmt::Display) -> Self {
        let mut problem = Self::new(
            Kind::Unavailable,
            "This did not work right now and was not done, or not wholly. Try again in a moment.",
        );
        problem.retry_after_s = Some(1);
        problem.internal = Some(cause.to_string());
        problem
    }

    /// A fault of ours: the cause goes to the log only.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        let mut problem = Self::new(
            Kind::Internal,
            "This is a fault on our side. Give the request's id to whoever operates this platform.",
        );
        problem.internal = Some(cause.to_string());
        problem
    }

    /// Names one more field.
    #[must_use]
    pub fn field(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.errors.push(FieldError { pointer: pointer.into(), detail: detail.into(), line: None });
        self
    }

    /// Says when trying again may help, in seconds.
    #[must_use]
    pub fn retry_after_s(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// As it stands in an answer. `instance` is the request's id.
    #[must_use]
    pub fn document(&self, instance: Option<String>) -> Document {
        Document {
            kind: format!("urn:doorway:problem:{}", self.kind.slug()),
            title: self.kind.title().to_owned(),
            status: self.kind.status().as_u16(),
            detail: self.detail.clone(),
            instance,
            errors: self.errors.clone(),
        }
    }
}

/// A problem document (RFC 9457).
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub struct Document {
    /// The problem's type, `urn:doorway:problem:…`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The type in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened here, and what to do.
    pub detail: String,
    /// The request's id, as `urn:request:…`; absent where the answer must not differ between requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The fields that are wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_type_is_documented() {
        let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/PROBLEMS.md")).unwrap();
        for kind in Kind::ALL {
            let row = format!("| `{}` | {} | ", kind.slug(), kind.status().as_u16());
            assert!(text.contains(&row), "PROBLEMS.md has no row `{row}`");
        }
        assert_eq!(
            text.matches("\n| `").count(),
            Kind::ALL.len(),
            "PROBLEMS.md has rows of problems that are not there"
        );
    }
}
