//! What an answer tells of limits and of the version's end.

use http::header::LINK;
use http::{HeaderMap, HeaderName, HeaderValue};
use shared::chassis::Context;
use shared::event::{ApiState, CurrentVersion, Route, Visibility};
use shared::time::Time;

use crate::plan::us;
use crate::sandbox::Seen;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
const SUNSET: HeaderName = HeaderName::from_static("sunset");

/// `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10): what is left, in units.
pub(crate) fn limits(seen: &Seen, now: Time) -> HeaderMap {
    let (mut policies, mut left) = (Vec::new(), Vec::new());
    if let Some(quota) = seen.plan.quota {
        // A window that is over is turned by the next call that is admitted.
        let over = now.hour() >= seen.grant.pe;
        // What this sandbox holds on a lease is used in the image, and there for the caller.
        let used = seen.grant.u - seen.held;
        let (used, end) = if over { (0, seen.plan.window_end(now)) } else { (used, seen.grant.pe) };
        let window_s = seen.plan.window_s(end);
        let reset_s = (Time::of_hour(end).ms() - now.ms() + 999) / 1000;
        policies.push(format!("\"quota\";q={};w={window_s}", quota.units));
        left.push(format!("\"quota\";r={};t={}", (quota.units - used).max(0), reset_s.max(0)));
    }
    if let Some(rate) = seen.plan.rate {
        let ahead_us = (seen.grant.t - us(now)).max(0);
        let burst_us = rate.burst * rate.unit_us;
        policies.push(format!("\"rate\";q={};w={}", rate.burst, (burst_us + 999_999) / 1_000_000));
        let at_once = (rate.left(seen.grant.t, now) + seen.held).min(rate.burst);
        left.push(format!("\"rate\";r={at_once};t={}", (ahead_us + 999_999) / 1_000_000));
    }
    let mut headers = HeaderMap::new();
    for (name, parts) in [(RATE_LIMIT_POLICY, policies), (RATE_LIMIT, left)] {
        if let (false, Ok(value)) = (parts.is_empty(), HeaderValue::from_str(&parts.join(", "))) {
            headers.insert(name, value);
        }
    }
    headers
}

/// `Deprecation` (RFC 9745) and `Sunset` (RFC 8594), with a `Link` to the version that says more. An operation that the
/// document calls deprecated is so since the version was made, if not longer.
pub(crate) fn announcements(context: &Context, api: &ApiState, current: &CurrentVersion, route: &Route) -> HeaderMap {
    let by_document = route.deprecated.then(|| current.id.made_at());
    let deprecated_at = current.deprecated_at.into_iter().chain(by_document).min();
    // Where the caller can read it: an own API's page, or the public side.
    let page = match api.visibility {
        Visibility::Private => format!("apis/{}", api.slug),
        Visibility::Partner | Visibility::Public => format!("public/{}/{}", api.organization.slug, api.slug),
    };
    let link = |relations: &str| {
        let address = format!("{}/v1/catalog/{page}/versions/{}", context.base_url, current.version);
        (LINK, format!("<{address}>; rel=\"{relations}\"; type=\"application/json\""))
    };
    let told = [
        deprecated_at.map(|at| (DEPRECATION, format!("@{}", at.seconds()))),
        current.sunset_at.map(|at| (SUNSET, at.http_date())),
        match (deprecated_at, current.sunset_at) {
            (Some(_), Some(_)) => Some(link("deprecation sunset")),
            (Some(_), None) => Some(link("deprecation")),
            (None, _) => None,
        },
    ];
    told.into_iter().flatten().filter_map(|(name, value)| Some((name, HeaderValue::from_str(&value).ok()?))).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::grant::Grant;
    use crate::grant::tests::recent;
    use crate::plan::Plan;

    fn told(version: &Value, visibility: &str, deprecated: bool) -> Vec<(String, String)> {
        let mut context = Context::direct("r", Time::from_ms(0));
        context.base_url = "https://api.example".to_owned();
        let mut current =
            json!({"id": "version_01h455vb4pex5vsknk084sn02q", "version": "1.2.0", "number": 1, "parts": 1});
        current.as_object_mut().unwrap().extend(version.as_object().unwrap().clone());
        let api: ApiState = serde_json::from_value(json!({
            "id": "api_01h455vb4pex5vsknk084sn02q", "revision": 1, "slug": "weather", "number": 1, "name": "W",
            "organization": {"id": "org_01h455vb4pex5vsknk084sn02q", "slug": "nimbus"}, "visibility": visibility,
            "upstream_url": null, "current": current
        }))
        .unwrap();
        let route = Route { n: 0, method: "GET".into(), path: "/".into(), operation: "o".into(), deprecated };
        let headers = announcements(&context, &api, api.current.as_ref().unwrap(), &route);
        let mut all: Vec<_> =
            headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        all.sort();
        all
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// Both headers: the policy, and what is left of it.
    fn of(terms: &Value, image: Grant, at: &str) -> Vec<String> {
        let plan = Arc::new(Plan::new(1, &crate::plan::tests::terms(terms)));
        let seen = Seen { grant: image.into(), plan, bucket_seen_ms: 0, held: 0 };
        let headers = limits(&seen, at.parse().unwrap());
        let told = ["ratelimit-policy", "ratelimit"].map(|name| headers.get(name).map(|value| value.to_str().unwrap()));
        told.into_iter().flatten().map(str::to_owned).collect()
    }

    #[test]
    fn what_is_left_of_a_quota_is_told_until_its_window_ends() {
        let end = "2026-03-01T00:00:00Z".parse::<Time>().unwrap().hour();
        let quota = json!({"quota": {"calls": 100, "period": "month"}});
        let of = |used: i64, at| of(&quota, Grant { pe: end, u: used, ..recent() }, at);
        let policy = "\"quota\";q=100;w=2419200";
        assert_eq!(of(30, "2026-02-28T23:59:00Z"), [policy, "\"quota\";r=70;t=60"]);
        assert_eq!(of(30, "2026-02-28T23:59:58.999Z"), [policy, "\"quota\";r=70;t=2"], "no second too early");
        assert_eq!(of(100, "2026-02-28T23:59:00Z"), [policy, "\"quota\";r=0;t=60"]);
        assert_eq!(of(103, "2026-02-28T23:59:00Z"), [policy, "\"quota\";r=0;t=60"], "a soft quota may be passed");
        // The next window has begun, and no call has turned it yet.
        let next = "\"quota\";q=100;w=2678400";
        assert_eq!(of(100, "2026-03-01T00:00:00Z"), [next, "\"quota\";r=100;t=2678400"]);
    }

    #[test]
    fn what_is_left_of_a_rate_is_told_until_all_of_it_is_there_again() {
        let at = "2026-02-01T00:00:00Z";
        let now_us = us(at.parse().unwrap());
        let rate = json!({"rate": {"calls": 1, "per_seconds": 10, "burst": 5}});
        let of = |ahead_us: i64| of(&rate, Grant { t: now_us + ahead_us, ..recent() }, at);
        let policy = "\"rate\";q=5;w=50";
        assert_eq!(of(-7), [policy, "\"rate\";r=5;t=0"]);
        assert_eq!(of(20_000_000), [policy, "\"rate\";r=3;t=20"]);
        assert_eq!(of(20_000_001), [policy, "\"rate\";r=2;t=21"], "neither a unit nor a second too early");
        assert_eq!(of(60_000_000), [policy, "\"rate\";r=0;t=60"]);
    }

    #[test]
    fn both_limits_are_told_together_and_none_where_there_is_none() {
        let end = "2026-02-02T00:00:00Z".parse::<Time>().unwrap().hour();
        let both = json!({"quota": {"calls": 9, "period": "day"}, "rate": {"calls": 1, "per_seconds": 2}});
        assert_eq!(
            of(&both, Grant { pe: end, u: 1, ..recent() }, "2026-02-01T12:00:00Z"),
            ["\"quota\";q=9;w=86400, \"rate\";q=1;w=2", "\"quota\";r=8;t=43200, \"rate\";r=1;t=0"]
        );
        assert_eq!(of(&json!({}), recent(), "2026-02-01T12:00:00Z"), Vec::<String>::new());
    }

    #[test]
    fn the_end_of_a_version_is_announced_and_an_operations_by_the_version_that_says_so() {
        let page = "<https://api.example/v1/catalog/public/nimbus/weather/versions/1.2.0>";
        let own = "<https://api.example/v1/catalog/apis/weather/versions/1.2.0>";
        let kind = "type=\"application/json\"";
        assert_eq!(told(&json!({}), "public", false), []);
        let ending = json!({"deprecated_at": "2026-01-01T00:00:00Z", "sunset_at": "2027-01-01T00:00:00Z"});
        assert_eq!(
            told(&ending, "public", false),
            pairs(&[
                ("deprecation", "@1767225600"),
                ("link", &format!("{page}; rel=\"deprecation sunset\"; {kind}")),
                ("sunset", "Fri, 01 Jan 2027 00:00:00 GMT")
            ])
        );
        // The version's id was made at 2023-06-30T03:34:18.518Z.
        let made = ("deprecation", "@1688096058");
        assert_eq!(
            told(&json!({}), "private", true),
            pairs(&[made, ("link", &format!("{own}; rel=\"deprecation\"; {kind}"))])
        );
        assert_eq!(told(&ending, "partner", true)[0], pairs(&[made])[0], "the earlier of both");
    }
}
