//! Periods: what was counted in one, and what is owed for it.

use super::Terms;
use crate::id::{InvoiceId, SubscriptionId};
use crate::money::{Currency, Decimal};
use crate::principal::Party;
use crate::slug::Slug;
use crate::time::Time;

/// A sealed period of a subscription: what its grant counted in a calendar month, for good. It says all that an invoice
/// is rated from.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct SealState {
    /// `{subscription}.{year}-{month}`.
    pub id: String,
    /// Always 1: a seal never changes.
    pub revision: u64,
    /// The subscription.
    pub subscription: SubscriptionId,
    /// The consumer.
    pub organization: Party,
    /// The provider.
    pub provider: Party,
    /// The app's name.
    pub app_name: String,
    /// The product's slug.
    pub product_slug: Slug,
    /// The period's beginning.
    pub from: Time,
    /// The period's end, which is the beginning of the next.
    pub to: Time,
    /// When the subscription first became active, if it did before the seal.
    pub activated_at: Option<Time>,
    /// When the subscription ended, if it did before the seal.
    pub cancelled_at: Option<Time>,
    /// Units that the grant had admitted in all earlier sealed periods: the sealed range begins here.
    pub admitted_before: u64,
    /// Units that the grant had given back of all earlier sealed periods.
    pub refunded_before: u64,
    /// The terms that held in the period, by their revision, with what was counted under each.
    pub terms: Vec<SealedTerms>,
    /// When it was sealed.
    pub sealed_at: Time,
}

/// What was counted under one revision of a subscription's terms.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct SealedTerms {
    /// The revision of the terms.
    pub revision: u64,
    /// When they began to hold.
    pub since: Time,
    /// The terms.
    pub terms: Terms,
    /// Units admitted.
    pub admitted: u64,
    /// Units of these given back.
    pub refunded: u64,
}

/// A period's usage, whole: the hours of the meter beside the seal.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct PeriodState {
    /// The seal's id, `{subscription}.{year}-{month}`.
    pub id: String,
    /// Always 1: a period is compared once.
    pub revision: u64,
    /// The subscription.
    pub subscription: SubscriptionId,
    /// The period's beginning.
    pub from: Time,
    /// The period's end, which is the beginning of the next.
    pub to: Time,
    /// Calls admitted, by the hours.
    pub admitted: u64,
    /// Calls given back, by the hours.
    pub failed: u64,
    /// Units admitted and not given back, by the hours.
    pub units: u64,
    /// Units admitted and not given back, by the seal.
    pub sealed_units: u64,
}

/// An invoice.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct InvoiceState {
    /// Its id.
    pub id: InvoiceId,
    /// Always 1: an invoice never changes.
    pub revision: u64,
    /// Its number, without a gap for each provider.
    pub number: String,
    /// The subscription.
    pub subscription: SubscriptionId,
    /// The consumer, who owes it.
    pub organization: Party,
    /// The provider.
    pub provider: Party,
    /// The period's beginning.
    pub from: Time,
    /// The period's end, which is the beginning of the next.
    pub to: Time,
    /// The currency of the total.
    pub currency: Currency,
    /// What is owed.
    pub total: Decimal,
    /// When it was issued.
    pub issued_at: Time,
}
