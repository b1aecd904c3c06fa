//! Lambda: real processes behind the Runtime API.

mod function;
mod pool;
mod process;
mod processes;
mod runtime_api;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::AbortHandle;

pub(crate) use function::Function;
use pool::Pool;
use processes::Processes;

use crate::faults::Faults;
use crate::template::{Template, TemplateError};

/// Most bytes of an event, as Lambda counts a synchronous invocation.
pub const REQUEST_BYTES_MAX: usize = 6 * 1024 * 1024;
/// Most bytes of an answer; Lambda allows a hundred more than for the event.
pub const RESPONSE_BYTES_MAX: usize = REQUEST_BYTES_MAX + 100;

/// Why an invocation has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// No function of that name.
    #[error("Function not found: {0}")]
    Unknown(String),
    /// The process ended before it answered, or could not be started.
    #[error("{0}")]
    Crashed(String),
    /// The function took longer than its time-out and was killed.
    #[error("Task timed out")]
    TimedOut,
    /// The function answered with an error.
    #[error("{error_type}: {message}")]
    Function {
        /// Its `errorType`.
        error_type: String,
        /// Its `errorMessage`.
        message: String,
    },
    /// All processes were busy for 30 s.
    #[error("Rate Exceeded.")]
    Throttled,
    /// The event is larger than Lambda takes.
    #[error("{0} byte payload is too large for the RequestResponse invocation type (limit 6291456 bytes)")]
    TooLarge(usize),
    /// The answer is not JSON.
    #[error("the answer is not JSON: {0}")]
    NotJson(String),
}

/// What all processes have in common.
pub(crate) struct Settings {
    pub(crate) binaries: PathBuf,
    pub(crate) logs: PathBuf,
    pub(crate) instances_max: usize,
    pub(crate) idle_max: Duration,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) dynamodb_endpoint: String,
}

/// The functions of a template. Clones share the same processes.
#[derive(Clone)]
pub struct Lambda {
    pools: Arc<BTreeMap<String, Arc<Pool>>>,
    reaper: AbortHandle,
}

impl Lambda {
    /// Reads the functions; no process starts before its first invocation.
    pub(crate) fn start(template: &Template, settings: Settings, faults: &Faults) -> Result<Lambda, TemplateError> {
        let settings = Arc::new(settings);
        let mut pools = BTreeMap::new();
        for resource in template.of_kind("AWS::Serverless::Function") {
            let function = Function::read(resource, &settings.binaries, settings.instances_max)?;
            if !function.binary.is_file() {
                let path = format!("{}.Properties.CodeUri", resource.logical_id);
                return Err(TemplateError::new(
                    path,
                    format!("{} is not there; build it first", function.binary.display()),
                ));
            }
            pools.insert(
                function.name.clone(),
                Pool::new(function, Arc::clone(&settings), Processes::default(), faults.clone()),
            );
        }
        let pools = Arc::new(pools);
        let watched = Arc::clone(&pools);
        let reaper = tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(1).min(settings.idle_max)).await;
                watched.values().for_each(|pool| pool.reap(settings.idle_max));
            }
        });
        Ok(Lambda { pools, reaper: reaper.abort_handle() })
    }

    /// Invokes a function by logical id, ARN or alias ARN and waits for its answer.
    pub async fn invoke(&self, function: &str, payload: Bytes) -> Result<Bytes, InvokeError> {
        self.invoke_traced(function, payload, None).await
    }

    pub(crate) async fn invoke_traced(
        &self,
        function: &str,
        payload: Bytes,
        trace: Option<String>,
    ) -> Result<Bytes, InvokeError> {
        let pool = self.pool(function)?;
        if payload.len() > REQUEST_BYTES_MAX {
            return Err(InvokeError::TooLarge(payload.len()));
        }
        pool.invoke(payload, trace).await
    }

    fn pool(&self, function: &str) -> Result<&Arc<Pool>, InvokeError> {
        self.pools.get(logical_id(function)).ok_or_else(|| InvokeError::Unknown(function.to_owned()))
    }

    /// True if there is such a function.
    pub fn knows(&self, function: &str) -> bool {
        self.pool(function).is_ok()
    }

    /// What the processes of a function know of their account; none if there is no such function.
    pub fn environment(&self, function: &str) -> Option<BTreeMap<String, String>> {
        self.pool(function).ok().map(|pool| pool.environment())
    }

    /// The process ids of a function.
    pub fn processes(&self, function: &str) -> Vec<u32> {
        self.pool(function).map(|pool| pool.pids()).unwrap_or_default()
    }

    /// Ends all processes of a function as Lambda does with sandboxes it no longer needs, and waits for it.
    pub async fn recycle(&self, function: &str) {
        if let Ok(pool) = self.pool(function) {
            pool.recycle().await;
        }
    }

    /// `kill -9` for all processes of a function.
    pub async fn kill(&self, function: &str) {
        if let Ok(pool) = self.pool(function) {
            pool.kill().await;
        }
    }

    pub(crate) fn kill_one(&self, function: &str, choice: u64) -> bool {
        self.pool(function).is_ok_and(|pool| pool.kill_one(choice))
    }

    pub(crate) async fn stop(&self) {
        self.reaper.abort();
        let stopping: Vec<_> = self
            .pools
            .values()
            .map(|pool| {
                let pool = Arc::clone(pool);
                tokio::spawn(async move { pool.stop().await })
            })
            .collect();
        for task in stopping {
            let _ = task.await;
        }
    }
}

/// The name in `arn:aws:lambda:…:function:Name:alias`, `Name:alias` or `Name`.
fn logical_id(function: &str) -> &str {
    let mut parts = function.split(':');
    if function.starts_with("arn:") { parts.nth(6) } else { parts.next() }.unwrap_or(function)
}

/// A new X-Ray trace header, not sampled.
pub(crate) fn trace_id() -> String {
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    let random = uuid::Uuid::new_v4().simple().to_string();
    format!(
        "Root=1-{seconds:08x}-{};Parent={};Sampled=0",
        random.get(..24).unwrap_or_default(),
        random.get(16..).unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_known_by_name_and_arn() {
        for name in [
            "Fn",
            "Fn:live",
            "arn:aws:lambda:us-east-1:000000000000:function:Fn",
            "arn:aws:lambda:us-east-1:000000000000:function:Fn:live",
        ] {
            assert_eq!(logical_id(name), "Fn");
        }
    }
}
