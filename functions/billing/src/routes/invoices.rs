//! Invoices: their lists, their bytes, and where these come from.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use shared::chassis::extract::{Caller, Path, Query};
use shared::chassis::reply::Reply;
use shared::event::{InvoiceState, SealState, SubscriptionState};
use shared::id::{InvoiceId, OrganizationId, SubscriptionId};
use shared::money::Currency;
use shared::page::{Page, PageQuery};
use shared::principal::{Party, Principal, needs};
use shared::problem::Problem;
use shared::seal::sha256_hex;
use shared::time::Time;
use utoipa::ToSchema;

use crate::AppState;
use crate::domain::{BillingPeriod, Invoice, Month, rate};
use crate::store::{Issued, List, Store};

/// A side of an invoice. One organization may be both.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Side {
    /// Who owes it.
    #[default]
    Consumer,
    /// To whom it is owed.
    Provider,
}

/// Which invoices are listed, and how many of them.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// Those of this subscription only, of which one's organization is either side.
    #[serde(default)]
    #[param(inline)]
    subscription: Option<SubscriptionId>,
    /// The side that one's own organization has; `consumer` when left out, or whichever it has of the subscription.
    #[serde(default)]
    #[param(inline)]
    side: Option<Side>,
    /// At most so many items, 1 to 200; 50 when left out.
    #[serde(default)]
    #[param(minimum = 1, maximum = 200)]
    page_size: Option<u16>,
    /// The `next_page_token` of the page before.
    #[serde(default)]
    #[param(max_length = 512, pattern = "^[A-Za-z0-9_-]*$")]
    page_token: Option<String>,
}

/// An invoice, without its lines.
#[derive(Debug, Serialize, ToSchema)]
struct InvoiceSummary {
    /// Its id.
    id: InvoiceId,
    /// Its number, without a gap for each provider.
    #[schema(examples("acme-000042"))]
    number: String,
    /// The subscription.
    subscription: SubscriptionId,
    /// The consumer, who owes it.
    organization: Party,
    /// The provider, whom it is owed to.
    provider: Party,
    /// The period.
    period: BillingPeriod,
    /// The currency of the total, by its code in ISO 4217.
    currency: Currency,
    /// What is owed.
    #[schema(pattern = r"^[0-9]+(\.[0-9]+)?$", examples("10.26"))]
    total: String,
    /// When it was issued.
    issued_at: Time,
}

impl InvoiceSummary {
    fn of(state: InvoiceState) -> Self {
        Self {
            id: state.id,
            number: state.number,
            subscription: state.subscription,
            organization: state.organization,
            provider: state.provider,
            period: BillingPeriod { from: state.from, to: state.to },
            currency: state.currency,
            total: state.total.with_places(state.currency.places()),
            issued_at: state.issued_at,
        }
    }
}

fn is_side(organization: &Party, provider: &Party, own: OrganizationId, side: Option<Side>) -> bool {
    (organization.id == own && side != Some(Side::Provider)) || (provider.id == own && side != Some(Side::Consumer))
}

/// A subscription that the caller's organization is a side of. Everybody else's is not there.
pub(super) async fn known(store: &Store, caller: &Principal, id: SubscriptionId) -> Result<SubscriptionState, Problem> {
    known_as(store, caller, id, None).await
}

async fn known_as(
    store: &Store,
    caller: &Principal,
    id: SubscriptionId,
    side: Option<Side>,
) -> Result<SubscriptionState, Problem> {
    let subscription = store.subscription(id).await?;
    subscription
        .filter(|state| is_side(&state.organization, &state.provider, caller.organization.id, side))
        .ok_or_else(Problem::not_found)
}

/// An invoice that the caller's organization owes or is owed. Everybody else's is not there.
async fn issued(store: &Store, caller: &Principal, id: InvoiceId) -> Result<Issued, Problem> {
    let invoice = store.invoice(id).await?;
    invoice
        .filter(|invoice| is_side(&invoice.state.organization, &invoice.state.provider, caller.organization.id, None))
        .ok_or_else(Problem::not_found)
}

/// The seal of an invoice that is there.
async fn seal(store: &Store, id: InvoiceId) -> Result<SealState, Problem> {
    store.seal(id).await?.ok_or_else(|| Problem::internal(format!("{id} has no seal")))
}

/// Lists the invoices of one's own organization on one side, or of a subscription, newest first.
#[utoipa::path(get, path = "/v1/billing/invoices", operation_id = "list_invoices", tag = "billing", security(("token" = ["billing:read"])), params(ListQuery),
    responses((status = 200, description = "A page of invoices.", body = Page<InvoiceSummary>)))]
pub(super) async fn list_invoices(
    caller: Caller<needs::BillingRead>,
    State(app): State<AppState>,
    Query(query): Query<ListQuery>,
) -> Result<Reply, Problem> {
    let own = caller.organization.id;
    let list = match (query.subscription, query.side) {
        (Some(id), side) => {
            known_as(&app.store, &caller, id, side).await?;
            List::Subscription(id)
        }
        (None, None | Some(Side::Consumer)) => List::Consumer(own),
        (None, Some(Side::Provider)) => List::Provider(own),
    };
    let name = format!("invoices/{list:?}/{own}");
    let page = app.pages.open(&name, &PageQuery { page_size: query.page_size, page_token: query.page_token })?;
    let slice = app.store.invoices(list, &page).await?;
    let items: Vec<_> = slice.rows.into_iter().map(InvoiceSummary::of).collect();
    Reply::ok(&app.pages.page(&name, items, slice.position)?)
}

/// Reads an invoice, from either side: the same bytes for ever.
#[utoipa::path(get, path = "/v1/billing/invoices/{invoice}", operation_id = "get_invoice", tag = "billing", security(("token" = ["billing:read"])),
    params(("invoice" = inline(InvoiceId), Path, description = "The invoice's id.")),
    responses((status = 200, description = "The invoice.", body = Invoice)))]
pub(super) async fn get_invoice(
    caller: Caller<needs::BillingRead>,
    Path(id): Path<InvoiceId>,
    State(app): State<AppState>,
) -> Result<Reply, Problem> {
    let invoice = issued(&app.store, &caller, id).await?;
    Reply::ok(&RawValue::from_string(invoice.document).map_err(Problem::internal)?)
}

/// An invoice, made once more.
#[derive(Debug, Serialize, ToSchema)]
struct Recomputation {
    /// Whether the same bytes came out.
    identical: bool,
    /// SHA-256 of the invoice's bytes as they are served, in hexadecimal.
    stored_sha256: String,
    /// SHA-256 of the bytes that came out now, in hexadecimal.
    recomputed_sha256: String,
    /// What came out now.
    #[schema(value_type = Invoice)]
    document: Box<RawValue>,
}

/// Rates an invoice once more.
///
/// It is made anew from the sealed count that was stored with it, and compared byte for byte. Nothing is changed.
#[utoipa::path(post, path = "/v1/billing/invoices/{invoice}/recompute", operation_id = "recompute_invoice", tag = "billing", security(("token" = ["billing:read"])),
    params(("invoice" = inline(InvoiceId), Path, description = "The invoice's id.")),
    responses((status = 200, description = "What came out.", body = Recomputation)))]
pub(super) async fn recompute_invoice(
    caller: Caller<needs::BillingRead>,
    Path(id): Path<InvoiceId>,
    State(app): State<AppState>,
) -> Result<Reply, Problem> {
    let Issued { state, document, .. } = issued(&app.store, &caller, id).await?;
    let seal = seal(&app.store, id).await?;
    let bills = rate(&seal.terms, Month::of(&seal)).map_err(Problem::internal)?;
    let bill = bills
        .iter()
        .find(|bill| bill.currency == state.currency)
        .ok_or_else(|| Problem::internal(format!("the seal of {id} has no terms in {}", state.currency)))?;
    let again = Invoice::of(id, state.number, &seal, bill).document().map_err(Problem::internal)?;
    Reply::ok(&Recomputation {
        identical: again == document,
        stored_sha256: sha256_hex(document.as_bytes()),
        recomputed_sha256: sha256_hex(again.as_bytes()),
        document: RawValue::from_string(again).map_err(Problem::internal)?,
    })
}

/// An invoice's sealed count beside the hours of usage.
#[derive(Debug, Serialize, ToSchema)]
struct Comparison {
    /// The invoice.
    invoice: InvoiceId,
    /// The period.
    period: BillingPeriod,
    /// Units admitted and not given back in the period, by the seal: under all of its terms, also those of another currency.
    sealed_units: u64,
    /// The same period by the hours of usage; absent until all of them are whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    hours: Option<Hours>,
    /// Whether both count the same units; absent until the hours are there.
    #[serde(skip_serializing_if = "Option::is_none")]
    equal: Option<bool>,
}

/// A period by the hours of usage.
#[derive(Debug, Serialize, ToSchema)]
struct Hours {
    /// Calls that the door admitted.
    admitted: u64,
    /// Admitted calls that were given back because the upstream failed.
    failed: u64,
    /// Units admitted and not given back.
    units: u64,
}

/// Shows what an invoice was rated from beside what usage counted by hours.
#[utoipa::path(get, path = "/v1/billing/invoices/{invoice}/usage", operation_id = "compare_invoice", tag = "billing", security(("token" = ["billing:read"])),
    params(("invoice" = inline(InvoiceId), Path, description = "The invoice's id.")),
    responses((status = 200, description = "The comparison.", body = Comparison)))]
pub(super) async fn compare_invoice(
    caller: Caller<needs::BillingRead>,
    Path(id): Path<InvoiceId>,
    State(app): State<AppState>,
) -> Result<Reply, Problem> {
    let invoice = issued(&app.store, &caller, id).await?;
    let seal = seal(&app.store, id).await?;
    let sealed_units = seal.terms.iter().map(|part| part.admitted.saturating_sub(part.refunded)).sum();
    let hours = app.store.hours(&invoice.seal).await?;
    Reply::ok(&Comparison {
        invoice: id,
        period: BillingPeriod { from: seal.from, to: seal.to },
        sealed_units,
        equal: hours.as_ref().map(|hours| hours.units == sealed_units),
        hours: hours.map(|hours| Hours { admitted: hours.admitted, failed: hours.failed, units: hours.units }),
    })
}
