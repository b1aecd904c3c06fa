//! DynamoDB Streams, read straight from the database file: readers are woken by each write instead of polling.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, params};
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use crate::Play;
use crate::clock::Clock;
use crate::data_error::DataError;
use crate::dynamodb::now_ms;
use crate::policy::{ACCOUNT, REGION};

/// Public sequence numbers have 21 digits.
const SEQUENCE_OFFSET: u128 = 100_000_000_000_000_000_000;

/// How far back a stale read looks for a change.
const LATEST: i64 = 1000;

/// The streams of all tables. Clones share one reader.
#[derive(Clone)]
pub(crate) struct Streams(Arc<Inner>);

struct Inner {
    connection: Mutex<Connection>,
    tables: BTreeMap<String, Stream>,
    clock: Clock,
    shards: usize,
}

struct Stream {
    view: String,
    /// The name of the partition key.
    partition: String,
    writes: watch::Sender<u64>,
}

/// What an item was before its last change.
#[derive(Debug)]
pub(crate) enum Before {
    Item(Value),
    /// There was none.
    Absent,
    /// The last change is too long ago to tell.
    Unknown,
}

/// One change of one item.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// Where it stands in the stream.
    pub(crate) sequence: i64,
    /// When it was written by the machine's clock, ms since 1970 (whole seconds).
    pub(crate) created_ms: i64,
    /// The record as Lambda gets it.
    pub(crate) json: Value,
}

impl Streams {
    /// Opens the file beside the database's own connection. The index keeps writes to a table with a stream from scanning all records.
    /// A table comes with its view and the name of its partition key.
    pub(crate) fn open(
        path: &Path,
        tables: impl Iterator<Item = (String, String, String)>,
        play: &Play,
    ) -> Result<Self, DataError> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.execute_batch(
            "CREATE INDEX IF NOT EXISTS x_stream_seq ON _stream_records(table_name, CAST(sequence_number AS INTEGER));
             CREATE INDEX IF NOT EXISTS x_stream_age ON _stream_records(created_at);",
        )?;
        let tables = tables
            .map(|(name, view, partition)| (name, Stream { view, partition, writes: watch::channel(0).0 }))
            .collect();
        let (clock, shards) = (play.clock.clone(), play.shards.max(1));
        Ok(Self(Arc::new(Inner { connection: Mutex::new(connection), tables, clock, shards })))
    }

    /// How many shards each stream has.
    pub(crate) fn shards(&self) -> usize {
        self.0.shards
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.0.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Deletes records older than this.
    pub(crate) fn trim(&self, keep: Duration) -> Result<(), DataError> {
        let oldest = now_ms() / 1000 - i64::try_from(keep.as_secs()).unwrap_or(i64::MAX);
        self.connection().execute("DELETE FROM _stream_records WHERE created_at < ?1", params![oldest])?;
        Ok(())
    }

    /// Tells the readers of a table that something was written.
    pub(crate) fn wake(&self, table: &str) {
        if let Some(stream) = self.0.tables.get(table) {
            stream.writes.send_modify(|count| *count += 1);
        }
    }

    /// Tells all readers.
    pub(crate) fn wake_all(&self) {
        self.0.tables.keys().for_each(|table| self.wake(table));
    }

    /// A receiver that changes with every write to the table; `None` if it has no stream.
    pub(crate) fn subscribe(&self, table: &str) -> Option<watch::Receiver<u64>> {
        self.0.tables.get(table).map(|stream| stream.writes.subscribe())
    }

    /// All writes so far, to see whether something happened meanwhile.
    pub(crate) fn writes(&self) -> u64 {
        self.0.tables.values().map(|stream| *stream.writes.borrow()).sum()
    }

    /// The last record's place in the stream, 0 if there is none.
    pub(crate) fn last(&self, table: &str) -> Result<i64, DataError> {
        let sql =
            "SELECT COALESCE(MAX(CAST(sequence_number AS INTEGER)), 0) FROM _stream_records WHERE table_name = ?1";
        Ok(self.connection().prepare_cached(sql)?.query_row(params![table], |row| row.get(0))?)
    }

    /// Looks at so many records after a place, oldest first: those of one shard, and the place that is reached with all of them.
    pub(crate) fn read(
        &self,
        table: &str,
        shard: usize,
        after: i64,
        most: usize,
    ) -> Result<(Vec<Record>, Option<i64>), DataError> {
        let Some(stream) = self.0.tables.get(table) else { return Ok((Vec::new(), None)) };
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT event_name, keys_json, new_image, old_image, CAST(sequence_number AS INTEGER), created_at, user_identity, event_id
             FROM _stream_records WHERE table_name = ?1 AND CAST(sequence_number AS INTEGER) > ?2
             ORDER BY CAST(sequence_number AS INTEGER) LIMIT ?3",
        )?;
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let (mut records, mut end) = (Vec::new(), None);
        let mut rows = statement.query(params![table, after, most])?;
        while let Some(row) = rows.next()? {
            end = Some(row.get(4)?);
            // Images are large: those of another shard's records are not even read.
            let keys: Value = serde_json::from_str(&row.get::<_, String>(1)?).unwrap_or(Value::Null);
            if self.shard_of(keys.get(&stream.partition).unwrap_or(&Value::Null)) == shard {
                records.push(self.record(table, stream, keys, row)?);
            }
        }
        Ok((records, end))
    }
}

impl Streams {
    /// The item of this key before its last change.
    pub(crate) fn before(&self, table: &str, key: &Value) -> Result<Before, DataError> {
        Ok(self
            .recent(table)?
            .into_iter()
            .find(|(changed, _)| changed == key)
            .map_or(Before::Unknown, |(_, item)| item))
    }

    /// The keys of the last changes, the newest first, with what the item was before.
    pub(crate) fn recent(&self, table: &str) -> Result<Vec<(Value, Before)>, DataError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT keys_json, old_image FROM _stream_records WHERE table_name = ?1 ORDER BY CAST(sequence_number AS INTEGER) DESC LIMIT ?2",
        )?;
        let rows = statement.query_map(params![table, LATEST], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?))
        })?;
        let parse = |text: &str| serde_json::from_str::<Value>(text).ok();
        rows.map(|row| {
            let (keys, old) = row?;
            let before = old.as_deref().and_then(parse).map_or(Before::Absent, Before::Item);
            Ok((parse(&keys).unwrap_or(Value::Null), before))
        })
        .collect()
    }

    fn record(&self, table: &str, stream: &Stream, keys: Value, row: &rusqlite::Row<'_>) -> rusqlite::Result<Record> {
        let event: String = row.get(0)?;
        let (new, old): (Option<String>, Option<String>) = (row.get(2)?, row.get(3)?);
        let (sequence, created): (i64, i64) = (row.get(4)?, row.get(5)?);
        let (identity, id): (Option<String>, Option<String>) = (row.get(6)?, row.get(7)?);
        let size = keys.to_string().len() + new.as_ref().map_or(0, String::len) + old.as_ref().map_or(0, String::len);
        let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap_or(Value::Null);

        let mut change = Map::new();
        // The database counts a stream's records by the machine's clock, in microseconds since 1970.
        let told_s = self.0.clock.at_us(sequence).div_euclid(1000);
        change.insert("ApproximateCreationDateTime".to_owned(), json!(told_s));
        change.insert("Keys".to_owned(), keys);
        if let Some(new) = new {
            change.insert("NewImage".to_owned(), parse(&new));
        }
        if let Some(old) = old {
            change.insert("OldImage".to_owned(), parse(&old));
        }
        change.insert("SequenceNumber".to_owned(), json!(public_sequence(sequence)));
        change.insert("SizeBytes".to_owned(), json!(size));
        change.insert("StreamViewType".to_owned(), json!(stream.view));

        let mut json = json!({
            "eventID": id.unwrap_or_else(|| sequence.to_string()),
            "eventName": event,
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": REGION,
            "dynamodb": change,
            "eventSourceARN": stream_arn(table),
        });
        if let (Some(identity), Some(members)) = (identity, json.as_object_mut()) {
            members.insert("userIdentity".to_owned(), parse(&identity));
        }
        Ok(Record { sequence, created_ms: created * 1000, json })
    }

    /// The shard of a partition key: the same for ever, and spread evenly.
    fn shard_of(&self, key: &Value) -> usize {
        let hash = md5::compute(key.to_string()).0.first().copied().unwrap_or(0);
        usize::from(hash) % self.0.shards
    }
}

/// Where a reader of one shard keeps its place. One that began with a single shard goes on from there.
pub(crate) fn reader_name(reader: &str, shard: usize) -> String {
    if shard == 0 { reader.to_owned() } else { format!("{reader}/{shard}") }
}

/// The ARN of a table's stream.
pub(crate) fn stream_arn(table: &str) -> String {
    format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}/stream/0")
}

/// The table of a stream's ARN.
pub(crate) fn table_of(arn: &str) -> Option<&str> {
    arn.split_once(":table/")?.1.split_once("/stream/").map(|(table, _)| table)
}

/// The public form of a sequence number.
pub(crate) fn public_sequence(sequence: i64) -> String {
    (SEQUENCE_OFFSET + u128::try_from(sequence).unwrap_or(0)).to_string()
}
