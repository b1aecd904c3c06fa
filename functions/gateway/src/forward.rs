//! A call as the upstream gets it, and the upstream's answer as the caller gets it.

use bytes::Bytes;
use http::{HeaderMap, Uri};
use http_body_util::Full;
use shared::chassis::{Context, Request, Response};
use shared::problem::{Kind, Problem};

use crate::App;
use crate::headers;
use crate::sandbox::Api;
use crate::upstream::Failure;

/// The most that a call's body may have. Lambda's 6 MB count a body as base64 or as escaped JSON, and beyond them API Gateway
/// answers in our place: up to here a binary body always arrives.
const BODY_BYTES_MAX: usize = 4_400_000;

/// The call as the upstream gets it.
pub(crate) fn outgoing(
    app: &App,
    context: &Context,
    request: Request,
    path: &str,
    api: &Api,
) -> Result<http::Request<Full<Bytes>>, Problem> {
    let (parts, body) = request.into_parts();
    if body.len() > BODY_BYTES_MAX {
        let detail = "The body of a call may have at most 4.4 MB (4,400,000 bytes). Nothing was counted.";
        return Err(Problem::new(Kind::TooLarge, detail));
    }
    if headers::is_loop(context, &parts.headers) {
        return Err(Problem::new(Kind::LoopDetected, "The upstream of this API leads back to this door."));
    }
    // An API that is only described has nowhere to go.
    let base = api.state.upstream_url.as_deref().ok_or_else(Problem::not_found)?;
    let secret = &app.settings.secret;
    let query =
        parts.uri.query().map(|query| headers::without_secrets(secret, query)).filter(|query| !query.is_empty());
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let uri: Uri = format!("{}{}{query}", base.trim_end_matches('/'), path).parse().map_err(Problem::internal)?;
    let mut headers = headers::to_upstream(secret, context, parts.headers);
    match &api.credentials {
        Ok(None) => {}
        Ok(Some((name, value))) => {
            headers.insert(name, value.clone());
        }
        // Without them the upstream would refuse, and nobody would know why.
        Err(broken) => return Err(Problem::internal(format!("upstream credentials: {broken}"))),
    }
    let mut outgoing =
        http::Request::builder().method(parts.method).uri(uri).body(Full::new(body)).map_err(Problem::internal)?;
    *outgoing.headers_mut() = headers;
    Ok(outgoing)
}

/// The upstream's answer as the caller gets it.
pub(crate) fn incoming(context: &Context, response: http::Response<Bytes>, ours: HeaderMap, is_head: bool) -> Response {
    let (mut parts, body) = response.into_parts();
    parts.headers = headers::to_caller(context, parts.headers, ours, parts.status, is_head);
    parts.extensions = http::Extensions::new();
    Response::from_parts(parts, body)
}

pub(crate) fn upstream_problem(failure: Failure, given_back: bool) -> Problem {
    let (kind, what) = match &failure {
        Failure::Forbidden => {
            (Kind::UpstreamForbidden, "The API's upstream is at an address that may not be reached from here.")
        }
        Failure::Timeout => (Kind::UpstreamTimeout, "The API's upstream did not answer in time."),
        Failure::TooLarge => (
            Kind::UpstreamFailed,
            "The API's upstream answered with more than 4.4 MB, or with more than 64 KB of headers, which cannot be handed on.",
        ),
        Failure::Unreached(_) | Failure::Failed(_) => {
            (Kind::UpstreamFailed, "The API's upstream could not be reached or broke off.")
        }
    };
    let settled = if given_back { " The call was given back to your quota." } else { "" };
    let mut problem = Problem::new(kind, format!("{what}{settled}"));
    if let Failure::Unreached(cause) | Failure::Failed(cause) = failure {
        problem.internal = Some(cause);
    }
    problem
}
