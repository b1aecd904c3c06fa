//! The local DynamoDB: `dynoxide` behind a front that knows who calls, enforces policies, counts capacity and misbehaves on demand.
//!
//! The database works synchronously, so it has a thread with a runtime of its own; requests are applied there one after the other.

mod access;
mod dispatch;
mod meter;
mod serve;
mod tables;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dynoxide::Database;
use serde_json::{Value, json};
use tokio::sync::watch;

pub use meter::Consumed;

use crate::Play;
use crate::data_error::DataError;
use crate::faults::Faults;
use crate::policy::Policies;
use crate::streams::Streams;
use crate::template::Template;
use meter::Meter;
use tables::Table;

/// How often items past their TTL are deleted. AWS promises "within a few days"; a minute shows that nothing depends on it.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
/// How long a stream keeps its records.
const RETENTION: Duration = Duration::from_hours(24);

/// The running front.
pub struct DynamoDb {
    address: SocketAddr,
    core: Arc<Core>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

/// What every request needs.
pub(crate) struct Core {
    database: Database,
    tables: Vec<Table>,
    policies: Policies,
    callers: access::Callers,
    meter: Meter,
    faults: Faults,
    streams: Streams,
}

/// Makes the tables of the template that are not there yet and serves them on a port of 127.0.0.1.
#[expect(clippy::unused_async, reason = "opening a database may come to wait; callers should not have to change then")]
pub async fn start(template: &Template, data: &Path, play: &Play) -> Result<DynamoDb, DataError> {
    std::fs::create_dir_all(data)?;
    let path = data.join("dynamodb.sqlite");
    let database = Database::new(&path.to_string_lossy())?;
    let tables = tables::read(template)?;
    tables::create(&database, template, &tables)?;
    let with_stream = tables.iter().filter_map(|table| {
        Some((table.name.clone(), table.stream.clone()?, table.keys.first().cloned().unwrap_or_default()))
    });
    let streams = Streams::open(&path, with_stream, play)?;
    streams.trim(RETENTION)?;
    let policies = Policies::read(template)?;
    let core = Arc::new(Core {
        callers: access::Callers::of(policies.functions()),
        database,
        tables,
        policies,
        meter: Meter::default(),
        faults: play.faults.clone(),
        streams,
    });

    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let (stop, stopped) = watch::channel(false);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let serving = Arc::clone(&core);
    let thread = std::thread::Builder::new().name("dynamodb".to_owned()).spawn(move || {
        runtime.block_on(async {
            tokio::spawn(sweep(Arc::clone(&serving)));
            serve::serve(listener, serving, stopped).await;
        });
    })?;
    Ok(DynamoDb { address, core, stop, thread: Some(thread) })
}

impl DynamoDb {
    /// The base address, `http://127.0.0.1:port`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What a function has used since the start.
    pub fn consumed(&self, function: &str) -> Consumed {
        self.core.meter.of(function)
    }

    /// An item, as an operator reads it.
    pub(crate) fn item(&self, table: &str, key: &Value) -> Option<Value> {
        let body = json!({"TableName": table, "Key": key, "ConsistentRead": true});
        let (status, answer) = dispatch::apply(&self.core, "operator", "GetItem", &body.to_string(), &body);
        let answer: Value = serde_json::from_str(&answer).ok().filter(|_| status == 200)?;
        answer.get("Item").cloned()
    }

    /// Deletes the items whose partition key begins with a prefix, as an operator would by mistake; returns how many.
    pub(crate) fn lose(&self, table: &str, prefix: &str) -> usize {
        let apply = |operation: &str, body: &Value| {
            let (_, answer) = dispatch::apply(&self.core, "operator", operation, &body.to_string(), body);
            serde_json::from_str::<Value>(&answer).unwrap_or_default()
        };
        let (mut lost, mut after) = (0, None);
        loop {
            let mut scan = json!({"TableName": table, "ConsistentRead": true});
            if let (Some(after), Some(scan)) = (after.take(), scan.as_object_mut()) {
                scan.insert("ExclusiveStartKey".to_owned(), after);
            }
            let page = apply("Scan", &scan);
            for item in page.get("Items").and_then(Value::as_array).into_iter().flatten() {
                let (Some(pk), Some(sk)) = (item.get("pk"), item.get("sk")) else { continue };
                if pk.get("S").and_then(Value::as_str).is_some_and(|pk| pk.starts_with(prefix)) {
                    apply("DeleteItem", &json!({"TableName": table, "Key": {"pk": pk, "sk": sk}}));
                    lost += 1;
                }
            }
            after = page.get("LastEvaluatedKey").cloned();
            if after.is_none() {
                return lost;
            }
        }
    }

    /// Deletes items past their TTL now instead of at the next sweep; returns how many.
    pub fn sweep_ttl(&self) -> Result<usize, DataError> {
        self.core.sweep()
    }

    /// The streams of the tables.
    pub(crate) fn streams(&self) -> Streams {
        self.core.streams.clone()
    }

    /// Stops serving.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

impl Drop for DynamoDb {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
    }
}

impl Core {
    fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == name)
    }

    fn sweep(&self) -> Result<usize, DataError> {
        let swept = self.database.sweep_ttl()?;
        if swept > 0 {
            self.streams.wake_all();
        }
        Ok(swept)
    }
}

async fn sweep(core: Arc<Core>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        if let Err(error) = core.sweep().and_then(|_| core.streams.trim(RETENTION)) {
            tracing::warn!(%error, "sweep failed");
        }
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
