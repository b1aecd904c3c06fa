//! The running month, rated as if it ended as it stands.

use std::collections::BTreeMap;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use shared::chassis::Context;
use shared::chassis::extract::{Caller, Query};
use shared::chassis::reply::Reply;
use shared::event::{SealedTerms, SubscriptionState};
use shared::id::SubscriptionId;
use shared::money::Currency;
use shared::principal::needs;
use shared::problem::Problem;
use shared::time::Time;
use utoipa::ToSchema;

use crate::AppState;
use crate::domain::{Bill, BillLine, BillingPeriod, Month, billable, rate};
use crate::store::{Store, TermsRevision};

/// Which subscription.
#[derive(Clone, Copy, Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct PreviewQuery {
    /// The subscription, of which one's organization is either side.
    #[param(inline)]
    subscription: SubscriptionId,
}

/// What a subscription owes for the running period, as far as it has come.
#[derive(Debug, Serialize, ToSchema)]
struct Preview {
    /// The subscription.
    subscription: SubscriptionId,
    /// What is owed in the currency of the terms that hold now.
    #[serde(flatten)]
    bill: CurrencyBill,
    /// What is owed in other currencies: those of terms that held earlier in the period.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    other_currencies: Vec<CurrencyBill>,
    /// The period.
    period: BillingPeriod,
    /// The calls of every hour before this moment are counted; later ones may still come.
    complete_to: Time,
}

/// What is owed in a currency.
#[derive(Debug, Serialize, ToSchema)]
struct CurrencyBill {
    /// The currency of all prices and amounts, by its code in ISO 4217.
    currency: Currency,
    /// What is charged.
    lines: Vec<BillLine>,
    /// The sum of the lines' amounts.
    #[schema(pattern = r"^[0-9]+(\.[0-9]+)?$", examples("10.26"))]
    total: String,
}

impl CurrencyBill {
    fn of(bill: &Bill<'_>) -> Self {
        Self {
            currency: bill.currency,
            lines: bill.lines.iter().map(BillLine::of).collect(),
            total: bill.total.with_places(bill.currency.places()),
        }
    }
}

/// As much of usage's answer as a bill needs.
#[derive(Debug, Deserialize)]
struct Usage {
    units: i64,
    #[serde(default)]
    by_terms: Option<Vec<TermsUsage>>,
    complete_to: Time,
}

/// What was counted under one revision of the terms.
#[derive(Debug, Deserialize)]
struct TermsUsage {
    revision: u64,
    units: i64,
}

/// Shows what a subscription owes for the running period.
///
/// Both sides of the subscription may see it. The token needs `usage:read` too, because the units are read in its name. The period is the running
/// calendar month in UTC, rated as its invoice will be if nothing more is called and the terms stay as they are.
#[utoipa::path(get, path = "/v1/billing/preview", operation_id = "preview_bill", tag = "billing", security(("token" = ["billing:read"])), params(PreviewQuery),
    responses((status = 200, description = "The preview.", body = Preview)))]
pub(super) async fn preview_bill(
    caller: Caller<needs::BillingRead>,
    context: Context,
    State(app): State<AppState>,
    Query(query): Query<PreviewQuery>,
) -> Result<Reply, Problem> {
    let subscription = super::invoices::known(&app.store, &caller, query.subscription).await?;
    let (from, to) = context.now.month();
    let path = format!("/v1/usage?subscription={}&from={from}&to={to}", subscription.id);
    let usage: Usage = app.hops.of(&context).get(&path).await.map_err(shared::chassis::hop::HopError::into_problem)?;
    let parts = parts(&app.store, &subscription, from, &usage).await?;
    let month = Month { from, to, activated_at: subscription.activated_at, cancelled_at: subscription.cancelled_at };
    let mut bills = rate(&parts, month).map_err(Problem::internal)?;
    bills.sort_by_key(|bill| bill.currency != subscription.terms.currency);
    let mut bills = bills.iter().map(CurrencyBill::of);
    Reply::ok(&Preview {
        subscription: subscription.id,
        bill: bills.next().ok_or_else(|| Problem::internal("a month without terms"))?,
        other_currencies: bills.collect(),
        period: BillingPeriod { from, to },
        complete_to: usage.complete_to,
    })
}

/// The terms of the running month, with what was counted under each. Before all of them have arrived nothing is shown: it
/// would be wrong.
async fn parts(
    store: &Store,
    subscription: &SubscriptionState,
    from: Time,
    usage: &Usage,
) -> Result<Vec<SealedTerms>, Problem> {
    let units: Option<BTreeMap<u64, i64>> =
        usage.by_terms.as_ref().map(|terms| terms.iter().map(|terms| (terms.revision, terms.units)).collect());
    let counted = || units.iter().flatten().filter(|(_, units)| **units > 0).map(|(revision, _)| *revision);
    let oldest = counted().min().unwrap_or(u64::MAX);
    let enough = |terms: &TermsRevision| terms.since <= from && terms.revision <= oldest;
    let mut revisions = store.terms(subscription.id, enough).await?;
    if revisions.first().is_none_or(|first| first.revision < subscription.terms_revision) {
        revisions.insert(0, TermsRevision::of(subscription));
    }
    let newest = revisions.first().map_or(0, |first| first.revision);
    let contiguous = revisions.iter().zip((0..=newest).rev()).all(|(terms, revision)| terms.revision == revision);
    let reaches_back = revisions.last().is_some_and(|last| last.revision == 1 || enough(last));
    if !contiguous
        || !reaches_back
        || counted().any(|revision| !revisions.iter().any(|terms| terms.revision == revision))
    {
        return Err(Problem::unavailable("some terms of the month have not arrived"));
    }
    let under = |revision: u64| match &units {
        Some(units) => units.get(&revision).copied().unwrap_or(0),
        None if revision == newest => usage.units,
        None => 0,
    };
    let part = |TermsRevision { revision, since, terms }| SealedTerms {
        admitted: billable(under(revision)),
        refunded: 0,
        revision,
        since,
        terms,
    };
    Ok(revisions.into_iter().map(part).collect())
}
