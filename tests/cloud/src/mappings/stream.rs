//! A table's stream read for a function: in order, with retries, bisection and a destination for what cannot be delivered.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::{Outcome, outcome, reports_items};
use crate::clock::{Clock, text};
use crate::data_error::DataError;
use crate::dynamodb::now_ms;
use crate::events::store::set_position;
use crate::events::{Plane, function_events, id_of, number, switch};
use crate::pattern::Pattern;
use crate::pipes::{filters, passes, start_place};
use crate::policy::{ACCOUNT, REGION};
use crate::streams::{Record, public_sequence, reader_name, stream_arn, table_of};
use crate::template::Template;

/// A batch if the template states none.
const BATCH: u64 = 100;
/// Waits between retries, doubling from the first to the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));
/// How long to wait after the store failed.
const PAUSE: Duration = Duration::from_millis(200);

/// One mapping.
pub(crate) struct StreamMapping {
    function: String,
    reader: String,
    table: String,
    shard: usize,
    filters: Vec<Pattern>,
    batch: usize,
    window: Duration,
    bisect: bool,
    reports: bool,
    /// `None` retries until the records expire.
    retries_max: Option<u64>,
    age_ms_max: Option<i64>,
    /// The queue that learns of what was given up.
    pub(crate) destination: Option<String>,
    place: Arc<AtomicI64>,
    writes: watch::Receiver<u64>,
}

/// Records that are delivered together, and how often that has failed.
struct Segment {
    records: Vec<Record>,
    attempts: u64,
}

/// The mappings of a template's functions to streams, one for each shard.
pub(crate) fn read(template: &Template, plane: &Plane) -> Result<Vec<StreamMapping>, DataError> {
    function_events(template, &["DynamoDB"])
        .flat_map(|event| (0..plane.streams.shards()).map(move |shard| (event, shard)))
        .map(|((function, name, _, properties), shard)| read_one(plane, function, name, properties, shard))
        .collect()
}

fn read_one(
    plane: &Plane,
    function: &str,
    name: &str,
    properties: &Value,
    shard: usize,
) -> Result<StreamMapping, DataError> {
    let wrong = |reason: &str| DataError::template(function, format!("{name}: {reason}"));
    let stream = properties.get("Stream").and_then(Value::as_str).unwrap_or_default();
    let table = table_of(stream).ok_or_else(|| wrong("Stream is not the ARN of a stream"))?;
    let writes = plane.streams.subscribe(table).ok_or_else(|| wrong("the table has no stream"))?;
    let latest = match properties.get("StartingPosition").and_then(Value::as_str) {
        Some("TRIM_HORIZON") => false,
        Some("LATEST") => true,
        _ => return Err(wrong("StartingPosition is TRIM_HORIZON or LATEST")),
    };
    let destination = properties
        .pointer("/DestinationConfig/OnFailure/Destination")
        .and_then(Value::as_str)
        .map(|arn| id_of(arn).to_owned());
    if destination.as_ref().is_some_and(|queue| !plane.queues.has(queue)) {
        return Err(wrong("the destination is not a queue of the template"));
    }
    // -1 stands for no limit.
    let limit = |name: &str| number(properties, name);
    let reader = reader_name(&format!("mapping:{function}:{name}"), shard);
    let start = start_place(plane, &reader, table, latest)?;
    Ok(StreamMapping {
        function: function.to_owned(),
        reader,
        table: table.to_owned(),
        shard,
        filters: filters(function, properties.get("FilterCriteria"))?,
        batch: usize::try_from(number(properties, "BatchSize").unwrap_or(BATCH)).unwrap_or(1).max(1),
        window: Duration::from_secs(number(properties, "MaximumBatchingWindowInSeconds").unwrap_or(0)),
        bisect: switch(properties, "BisectBatchOnFunctionError").unwrap_or(false),
        reports: reports_items(properties),
        retries_max: limit("MaximumRetryAttempts"),
        age_ms_max: limit("MaximumRecordAgeInSeconds").and_then(|seconds| i64::try_from(seconds * 1000).ok()),
        destination,
        place: plane.settle.reader(table, start),
        writes,
    })
}

impl StreamMapping {
    /// Delivers for as long as the cloud runs.
    pub(crate) async fn run(mut self, plane: Plane) {
        loop {
            self.writes.borrow_and_update();
            match self.step(&plane).await {
                Ok(true) => {}
                Ok(false) => {
                    if self.writes.changed().await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(reader = self.reader, %error, "a stream mapping could not go on");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Reads and delivers one batch; false if there was nothing to read.
    async fn step(&self, plane: &Plane) -> Result<bool, DataError> {
        let (mut batch, mut end) = self.read(plane)?;
        let Some(mut last) = end else { return Ok(false) };
        if batch.is_empty() {
            self.advance(plane, last)?;
            return Ok(true);
        }
        let window = plane.faults.window(self.window);
        if batch.len() < self.batch && !window.is_zero() {
            tokio::time::sleep(window).await;
            (batch, end) = self.read(plane)?;
            last = end.unwrap_or(last);
        }
        let held = plane.faults.hold_back();
        if !held.is_zero() {
            tokio::time::sleep(held).await;
        }
        self.deliver(plane, batch).await?;
        self.advance(plane, last)?;
        Ok(true)
    }

    /// The next batch that passes the filters, and the place that is reached with it.
    fn read(&self, plane: &Plane) -> Result<(Vec<Record>, Option<i64>), DataError> {
        let (mut batch, mut end) = (Vec::with_capacity(self.batch), None);
        let mut after = self.place.load(Ordering::Acquire);
        while batch.len() < self.batch {
            let left = self.batch - batch.len();
            let (records, Some(reached)) = plane.streams.read(&self.table, self.shard, after, left)? else { break };
            batch.extend(records.into_iter().filter(|record| passes(&self.filters, &record.json)));
            (after, end) = (reached, Some(reached));
        }
        Ok((batch, end))
    }

    fn advance(&self, plane: &Plane, sequence: i64) -> Result<(), DataError> {
        self.keep_place(plane, sequence)?;
        self.place.store(sequence, Ordering::Release);
        Ok(())
    }

    /// Delivers a batch until all of it has succeeded or been given up. A place within it is kept, so that a restart repeats little.
    async fn deliver(&self, plane: &Plane, batch: Vec<Record>) -> Result<(), DataError> {
        let mut left = vec![Segment { records: batch, attempts: 0 }];
        while let Some(mut segment) = left.pop() {
            let Some(last) = segment.records.last().map(|record| record.sequence) else { continue };
            match self.invoke(plane, &segment.records).await {
                Outcome::Done => {
                    self.keep_place(plane, last)?;
                    continue;
                }
                Outcome::Partly(items) => {
                    // Everything before the first failure is done; the rest is delivered again, as it was.
                    let first = segment
                        .records
                        .iter()
                        .position(|record| items.contains(&public_sequence(record.sequence)))
                        .unwrap_or(0);
                    let rest = segment.records.split_off(first);
                    if let Some(done) = segment.records.last() {
                        self.keep_place(plane, done.sequence)?;
                    }
                    segment.records = rest;
                    segment.attempts += 1;
                }
                Outcome::Failed(reason) => {
                    tracing::warn!(
                        function = self.function,
                        reason,
                        records = segment.records.len(),
                        "a batch of a stream failed"
                    );
                    if self.bisect && segment.records.len() > 1 {
                        // Splitting does not count as a retry.
                        let second = segment.records.split_off(segment.records.len() / 2);
                        left.push(Segment { records: second, attempts: segment.attempts });
                        left.push(segment);
                        continue;
                    }
                    segment.attempts += 1;
                }
            }
            if let Some(condition) = self.given_up(&segment) {
                tracing::error!(
                    function = self.function,
                    condition,
                    records = segment.records.len(),
                    "records were given up"
                );
                if let Some(queue) = &self.destination {
                    plane.queues.post(queue, &self.dead_letter(&segment, condition, &plane.clock))?;
                }
                self.keep_place(plane, last)?;
            } else {
                let after = plane.faults.redelivery_after().unwrap_or_else(|| backoff(segment.attempts));
                tokio::time::sleep(after).await;
                left.push(segment);
            }
        }
        Ok(())
    }

    /// Keeps a place within a batch in the file only: the batch is not done with until all of it is.
    fn keep_place(&self, plane: &Plane, sequence: i64) -> Result<(), DataError> {
        plane.store.write(|transaction| set_position(transaction, &self.reader, sequence))
    }

    async fn invoke(&self, plane: &Plane, records: &[Record]) -> Outcome {
        let payload = json!({ "Records": records.iter().map(|record| &record.json).collect::<Vec<_>>() });
        let numbers: Vec<String> = records.iter().map(|record| public_sequence(record.sequence)).collect();
        let known: Vec<&str> = numbers.iter().map(String::as_str).collect();
        let mut result = Outcome::Done;
        for _ in 0..plane.faults.copies() {
            result = outcome(plane.invoker.invoke(&self.function, &payload).await, self.reports, &known);
        }
        result
    }

    fn given_up(&self, segment: &Segment) -> Option<&'static str> {
        let oldest = segment.records.first().map_or(i64::MAX, |record| record.created_ms);
        if self.retries_max.is_some_and(|most| segment.attempts > most) {
            Some("RetryAttemptsExhausted")
        } else if self.age_ms_max.is_some_and(|most| now_ms() - oldest > most) {
            Some("RecordAgeExceeded")
        } else {
            None
        }
    }

    /// What the destination learns: where the records were, not what they were.
    fn dead_letter(&self, segment: &Segment, condition: &str, clock: &Clock) -> String {
        let edge = |record: Option<&Record>| {
            record.map_or((String::new(), 0), |record| (public_sequence(record.sequence), clock.at_us(record.sequence)))
        };
        let ((start, first_ms), (end, last_ms)) = (edge(segment.records.first()), edge(segment.records.last()));
        json!({
            "requestContext": {
                "requestId": uuid::Uuid::new_v4().to_string(),
                "functionArn": format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{}", self.function),
                "condition": condition,
                "approximateInvokeCount": segment.attempts,
            },
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "version": "1.0",
            "timestamp": text(clock.now_ms()),
            "DDBStreamBatchInfo": {
                "shardId": format!("shardId-{:08}-{}", self.shard + 1, self.table),
                "startSequenceNumber": start,
                "endSequenceNumber": end,
                "approximateArrivalOfFirstRecord": text(first_ms),
                "approximateArrivalOfLastRecord": text(last_ms),
                "batchSize": segment.records.len(),
                "streamArn": stream_arn(&self.table),
            },
        })
        .to_string()
    }
}

fn backoff(attempts: u64) -> Duration {
    let (first, longest) = BACKOFF;
    let doubled = u32::try_from(attempts.saturating_sub(1).min(16)).unwrap_or(16);
    first.saturating_mul(2_u32.saturating_pow(doubled)).min(longest)
}
