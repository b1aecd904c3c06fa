//! One call through the door: authenticate, match, admit, forward, settle, answer.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    ALLOW, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use http_body_util::Full;
use shared::chassis::{Context, Request, Response, named};
use shared::event::{Route, Visibility};
use shared::meter::Counter;
use shared::problem::{Kind, Problem};
use shared::seal::Secret;
use shared::time::Time;

use crate::App;
use crate::admission::{Admitted, Wish, admit, give_back};
use crate::grant::{Call, Refusal};
use crate::limits::{announcements, limits};
use crate::routes::Match;
use crate::sandbox::{Api, Seen};
use crate::upstream::Failure;

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const ROUTE: &str = "/call/{organization}/{api}/{path}";
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_AUTHENTICATE: HeaderName = http::header::PROXY_AUTHENTICATE;
const PROXY_AUTHORIZATION: HeaderName = http::header::PROXY_AUTHORIZATION;
/// Headers that concern one connection only (RFC 9110, 7.6.1).
const HOP_BY_HOP: [HeaderName; 8] =
    [CONNECTION, KEEP_ALIVE, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// Where a call goes: `/call/{organization}/{api}/{path…}`.
struct Target<'a> {
    api: &'a str,
    path: &'a str,
}

fn target(path: &str) -> Option<Target<'_>> {
    let rest = path.strip_prefix("/call/")?;
    let organization = rest.find('/')?;
    let name = rest.get(organization + 1..)?;
    let end = organization + 1 + name.find('/').unwrap_or(name.len());
    let (api, path) = rest.split_at_checked(end)?;
    Some(Target { api, path: if path.is_empty() { "/" } else { path } })
}

/// What may be a key, and the header that it came in.
fn credentials(headers: &HeaderMap) -> impl Iterator<Item = (&str, HeaderName)> {
    let own = headers.get(&X_API_KEY).and_then(|value| value.to_str().ok()).map(|key| (key.trim(), X_API_KEY));
    let bearer = headers.get(AUTHORIZATION).and_then(|value| {
        let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some((key.trim(), AUTHORIZATION))
    });
    own.into_iter().chain(bearer)
}

/// Handles a call.
pub async fn call(app: &App, context: &Context, request: Request) -> Response {
    match pass(app, context, request).await {
        Ok(mut response) => {
            named(&mut response, ROUTE);
            response
        }
        Err(Refused(refused)) => {
            let mut response = refused.problem.response(Some(&context.request_id));
            named(&mut response, ROUTE);
            response.headers_mut().extend(refused.headers);
            response.headers_mut().insert(
                X_REQUEST_ID,
                HeaderValue::from_str(&context.request_id).unwrap_or(HeaderValue::from_static("")),
            );
            response
        }
    }
}

/// A refusal with the headers that tell more.
struct Refused(Box<Refusing>);

struct Refusing {
    problem: Problem,
    headers: HeaderMap,
}

impl Refused {
    fn new(problem: Problem, headers: HeaderMap) -> Self {
        Self(Box::new(Refusing { problem, headers }))
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::new(problem, HeaderMap::new())
    }
}

impl From<shared::chassis::table::StoreError> for Refused {
    fn from(error: shared::chassis::table::StoreError) -> Self {
        Problem::from(error).into()
    }
}

async fn pass(app: &App, context: &Context, request: Request) -> Result<Response, Refused> {
    let now = context.now;
    let (path, method) = (request.uri().path().to_owned(), request.method().clone());
    let target = target(&path).ok_or_else(Problem::not_found)?;

    // 1. Authenticate.
    let invalid = || {
        let detail = "The key is unknown, mistyped, expired or revoked. Its owner can issue a new one.";
        Problem::new(Kind::KeyInvalid, detail)
    };
    let ours = |(key, _): &(&str, HeaderName)| shared::secret_key::is_ours(&app.settings.secret, key);
    let Some((secret, _)) = credentials(request.headers()).find(ours) else {
        if credentials(request.headers()).next().is_some() {
            return Err(invalid().into());
        }
        let detail = "Send the key of your subscription: `Authorization: Bearer dw_…` or `X-Api-Key: dw_…`.";
        return Err(Problem::new(Kind::KeyMissing, detail).into());
    };
    let sha256 = shared::seal::sha256_hex(secret.as_bytes());
    let key = app.sandbox.key(&app.store, &sha256).await?.ok_or_else(invalid)?;

    // 2. Match, among the APIs that the plan covers: the others are as if they were not there.
    let seen = app.sandbox.grant(&app.store, &key.grant, now).await?.ok_or_else(invalid)?;
    let api = app.sandbox.api(&app.store, target.api, now, false).await?.ok_or_else(Problem::not_found)?;
    let seen = covering(app, &key.grant, seen, &api, now).await?.ok_or_else(Problem::not_found)?;
    let (api, route) = find(app, api, &target, method.as_str(), now).await?;
    let current = api.state.current.as_ref().ok_or_else(Problem::not_found)?;

    // 3. Admit.
    let mut admitted_call = Call {
        now,
        counter: Counter { key: key.number, api: api.state.number, version: current.number, operation: route.n },
        weight: 1,
        writer: app.sandbox.writer.clone(),
        sequence: app.sandbox.next_sequence(),
    };
    let outgoing = outgoing(&app.settings.secret, context, request, &target, &api)?;
    let wish = Wish { api: api.state.id, operation: &route.operation };
    let (seen, counted) = match admit(&app.sandbox, &app.store, &key.grant, seen, &mut admitted_call, wish).await? {
        Admitted::Yes { seen, counted } => (seen, counted),
        Admitted::Unknown => return Err(Problem::not_found().into()),
        Admitted::Closed { cause, unknown } => {
            tracing::error!(cause, unknown, "admission closed");
            return Err(Problem::unavailable(cause).into());
        }
        Admitted::No(refusal, seen) => {
            let refused = refuse(refusal, &seen, now, &invalid);
            if app.refused.count(&key.grant, refused.0.problem.kind.slug(), now)
                && let Err(error) = app.refused.write(&app.store, &app.sandbox.writer).await
            {
                tracing::warn!(%error, "refused calls not written yet");
            }
            return Err(refused);
        }
    };

    // 4. Forward, and 5. settle: what failed is given back.
    let client = if api.state.visibility == Visibility::Private { &app.private } else { &app.upstreams };
    let outcome = client.send(outgoing).await.and_then(|response| match response.status().as_u16() {
        200..600 => Ok(response),
        // Lambda can neither switch protocols nor answer with what is no status.
        other => Err(Failure::Failed(format!("the upstream answered with status {other}"))),
    });
    let failed = outcome.as_ref().map_or(true, |response| response.status().is_server_error());
    let mut given_back = false;
    let mut seen = *seen;
    if failed {
        match give_back(&app.sandbox, &app.store, &key.grant, &seen, &admitted_call, &counted).await {
            Ok(after) => (seen, given_back) = (after, true),
            Err(error) => tracing::error!(%error, unrefunded = 1, "a failed call was not given back"),
        }
    }

    // 6. Answer.
    let mut headers = limits(&seen, now);
    headers.extend(announcements(current));
    match outcome {
        Ok(response) => Ok(incoming(context, response, headers, method == Method::HEAD)),
        Err(failure) => Err(Refused::new(upstream_problem(failure, given_back), headers)),
    }
}

/// The grant, if its plan covers the API. The plan may have changed since this sandbox saw it.
async fn covering(app: &App, grant: &str, seen: Seen, api: &Api, now: Time) -> Result<Option<Seen>, Refused> {
    if seen.plan.covers(api.state.id) {
        return Ok(Some(seen));
    }
    let Some(image) = app.store.grant(grant).await? else { return Ok(None) };
    let seen = app.sandbox.see(&app.store, grant, image, now).await?;
    Ok(seen.plan.covers(api.state.id).then_some(seen))
}

/// The operation of a call. When nothing matches, a newer version may have been published: it is looked for.
async fn find(
    app: &App,
    api: Arc<Api>,
    target: &Target<'_>,
    method: &str,
    now: Time,
) -> Result<(Arc<Api>, Route), Refused> {
    if let Some(route) = operation(&api, method, target.path) {
        return Ok((api, route));
    }
    let api = app.sandbox.api(&app.store, target.api, now, true).await?.ok_or_else(Problem::not_found)?;
    if let Some(route) = operation(&api, method, target.path) {
        return Ok((api, route));
    }
    match api.routes.find(method, target.path) {
        Match::Methods(methods) => {
            let allow = methods.into_iter().collect::<Vec<_>>().join(", ");
            let problem = Problem::new(Kind::MethodNotAllowed, format!("This path takes {allow}."));
            let headers =
                HeaderValue::from_str(&allow).map(|allow| HeaderMap::from_iter([(ALLOW, allow)])).unwrap_or_default();
            Err(Refused::new(problem, headers))
        }
        _ => Err(Problem::not_found().into()),
    }
}

fn operation(api: &Api, method: &str, path: &str) -> Option<Route> {
    match api.routes.find(method, path) {
        Match::Operation(route) => Some(route.clone()),
        // A HEAD that the document does not name is the GET without its body (RFC 9110, 9.3.2).
        Match::Methods(methods) if method == "HEAD" && methods.contains("GET") => operation(api, "GET", path),
        _ => None,
    }
}

fn refuse(refusal: Refusal, seen: &Seen, now: Time, invalid: &dyn Fn() -> Problem) -> Refused {
    // Whoever holds a key that opens nothing learns nothing of the subscription.
    let headers = match refusal {
        Refusal::Inactive | Refusal::Key => HeaderMap::new(),
        Refusal::Quota { .. } | Refusal::Rate { .. } => limits(seen, now),
    };
    let seconds = |ms: i64| u32::try_from((ms + 999) / 1000).unwrap_or(u32::MAX).max(1);
    let problem = match refusal {
        Refusal::Inactive => Problem::new(
            Kind::SubscriptionInactive,
            "The subscription is not active: it waits for approval, is suspended or was cancelled. Its owner can see which.",
        ),
        Refusal::Key => invalid(),
        Refusal::Quota { until } => {
            Problem::new(Kind::QuotaExceeded, format!("The plan's quota is used up until {until}."))
                .retry_after_s(seconds(until.ms() - now.ms()))
        }
        Refusal::Rate { wait_ms } => {
            Problem::new(Kind::RateLimited, "Calls come faster than the plan allows. Wait as `Retry-After` says.")
                .retry_after_s(seconds(wait_ms))
        }
    };
    Refused::new(problem, headers)
}

/// The call as the upstream gets it.
fn outgoing(
    secret: &Secret,
    context: &Context,
    request: Request,
    target: &Target<'_>,
    api: &Api,
) -> Result<http::Request<Full<Bytes>>, Refused> {
    let (parts, body) = request.into_parts();
    let name = received_by(context);
    let ours = |hop: &str| hop.split_whitespace().nth(1).is_some_and(|host| host.eq_ignore_ascii_case(name));
    if parts.headers.get_all(VIA).iter().any(|via| via.to_str().is_ok_and(|via| via.split(',').any(ours))) {
        return Err(Problem::new(Kind::LoopDetected, "The upstream of this API leads back to this door.").into());
    }
    // An API that is only described has nowhere to go.
    let base = api.state.upstream_url.as_deref().ok_or_else(Problem::not_found)?;
    let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let uri: Uri =
        format!("{}{}{query}", base.trim_end_matches('/'), target.path).parse().map_err(Problem::internal)?;
    let mut headers = end_to_end(parts.headers);
    // Keys and tokens are ours, not the upstream's; what else these headers hold is for the upstream.
    let ours = |key: &str| shared::secret_key::is_ours(secret, key) || key.starts_with("dwt_");
    let found: Vec<_> = credentials(&headers).filter(|(key, _)| ours(key)).map(|(_, header)| header).collect();
    for name in found.into_iter().chain([HOST, CONTENT_LENGTH]) {
        headers.remove(name);
    }
    sign(&mut headers, context);
    if let Ok(id) = HeaderValue::from_str(&context.request_id) {
        headers.insert(X_REQUEST_ID, id);
    }
    let mut outgoing =
        http::Request::builder().method(parts.method).uri(uri).body(Full::new(body)).map_err(Problem::internal)?;
    *outgoing.headers_mut() = headers;
    Ok(outgoing)
}

/// This door's name in `Via`: the platform's own host. Another platform's door on the way is no loop.
fn received_by(context: &Context) -> &str {
    context.base_url.split_once("//").map_or("doorway", |(_, host)| host)
}

fn sign(headers: &mut HeaderMap, context: &Context) {
    if let Ok(via) = HeaderValue::from_str(&format!("1.1 {}", received_by(context))) {
        headers.append(VIA, via);
    }
}

/// Without what concerns one connection only: the known ones, and those that `Connection` names.
fn end_to_end(mut headers: HeaderMap) -> HeaderMap {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in HOP_BY_HOP.iter().chain(&named) {
        headers.remove(name);
    }
    headers
}

/// The upstream's answer as the caller gets it.
fn incoming(context: &Context, response: http::Response<Bytes>, ours: HeaderMap, is_head: bool) -> Response {
    let (mut parts, body) = response.into_parts();
    parts.headers = end_to_end(parts.headers);
    // Of an answer without a body it is the length that the body would have (RFC 9110, 8.6).
    if !is_head && parts.status != StatusCode::NOT_MODIFIED {
        parts.headers.remove(CONTENT_LENGTH);
    }
    parts.headers.extend(ours);
    sign(&mut parts.headers, context);
    if let Ok(id) = HeaderValue::from_str(&context.request_id) {
        parts.headers.insert(X_REQUEST_ID, id);
    }
    parts.extensions = http::Extensions::new();
    Response::from_parts(parts, body)
}

fn upstream_problem(failure: Failure, given_back: bool) -> Problem {
    let (kind, what) = match &failure {
        Failure::Forbidden => {
            (Kind::UpstreamForbidden, "The API's upstream is at an address that may not be reached from here.")
        }
        Failure::Timeout => (Kind::UpstreamTimeout, "The API's upstream did not answer in time."),
        Failure::TooLarge => {
            (Kind::UpstreamFailed, "The API's upstream answered with more than 4.4 MB, which cannot be handed on.")
        }
        Failure::Failed(_) => (Kind::UpstreamFailed, "The API's upstream could not be reached or broke off."),
    };
    let settled = if given_back { " The call was given back to your quota." } else { "" };
    let mut problem = Problem::new(kind, format!("{what}{settled}"));
    if let Failure::Failed(cause) = failure {
        problem.internal = Some(cause);
    }
    problem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_has_an_organization_an_api_and_a_path() {
        let parts = |path| target(path).map(|target| (target.api.to_owned(), target.path.to_owned()));
        assert_eq!(parts("/call/acme/weather/forecast/ulm"), Some(("acme/weather".into(), "/forecast/ulm".into())));
        assert_eq!(parts("/call/acme/weather"), Some(("acme/weather".into(), "/".into())));
        assert_eq!(parts("/call/acme/weather/"), Some(("acme/weather".into(), "/".into())));
        assert_eq!(parts("/call/acme"), None);
        assert_eq!(parts("/v1/x"), None);
    }

    #[test]
    fn headers_of_a_connection_stay_behind() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Secret"),
            ("x-secret", "1"),
            ("te", "trailers"),
            ("x-kept", "1"),
            ("keep-alive", "1"),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let left = end_to_end(headers);
        assert_eq!(left.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-kept"]);
    }
}
