//! The chassis: how a function meets AWS Lambda, its table and its callers.
//!
//! A function implements [`Function`] and hands it to [`run`]. Payloads are told apart here, once: HTTP calls, the control
//! plane's authorizer, queues of events, streams of a table, and what an operator or a schedule sends directly.

mod api_gateway;
pub mod at_once;
pub mod context;
pub mod document;
pub mod door;
pub mod environment;
pub mod extract;
pub mod gzip;
pub mod hop;
mod invocation;
pub mod reply;
pub mod sent;
pub mod table;
mod telemetry;
pub mod told;
pub mod transaction;
pub mod web;

pub use context::Context;
pub use environment::Environment;
pub use invocation::{StreamRecord, handle, named};

use crate::event::Envelope;
use crate::principal::Authentication;
use crate::problem::Problem;
use crate::time::Time;

/// The HTTP calls that a function gets and gives: whole in memory, as Lambda hands them over.
pub type Request = http::Request<bytes::Bytes>;
/// See [`Request`].
pub type Response = http::Response<bytes::Bytes>;

/// Why an event was not taken: it comes again, and goes to the dead-letter queue in the end.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// The event is not one that this function understands. Trying again does not help; an operator must look.
    #[error("not understood: {0}")]
    NotUnderstood(String),
    /// The table or another function is busy or away.
    #[error("not possible right now: {0}")]
    Unavailable(String),
}

impl From<serde_json::Error> for EventError {
    fn from(error: serde_json::Error) -> Self {
        Self::NotUnderstood(error.to_string())
    }
}

/// A function, as the chassis sees it. What a function does not take, it does not implement: it is refused loudly.
pub trait Function: Send + Sync + 'static {
    /// An HTTP call. Its extensions hold the [`Context`].
    fn http(&self, request: Request) -> impl Future<Output = Response> + Send;

    /// The control plane's authorizer: who holds this bearer token?
    fn authenticate(
        &self,
        _bearer: Option<&str>,
        _context: &Context,
    ) -> impl Future<Output = Result<Authentication, Problem>> + Send {
        async { Err(Problem::internal("this function is no authorizer")) }
    }

    /// An event from the bus, and when it came into the function's queue.
    fn event(&self, envelope: Envelope, _sent_at: Time) -> impl Future<Output = Result<(), EventError>> + Send {
        async move { Err(EventError::NotUnderstood(format!("no event is taken here, least of all {}", envelope.kind))) }
    }

    /// Records of a table's stream, in order per item. Answers the sequence number of the first that was not taken.
    fn records(&self, records: Vec<StreamRecord>) -> impl Future<Output = Result<(), (String, EventError)>> + Send {
        async move {
            let sequence = records.into_iter().next().map_or_else(String::new, |record| record.sequence);
            Err((sequence, EventError::NotUnderstood("no stream is taken here".into())))
        }
    }

    /// The table whose events an operator can have told again, see [`told`].
    fn tells(&self) -> Option<&table::Table> {
        None
    }

    /// What an operator or a schedule sends: a JSON object, and a JSON answer.
    fn direct(
        &self,
        payload: serde_json::Value,
        context: &Context,
    ) -> impl Future<Output = Result<serde_json::Value, Problem>> + Send {
        async move {
            match self.tells() {
                Some(table) => Box::pin(told::republish(table, payload, context.now)).await,
                None => {
                    Err(Problem::new(crate::problem::Kind::ValidationFailed, "This function takes no such payload."))
                }
            }
        }
    }
}

/// Runs a function on AWS Lambda until the sandbox ends: one event at a time, or as many as `AWS_LAMBDA_MAX_CONCURRENCY` says,
/// which Lambda sets for functions on managed instances.
pub async fn run<F: Function>(function: F) -> Result<(), lambda_runtime::Error> {
    run_shared(std::sync::Arc::new(function)).await
}

/// Like [`run`], for a function that something else holds too, such as a hook for the sandbox's end.
pub async fn run_shared<F: Function>(function: std::sync::Arc<F>) -> Result<(), lambda_runtime::Error> {
    lambda_runtime::run_concurrent(lambda_runtime::service_fn(
        move |event: lambda_runtime::LambdaEvent<Box<serde_json::value::RawValue>>| {
            let function = function.clone();
            async move { handle(&*function, event.payload.get(), &event.context.request_id).await }
        },
    ))
    .await
}

/// The wall clock, for what comes without a request's time: events, schedules, an operator's call.
#[must_use]
pub fn clock() -> Time {
    Time::from_ms(jiff::Timestamp::now().as_millisecond())
}

/// Sets up the log: flat JSON, one object a line, at the level that `RUST_LOG` says (`info` when it says nothing). What is below `info` is not in
/// binaries of the release profile.
pub fn telemetry() {
    telemetry::start();
}
