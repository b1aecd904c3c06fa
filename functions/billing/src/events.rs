//! What billing follows: subscriptions, for their terms; seals, for the invoices; and periods of `usage`, to be shown beside
//! them.

use std::time::Duration;

use shared::chassis::EventError;
use shared::event::{Envelope, PeriodState, SealState, State, SubscriptionState};
use shared::id::InvoiceId;
use shared::seal::random;
use shared::time::Time;

use crate::domain::{Bill, Invoice, Month, TooMuch, rate};
use crate::store::{Issue, Issued, Store};

/// Invoices of one provider take their numbers one after the other: so often is it tried at once, before the event comes
/// again.
const ATTEMPTS_MAX: u32 = 20;

impl From<TooMuch> for EventError {
    fn from(error: TooMuch) -> Self {
        Self::NotUnderstood(error.to_string())
    }
}

pub(crate) async fn on_event(store: &Store, envelope: &Envelope, sent_at: Time) -> Result<(), EventError> {
    match envelope.kind.as_str() {
        // What is gone keeps its terms here: it may still owe something.
        SubscriptionState::TYPE => {
            if let Some(state) = envelope.state::<SubscriptionState>()? {
                store.keep(&state).await?;
            }
        }
        SealState::TYPE => {
            if let Some(seal) = envelope.state::<SealState>()? {
                for bill in rate(&seal.terms, Month::of(&seal))?.iter().filter(|bill| !bill.is_nothing()) {
                    issue(store, &seal, bill, sent_at).await?;
                }
            }
        }
        PeriodState::TYPE => {
            if let Some(period) = envelope.state::<PeriodState>()? {
                store.keep_hours(&period).await?;
            }
        }
        kind => return Err(EventError::NotUnderstood(format!("the event type `{kind}`"))),
    }
    Ok(())
}

/// Issues the invoice of a seal's bill, unless it is there.
async fn issue(store: &Store, seal: &SealState, bill: &Bill<'_>, now: Time) -> Result<(), EventError> {
    for _ in 0..ATTEMPTS_MAX {
        let last = store.last_number(seal.provider.id).await?;
        let number = format!("{}-{:06}", seal.provider.slug, last + 1);
        let invoice = Invoice::of(InvoiceId::new(), number, seal, bill);
        let issued = Issued { state: invoice.state(bill), seal: seal.id.clone(), document: invoice.document()? };
        match store.issue(&issued, seal, last, now).await? {
            Issue::Done | Issue::Before => return Ok(()),
            Issue::NumberTaken => {
                let [jitter] = random::<1>();
                tokio::time::sleep(Duration::from_millis(5 + u64::from(jitter % 32))).await;
            }
        }
    }
    Err(EventError::Unavailable(format!("{} takes its numbers faster than they can be given", seal.provider.slug)))
}
