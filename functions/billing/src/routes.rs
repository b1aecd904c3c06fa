//! The HTTP side: who may see a bill, and how it is written down.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use shared::chassis::Context;
use shared::chassis::extract::{Caller, Query};
use shared::chassis::reply::Reply;
use shared::event::SubscriptionState;
use shared::id::SubscriptionId;
use shared::money::Currency;
use shared::principal::needs;
use shared::problem::Problem;
use shared::time::Time;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::domain::{Bill, Charge, billable, owes_month, rate};

/// All routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(preview_bill))
}

/// Which subscription.
#[derive(Clone, Copy, Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct PreviewQuery {
    /// The subscription, of which one's organization is either side.
    #[param(inline)]
    subscription: SubscriptionId,
}

/// What a subscription owes for the running period, as far as it has come.
#[derive(Debug, Serialize, ToSchema)]
struct Preview {
    /// The subscription.
    subscription: SubscriptionId,
    /// The currency of all prices and amounts, by its code in ISO 4217.
    currency: Currency,
    /// The period.
    period: BillingPeriod,
    /// What is charged.
    lines: Vec<BillLine>,
    /// The sum of the lines' amounts.
    #[schema(pattern = r"^[0-9]+(\.[0-9]+)?$", examples("10.26"))]
    total: String,
    /// The calls of every hour before this moment are counted; later ones may still come.
    complete_to: Time,
}

/// A calendar month in UTC.
#[derive(Debug, Serialize, ToSchema)]
struct BillingPeriod {
    /// Its beginning.
    from: Time,
    /// Its end, which is the beginning of the next.
    to: Time,
}

/// A line of a bill.
#[derive(Debug, Serialize, ToSchema)]
struct BillLine {
    /// What is charged for.
    description: String,
    /// How many.
    #[schema(pattern = r"^[0-9]+(\.[0-9]+)?$", examples("103"))]
    quantity: String,
    /// The price of one.
    #[schema(pattern = r"^[0-9]+(\.[0-9]+)?$", examples("0.0025"))]
    unit_price: String,
    /// The price of all, rounded to the currency's minor unit, half away from zero.
    #[schema(pattern = r"^[0-9]+(\.[0-9]+)?$", examples("0.26"))]
    amount: String,
}

/// As much of usage's answer as a bill needs.
#[derive(Debug, Deserialize)]
struct Usage {
    units: i64,
    complete_to: Time,
}

/// Shows what a subscription owes for the running period.
///
/// Both sides of the subscription may see it. The token needs `usage:read` too, because the units are read in its name. The period is the running
/// calendar month in UTC; the terms are those that hold now; months that a subscription begins, ends or changes its plan in are not pro-rated yet.
#[utoipa::path(get, path = "/v1/billing/preview", operation_id = "preview_bill", tag = "billing", security(("token" = ["billing:read"])), params(PreviewQuery),
    responses((status = 200, description = "The preview.", body = Preview)))]
async fn preview_bill(
    caller: Caller<needs::BillingRead>,
    context: Context,
    State(app): State<AppState>,
    Query(query): Query<PreviewQuery>,
) -> Result<Reply, Problem> {
    let subscription = app.store.subscription(&query.subscription).await?.ok_or_else(Problem::not_found)?;
    let own = caller.organization.id;
    if subscription.organization.id != own && subscription.provider.id != own {
        return Err(Problem::not_found());
    }
    let (from, to) = context.now.month();
    let path = format!("/v1/usage?subscription={}&from={from}&to={to}", subscription.id);
    let usage: Usage = app.hops.of(&context).get(&path).await.map_err(shared::chassis::hop::HopError::into_problem)?;
    let bill = rate(&subscription.terms, owes_month(&subscription, (from, to)), billable(usage.units))
        .map_err(Problem::internal)?;
    Reply::ok(&present(&subscription, &bill, (from, to), usage.complete_to))
}

fn present(subscription: &SubscriptionState, bill: &Bill, (from, to): (Time, Time), complete_to: Time) -> Preview {
    let terms = &subscription.terms;
    let places = terms.currency.places();
    let lines = bill.lines.iter().map(|line| BillLine {
        description: match line.charge {
            Charge::Month => format!("Plan {}, month", terms.plan_slug),
            Charge::Included => "Included calls".to_owned(),
            Charge::Further if terms.included_calls > 0 => "Further calls".to_owned(),
            Charge::Further => "Calls".to_owned(),
        },
        quantity: line.quantity.to_string(),
        unit_price: line.unit_price.to_string(),
        amount: line.amount.with_places(places),
    });
    Preview {
        subscription: subscription.id,
        currency: terms.currency,
        period: BillingPeriod { from, to },
        lines: lines.collect(),
        total: bill.total.with_places(places),
        complete_to,
    }
}
