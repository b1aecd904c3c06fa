//! What an answer tells of limits and of the version's end.

use http::{HeaderMap, HeaderName, HeaderValue};
use shared::event::CurrentVersion;
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
        let (used, end) = if over { (0, seen.plan.window_end(now)) } else { (seen.grant.u, seen.grant.pe) };
        let window_s = seen.plan.window_s(end);
        let reset_s = (Time::of_hour(end).ms() - now.ms() + 999) / 1000;
        policies.push(format!("\"quota\";q={};w={window_s}", quota.units));
        left.push(format!("\"quota\";r={};t={}", (quota.units - used).max(0), reset_s.max(0)));
    }
    if let Some(rate) = seen.plan.rate {
        let ahead_us = (seen.grant.t - us(now)).max(0);
        let burst_us = rate.burst * rate.unit_us;
        policies.push(format!("\"rate\";q={};w={}", rate.burst, (burst_us + 999_999) / 1_000_000));
        left.push(format!("\"rate\";r={};t={}", rate.left(seen.grant.t, now), (ahead_us + 999_999) / 1_000_000));
    }
    let mut headers = HeaderMap::new();
    for (name, parts) in [(RATE_LIMIT_POLICY, policies), (RATE_LIMIT, left)] {
        if let (false, Ok(value)) = (parts.is_empty(), HeaderValue::from_str(&parts.join(", "))) {
            headers.insert(name, value);
        }
    }
    headers
}

/// `Deprecation` (RFC 9745) and `Sunset` (RFC 8594).
pub(crate) fn announcements(current: &CurrentVersion) -> HeaderMap {
    let deprecation = current.deprecated_at.map(|at| (DEPRECATION, format!("@{}", at.seconds())));
    let sunset = current.sunset_at.map(|at| (SUNSET, at.http_date()));
    [deprecation, sunset]
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name, HeaderValue::from_str(&value).ok()?)))
        .collect()
}
