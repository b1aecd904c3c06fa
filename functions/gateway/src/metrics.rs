//! What `CloudWatch` is told of every call that found its operation: one line of its embedded metric format (EMF) on standard
//! output, from which it makes latency percentiles and error rates by API and operation.
//!
//! Who called is not in it: dimensions are billed one by one, and a customer is nobody's dimension. The line says nothing of
//! the call itself, no path, no header, no body.

use std::io::Write as _;
use std::time::Duration;

use serde::Serialize;
use shared::time::Time;

use crate::timings::Part;

/// One call, as far as it is measured.
#[derive(Debug)]
pub(crate) struct Measured {
    /// `{organization}/{api}`.
    pub(crate) api: String,
    /// The operation's id.
    pub(crate) operation: String,
    /// Where its timings stand, and its number.
    pub(crate) place: (Part, u32),
    /// Whether the call was admitted.
    pub(crate) admitted: bool,
    /// How long the upstream took, with a retry; none when it was not called.
    pub(crate) upstream: Option<Duration>,
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(rename = "_aws")]
    aws: Aws<'a>,
    api: &'a str,
    operation: &'a str,
    latency_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_ms: Option<f64>,
    error: u8,
    status: u16,
    request_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Aws<'a> {
    timestamp: i64,
    cloud_watch_metrics: [Directive<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive<'a> {
    namespace: &'a str,
    dimensions: [[&'a str; 2]; 1],
    metrics: [Metric<'a>; 2],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metric<'a> {
    name: &'a str,
    unit: &'a str,
}

/// In milliseconds, to a hundredth.
fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 100_000.0).round() / 100.0
}

/// The line of a call that was answered so.
fn line(
    namespace: &str,
    measured: &Measured,
    now: Time,
    request_id: &str,
    status: http::StatusCode,
    latency: Duration,
) -> String {
    let line = Line {
        aws: Aws {
            timestamp: now.ms(),
            cloud_watch_metrics: [Directive {
                namespace,
                dimensions: [["api", "operation"]],
                metrics: [
                    Metric { name: "latency_ms", unit: "Milliseconds" },
                    // Its average is the error rate, its sum the number of errors, its count that of calls.
                    Metric { name: "error", unit: "Count" },
                ],
            }],
        },
        api: &measured.api,
        operation: &measured.operation,
        latency_ms: ms(latency),
        upstream_ms: measured.upstream.map(ms),
        error: u8::from(status.is_server_error()),
        status: status.as_u16(),
        request_id,
    };
    serde_json::to_string(&line).unwrap_or_default()
}

/// Tells of a call.
pub(crate) fn tell(
    namespace: &str,
    measured: &Measured,
    now: Time,
    request_id: &str,
    status: http::StatusCode,
    latency: Duration,
) {
    let line = line(namespace, measured, now, request_id, status, latency);
    // A log that takes no more is no reason to fail a call.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_line_is_what_cloudwatch_reads() {
        let measured = Measured {
            api: "nimbus/weather".into(),
            operation: "getForecast".into(),
            place: (Part::of(shared::id::OrganizationId::new(), 1, 1, 1), 1),
            admitted: true,
            upstream: Some(Duration::from_micros(12_346)),
        };
        let at = Time::from_ms(1_800_000_000_000);
        let told = |status, measured: &Measured| -> Value {
            let status = http::StatusCode::from_u16(status).unwrap();
            let line = line("Doorway/s", measured, at, "r", status, Duration::from_millis(15));
            assert!(!line.contains('\n'));
            serde_json::from_str(&line).unwrap()
        };
        assert_eq!(
            told(504, &measured),
            json!({
                "_aws": {"Timestamp": 1_800_000_000_000_i64, "CloudWatchMetrics": [{
                    "Namespace": "Doorway/s", "Dimensions": [["api", "operation"]],
                    "Metrics": [{"Name": "latency_ms", "Unit": "Milliseconds"}, {"Name": "error", "Unit": "Count"}]
                }]},
                "api": "nimbus/weather", "operation": "getForecast", "latency_ms": 15.0, "upstream_ms": 12.35,
                "error": 1, "status": 504, "request_id": "r"
            })
        );
        let refused = told(429, &Measured { upstream: None, ..measured });
        assert_eq!((&refused["error"], refused.get("upstream_ms")), (&json!(0), None));
    }
}
