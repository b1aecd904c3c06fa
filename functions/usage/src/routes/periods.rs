//! Sealed periods: what the gateway sealed, beside what the hours say.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use shared::chassis::extract::{Caller, Query};
use shared::chassis::reply::Reply;
use shared::id::SubscriptionId;
use shared::page::{Page, PageQuery, Pages};
use shared::principal::needs;
use shared::problem::Problem;
use shared::time::Time;
use utoipa::ToSchema;

use super::seen;
use crate::period::Period;
use crate::store::Store;

/// Which subscription, and how much of the list.
#[derive(Clone, Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct PeriodsQuery {
    /// The subscription, of which one's organization is either side.
    #[param(inline)]
    subscription: SubscriptionId,
    /// At most so many items, 1 to 200; 50 when left out.
    #[serde(default)]
    #[param(minimum = 1, maximum = 200)]
    page_size: Option<u16>,
    /// The `next_page_token` of the page before.
    #[serde(default)]
    #[param(max_length = 512, pattern = "^[A-Za-z0-9_-]*$")]
    page_token: Option<String>,
}

/// A sealed period: a calendar month in UTC whose counts are final.
#[derive(Debug, Serialize, ToSchema)]
struct SealedPeriod {
    /// The period's name, `{subscription}.{year}-{month}`.
    id: String,
    /// The subscription.
    subscription: SubscriptionId,
    /// The beginning.
    from: Time,
    /// The end, which is the beginning of the next one.
    to: Time,
    /// Calls that the door admitted, by the hours.
    admitted: u64,
    /// Admitted calls that were given back, by the hours.
    failed: u64,
    /// Units admitted and not given back, added up from the hours.
    units: u64,
    /// The same units as the grant itself sealed them: what is billed.
    sealed_units: u64,
    /// Whether both are the same, under every revision of the terms.
    equal: bool,
    /// By the revision of the subscription's terms that they were admitted under, as far as there were units.
    by_terms: Vec<SealedTerms>,
}

/// Units under one revision of the terms.
#[derive(Debug, Serialize, ToSchema)]
struct SealedTerms {
    /// The revision of the terms, counted from 1.
    revision: u64,
    /// Units, added up from the hours.
    units: i64,
    /// Units, as the grant sealed them.
    sealed_units: i64,
}

impl From<Period> for SealedPeriod {
    fn from(period: Period) -> Self {
        let (equal, state) = (period.equal(), period.state);
        let by_terms = period.by_terms.into_iter().map(|terms| SealedTerms {
            revision: terms.revision,
            units: terms.units,
            sealed_units: terms.sealed_units,
        });
        Self {
            id: state.id,
            subscription: state.subscription,
            from: state.from,
            to: state.to,
            admitted: state.admitted,
            failed: state.failed,
            units: state.units,
            sealed_units: state.sealed_units,
            equal,
            by_terms: by_terms.collect(),
        }
    }
}

/// Lists a subscription's sealed periods, oldest first.
///
/// Both sides of the subscription may see them. A month is sealed some minutes after its end, and listed once all its hours have arrived.
#[utoipa::path(get, path = "/v1/usage/periods", operation_id = "list_periods", tag = "usage", security(("token" = ["usage:read"])), params(PeriodsQuery),
    responses((status = 200, description = "A page of periods.", body = Page<SealedPeriod>)))]
pub(super) async fn list_periods(
    caller: Caller<needs::UsageRead>,
    State(store): State<Store>,
    State(pages): State<Pages>,
    Query(query): Query<PeriodsQuery>,
) -> Result<Reply, Problem> {
    let list = format!("periods/{}/{}", caller.organization.id, query.subscription);
    let page = pages.open(&list, &PageQuery { page_size: query.page_size, page_token: query.page_token })?;
    seen(&store, query.subscription, caller.organization.id).await?;
    let slice = store.periods(&query.subscription.to_string(), &page).await?;
    let items: Vec<SealedPeriod> = slice.rows.into_iter().map(SealedPeriod::from).collect();
    Reply::ok(&pages.page(&list, items, slice.position)?)
}
