//! `EventBridge` Pipes from a stream to a bus.

mod input;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use crate::bus;
use crate::clock;
use crate::data_error::DataError;
use crate::events::store::set_position;
use crate::events::{Plane, id_of, number};
use crate::pattern::Pattern;
use crate::policy::{Verdict, role_policy};
use crate::streams::{self, Record, table_of};
use crate::template::Template;
use input::InputTemplate;

/// Records read at once.
const PAGE: usize = 1000;
/// A batch if the template states none.
const BATCH: u64 = 1;
/// How long to wait after the store failed.
const PAUSE: Duration = Duration::from_millis(200);

/// One pipe.
pub(crate) struct Pipe {
    id: String,
    table: String,
    filters: Vec<Pattern>,
    batch: usize,
    bus: String,
    source: String,
    detail_type: String,
    input: Option<InputTemplate>,
    pub(crate) dead_letters: Option<String>,
    shard: usize,
    reader: String,
    place: Arc<AtomicI64>,
    writes: watch::Receiver<u64>,
}

/// Reads the pipes of a template, one for each shard, and checks what their roles allow.
pub(crate) fn read(template: &Template, plane: &Plane) -> Result<Vec<Pipe>, DataError> {
    let pipes = template.resources.iter().filter(|(_, resource)| resource.kind == "AWS::Pipes::Pipe");
    let running = pipes
        .filter(|(_, resource)| resource.properties.get("DesiredState").and_then(Value::as_str) != Some("STOPPED"));
    running
        .flat_map(|pipe| (0..plane.streams.shards()).map(move |shard| (pipe, shard)))
        .map(|((id, resource), shard)| read_one(template, plane, id, &resource.properties, shard))
        .collect()
}

fn read_one(template: &Template, plane: &Plane, id: &str, properties: &Value, shard: usize) -> Result<Pipe, DataError> {
    let wrong = |reason: &str| DataError::template(id, reason);
    let text = |pointer: &str| properties.pointer(pointer).and_then(Value::as_str);
    let stream = text("/Source").unwrap_or_default();
    let table = table_of(stream).ok_or_else(|| wrong("the source is not a stream"))?;
    let writes = plane.streams.subscribe(table).ok_or_else(|| wrong("the source's table has no stream"))?;
    let target = text("/Target").unwrap_or_default();
    if !plane.bus.has(id_of(target)) {
        return Err(wrong("the target is not a bus of the template"));
    }
    let parameters = properties.pointer("/SourceParameters/DynamoDBStreamParameters").unwrap_or(&Value::Null);
    let dead_letters = parameters.pointer("/DeadLetterConfig/Arn").and_then(Value::as_str);

    let role = text("/RoleArn").ok_or_else(|| wrong("a pipe needs a RoleArn"))?;
    let policy = role_policy(template, id, role, "pipes.amazonaws.com")?;
    let mut needs = vec![
        ("dynamodb:DescribeStream", stream),
        ("dynamodb:GetRecords", stream),
        ("dynamodb:GetShardIterator", stream),
        ("dynamodb:ListStreams", "*"),
        ("events:PutEvents", target),
    ];
    needs.extend(dead_letters.map(|queue| ("sqs:SendMessage", queue)));
    for (action, resource) in needs {
        // Some roles name the streams of the table where AWS knows no narrower resource than all of them.
        let verdict = policy.check(action, resource);
        if verdict != Verdict::Allowed
            && !(action == "dynamodb:ListStreams" && policy.check(action, stream) == Verdict::Allowed)
        {
            return Err(DataError::template(id, format!("its role does not allow {action} on {resource}")));
        }
    }

    let reader = streams::reader_name(&format!("pipe:{id}"), shard);
    let latest = parameters.get("StartingPosition").and_then(Value::as_str) == Some("LATEST");
    let start = start_place(plane, &reader, table, latest)?;
    Ok(Pipe {
        id: id.to_owned(),
        table: table.to_owned(),
        filters: filters(id, properties.pointer("/SourceParameters/FilterCriteria"))?,
        batch: usize::try_from(number(parameters, "BatchSize").unwrap_or(BATCH)).unwrap_or(1).max(1),
        bus: id_of(target).to_owned(),
        source: text("/TargetParameters/EventBridgeEventBusParameters/Source")
            .map_or_else(|| format!("Pipe {id}"), str::to_owned),
        detail_type: text("/TargetParameters/EventBridgeEventBusParameters/DetailType")
            .unwrap_or("Event from aws:dynamodb")
            .to_owned(),
        input: text("/TargetParameters/InputTemplate")
            .map(InputTemplate::parse)
            .transpose()
            .map_err(|reason| DataError::template(id, reason))?,
        dead_letters: dead_letters.map(|arn| id_of(arn).to_owned()),
        shard,
        reader,
        place: plane.settle.reader(table, start),
        writes,
    })
}

/// Where a reader of a stream begins: where it stood, or where it was told to start when it was first made.
pub(crate) fn start_place(plane: &Plane, reader: &str, table: &str, latest: bool) -> Result<i64, DataError> {
    if let Some(place) = plane.store.position(reader)? {
        return Ok(place);
    }
    let start = if latest { plane.streams.last(table)? } else { 0 };
    plane.store.write(|transaction| set_position(transaction, reader, start))?;
    Ok(start)
}

/// The patterns of a `FilterCriteria`.
pub(crate) fn filters(id: &str, criteria: Option<&Value>) -> Result<Vec<Pattern>, DataError> {
    let filters = crate::policy::list(criteria.and_then(|criteria| criteria.get("Filters")).unwrap_or(&Value::Null));
    filters
        .iter()
        .map(|filter| {
            let text = filter
                .get("Pattern")
                .and_then(Value::as_str)
                .ok_or_else(|| DataError::template(id, "a filter needs a Pattern"))?;
            Pattern::from_text(text).map_err(|reason| DataError::template(id, reason))
        })
        .collect()
}

/// Whether a record passes: with no filter every one does.
pub(crate) fn passes(filters: &[Pattern], record: &Value) -> bool {
    filters.is_empty() || filters.iter().any(|filter| filter.matches(record))
}

impl Pipe {
    /// Moves records for as long as the cloud runs.
    pub(crate) async fn run(mut self, plane: Plane) {
        loop {
            self.writes.borrow_and_update();
            match self.step(&plane) {
                Ok(false) => {
                    if self.writes.changed().await.is_err() {
                        return;
                    }
                }
                Ok(true) => tokio::task::yield_now().await,
                Err(error) => {
                    tracing::warn!(pipe = self.id, %error, "a pipe could not go on");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Moves what is there; false if there was nothing to read.
    fn step(&self, plane: &Plane) -> Result<bool, DataError> {
        let after = self.place.load(Ordering::Acquire);
        let (records, Some(end)) = plane.streams.read(&self.table, self.shard, after, PAGE)? else { return Ok(false) };
        for batch in records.chunks(self.batch.max(1)) {
            let Some(last) = batch.last() else { continue };
            let reached = plane.store.write(|transaction| {
                let mut reached = Vec::new();
                for record in batch.iter().filter(|record| passes(&self.filters, &record.json)) {
                    match self.event(record, plane) {
                        Ok(event) => reached.extend(plane.bus.put(transaction, &self.bus, &event)?),
                        Err(reason) => {
                            tracing::error!(pipe = self.id, reason, "a record became a dead letter");
                            if let Some(queue) = &self.dead_letters {
                                plane.queues.send(transaction, queue, &self.dead_letter(record, &reason, plane))?;
                            }
                        }
                    }
                }
                set_position(transaction, &self.reader, last.sequence)?;
                Ok(reached)
            })?;
            self.place.store(last.sequence, Ordering::Release);
            for queue in &reached {
                plane.queues.wake(queue);
            }
        }
        // What belongs to another shard is passed over.
        plane.store.write(|transaction| set_position(transaction, &self.reader, end))?;
        self.place.store(end, Ordering::Release);
        Ok(true)
    }

    fn event(&self, record: &Record, plane: &Plane) -> Result<Value, String> {
        let now = clock::text(plane.clock.now_ms());
        let detail = match &self.input {
            None => record.json.clone(),
            Some(input) => {
                let text = input.render(&record.json, &self.id, &now)?;
                serde_json::from_str(&text)
                    .map_err(|error| format!("the input template does not make JSON: {error}: {text}"))?
            }
        };
        bus::event(&self.source, &self.detail_type, &detail, &now)
    }

    fn dead_letter(&self, record: &Record, reason: &str, plane: &Plane) -> String {
        let sequence = streams::public_sequence(record.sequence);
        json!({
            "context": {"partialResourceName": self.id, "condition": "RetryAttemptsExhausted", "message": reason},
            "version": "1.0",
            "timestamp": clock::text(plane.clock.now_ms()),
            "DDBStreamBatchInfo": {"startSequenceNumber": sequence, "endSequenceNumber": sequence, "batchSize": 1, "streamArn": streams::stream_arn(&self.table)},
        })
        .to_string()
    }
}
