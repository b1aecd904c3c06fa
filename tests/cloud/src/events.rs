//! The event plane: streams, pipes, the bus with its rules and archives, queues, event source mappings and schedules.
//!
//! Nothing is lost at a restart: the place of every stream reader and every queued message are in `events.sqlite` in the data folder.

pub(crate) mod store;

use std::collections::BTreeSet;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::Play;
use crate::bus::Bus;
use crate::clock::Clock;
use crate::data_error::DataError;
use crate::dynamodb::DynamoDb;
use crate::faults::Faults;
use crate::queues::Queues;
use crate::schedules::{self, Schedule};
use crate::settle::Settle;
use crate::streams::Streams;
use crate::template::Template;
use crate::{mappings, pipes};
use store::Store;

/// Why an invocation failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// There was no free process; the function was not invoked.
    #[error("Rate Exceeded.")]
    Throttled,
    /// The function was invoked and failed, crashed or timed out.
    #[error("{0}")]
    Failed(String),
}

type Answer = Pin<Box<dyn Future<Output = Result<Bytes, Failure>> + Send>>;

/// How the event plane invokes a function.
#[derive(Clone)]
pub struct Invoker(Arc<dyn Fn(String, Bytes) -> Answer + Send + Sync>);

impl Invoker {
    /// Invokes through this closure (logical id, payload).
    pub fn new<F, R>(invoke: F) -> Self
    where
        F: Fn(String, Bytes) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Bytes, Failure>> + Send + 'static,
    {
        Self(Arc::new(move |function, payload| Box::pin(invoke(function, payload))))
    }

    pub(crate) async fn invoke(&self, function: &str, payload: &Value) -> Result<Bytes, Failure> {
        (self.0)(function.to_owned(), Bytes::from(payload.to_string())).await
    }
}

/// What the parts of the event plane have in common.
#[derive(Clone)]
pub(crate) struct Plane {
    pub(crate) invoker: Invoker,
    pub(crate) streams: Streams,
    pub(crate) store: Store,
    pub(crate) queues: Queues,
    pub(crate) bus: Bus,
    pub(crate) faults: Faults,
    pub(crate) clock: Clock,
    pub(crate) settle: Settle,
}

/// The running event plane.
pub struct Events {
    plane: Plane,
    schedules: Arc<Vec<Schedule>>,
    dead: BTreeSet<String>,
    tasks: JoinSet<()>,
}

/// Starts everything that moves events, on the runtime of the caller.
#[expect(clippy::unused_async, reason = "its tasks need the caller's runtime, which an async function makes sure of")]
pub async fn start(
    template: &Template,
    invoker: Invoker,
    dynamodb: &DynamoDb,
    data: &Path,
    play: &Play,
) -> Result<Events, DataError> {
    let Play { faults, clock, .. } = play.clone();
    let store = Store::open(&data.join("events.sqlite"))?;
    let queues = Queues::read(template, store.clone(), faults.clone(), clock.clone())?;
    let bus = Bus::read(template, store.clone(), queues.clone())?;
    let streams = dynamodb.streams();
    let settle = Settle::new(streams.clone(), queues.clone());
    let plane = Plane { invoker, streams, store, queues, bus, faults, clock, settle };

    let mut tasks = JoinSet::new();
    let mut dead = plane.queues.dead_letter_queues();
    dead.extend(plane.bus.dead_letter_queues());
    for pipe in pipes::read(template, &plane)? {
        dead.extend(pipe.dead_letters.clone());
        tasks.spawn(pipe.run(plane.clone()));
    }
    for mapping in mappings::queue::read(template, &plane)? {
        tasks.spawn(mapping.run(plane.clone()));
    }
    for mapping in mappings::stream::read(template, &plane)? {
        dead.extend(mapping.destination.clone());
        tasks.spawn(mapping.run(plane.clone()));
    }
    let schedules = Arc::new(schedules::read(template)?);
    for schedule in schedules.iter() {
        dead.extend(schedule.dead_letters.clone());
        tasks.spawn(schedule.clone().run(plane.clone(), plane.clock.now_ms()));
    }
    tasks.spawn(plane.queues.clone().keep());
    Ok(Events { plane, schedules, dead, tasks })
}

impl Events {
    /// Waits until no event is on its way any more: all streams read, all queues with a consumer empty. False if for so long none gets any
    /// further.
    pub async fn settled(&self, without_progress: Duration) -> bool {
        self.plane.settle.wait(without_progress).await
    }

    /// Every message in a dead-letter queue: the queue's logical id and the body.
    pub fn dead_letters(&self) -> Vec<(String, String)> {
        self.plane.queues.bodies(&self.dead)
    }

    /// The events that an archive has kept, oldest first.
    pub fn archived(&self, archive: &str) -> Result<Vec<Value>, DataError> {
        self.plane.bus.archived(archive)
    }

    /// Sends every event of an archive through the rules again; returns how many.
    pub fn replay(&self, archive: &str) -> Result<usize, DataError> {
        self.plane.bus.replay(archive)
    }

    /// Runs the schedules of a function now; the last failure, if any.
    pub async fn fire(&self, function: &str) -> Result<(), Failure> {
        for schedule in self.schedules.iter().filter(|schedule| schedule.function == function) {
            schedule.fire(&self.plane, self.plane.clock.now_ms()).await?;
        }
        Ok(())
    }

    /// Stops delivering.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

/// The last segment of an ARN or of a queue's address: the logical id.
pub(crate) fn id_of(arn: &str) -> &str {
    arn.rsplit([':', '/']).next().unwrap_or(arn)
}

/// A number from a template, where it may be written as text.
pub(crate) fn number(properties: &Value, name: &str) -> Option<u64> {
    let value = properties.get(name)?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// A switch from a template.
pub(crate) fn switch(properties: &Value, name: &str) -> Option<bool> {
    let value = properties.get(name)?;
    value.as_bool().or_else(|| value.as_str()?.parse().ok())
}

/// One event of a function as SAM writes it: function, name of the event, its properties.
pub(crate) fn function_events<'a>(
    template: &'a Template,
    kinds: &'a [&'a str],
) -> impl Iterator<Item = (&'a str, &'a str, &'a str, &'a Value)> {
    let functions = template.resources.iter().filter(|(_, resource)| resource.kind == "AWS::Serverless::Function");
    functions.flat_map(move |(function, resource)| {
        let events = resource.properties.get("Events").and_then(Value::as_object).into_iter().flatten();
        events.filter_map(move |(name, event)| {
            let kind = event.get("Type")?.as_str().filter(|kind| kinds.contains(kind))?;
            let properties = event.get("Properties").unwrap_or(&Value::Null);
            (switch(properties, "Enabled") != Some(false)).then_some((
                function.as_str(),
                name.as_str(),
                kind,
                properties,
            ))
        })
    })
}
