//! The log: flat JSON on standard output, one object a line, as `CloudWatch` Logs reads it.

use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

pub(super) fn start() {
    // Levels by module, as `RUST_LOG` writes them. Filters by a field's value would bring a regex engine into every binary.
    let levels = std::env::var("RUST_LOG").ok().and_then(|levels| levels.parse().ok());
    let layer = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_filter(levels.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO)));
    // A second subscriber in one process (tests) is no fault.
    let _ = tracing_subscriber::registry().with(layer).try_init();
}
