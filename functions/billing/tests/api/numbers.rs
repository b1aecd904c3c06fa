//! Once and without a gap.

use billing::App;
use house::{House, Who, party};
use serde_json::{Value, json};
use shared::principal::Role;

use crate::story::{CONSUMER, PROVIDER, basic_month, events, list, tell_seal};

fn numbers(invoices: &[Value]) -> Vec<&str> {
    let mut numbers: Vec<_> = invoices.iter().map(|invoice| invoice["number"].as_str().unwrap()).collect();
    numbers.sort_unstable();
    numbers
}

/// The seal of another subscription of the same two organizations.
fn of(subscription: u32) -> Value {
    let mut seal = basic_month("2026-07", 1, 0);
    let id = format!("sub_01h455vb4pex5vsknk084sn{subscription:03}");
    (seal["id"], seal["subscription"]) = (json!(format!("{id}.2026-07")), json!(id));
    seal
}

#[tokio::test]
async fn a_seal_that_comes_twice_and_at_once_is_one_invoice() {
    let house = House::new(App::new).await;
    let seal = basic_month("2026-07", 123, 3);
    tokio::join!(tell_seal(&house, &seal), tell_seal(&house, &seal), tell_seal(&house, &seal));
    tell_seal(&house, &seal).await;
    let invoices = list(&house, CONSUMER, "").await;
    assert_eq!(numbers(&invoices), ["acme-000001"]);
    assert_eq!(list(&house, PROVIDER, "&side=provider").await, invoices);
    assert_eq!(events(&house).await.len(), 1);
    // The number that was not needed is the next one's.
    tell_seal(&house, &basic_month("2026-08", 1, 0)).await;
    assert_eq!(numbers(&list(&house, CONSUMER, "").await), ["acme-000001", "acme-000002"]);
}

#[tokio::test]
async fn invoices_that_are_made_at_once_have_numbers_without_a_gap() {
    let house = House::new(App::new).await;
    let seals: Vec<_> = (100..106).map(of).collect();
    tokio::join!(
        tell_seal(&house, &seals[0]),
        tell_seal(&house, &seals[1]),
        tell_seal(&house, &seals[2]),
        tell_seal(&house, &seals[3]),
        tell_seal(&house, &seals[4]),
        tell_seal(&house, &seals[5]),
    );
    let expected = ["acme-000001", "acme-000002", "acme-000003", "acme-000004", "acme-000005", "acme-000006"];
    assert_eq!(numbers(&list(&house, CONSUMER, "").await), expected);
    let told = events(&house).await;
    assert_eq!(told.iter().map(|state| &*state.number).collect::<std::collections::BTreeSet<_>>(), expected.into());
}

#[tokio::test]
async fn every_provider_counts_for_itself() {
    let house = House::new(App::new).await;
    tell_seal(&house, &of(100)).await;
    let mut other = of(101);
    other["provider"] = json!(party("nimbus"));
    tell_seal(&house, &other).await;
    assert_eq!(numbers(&list(&house, CONSUMER, "").await), ["acme-000001", "nimbus-000001"]);
    assert_eq!(numbers(&list(&house, Who::Member("nimbus", Role::Owner), "&side=provider").await), ["nimbus-000001"]);
}
