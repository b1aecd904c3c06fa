//! A small cloud on one machine: it runs what a SAM template says, with the real function binaries.
//!
//! It knows nothing of what the functions are for. Everything that it plays it reads from the template, and what it does
//! not play it refuses: an unknown resource type or property is an error with its place. Everything listens on 127.0.0.1.

mod bus;
pub mod clock;
pub mod data_error;
pub mod dynamodb;
pub mod events;
pub mod faults;
mod http_api;
pub mod lambda;
mod mappings;
mod operator;
mod pattern;
mod pipes;
pub mod policy;
mod queues;
mod schedules;
mod settle;
mod signals;
mod streams;
pub mod template;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use clock::Clock;
pub use data_error::DataError;
pub use dynamodb::Consumed;
pub use events::{Events, Failure, Invoker};
pub use faults::{Deed, Faults, Point};
pub use lambda::{InvokeError, Lambda};
pub use template::{Resource, Template, TemplateError};

/// What all parts of the cloud have in common: what goes wrong, what time it is, how many shards a stream has.
#[derive(Debug, Clone, Default)]
pub struct Play {
    /// What can be made to go wrong.
    pub faults: Faults,
    /// The clock.
    pub clock: Clock,
    /// Shards of every stream; 0 is 1.
    pub shards: usize,
}

/// What to run, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The SAM template.
    pub template: PathBuf,
    /// The folder with one binary per function, named as the last segment of its `CodeUri`.
    pub binaries: PathBuf,
    /// The folder that everything is kept in; made if it is not there.
    pub data: PathBuf,
    /// The port of the HTTP API; 0 takes a free one.
    pub port: u16,
    /// Values of template parameters.
    pub parameters: BTreeMap<String, String>,
    /// Most processes of one function, unless the template reserves fewer.
    pub instances_max: usize,
    /// Shards of every stream: the changes of one partition key are in one shard, in order; each shard is read by itself.
    pub shards: usize,
    /// How long a process may have nothing to do before it is ended.
    pub idle_max: Duration,
    /// Environment variables for every function, over those of the template.
    pub environment: BTreeMap<String, String>,
    /// The folder for what the functions print, one file each; `logs` in the data folder unless set.
    pub log: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            template: PathBuf::from("template.yaml"),
            binaries: PathBuf::from("target/debug"),
            data: PathBuf::from(".doorway"),
            port: 0,
            parameters: BTreeMap::new(),
            instances_max: 8,
            shards: 1,
            idle_max: Duration::from_mins(1),
            environment: BTreeMap::new(),
            log: None,
        }
    }
}

/// Why the cloud cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The template is wrong, or says something that is not played.
    #[error("{file}: {error}")]
    Template {
        /// The template's file.
        file: PathBuf,
        /// What is wrong, and where.
        error: TemplateError,
    },
    /// The port of the HTTP API is taken or forbidden.
    #[error("port {port} cannot be used: {error}")]
    Port {
        /// The port that was asked for.
        port: u16,
        /// What the system said.
        error: io::Error,
    },
    /// A folder cannot be used.
    #[error("{folder}: {error}")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Another cloud runs on this data.
    #[error("{folder} is in use by another process")]
    InUse {
        /// The data folder.
        folder: PathBuf,
    },
    /// The data side cannot start.
    #[error(transparent)]
    Data(#[from] DataError),
}

/// A running cloud.
pub struct Cloud {
    template: Template,
    lambda: Lambda,
    dynamodb: dynamodb::DynamoDb,
    events: Events,
    play: Play,
    url: String,
    dynamodb_endpoint: String,
    lambda_endpoint: String,
    servers: [JoinHandle<()>; 2],
    /// Held while this cloud runs; the system lets go of it however the process ends.
    _lock: fs::File,
}

impl Cloud {
    /// Starts everything that the template says. Functions start with their first invocation.
    pub async fn start(options: Options) -> Result<Cloud, StartError> {
        let wrong = |error| StartError::Template { file: options.template.clone(), error };
        let mut template = Template::load(&options.template, &options.parameters).map_err(wrong)?;
        let port = |error| StartError::Port { port: options.port, error };
        let http_listener = TcpListener::bind(("127.0.0.1", options.port)).await.map_err(port)?;
        let url = format!("http://{}", http_listener.local_addr().map_err(port)?);
        let operator_listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(port)?;
        let lambda_endpoint = format!("http://{}", operator_listener.local_addr().map_err(port)?);

        let logs = options.log.clone().unwrap_or_else(|| options.data.join("logs"));
        for folder in [&options.data, &logs] {
            fs::create_dir_all(folder).map_err(|error| StartError::Folder { folder: folder.clone(), error })?;
        }
        let lock = lock(&options.data)?;
        let absolute = |folder: &PathBuf| {
            fs::canonicalize(folder).map_err(|error| StartError::Folder { folder: folder.clone(), error })
        };
        let binaries = absolute(&options.binaries)?;
        template::resolve_secrets(&mut template, &options.data).map_err(wrong)?;

        let play = Play { shards: options.shards, ..Play::default() };
        let dynamodb = dynamodb::start(&template, &options.data, &play).await?;
        let dynamodb_endpoint = dynamodb.endpoint();
        let settings = lambda::Settings {
            binaries,
            logs: absolute(&logs)?,
            instances_max: options.instances_max,
            idle_max: options.idle_max,
            environment: options.environment.clone(),
            dynamodb_endpoint: dynamodb_endpoint.clone(),
        };
        let lambda = Lambda::start(&template, settings, &play.faults).map_err(wrong)?;
        let api = http_api::HttpApi::read(&template, &lambda, &play.clock).map_err(wrong)?;
        let events = events::start(&template, invoker(&lambda), &dynamodb, &options.data, &play).await?;
        let servers = [api.serve(http_listener), operator::serve(operator_listener, lambda.clone())];
        Ok(Cloud {
            template,
            lambda,
            dynamodb,
            events,
            play,
            url,
            dynamodb_endpoint,
            lambda_endpoint,
            servers,
            _lock: lock,
        })
    }

    /// The base address of the HTTP API, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The address of the local DynamoDB.
    pub fn dynamodb_endpoint(&self) -> &str {
        &self.dynamodb_endpoint
    }

    /// The address of Lambda's Invoke API, for operators.
    pub fn lambda_endpoint(&self) -> &str {
        &self.lambda_endpoint
    }

    /// Invokes a function as its operator.
    pub async fn invoke(&self, function: &str, payload: Value) -> Result<Value, InvokeError> {
        let answer = self.lambda.invoke(function, Bytes::from(payload.to_string())).await?;
        serde_json::from_slice(&answer).map_err(|error| InvokeError::NotJson(error.to_string()))
    }

    /// What can be made to go wrong.
    pub fn faults(&self) -> &Faults {
        &self.play.faults
    }

    /// The time that functions are told.
    pub fn clock(&self) -> &Clock {
        &self.play.clock
    }

    /// The variables with which a function's program runs by hand on this cloud; none if there is no such function.
    pub fn environment(&self, function: &str) -> Option<BTreeMap<String, String>> {
        self.lambda.environment(function)
    }

    /// The process ids of a function.
    pub fn processes(&self, function: &str) -> Vec<u32> {
        self.lambda.processes(function)
    }

    /// Ends all processes of a function in order (SIGTERM, then SIGKILL) and waits until they are gone.
    pub async fn recycle(&self, function: &str) {
        self.lambda.recycle(function).await;
    }

    /// `kill -9` for all processes of a function.
    pub async fn kill(&self, function: &str) {
        self.lambda.kill(function).await;
    }

    /// `kill -9` for one process of a function, chosen by this number; false if there is none.
    pub fn kill_one(&self, function: &str, choice: u64) -> bool {
        self.lambda.kill_one(function, choice)
    }

    /// What a function has used of DynamoDB since the start.
    pub fn consumed(&self, function: &str) -> Consumed {
        self.dynamodb.consumed(function)
    }

    /// An item, as an operator reads it; `None` if it is not there. In DynamoDB's JSON.
    pub fn item(&self, table: &str, key: &Value) -> Option<Value> {
        self.dynamodb.item(table, key)
    }

    /// Deletes the items of a table (`pk`, `sk`) whose partition key begins with a prefix; returns how many.
    pub fn lose(&self, table: &str, prefix: &str) -> usize {
        self.dynamodb.lose(table, prefix)
    }

    /// Waits until no event is on its way any more; false if for so long none gets any further.
    pub async fn settled(&self, without_progress: Duration) -> bool {
        self.events.settled(without_progress).await
    }

    /// Every message that was given up on: the dead-letter queue's logical id and the body.
    pub fn dead_letters(&self) -> Vec<(String, String)> {
        self.events.dead_letters()
    }

    /// The event plane: its archives, and schedules that can be fired now.
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// The template that is running.
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// Stops everything in order: no new requests, then no new events, then the processes, then the data.
    pub async fn stop(self) {
        for server in self.servers {
            server.abort();
        }
        self.events.stop().await;
        self.lambda.stop().await;
        self.dynamodb.stop().await;
    }
}

/// Two clouds on one folder would each deliver the other's events.
fn lock(folder: &Path) -> Result<fs::File, StartError> {
    let failed = |error| StartError::Folder { folder: folder.to_owned(), error };
    let file = fs::OpenOptions::new().create(true).append(true).open(folder.join("lock")).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(StartError::InUse { folder: folder.to_owned() }),
        Err(fs::TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// How the event plane reaches the functions.
fn invoker(lambda: &Lambda) -> Invoker {
    let lambda = lambda.clone();
    Invoker::new(move |function, payload| {
        let lambda = lambda.clone();
        async move {
            lambda.invoke(&function, payload).await.map_err(|error| match error {
                InvokeError::Throttled => Failure::Throttled,
                other => Failure::Failed(other.to_string()),
            })
        }
    })
}
