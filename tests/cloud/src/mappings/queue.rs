//! A queue read for a function.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{Outcome, outcome, reports_items};
use crate::data_error::DataError;
use crate::events::{Plane, function_events, id_of, number};
use crate::pattern::Pattern;
use crate::pipes::{filters, passes};
use crate::policy::{ACCOUNT, REGION};
use crate::queues::Message;
use crate::template::Template;

/// A batch if the template states none.
const BATCH: u64 = 10;
/// Batches at once if the template states none; Lambda begins with five.
const CONCURRENCY: u64 = 5;
/// How long to wait after the store failed.
const PAUSE: Duration = Duration::from_millis(200);

/// One mapping.
#[derive(Clone)]
pub(crate) struct QueueMapping {
    function: String,
    queue: String,
    arn: String,
    batch: usize,
    window: Duration,
    reports: bool,
    concurrency: usize,
    filters: Arc<Vec<Pattern>>,
}

/// The mappings of a template's functions to queues.
pub(crate) fn read(template: &Template, plane: &Plane) -> Result<Vec<QueueMapping>, DataError> {
    function_events(template, &["SQS"])
        .map(|(function, name, _, properties)| {
            let arn = properties.get("Queue").and_then(Value::as_str).unwrap_or_default();
            let queue = id_of(arn);
            if !plane.queues.has(queue) {
                return Err(DataError::template(function, format!("{name}: the queue {arn} is not in the template")));
            }
            plane.queues.consume(queue);
            let count = |name: &str, default: u64| {
                usize::try_from(number(properties, name).unwrap_or(default)).unwrap_or(1).max(1)
            };
            let concurrency = properties
                .get("ScalingConfig")
                .and_then(|scaling| number(scaling, "MaximumConcurrency"))
                .unwrap_or(CONCURRENCY);
            Ok(QueueMapping {
                function: function.to_owned(),
                queue: queue.to_owned(),
                arn: arn.to_owned(),
                batch: count("BatchSize", BATCH),
                window: Duration::from_secs(number(properties, "MaximumBatchingWindowInSeconds").unwrap_or(0)),
                reports: reports_items(properties),
                concurrency: usize::try_from(concurrency).unwrap_or(1).max(1),
                filters: Arc::new(filters(function, properties.get("FilterCriteria"))?),
            })
        })
        .collect()
}

impl QueueMapping {
    /// Delivers for as long as the cloud runs.
    pub(crate) async fn run(self, plane: Plane) {
        let free = Arc::new(Semaphore::new(self.concurrency));
        let mut batches = JoinSet::new();
        loop {
            let Ok(permit) = Arc::clone(&free).acquire_owned().await else { return };
            while batches.try_join_next().is_some() {}
            match self.receive(&plane).await {
                Ok(messages) if messages.is_empty() => plane.queues.wait(&self.queue).await,
                Ok(messages) => {
                    let (mapping, plane) = (self.clone(), plane.clone());
                    batches.spawn(async move {
                        if let Err(error) = mapping.deliver(&plane, messages).await {
                            tracing::warn!(function = mapping.function, %error, "a batch's outcome could not be kept");
                        }
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(queue = self.queue, %error, "a queue could not be read");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn receive(&self, plane: &Plane) -> Result<Vec<Message>, DataError> {
        let mut messages = plane.queues.receive(&self.queue, self.batch)?;
        let window = plane.faults.window(self.window);
        if !messages.is_empty() && messages.len() < self.batch && !window.is_zero() {
            tokio::time::sleep(window).await;
            messages.extend(plane.queues.receive(&self.queue, self.batch - messages.len())?);
        }
        Ok(messages)
    }

    async fn deliver(&self, plane: &Plane, messages: Vec<Message>) -> Result<(), DataError> {
        let (messages, unwanted): (Vec<Message>, Vec<Message>) =
            messages.into_iter().partition(|message| self.wants(message));
        plane.queues.delete(unwanted.iter().map(|message| message.row))?;
        if messages.is_empty() {
            return Ok(());
        }
        let records: Vec<Value> = messages.iter().map(|message| self.record(message)).collect();
        let known: Vec<&str> = messages.iter().map(|message| message.id.as_str()).collect();
        let answer = plane.invoker.invoke(&self.function, &json!({ "Records": records })).await;
        let (done, failed): (Vec<&Message>, Vec<&Message>) = match outcome(answer, self.reports, &known) {
            Outcome::Done => (messages.iter().collect(), Vec::new()),
            Outcome::Partly(items) => messages.iter().partition(|message| !items.contains(&message.id)),
            Outcome::Failed(reason) => {
                tracing::warn!(function = self.function, queue = self.queue, reason, "a batch failed");
                (Vec::new(), messages.iter().collect())
            }
        };
        plane.queues.delete(done.iter().map(|message| message.row))?;
        if let (false, Some(after)) = (failed.is_empty(), plane.faults.redelivery_after()) {
            plane.queues.release(&self.queue, failed.iter().map(|message| message.row), after)?;
        }
        Ok(())
    }

    /// A filter of a queue looks at the body as JSON; what does not pass is deleted.
    fn wants(&self, message: &Message) -> bool {
        self.filters.is_empty() || {
            let body = serde_json::from_str(&message.body).unwrap_or_else(|_| Value::from(message.body.as_str()));
            passes(&self.filters, &json!({ "body": body }))
        }
    }

    fn record(&self, message: &Message) -> Value {
        json!({
            "messageId": message.id,
            "receiptHandle": format!("{}-{}", message.row, message.received),
            "body": message.body,
            "attributes": {
                "ApproximateReceiveCount": message.received.to_string(),
                "SentTimestamp": message.sent_ms.to_string(),
                "SenderId": ACCOUNT,
                "ApproximateFirstReceiveTimestamp": message.first_ms.to_string(),
            },
            "messageAttributes": {},
            "md5OfBody": format!("{:x}", md5::compute(&message.body)),
            "eventSource": "aws:sqs",
            "eventSourceARN": self.arn,
            "awsRegion": REGION,
        })
    }
}
