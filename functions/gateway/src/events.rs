//! What the door is told, by the bus or by a function that waits: the same code for both.

use shared::chassis::EventError;
use shared::event::{ApiState, Envelope, KeyState, RoutesState, State as _, SubscriptionPhase, SubscriptionState};
use shared::time::Time;

use crate::plan::Plan;
use crate::seal::Facts;
use crate::store::{KeyRow, Store};

/// The moment of a key that stops only when it is revoked.
const FOREVER: i64 = 9_999_999_999;

/// Takes one event. Whatever comes twice, late or in another order ends in the same state.
pub async fn take(store: &Store, envelope: &Envelope, now: Time) -> Result<(), EventError> {
    match envelope.kind.as_str() {
        SubscriptionState::TYPE => match envelope.state()? {
            Some(subscription) => take_subscription(store, &subscription, now).await,
            None => Ok(()),
        },
        KeyState::TYPE => match envelope.state()? {
            Some(key) => take_key(store, &key, now).await,
            None => Ok(()),
        },
        ApiState::TYPE => match envelope.state::<ApiState>()? {
            Some(api) => Ok(store.put_api(&api).await?),
            None => Ok(()),
        },
        RoutesState::TYPE => match envelope.state::<RoutesState>()? {
            Some(routes) => Ok(store.put_routes(&routes).await?),
            None => Ok(()),
        },
        other => Err(EventError::NotUnderstood(format!("the door does not know {other}"))),
    }
}

async fn take_subscription(store: &Store, subscription: &SubscriptionState, now: Time) -> Result<(), EventError> {
    let id = subscription.id.to_string();
    // Told at the turn of a month, it owes for the month that it was made in.
    store.ensure_grant(&id, subscription.created_at.min(now)).await?;
    // What a grant refers to comes first: it never names terms that are not there, and never is to be sealed without a name.
    store.put_facts(&Facts::from(subscription)).await?;
    store.put_terms(&id, subscription.terms_revision, subscription.terms_since, &subscription.terms).await?;
    store.change_terms(&id, &Plan::new(subscription.terms_revision, &subscription.terms), now).await?;
    let state = match subscription.state {
        SubscriptionPhase::Requested => "R",
        SubscriptionPhase::Active => "A",
        SubscriptionPhase::Suspended => "S",
        SubscriptionPhase::Cancelled => "C",
    };
    Ok(store.set_state(&id, state, subscription.revision, subscription.cancelled_at.unwrap_or(now)).await?)
}

async fn take_key(store: &Store, key: &KeyState, now: Time) -> Result<(), EventError> {
    let grant = key.subscription.to_string();
    // A key may be told before its subscription: the grant waits for it and admits nothing until then.
    store.ensure_grant(&grant, now).await?;
    let not_after = match (key.revoked_at, key.expires_at) {
        (Some(_), _) => 0,
        // A key works until its time, and not at it: the door compares whole seconds.
        (None, Some(at)) => at.seconds(),
        (None, None) => FOREVER,
    };
    store.set_key(&grant, key.number, not_after).await?;
    Ok(store.put_key(&key.secret_sha256, &KeyRow { grant, number: key.number }).await?)
}
