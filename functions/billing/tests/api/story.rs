//! What the tests tell billing: subscriptions, and their sealed months.

use billing::App;
use house::{House, Who, party};
use serde_json::{Value, json};
use shared::event::{Envelope, InvoiceState, PeriodState, SealState, State, SubscriptionState};
use shared::principal::Role;

pub(crate) const SUBSCRIPTION: &str = "sub_01h455vb4pex5vsknk084sn02q";

/// The consumer's and the provider's accountants.
pub(crate) const CONSUMER: Who<'static> = Who::Member("beta", Role::Billing);
pub(crate) const PROVIDER: Who<'static> = Who::Member("acme", Role::Billing);

pub(crate) fn terms(plan: &str, price: (&str, &str, u64, &str)) -> Value {
    let (currency, monthly, included, per_call) = price;
    json!({
        "plan": "plan_01h455vb4pex5vsknk084sn02n", "plan_slug": plan, "plan_version": 3, "apis": [], "currency": currency,
        "monthly_price": monthly, "included_calls": included, "price_per_call": per_call, "approval": "automatic"
    })
}

pub(crate) fn basic() -> Value {
    terms("basic", ("EUR", "9", 100, "0.02"))
}

/// A state of the subscription, active since the middle of June.
pub(crate) fn subscription(revision: u64, terms: &Value, terms_revision: u64, terms_since: &str) -> Value {
    json!({
        "id": SUBSCRIPTION, "revision": revision, "state": "active", "organization": party("beta"), "provider": party("acme"),
        "app": "app_01h455vb4pex5vsknk084sn02a", "app_name": "Beta's app", "product": "product_01h455vb4pex5vsknk084sn02d",
        "product_slug": "weather", "terms": terms, "terms_revision": terms_revision, "terms_since": terms_since,
        "created_at": "2026-06-15T08:00:00Z", "activated_at": "2026-06-15T08:00:00Z", "cancelled_at": null
    })
}

/// Terms in a seal.
pub(crate) fn under(revision: u64, since: &str, terms: &Value, admitted: u64, refunded: u64) -> Value {
    json!({"revision": revision, "since": since, "terms": terms, "admitted": admitted, "refunded": refunded})
}

/// The seal of a month (`2026-07`) of the subscription.
pub(crate) fn seal(month: &str, terms: &[Value]) -> Value {
    let (from, to) = format!("{month}-01T00:00:00Z").parse::<shared::time::Time>().unwrap().month();
    json!({
        "id": format!("{SUBSCRIPTION}.{month}"), "revision": 1, "subscription": SUBSCRIPTION, "organization": party("beta"),
        "provider": party("acme"), "app_name": "Beta's app", "product_slug": "weather", "from": from, "to": to,
        "activated_at": "2026-06-15T08:00:00Z", "cancelled_at": null, "admitted_before": 5000, "refunded_before": 7,
        "terms": terms, "sealed_at": to.plus_ms(120_000)
    })
}

/// A month under the first terms alone.
pub(crate) fn basic_month(month: &str, admitted: u64, refunded: u64) -> Value {
    seal(month, &[under(1, "2026-06-15T08:00:00Z", &basic(), admitted, refunded)])
}

/// The queue's message of a state.
fn message<S: State>(state: &Value) -> Value {
    let state: S = serde_json::from_value(state.clone()).unwrap();
    let body = json!({"detail": Envelope::of(&state).unwrap()}).to_string();
    let attributes = json!({"SentTimestamp": "1790000000000"});
    json!({"Records": [{"messageId": "m", "eventSource": "aws:sqs", "body": body, "attributes": attributes}]})
}

/// Tells a state; it must be taken.
async fn tell<S: State>(house: &House<App>, state: &Value) {
    assert_eq!(house.send(&message::<S>(state)).await, json!({"batchItemFailures": []}), "{state}");
}

pub(crate) async fn tell_subscription(house: &House<App>, state: &Value) {
    tell::<SubscriptionState>(house, state).await;
}

pub(crate) async fn tell_seal(house: &House<App>, seal: &Value) {
    tell::<SealState>(house, seal).await;
}

/// Tells what usage counted in a month; see [`seal`].
pub(crate) async fn tell_hours(house: &House<App>, month: &str, revision: u64, units: u64) {
    let seal = seal(month, &[]);
    let period = json!({
        "id": seal["id"], "revision": revision, "subscription": SUBSCRIPTION, "from": seal["from"], "to": seal["to"],
        "admitted": 90, "failed": 4, "units": units, "sealed_units": units
    });
    tell::<PeriodState>(house, &period).await;
}

/// With the subscription and its first month.
pub(crate) async fn told() -> House<App> {
    let house = House::new(App::new).await;
    tell_subscription(&house, &subscription(1, &basic(), 1, "2026-06-15T08:00:00Z")).await;
    tell_seal(&house, &basic_month("2026-07", 123, 3)).await;
    house
}

/// A side's invoices.
pub(crate) async fn list(house: &House<App>, who: Who<'_>, query: &str) -> Vec<Value> {
    let target = format!("/v1/billing/invoices?page_size=200{query}");
    house.get(who, &target).await.is(200)["items"].as_array().unwrap().clone()
}

/// The one invoice that the consumer has, whole.
pub(crate) async fn only(house: &House<App>) -> Value {
    let invoices = list(house, CONSUMER, "").await;
    assert_eq!(invoices.len(), 1, "{invoices:?}");
    house.get(CONSUMER, &path(&invoices[0])).await.is(200)
}

/// An invoice's address.
pub(crate) fn path(invoice: &Value) -> String {
    format!("/v1/billing/invoices/{}", invoice["id"].as_str().unwrap())
}

/// An invoice's lines, short: description, quantity, price, amount.
pub(crate) fn lines(invoice: &Value) -> Vec<[&str; 4]> {
    invoice["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| ["description", "quantity", "unit_price", "amount"].map(|name| line[name].as_str().unwrap()))
        .collect()
}

/// What was told of invoices.
pub(crate) async fn events(house: &House<App>) -> Vec<InvoiceState> {
    let events = house.outbox("").await;
    assert!(events.iter().all(|event| event.kind == InvoiceState::TYPE));
    events.iter().map(|event| event.state().unwrap().unwrap()).collect()
}
