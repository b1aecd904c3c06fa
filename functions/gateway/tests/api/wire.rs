//! A wire to the table on which writes get lost, or only their answers.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextMut,
};
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use gateway::store::Store;
use shared::chassis::table::Table;

/// What becomes of a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    /// Written and answered.
    Pass,
    /// Written, and the answer is lost.
    Unanswered,
    /// Not written (yet), and nobody says so.
    Lost,
}

/// See [`Fate`]. Whatever has no fate passes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wire {
    fates: Arc<Mutex<VecDeque<Fate>>>,
    /// Writes until everything is dead: the last one is written and not answered. Below zero nothing comes through.
    writes: Arc<AtomicI64>,
    unanswered: Arc<AtomicBool>,
}

impl Wire {
    pub(crate) fn new(fates: impl IntoIterator<Item = Fate>) -> Self {
        let fates = Arc::new(Mutex::new(fates.into_iter().collect()));
        Self { fates, writes: Arc::new(AtomicI64::new(i64::MAX)), ..Self::default() }
    }

    /// For a process that dies after so many writes, without the answer to the last one.
    pub(crate) fn that_dies_after(writes: i64) -> Self {
        Self { writes: Arc::new(AtomicI64::new(writes)), ..Self::default() }
    }

    /// A store at the other end of the wire.
    pub(crate) fn store(&self, table: &Table) -> Store {
        let config = table.client.config().to_builder();
        let config = config.retry_config(RetryConfig::disabled()).interceptor(self.clone());
        Store::new(Table { client: Client::from_conf(config.build()), name: table.name.clone() })
    }

    /// How many fates have not come to pass yet.
    pub(crate) fn left(&self) -> usize {
        self.fates.lock().unwrap().len()
    }

    fn fate(&self, is_write: bool) -> Fate {
        if self.writes.load(Ordering::SeqCst) <= 0 {
            return Fate::Lost;
        }
        if !is_write {
            return Fate::Pass;
        }
        if self.writes.fetch_sub(1, Ordering::SeqCst) == 1 {
            return Fate::Unanswered;
        }
        self.fates.lock().unwrap().pop_front().unwrap_or(Fate::Pass)
    }
}

impl Intercept for Wire {
    fn name(&self) -> &'static str {
        "wire"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        let target = request.headers().get("x-amz-target").unwrap();
        let is_write = ["UpdateItem", "PutItem", "TransactWriteItems"].iter().any(|name| target.ends_with(name));
        let fate = self.fate(is_write);
        self.unanswered.store(fate == Fate::Unanswered, Ordering::SeqCst);
        if fate == Fate::Lost {
            request.set_uri("http://127.0.0.1:1/")?;
        }
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.unanswered.swap(false, Ordering::SeqCst) {
            *context.response_mut().status_mut() = 500.try_into()?;
        }
        Ok(())
    }
}
