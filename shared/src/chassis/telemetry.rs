//! The log: flat JSON on standard output, one object a line, as `CloudWatch` Logs reads it.

use tracing_subscriber::filter::EnvFilter;

pub(super) fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // A second subscriber in one process (tests) is no fault.
    let _ = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_env_filter(filter)
        .try_init();
}
