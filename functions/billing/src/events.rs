//! What billing follows: subscriptions, for their terms.

use shared::chassis::EventError;
use shared::event::{Envelope, State, SubscriptionState};

use crate::store::Store;

pub(crate) async fn on_event(store: &Store, envelope: &Envelope) -> Result<(), EventError> {
    if envelope.kind != SubscriptionState::TYPE {
        return Err(EventError::NotUnderstood(format!("the event type `{}`", envelope.kind)));
    }
    // What is gone keeps its terms here: it may still owe something.
    if let Some(state) = envelope.state::<SubscriptionState>()? {
        store.keep(&state).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_event_is_one_that_is_understood() {
        let sample: serde_json::Value =
            serde_json::from_str(include_str!("../events/queue-subscription.json")).unwrap();
        let body: serde_json::Value = serde_json::from_str(sample["Records"][0]["body"].as_str().unwrap()).unwrap();
        let envelope: Envelope = serde_json::from_value(body["detail"].clone()).unwrap();
        let state: SubscriptionState = envelope.state().unwrap().unwrap();
        assert_eq!((state.id(), state.revision()), (envelope.id, envelope.revision));
    }
}
