//! Calls from pages of other origins (CORS, <https://fetch.spec.whatwg.org/#http-cors-protocol>): off, unless the API names
//! the origins that may call it. The door answers preflights itself: they carry no key, are not forwarded and not counted.
//! No cookies are allowed along; a key stands in a header that the page sets.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use shared::chassis::Response;
use shared::problem::Problem;

use crate::routes::Match;
use crate::sandbox::Api;

/// How long a browser may remember a preflight, in seconds.
const REMEMBERED_S: HeaderValue = HeaderValue::from_static("600");
/// What a page may read of an answer besides what the standard lets it read.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("RateLimit, RateLimit-Policy, Retry-After, Deprecation, Sunset, Link, X-Request-Id");

/// Whether a request is a preflight.
pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS && headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// What an API allows a page of this origin: the value of `Access-Control-Allow-Origin`.
fn allowed(api: &Api, origin: &HeaderValue) -> Option<HeaderValue> {
    let origins = &api.state.cors_origins;
    if origins.iter().any(|own| own == "*") {
        return Some(HeaderValue::from_static("*"));
    }
    origins.iter().any(|own| own.as_bytes() == origin.as_bytes()).then(|| origin.clone())
}

/// The answer to a preflight of a path of an API that allows any origin at all, but for what [`allow`] adds to every answer. A
/// page of another origin is told nothing.
pub(crate) fn preflight(api: &Api, path: &str, headers: &HeaderMap) -> Result<Response, Problem> {
    // Which method is asked for is the browser's to compare.
    let Match::Methods(methods) = api.routes.find("", path) else { return Err(Problem::not_found()) };
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    let told = response.headers_mut();
    told.insert(VARY, HeaderValue::from_static("Access-Control-Request-Method, Access-Control-Request-Headers"));
    if headers.get(ORIGIN).and_then(|origin| allowed(api, origin)).is_none() {
        return Ok(response);
    }
    let methods = methods.into_iter().collect::<Vec<_>>().join(", ");
    told.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_str(&methods).map_err(Problem::internal)?);
    // `*` would not allow `Authorization`, so what is asked for is named.
    if let Some(wanted) = headers.get(ACCESS_CONTROL_REQUEST_HEADERS).filter(|wanted| is_list_of_names(wanted)) {
        told.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    told.insert(ACCESS_CONTROL_MAX_AGE, REMEMBERED_S);
    Ok(response)
}

fn is_list_of_names(value: &HeaderValue) -> bool {
    value.to_str().is_ok_and(|list| list.split(',').all(|name| name.trim().parse::<HeaderName>().is_ok()))
}

/// Lets a page of an allowed origin read an answer. What the upstream says of that does not count: who may call is the API's
/// setting. `origin` is none for a call that is not a page's; a cache must not give its answer to a page all the same.
pub(crate) fn allow(api: &Api, origin: Option<&HeaderValue>, response: &mut Response) {
    if api.state.cors_origins.is_empty() {
        return;
    }
    let headers = response.headers_mut();
    headers.remove(ACCESS_CONTROL_ALLOW_ORIGIN);
    headers.remove(ACCESS_CONTROL_ALLOW_CREDENTIALS);
    headers.append(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin.and_then(|origin| allowed(api, origin)) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.append(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}
