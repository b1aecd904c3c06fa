//! The table.
//!
//! | pk | sk | row |
//! | --- | --- | --- |
//! | `{subscription}` | `S` | its newest state |
//! | `{subscription}` | `T#{revision, backwards}` | one revision of its terms |
//! | `{invoice}` | `INVOICE` | an invoice: its document, byte for byte, and whose it is |
//! | `{invoice}` | `SEAL` | the seal that it was rated from |
//! | `{seal}` | `IN#{currency}` | the seal has its invoice in this currency: there is never a second |
//! | `{seal}` | `HOURS` | the same period by the hours of `usage` |
//! | `{organization}` | `NUMBER` | the number of the last invoice of a provider |
//! | `{organization}` | `CONSUMER#…`, `PROVIDER#{sealed at, backwards}#{invoice}` | an entry of a side's list |
//! | `{subscription}` | `LIST#{sealed at, backwards}#{invoice}` | an entry of a subscription's list |
//! | `{invoice}` | `OUT#{uuid}` | outbox |

use serde::{Deserialize, Serialize};
use shared::chassis::table::{Row, Slice, StoreError, Table};
use shared::chassis::transaction::Commit;
use shared::event::{InvoiceState, PeriodState, SealState, State as _, SubscriptionState, Terms};
use shared::id::{InvoiceId, OrganizationId, SubscriptionId};
use shared::page::PageRequest;
use shared::time::Time;

/// Billing's own table.
#[derive(Clone)]
pub(crate) struct Store {
    table: Table,
}

/// One revision of a subscription's terms.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TermsRevision {
    pub(crate) revision: u64,
    pub(crate) since: Time,
    pub(crate) terms: Terms,
}

impl TermsRevision {
    /// The terms that hold in this state.
    pub(crate) fn of(state: &SubscriptionState) -> Self {
        Self { revision: state.terms_revision, since: state.terms_since, terms: state.terms.clone() }
    }
}

/// An invoice as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Issued {
    #[serde(flatten)]
    pub(crate) state: InvoiceState,
    /// The id of the seal that it was rated from.
    pub(crate) seal: String,
    /// Its bytes.
    pub(crate) document: String,
}

/// What came of an attempt to issue an invoice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Issue {
    /// It is issued.
    Done,
    /// The seal has its invoice already; nothing was written.
    Before,
    /// Another invoice took the number; nothing was written.
    NumberTaken,
}

/// A list of invoices.
#[derive(Clone, Copy, Debug)]
pub(crate) enum List {
    /// Those that an organization owes.
    Consumer(OrganizationId),
    /// Those that are owed to it.
    Provider(OrganizationId),
    /// Those of a subscription.
    Subscription(SubscriptionId),
}

impl List {
    fn key(self) -> (String, &'static str) {
        match self {
            Self::Consumer(id) => (id.to_string(), "CONSUMER#"),
            Self::Provider(id) => (id.to_string(), "PROVIDER#"),
            Self::Subscription(id) => (id.to_string(), "LIST#"),
        }
    }
}

/// The last number that a provider's invoices have; it is the row's revision.
#[derive(Serialize, Deserialize)]
struct Number {
    revision: u64,
}

/// What a seal became in a currency: the row is there so that it becomes nothing else.
#[derive(Serialize)]
struct Made {
    invoice: InvoiceId,
}

const SUBSCRIPTION_SK: &str = "S";
const TERMS_SK: &str = "T#";
const INVOICE_SK: &str = "INVOICE";
const SEAL_SK: &str = "SEAL";
const HOURS_SK: &str = "HOURS";
const NUMBER_SK: &str = "NUMBER";
/// So many revisions of terms are read at once.
const TERMS_SLICE: u16 = 25;

/// A number that sorts before all smaller ones: lists are read forwards, and shown newest first.
fn backwards(number: u64) -> String {
    format!("{:020}", u64::MAX - number)
}

impl Store {
    pub(crate) fn new(table: Table) -> Self {
        Self { table }
    }

    /// Keeps the newest state of a subscription, and the terms of every state. The terms first: a subscription that is
    /// known has its terms.
    pub(crate) async fn keep(&self, state: &SubscriptionState) -> Result<(), StoreError> {
        let terms = TermsRevision::of(state);
        let sk = format!("{TERMS_SK}{}", backwards(terms.revision));
        self.table.project(Row::new(state.id(), sk, &terms)?, terms.revision).await?;
        self.table.project(Row::new(state.id(), SUBSCRIPTION_SK, state)?, state.revision).await.map(drop)
    }

    /// A subscription.
    pub(crate) async fn subscription(&self, id: SubscriptionId) -> Result<Option<SubscriptionState>, StoreError> {
        self.table.get(id.to_string(), SUBSCRIPTION_SK).await
    }

    /// The revisions of a subscription's terms, newest first, as far as one that is enough; all of them if none is.
    pub(crate) async fn terms(
        &self,
        id: SubscriptionId,
        enough: impl Fn(&TermsRevision) -> bool,
    ) -> Result<Vec<TermsRevision>, StoreError> {
        let (mut revisions, mut position) = (Vec::new(), None);
        loop {
            let slice: Slice<TermsRevision> =
                self.table.list(&id.to_string(), TERMS_SK, position.as_deref(), TERMS_SLICE).await?;
            for revision in slice.rows {
                let last = enough(&revision);
                revisions.push(revision);
                if last {
                    return Ok(revisions);
                }
            }
            position = slice.position;
            if position.is_none() {
                return Ok(revisions);
            }
        }
    }

    /// Keeps a period as the hours of `usage` count it.
    pub(crate) async fn keep_hours(&self, period: &PeriodState) -> Result<(), StoreError> {
        self.table.project(Row::new(&period.id, HOURS_SK, period)?, period.revision).await.map(drop)
    }

    /// A seal's period as the hours of `usage` count it, once it was told.
    pub(crate) async fn hours(&self, seal: &str) -> Result<Option<PeriodState>, StoreError> {
        self.table.get(seal, HOURS_SK).await
    }

    /// The number of a provider's last invoice; 0 before the first.
    pub(crate) async fn last_number(&self, provider: OrganizationId) -> Result<u64, StoreError> {
        let number: Option<Number> = self.table.get(provider.to_string(), NUMBER_SK).await?;
        Ok(number.map_or(0, |number| number.revision))
    }

    /// Issues an invoice with the number behind `last`, and tells of it, unless its seal has one in this currency.
    pub(crate) async fn issue(
        &self,
        invoice: &Issued,
        seal: &SealState,
        last: u64,
        now: Time,
    ) -> Result<Issue, StoreError> {
        const ONCE: &str = "once";
        let state = &invoice.state;
        let (pk, provider) = (state.id.to_string(), state.provider.id.to_string());
        let mut transaction = self.table.transaction();
        transaction.create(ONCE, Row::new(&seal.id, format!("IN#{}", state.currency), &Made { invoice: state.id })?)?;
        // The number is taken if and only if the invoice is written: no number is missing, none comes twice.
        let number = Row::new(provider, NUMBER_SK, &Number { revision: last + 1 })?;
        if last == 0 {
            transaction.create("number", number)?;
        } else {
            transaction.replace("number", number, last)?;
        }
        transaction.create("invoice", Row::new(&pk, INVOICE_SK, invoice)?)?;
        transaction.create("seal", Row::new(&pk, SEAL_SK, seal)?)?;
        let place = format!("{}#{}", backwards(u64::try_from(state.issued_at.ms()).unwrap_or(0)), state.id);
        for list in [
            List::Consumer(state.organization.id),
            List::Provider(state.provider.id),
            List::Subscription(state.subscription),
        ] {
            let (pk, prefix) = list.key();
            transaction.create("entry", Row::new(pk, format!("{prefix}{place}"), state)?)?;
        }
        transaction.emit(&pk, state, now)?;
        Ok(match transaction.commit().await? {
            Commit::Done => Issue::Done,
            Commit::Refused { label: ONCE, .. } => Issue::Before,
            Commit::Refused { .. } | Commit::Replay(_) => Issue::NumberTaken,
        })
    }

    /// An invoice.
    pub(crate) async fn invoice(&self, id: InvoiceId) -> Result<Option<Issued>, StoreError> {
        self.table.get(id.to_string(), INVOICE_SK).await
    }

    /// The seal that an invoice was rated from.
    pub(crate) async fn seal(&self, id: InvoiceId) -> Result<Option<SealState>, StoreError> {
        self.table.get(id.to_string(), SEAL_SK).await
    }

    /// A list of invoices, those that were sealed last first.
    pub(crate) async fn invoices(&self, list: List, page: &PageRequest) -> Result<Slice<InvoiceState>, StoreError> {
        let (pk, prefix) = list.key();
        self.table.list(&pk, prefix, page.after.as_deref(), page.size).await
    }
}
