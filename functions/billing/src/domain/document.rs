//! How a bill is written down. An invoice's document is made from its seal and its number alone, so that it comes out the
//! same, byte for byte, whenever it is made.

use serde::Serialize;
use shared::event::{InvoiceState, SealState};
use shared::id::{InvoiceId, SubscriptionId};
use shared::money::Currency;
use shared::principal::Party;
use shared::slug::Slug;
use shared::time::Time;
use utoipa::ToSchema;

use super::{Bill, Charge, Line};

/// A calendar month in UTC.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BillingPeriod {
    /// Its beginning.
    pub from: Time,
    /// Its end, which is the beginning of the next.
    pub to: Time,
}

/// A line of a bill.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BillLine {
    /// What is charged for: the plan, its version, and what of it.
    pub description: String,
    /// How many: units, or a month, or a share of one, shown to twelve places.
    #[schema(pattern = r"^[0-9]+(\.[0-9]+)?$", examples("103"))]
    pub quantity: String,
    /// The price of one.
    #[schema(pattern = r"^[0-9]+(\.[0-9]+)?$", examples("0.0025"))]
    pub unit_price: String,
    /// The price of all, rounded once to the currency's minor unit, half away from zero.
    #[schema(pattern = r"^[0-9]+(\.[0-9]+)?$", examples("0.26"))]
    pub amount: String,
}

impl BillLine {
    /// A line, written down.
    #[must_use]
    pub fn of(line: &Line<'_>) -> Self {
        let terms = &line.part.terms;
        let places = terms.currency.places();
        let what = match line.charge {
            Charge::Month { days, of } if days == of => "month".to_owned(),
            Charge::Month { days, of } => format!("{days} of {of} days"),
            Charge::Included { up_to } => format!("included calls, up to {up_to}"),
            Charge::Further => "further calls".to_owned(),
            Charge::Calls => "calls".to_owned(),
        };
        Self {
            description: format!("Plan {}, version {}: {what}", terms.plan_slug, terms.plan_version),
            quantity: line.quantity.to_string(),
            unit_price: line.unit_price.with_places(places),
            amount: line.amount.with_places(places),
        }
    }
}

/// A range of the units that the door ever counted for a subscription.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Range {
    /// How many were counted before it.
    pub from: u64,
    /// How many were counted at its end.
    pub to: u64,
}

/// The sealed units that a line was rated from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct SealedRange {
    /// The revision of the subscription's terms under which they were counted.
    pub revision: u64,
    /// Units admitted.
    pub admitted: Range,
    /// Units given back.
    pub refunded: Range,
}

/// The sealed range of every revision of the terms. A month's units are put one behind the other in the order of the
/// revisions, and the first month begins at 0: so the ranges of a subscription's invoices have no gap.
fn ranges(seal: &SealState) -> Vec<SealedRange> {
    let (mut admitted, mut refunded) = (seal.admitted_before, seal.refunded_before);
    let mut parts: Vec<_> = seal.terms.iter().collect();
    parts.sort_by_key(|part| part.revision);
    let next = |before: &mut u64, units: u64| {
        let from = *before;
        *before = from.saturating_add(units);
        Range { from, to: *before }
    };
    parts
        .into_iter()
        .map(|part| SealedRange {
            revision: part.revision,
            admitted: next(&mut admitted, part.admitted),
            refunded: next(&mut refunded, part.refunded),
        })
        .collect()
}

/// A line of an invoice.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct InvoiceLine {
    /// What is charged.
    #[serde(flatten)]
    pub line: BillLine,
    /// What it was rated from.
    pub sealed: SealedRange,
}

/// An invoice. It never changes.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Invoice {
    /// Its id.
    pub id: InvoiceId,
    /// Its number, without a gap for each provider.
    #[schema(examples("acme-000042"))]
    pub number: String,
    /// The subscription.
    pub subscription: SubscriptionId,
    /// The app's name.
    pub app_name: String,
    /// The product's slug.
    pub product_slug: Slug,
    /// The consumer, who owes it.
    pub organization: Party,
    /// The provider, whom it is owed to.
    pub provider: Party,
    /// The period.
    pub period: BillingPeriod,
    /// The currency of all prices and amounts, by its code in ISO 4217.
    pub currency: Currency,
    /// What is charged.
    pub lines: Vec<InvoiceLine>,
    /// The sum of the lines' amounts.
    #[schema(pattern = r"^[0-9]+(\.[0-9]+)?$", examples("10.26"))]
    pub total: String,
    /// The sealed count that it was rated from.
    #[schema(examples("sub_01h455vb4pex5vsknk084sn02q.2026-01"))]
    pub seal: String,
    /// When it was issued: when the count was sealed.
    pub issued_at: Time,
}

impl Invoice {
    /// The invoice of a seal's bill.
    #[must_use]
    pub fn of(id: InvoiceId, number: String, seal: &SealState, bill: &Bill<'_>) -> Self {
        let ranges = ranges(seal);
        let lines = bill.lines.iter().filter_map(|line| {
            let sealed = *ranges.iter().find(|range| range.revision == line.part.revision)?;
            Some(InvoiceLine { line: BillLine::of(line), sealed })
        });
        Self {
            id,
            number,
            subscription: seal.subscription,
            app_name: seal.app_name.clone(),
            product_slug: seal.product_slug.clone(),
            organization: seal.organization.clone(),
            provider: seal.provider.clone(),
            period: BillingPeriod { from: seal.from, to: seal.to },
            currency: bill.currency,
            lines: lines.collect(),
            total: bill.total.with_places(bill.currency.places()),
            seal: seal.id.clone(),
            issued_at: seal.sealed_at,
        }
    }

    /// Its bytes: what is stored and served.
    pub fn document(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// What the rest of the platform is told of it.
    #[must_use]
    pub fn state(&self, bill: &Bill<'_>) -> InvoiceState {
        InvoiceState {
            id: self.id,
            revision: 1,
            number: self.number.clone(),
            subscription: self.subscription,
            organization: self.organization.clone(),
            provider: self.provider.clone(),
            from: self.period.from,
            to: self.period.to,
            currency: self.currency,
            total: bill.total,
            issued_at: self.issued_at,
        }
    }
}
