//! Extractors: what a handler asks for in its signature. Every rejection is a problem that names the field.

use axum::extract::{FromRequest, FromRequestParts, MatchedPath, OptionalFromRequestParts};
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, IF_MATCH};
use http::request::Parts;
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;
use tower_service::Service as _;

use super::{Context, Request, Response};
use crate::principal::{Authentication, Needs, Principal};
use crate::problem::{Kind, Problem};
use crate::time::Time;

/// Serves a call with a router. Problems that handlers answer get the request's id here, once.
pub async fn serve(router: &axum::Router, request: Request) -> Response {
    let request_id =
        request.extensions().get::<Context>().map(|context| context.request_id.clone()).unwrap_or_default();
    let mut router = router.clone();
    let Ok(response) = router.call(request.map(axum::body::Body::from)).await;
    let (mut parts, body) = response.into_parts();
    let route = parts.extensions.remove::<RouteName>().map(|name| name.0).unwrap_or_default();
    let mut response = if let Some(problem) = parts.extensions.remove::<Problem>() {
        let mut response = problem.response(Some(&request_id));
        if let Some(allow) = parts.headers.remove(ALLOW) {
            response.headers_mut().insert(ALLOW, allow);
        }
        response
    } else {
        match body.collect().await {
            Ok(body) => Response::from_parts(parts, body.to_bytes()),
            Err(error) => Problem::internal(error).response(Some(&request_id)),
        }
    };
    super::named(&mut response, &route);
    response
}

#[derive(Clone)]
struct RouteName(String);

/// Completes a router: problems for unknown paths and methods, and the route's name for the log.
pub fn complete(router: axum::Router) -> axum::Router {
    router
        .method_not_allowed_fallback(|| async {
            Problem::new(
                Kind::MethodNotAllowed,
                "See the header `Allow` and the API document for what is possible here.",
            )
        })
        .fallback(|| async { Problem::not_found() })
        .layer(axum::middleware::from_fn(|request: axum::extract::Request, next: axum::middleware::Next| async move {
            let name = request.extensions().get::<MatchedPath>().map(|path| RouteName(path.as_str().to_owned()));
            let mut response = next.run(request).await;
            if let Some(name) = name {
                response.extensions_mut().insert(name);
            }
            response
        }))
}

fn context(parts: &Parts) -> Result<&Context, Problem> {
    parts.extensions.get().ok_or_else(|| Problem::internal("a request without its context"))
}

impl<S: Send + Sync> FromRequestParts<S> for Context {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        context(parts).cloned()
    }
}

/// When the request came.
#[derive(Clone, Copy, Debug)]
pub struct Now(pub Time);

impl<S: Send + Sync> FromRequestParts<S> for Now {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self(context(parts)?.now))
    }
}

/// A caller who has the permission `N`. The first argument of every handler that is not public, so that who may not come in
/// learns nothing about the rest. `Option<Caller<N>>` is for public routes that show more to those who belong.
#[derive(Clone, Debug)]
pub struct Caller<N: Needs>(pub Principal, std::marker::PhantomData<N>);

impl<N: Needs> std::ops::Deref for Caller<N> {
    type Target = Principal;

    fn deref(&self) -> &Principal {
        &self.0
    }
}

impl<S: Send + Sync, N: Needs> FromRequestParts<S> for Caller<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match &context(parts)?.authentication {
            Authentication::Anonymous => Err(Problem::new(
                Kind::Unauthenticated,
                "Send a token of your organization: `Authorization: Bearer dwt_…`.",
            )),
            Authentication::Invalid => Err(Problem::new(
                Kind::TokenInvalid,
                "The token is unknown, malformed or revoked. Ask an owner of your organization for a new one.",
            )),
            Authentication::Expired => Err(Problem::new(
                Kind::TokenExpired,
                "The token's time has passed. Ask an owner of your organization for a new one.",
            )),
            Authentication::Principal(principal) if !principal.may(N::PERMISSION) => Err(Problem::new(
                Kind::Forbidden,
                format!("This needs the permission `{}`, which the token does not have.", N::PERMISSION.as_str()),
            )),
            Authentication::Principal(principal) => Ok(Self((**principal).clone(), std::marker::PhantomData)),
        }
    }
}

impl<S: Send + Sync, N: Needs> OptionalFromRequestParts<S> for Caller<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Problem> {
        Ok(<Self as FromRequestParts<S>>::from_request_parts(parts, state).await.ok())
    }
}

/// A JSON body of at most 256 KB, read into `T`.
#[derive(Clone, Debug)]
pub struct Json<T>(pub T);

/// The most that a JSON body may have.
pub const JSON_BYTES_MAX: usize = 256 * 1024;

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: axum::extract::Request, _: &S) -> Result<Self, Problem> {
        let content_type =
            request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if essence != "application/json" && !essence.ends_with("+json") {
            return Err(Problem::new(Kind::UnsupportedMediaType, "Send JSON with `Content-Type: application/json`.")
                .field("/header/content-type", "must be `application/json`"));
        }
        let body = body(request).await?;
        if body.len() > JSON_BYTES_MAX {
            return Err(Problem::new(Kind::TooLarge, format!("A JSON body may have at most {JSON_BYTES_MAX} bytes.")));
        }
        parse(&body).map(Self)
    }
}

/// A JSON body that may be absent or `null`: `T`'s default then.
#[derive(Clone, Debug)]
pub struct Optional<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for Optional<T> {
    type Rejection = Problem;

    async fn from_request(request: axum::extract::Request, state: &S) -> Result<Self, Problem> {
        let (parts, content) = request.into_parts();
        let bytes = body(axum::extract::Request::new(content)).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        let request = axum::extract::Request::from_parts(parts, bytes.into());
        let Json(value) = Json::<Option<T>>::from_request(request, state).await?;
        Ok(Self(value.unwrap_or_default()))
    }
}

/// The whole body.
pub async fn body(request: axum::extract::Request) -> Result<Bytes, Problem> {
    let collected = request.into_body().collect().await.map_err(Problem::internal)?;
    Ok(collected.to_bytes())
}

/// Reads JSON into `T`; a fault names the field by its pointer.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let pointer = pointer(error.path());
        let error = error.into_inner();
        match error.classify() {
            serde_json::error::Category::Data => {
                // serde_json ends its messages with a position that says nothing about a field.
                let text = error.to_string();
                let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
                Problem::new(Kind::ValidationFailed, format!("The field `{pointer}` is wrong: {text}."))
                    .field(pointer, text)
            }
            _ => Problem::new(Kind::InvalidJson, format!("The body is not valid JSON: {error}."))
                .field("", error.to_string()),
        }
    })?;
    deserializer.end().map_err(|error| {
        Problem::new(Kind::InvalidJson, format!("Something follows the JSON value: {error}."))
            .field("", error.to_string())
    })?;
    Ok(value)
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    use std::fmt::Write as _;
    path.iter().fold(String::new(), |mut text, segment| {
        let _ = match segment {
            Segment::Seq { index } => write!(text, "/{index}"),
            Segment::Map { key } => write!(text, "/{}", key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { variant } => write!(text, "/{variant}"),
            Segment::Unknown => Ok(()),
        };
        text
    })
}

/// Path parameters, read into `T`.
#[derive(Clone, Debug)]
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        use axum::extract::path::ErrorKind;
        use axum::extract::rejection::PathRejection;
        let wrong = |name: &str, detail: &str| {
            Problem::new(Kind::InvalidParameter, format!("The path parameter `{name}` is wrong: {detail}."))
                .field(format!("/path/{name}"), detail)
        };
        match <axum::extract::Path<T> as FromRequestParts<S>>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(PathRejection::FailedToDeserializePathParams(error)) => Err(match error.into_kind() {
                ErrorKind::ParseErrorAtKey { key, expected_type, .. } => {
                    wrong(&key, &format!("expected {expected_type}"))
                }
                // Of a tuple axum names the first one: the value tells which one it was.
                ErrorKind::DeserializeError { key, value, message } => {
                    wrong(&name_of(parts, &value).await.unwrap_or(key), &message)
                }
                ErrorKind::InvalidUtf8InPathParam { key } => wrong(&key, "expected UTF-8"),
                other => match only_name(parts) {
                    Some(name) => wrong(&name, &other.to_string()),
                    None => wrong("path", &other.to_string()),
                },
            }),
            Err(rejection) => Err(Problem::internal(rejection)),
        }
    }
}

/// The name of the path parameter that has a value.
async fn name_of(parts: &mut Parts, value: &str) -> Option<String> {
    let raw = axum::extract::RawPathParams::from_request_parts(parts, &()).await.ok()?;
    raw.iter().find(|(_, own)| *own == value).map(|(name, _)| name.to_owned())
}

/// The name of a route's parameter, where it has just one.
fn only_name(parts: &Parts) -> Option<String> {
    let route = parts.extensions.get::<MatchedPath>()?.as_str();
    let (_, rest) = route.split_once('{')?;
    let (name, _) = rest.split_once('}')?;
    Some(name.trim_start_matches('*').to_owned())
}

/// Query parameters, read into `T`.
#[derive(Clone, Debug)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let deserializer = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
        serde_path_to_error::deserialize(deserializer).map(Self).map_err(|error| {
            let name = pointer(error.path());
            let message = error.inner().to_string();
            // A parameter that is unknown or missing is named in the message only.
            let name = match name.trim_start_matches('/') {
                "" => message.split('`').nth(1).unwrap_or("query").to_owned(),
                name => name.to_owned(),
            };
            Problem::parameter(&name, format!("is wrong: {message}"))
        })
    }
}

/// The revision that an update names in `If-Match`, as the `ETag` gave it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IfMatch(pub u64);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let value = parts.headers.get(IF_MATCH).ok_or_else(|| {
            Problem::new(
                Kind::PreconditionRequired,
                "Read the resource first and send its `ETag` as `If-Match`, so that nobody's change is lost.",
            )
            .field("/header/if-match", "is required")
        })?;
        value
            .to_str()
            .ok()
            .and_then(|text| text.trim().strip_prefix('"')?.strip_suffix('"')?.parse().ok())
            .map(Self)
            .ok_or_else(|| {
                Problem::new(Kind::PreconditionFailed, "`If-Match` is not an `ETag` of this resource: read it again.")
                    .field("/header/if-match", "is not the resource's `ETag`")
            })
    }
}

/// An `Idempotency-Key`, if one came: the same key with the same request gets the same answer for 24 hours
/// (draft-ietf-httpapi-idempotency-key-header).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Idempotency {
    /// Whose key it is and which: keys of one organization mean nothing to another.
    pub(super) scope: String,
    /// SHA-256 of method, path and body.
    pub(super) fingerprint: String,
    pub(super) now: Time,
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for Idempotency {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Problem> {
        let context = context(parts)?;
        let Some((key, fingerprint)) = &context.idempotency else { return Ok(None) };
        if key.is_empty() || key.len() > 255 || !key.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            return Err(Problem::new(
                Kind::InvalidHeader,
                "`Idempotency-Key` must have 1 to 255 visible ASCII characters.",
            )
            .field("/header/idempotency-key", "must have 1 to 255 visible ASCII characters"));
        }
        let owner = match &context.authentication {
            Authentication::Principal(principal) => principal.organization.id.to_string(),
            _ => return Ok(None),
        };
        Ok(Some(Self {
            scope: format!("{owner}#{}", crate::seal::sha256_hex(key.as_bytes())),
            fingerprint: fingerprint.clone(),
            now: context.now,
        }))
    }
}
