//! One call through the door: authenticate, match, admit, forward, settle, answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{ALLOW, AUTHORIZATION, ORIGIN};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use shared::chassis::{Context, Request, Response, named};
use shared::event::{Route, Visibility};
use shared::meter::Counter;
use shared::problem::{Kind, Problem};
use shared::time::Time;
use tokio::time::timeout;

use crate::App;
use crate::admission::{Admitted, Wish, admit, give_back, settle_leases};
use crate::cors;
use crate::forward::{incoming, outgoing, upstream_problem};
use crate::grant::{Call, Refusal};
use crate::headers::X_REQUEST_ID;
use crate::limits::{announcements, limits};
use crate::metrics::{self, Measured};
use crate::routes::Match;
use crate::sandbox::{Api, Seen};
use crate::store::KeyRow;
use crate::timings::{Part, Went};
use crate::upstream::Failure;

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const ROUTE: &str = "/call/{organization}/{api}/{path}";
/// What the whole of a call may take: below the function's time-out (29 s) and API Gateway's own (30 s), so that it is always
/// this door that answers.
const WHOLE: Duration = Duration::from_secs(28);
/// What finding the key, the grant and the route may take.
const FIND: Duration = Duration::from_secs(6);
/// What an admission may take; it gives up by itself before.
const ADMIT: Duration = Duration::from_secs(8);
/// Leases of other grants that are settled while a call is forwarded.
const LEASES_MAX: usize = 2;
/// What giving a call back may take, or writing down refused ones.
const SETTLE: Duration = Duration::from_secs(5);
/// What writing down timings may take, beside the upstream.
const ASIDE: Duration = Duration::from_secs(1);

/// How long an upstream may take when so much of the call's time has passed.
fn upstream_time(most: Duration, passed: Duration) -> Duration {
    most.min(WHOLE.saturating_sub(SETTLE).saturating_sub(passed))
}

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
    let (started, mut measured) = (Instant::now(), None);
    let (path, origin) = (request.uri().path().to_owned(), request.headers().get(ORIGIN).cloned());
    let target = target(&path);
    // A page must be able to read every answer, also one that tells it that its key is wrong: its API is looked up first.
    let api = match (&target, &origin) {
        (Some(target), Some(_)) => timeout(FIND, load(app, target, context.now, false)).await.ok().and_then(Result::ok),
        (Some(target), None) => app.sandbox.known(target.api),
        (None, _) => None,
    };
    let crossing = api.as_ref().filter(|api| !api.state.cors_origins.is_empty());
    let mut response = match (crossing, &target) {
        (Some(api), Some(target)) if cors::is_preflight(request.method(), request.headers()) => {
            cors::preflight(api, target.path, request.headers()).map_err(Refused::from)
        }
        _ => pass(app, context, request, started, &mut measured).await,
    }
    .unwrap_or_else(|Refused(refused)| {
        let mut response = refused.problem.response(Some(&context.request_id));
        response.headers_mut().extend(refused.headers);
        if let Ok(id) = HeaderValue::from_str(&context.request_id) {
            response.headers_mut().insert(X_REQUEST_ID, id);
        }
        response
    });
    if let Some(api) = crossing {
        cors::allow(api, origin.as_ref(), &mut response);
    }
    named(&mut response, ROUTE);
    if let Some(measured) = &measured {
        let (status, whole) = (response.status(), started.elapsed());
        if let Some(namespace) = &app.settings.metrics {
            metrics::tell(namespace, measured, context.now, &context.request_id, status, whole);
        }
        let (part, n) = measured.place.clone();
        let Measured { admitted, upstream, .. } = *measured;
        app.timings.count(part, n, Went { admitted, status, whole, upstream }, context.now);
    }
    response
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

/// What a call is, before it is admitted.
struct Found {
    key: KeyRow,
    /// The header that the key came in: it goes no further.
    header: HeaderName,
    seen: Seen,
    api: Arc<Api>,
    route: Route,
}

fn invalid() -> Problem {
    let detail = "The key is unknown, mistyped, expired or revoked. Its owner can issue a new one.";
    Problem::new(Kind::KeyInvalid, detail)
}

async fn pass(
    app: &App,
    context: &Context,
    mut request: Request,
    started: Instant,
    measured: &mut Option<Measured>,
) -> Result<Response, Refused> {
    let now = context.now;
    let (path, method) = (request.uri().path().to_owned(), request.method().clone());
    let target = target(&path).ok_or_else(Problem::not_found)?;

    // 1. Authenticate, and 2. match.
    let late = |_| Problem::unavailable("the table takes too long");
    let Found { key, header, seen, api, route } =
        timeout(FIND.saturating_sub(started.elapsed()), find(app, request.headers(), &target, method.as_str(), now))
            .await
            .map_err(late)??;
    let current = api.state.current.as_ref().ok_or_else(Problem::not_found)?;
    let measured = measured.insert(Measured {
        api: target.api.to_owned(),
        operation: route.operation.clone(),
        place: (Part::of(api.state.organization.id, api.state.number, current.number, route.n), route.n),
        admitted: false,
        upstream: None,
    });

    // 3. Admit what can be forwarded.
    request.headers_mut().remove(header);
    let (id, outgoing) = (api.state.id, outgoing(app, context, request, target.path, &api)?);
    let url = api.state.upstream_url.as_deref().unwrap_or_default();
    if let Err(wait_ms) = app.health.judge(id, url, now) {
        let detail = "The API's upstream did not answer several times in a row. Nothing was counted. Try again as `Retry-After` says.";
        return Err(Problem::new(Kind::UpstreamUnavailable, detail).retry_after_s(seconds(wait_ms)).into());
    }
    let mut admitted_call =
        Call::new(now, Counter { key: key.number, api: api.state.number, version: current.number, operation: route.n });
    let wish = Wish { api: id, operation: &route.operation };
    let admission = admit(&app.sandbox, &app.store, &key.grant, seen, &mut admitted_call, wish);
    // A write that was under way may have been applied.
    let late = || Admitted::Closed { cause: "the admission takes too long".to_owned(), unknown: true };
    let (seen, counted) = match timeout(ADMIT, admission).await.unwrap_or_else(|_| Ok(late()))? {
        Admitted::Yes { seen, counted } => (seen, counted),
        Admitted::Unknown => return Err(Problem::not_found().into()),
        Admitted::Closed { cause, unknown } => {
            tracing::error!(cause, unknown, "admission closed");
            return Err(Problem::unavailable(cause).into());
        }
        Admitted::No(refusal, seen) => {
            let refused = refuse(refusal, &seen, now);
            if app.refused.count(&key.grant, refused.0.problem.kind.slug(), now) {
                match timeout(SETTLE, app.refused.write(&app.store, &app.sandbox.writer)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::warn!(%error, "refused calls not written yet"),
                    Err(_) => tracing::warn!("refused calls not written in time"),
                }
            }
            return Err(refused);
        }
    };

    // 4. Forward, and 5. settle: what failed is given back.
    measured.admitted = true;
    let client = if api.state.visibility == Visibility::Private { &app.private } else { &app.upstreams };
    app.health.count(id, url);
    let (within, sent) = (upstream_time(app.settings.timeout, started.elapsed()), Instant::now());
    let sending = async { (client.send(outgoing, within, || app.health.retry(id)).await, sent.elapsed()) };
    // A sandbox that has answered freezes: what earlier calls left to write is written while the upstream works.
    let leases = settle_leases(&app.sandbox, &app.store, Some(now), LEASES_MAX);
    let ((outcome, took), (), ()) = tokio::join!(sending, leases, write_timings(app, now));
    measured.upstream = Some(took);
    let outcome = outcome.and_then(|response| match response.status().as_u16() {
        200..600 => Ok(response),
        // Lambda can neither switch protocols nor answer with what is no status.
        other => Err(Failure::Failed(format!("the upstream answered with status {other}"))),
    });
    let passed_ms = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
    app.health.settle(id, outcome.as_ref().is_err_and(Failure::is_away), now.plus_ms(passed_ms));
    let failed = outcome.as_ref().map_or(true, |response| response.status().is_server_error());
    let mut given_back = false;
    let mut seen = *seen;
    if failed {
        let refund = Box::pin(give_back(&app.sandbox, &app.store, &key.grant, &seen, &admitted_call, &counted));
        match timeout(SETTLE, refund).await {
            Ok(Ok(after)) => (seen, given_back) = (after, true),
            Ok(Err(error)) => tracing::error!(%error, unrefunded = 1, "a failed call was not given back"),
            Err(_) => tracing::error!(unrefunded = 1, "a failed call was not given back in time"),
        }
    }

    // 6. Answer.
    let mut ours = limits(&seen, now);
    ours.extend(announcements(context, &api.state, current, &route));
    match outcome {
        Ok(response) => Ok(incoming(context, response, ours, method == Method::HEAD)),
        Err(failure) => Err(Refused::new(upstream_problem(failure, given_back), ours)),
    }
}

/// Writes a batch of timings that is due. What is not written in time is written with the next batch.
async fn write_timings(app: &App, now: Time) {
    if app.timings.due(now) {
        match timeout(ASIDE, Box::pin(app.timings.write(&app.store, &app.sandbox.writer))).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "timings not written yet"),
            Err(_) => tracing::warn!("timings not written in time"),
        }
    }
}

/// Finds the key and what it opens, and the operation among the APIs that the plan covers: the others are as if they were
/// not there.
async fn find(app: &App, headers: &HeaderMap, target: &Target<'_>, method: &str, now: Time) -> Result<Found, Refused> {
    // What is known was judged before; what is not costs a read only if it was made here.
    let ours = |(key, name): (&str, HeaderName)| {
        let sha256 = shared::seal::sha256_hex(key.as_bytes());
        let ours = app.sandbox.knows_key(&sha256) || shared::secret_key::is_ours(&app.settings.secret, key);
        ours.then_some((sha256, name))
    };
    let Some((sha256, header)) = credentials(headers).find_map(ours) else {
        if credentials(headers).next().is_some() {
            return Err(invalid().into());
        }
        let detail = "Send the key of your subscription: `Authorization: Bearer dw_…` or `X-Api-Key: dw_…`.";
        return Err(Problem::new(Kind::KeyMissing, detail).into());
    };
    let key = app.sandbox.key(&app.store, &sha256).await?.ok_or_else(invalid)?;
    let seen = app.sandbox.grant(&app.store, &key.grant, now).await?.ok_or_else(invalid)?;
    let api = load(app, target, now, false).await?;
    let seen = covering(app, &key.grant, seen, &api, now).await?.ok_or_else(Problem::not_found)?;
    let (api, route) = matching(app, api, target, method, now).await?;
    Ok(Found { key, header, seen, api, route })
}

async fn load(app: &App, target: &Target<'_>, now: Time, missed: bool) -> Result<Arc<Api>, Refused> {
    let api = app.sandbox.api(&app.store, &app.settings.keys, target.api, now, missed).await?;
    Ok(api.ok_or_else(Problem::not_found)?)
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
async fn matching(
    app: &App,
    api: Arc<Api>,
    target: &Target<'_>,
    method: &str,
    now: Time,
) -> Result<(Arc<Api>, Route), Refused> {
    if let Some(route) = operation(&api, method, target.path) {
        return Ok((api, route));
    }
    let api = load(app, target, now, true).await?;
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

fn seconds(ms: i64) -> u32 {
    u32::try_from((ms + 999) / 1000).unwrap_or(u32::MAX).max(1)
}

fn refuse(refusal: Refusal, seen: &Seen, now: Time) -> Refused {
    // Whoever holds a key that opens nothing learns nothing of the subscription.
    let headers = match refusal {
        Refusal::Inactive | Refusal::Key => HeaderMap::new(),
        Refusal::Quota { .. } | Refusal::Rate { .. } => limits(seen, now),
    };
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
    fn whatever_has_passed_there_is_time_to_give_back_and_to_answer() {
        let s = Duration::from_secs;
        assert_eq!(upstream_time(s(10), s(0)), s(10));
        // The most that the template allows, after the slowest admission.
        assert_eq!(upstream_time(s(18), FIND + ADMIT), s(9));
        assert_eq!(upstream_time(s(10), s(60)), s(0));
        assert!(FIND + ADMIT + upstream_time(s(18), FIND + ADMIT) + SETTLE <= WHOLE);
    }
}
