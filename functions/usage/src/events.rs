//! What comes from other functions: events of the bus, and the gateway's stream.

use serde::de::DeserializeOwned;
use shared::chassis::{EventError, StreamRecord};
use shared::event::{ApiState, AppState, Envelope, KeyState, RoutesState, SealState, State, SubscriptionState};
use shared::meter::{GRANT_SK, GrantImage, RefusedImage, TIMED, TimedImage};

use crate::domain::Batch;
use crate::period::Period;
use crate::store::Store;

/// Keeps a name; what is gone keeps its name here, because its calls are still told. Compares a sealed period.
pub(crate) async fn on_event(store: &Store, envelope: &Envelope) -> Result<(), EventError> {
    match envelope.kind.as_str() {
        SubscriptionState::TYPE => match envelope.state()? {
            Some(state) => store.keep_subscription(state).await?,
            None => return Ok(()),
        },
        AppState::TYPE => match envelope.state()? {
            Some(state) => store.keep_app(state).await?,
            None => return Ok(()),
        },
        KeyState::TYPE => match envelope.state()? {
            Some(state) => store.keep_key(state).await?,
            None => return Ok(()),
        },
        ApiState::TYPE => match envelope.state()? {
            Some(state) => store.keep_api(state).await?,
            None => return Ok(()),
        },
        RoutesState::TYPE => match envelope.state()? {
            Some(state) => store.keep_routes(state).await?,
            None => return Ok(()),
        },
        SealState::TYPE => match envelope.state()? {
            Some(seal) => {
                store.keep_seal(&seal).await?;
                return compare(store, &seal.subscription.to_string()).await;
            }
            None => return Ok(()),
        },
        other => return Err(EventError::NotUnderstood(format!("the event type `{other}`"))),
    }
    Ok(())
}

/// Compares what was sealed of a subscription with its hours, as far as these are whole. The rest waits in the table: whoever
/// writes a seal looks at the hours afterwards, and whoever writes hours looks for seals afterwards, so that one sees the other.
async fn compare(store: &Store, subscription: &str) -> Result<(), EventError> {
    let corrupt = |error: crate::domain::NotUnderstood| EventError::NotUnderstood(error.to_string());
    for seal in store.waiting(subscription).await? {
        let (from, to) = (seal.from.hour(), seal.to.hour());
        // Before all hours are read in vain.
        if store.frontier(subscription).await?.is_none_or(|head| head.hour < to) {
            return Ok(());
        }
        let numbers = store.numbers(subscription, from..to).await?;
        let Some(period) = Period::of(&seal, &numbers).map_err(corrupt)? else { return Ok(()) };
        if store.keep_period(&period, seal.sealed_at).await? && !period.equal() {
            let (units, sealed_units) = (period.state.units, period.state.sealed_units);
            // The alarm `UsageDifferencesAlarm` looks for these words.
            tracing::error!(period = period.state.id, units, sealed_units, "the hours differ from the seal");
        }
    }
    Ok(())
}

/// Takes a batch of the gateway's stream: all that can be read up to the first record that cannot.
pub(crate) async fn on_records(store: &Store, records: Vec<StreamRecord>) -> Result<(), (String, EventError)> {
    let first = records.first().map(|record| record.sequence.clone()).unwrap_or_default();
    let mut batch = Batch::default();
    let mut unreadable = None;
    for record in records {
        let sequence = record.sequence.clone();
        if let Err(error) = take(&mut batch, record) {
            unreadable = Some((sequence, error));
            break;
        }
    }
    // All of it may be written again, so a failure sends the whole batch back.
    write(store, &batch).await.map_err(|error| (first, error))?;
    unreadable.map_or(Ok(()), Err)
}

async fn write(store: &Store, batch: &Batch) -> Result<(), EventError> {
    for subscription in store.meter(batch).await? {
        compare(store, subscription).await?;
    }
    Ok(())
}

fn take(batch: &mut Batch, record: StreamRecord) -> Result<(), EventError> {
    let key = record.new.as_ref().or(record.old.as_ref()).and_then(|item| item.get("sk"));
    let Some(serde_dynamo::AttributeValue::S(sk)) = key else {
        return Err(EventError::NotUnderstood("a record without its key".into()));
    };
    let taken = if sk == GRANT_SK {
        batch.grant(read::<GrantImage>(record.old)?, read::<GrantImage>(record.new)?)
    } else if sk.starts_with(TIMED) {
        read::<TimedImage>(record.new)?.map_or(Ok(()), |image| batch.timed(image))
    } else {
        // A row that expired was counted when it was written.
        read::<RefusedImage>(record.new)?.map_or(Ok(()), |image| batch.refused(image))
    };
    taken.map_err(|error| EventError::NotUnderstood(error.to_string()))
}

fn read<T: DeserializeOwned>(item: Option<serde_dynamo::Item>) -> Result<Option<T>, EventError> {
    item.map(serde_dynamo::from_item).transpose().map_err(|error| EventError::NotUnderstood(error.to_string()))
}
