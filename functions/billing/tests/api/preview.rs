//! The running month. Every call comes in the middle of July.

use std::sync::{Arc, Mutex};

use axum::Json;
use axum::extract::RawQuery;
use axum::routing::get;
use billing::App;
use house::{House, Who};
use serde_json::{Value, json};
use shared::principal::Role;

use crate::story::{CONSUMER, PROVIDER, SUBSCRIPTION, basic, lines, subscription, tell_subscription, terms};

const BEGIN: &str = "2026-06-15T08:00:00Z";

/// With `usage`, which answers what it is told to, for July alone.
struct Scene {
    house: House<App>,
    usage: Arc<Mutex<Value>>,
}

impl Scene {
    async fn new() -> Self {
        let usage: Arc<Mutex<Value>> = Arc::default();
        let says = usage.clone();
        let answer = async move |RawQuery(query): RawQuery| {
            let july = "from=2026-07-01T00:00:00.000Z&to=2026-08-01T00:00:00.000Z";
            if query.unwrap() == format!("subscription={SUBSCRIPTION}&{july}") {
                Ok(Json(says.lock().unwrap().clone()))
            } else {
                Err(house::not_found())
            }
        };
        let mut house = House::among(axum::Router::new().route("/v1/usage", get(answer)), App::new).await;
        house.now_ms = "2026-07-20T12:00:00Z".parse::<shared::time::Time>().unwrap().ms();
        Self { house, usage }
    }

    fn counts(&self, units: i64, by_terms: Option<&[(u64, i64)]>) {
        let mut usage = json!({"units": units, "complete_to": "2026-07-20T12:00:00Z", "by_operation": []});
        if let Some(terms) = by_terms {
            let term = |(revision, units): &(u64, i64)| json!({"revision": revision, "units": units});
            usage["by_terms"] = terms.iter().map(term).collect();
        }
        *self.usage.lock().unwrap() = usage;
    }

    async fn preview(&self, who: Who<'_>) -> house::Answer {
        self.house.get(who, &format!("/v1/billing/preview?subscription={SUBSCRIPTION}")).await
    }
}

fn pro() -> Value {
    terms("pro", ("EUR", "31", 3100, "0.01"))
}

#[tokio::test]
async fn a_month_under_one_plan_is_shown_in_full() {
    let scene = Scene::new().await;
    tell_subscription(&scene.house, &subscription(1, &basic(), 1, BEGIN)).await;
    let expected = json!({
        "subscription": SUBSCRIPTION, "currency": "EUR", "total": "9.40", "complete_to": "2026-07-20T12:00:00.000Z",
        "period": {"from": "2026-07-01T00:00:00.000Z", "to": "2026-08-01T00:00:00.000Z"},
        "lines": [
            {"description": "Plan basic, version 3: month", "quantity": "1", "unit_price": "9.00", "amount": "9.00"},
            {"description": "Plan basic, version 3: included calls, up to 100", "quantity": "100", "unit_price": "0.00", "amount": "0.00"},
            {"description": "Plan basic, version 3: further calls", "quantity": "20", "unit_price": "0.02", "amount": "0.40"}
        ]
    });
    // Usage says by terms what it counted, or only the sum.
    for by_terms in [None, Some(&[(1, 120)][..])] {
        scene.counts(120, by_terms);
        for who in [CONSUMER, PROVIDER] {
            assert_eq!(scene.preview(who).await.is(200), expected);
        }
    }
    // What was given back of the month before is not owed to anybody.
    scene.counts(-2, Some(&[(1, -2)]));
    assert_eq!(scene.preview(CONSUMER).await.is(200)["total"], "9.00");
    assert_eq!(scene.preview(Who::Member("beta", Role::Developer)).await.kind(), (403, "forbidden"));
}

#[tokio::test]
async fn terms_are_rated_by_their_revision_in_whatever_order_they_came() {
    let (first, second, third) = (
        subscription(1, &basic(), 1, BEGIN),
        subscription(3, &pro(), 2, "2026-07-11T15:00:00Z"),
        subscription(4, &basic(), 3, "2026-07-31T09:00:00Z"),
    );
    for order in [[&first, &second, &third], [&third, &first, &second], [&second, &third, &first]] {
        let scene = Scene::new().await;
        for state in order.into_iter().chain(order) {
            tell_subscription(&scene.house, state).await;
        }
        scene.counts(3000, Some(&[(1, 100), (2, 2900), (3, -5)]));
        let bill = scene.preview(CONSUMER).await.is(200);
        assert_eq!(
            lines(&bill),
            [
                ["Plan basic, version 3: 10 of 31 days", "0.322580645161", "9.00", "2.90"],
                ["Plan basic, version 3: included calls, up to 33", "33", "0.00", "0.00"],
                ["Plan basic, version 3: further calls", "67", "0.02", "1.34"],
                ["Plan pro, version 3: 20 of 31 days", "0.645161290323", "31.00", "20.00"],
                ["Plan pro, version 3: included calls, up to 2000", "2000", "0.00", "0.00"],
                ["Plan pro, version 3: further calls", "900", "0.01", "9.00"],
                ["Plan basic, version 3: 1 of 31 days", "0.032258064516", "9.00", "0.29"],
                ["Plan basic, version 3: included calls, up to 3", "0", "0.00", "0.00"],
            ]
        );
        assert_eq!(bill["total"], "33.53");
    }
}

#[tokio::test]
async fn before_all_terms_of_the_month_have_arrived_nothing_wrong_is_shown() {
    let scene = Scene::new().await;
    scene.counts(7, None);
    assert_eq!(scene.preview(CONSUMER).await.kind(), (404, "not-found"));
    tell_subscription(&scene.house, &subscription(4, &basic(), 3, "2026-07-15T09:00:00Z")).await;
    assert_eq!(scene.preview(CONSUMER).await.kind(), (503, "unavailable"));
    tell_subscription(&scene.house, &subscription(1, &basic(), 1, BEGIN)).await;
    assert_eq!(scene.preview(CONSUMER).await.kind(), (503, "unavailable"), "the second is missing");
    tell_subscription(&scene.house, &subscription(3, &pro(), 2, "2026-07-11T15:00:00Z")).await;
    // Without a word of terms, all counts as the newest's.
    let bill = scene.preview(CONSUMER).await.is(200);
    assert_eq!(lines(&bill).last().unwrap()[..2], ["Plan basic, version 3: included calls, up to 55", "7"]);
    // Counted under terms that are not here yet.
    scene.counts(7, Some(&[(3, 6), (4, 1)]));
    assert_eq!(scene.preview(CONSUMER).await.kind(), (503, "unavailable"));
}

#[tokio::test]
async fn terms_that_ended_before_the_month_are_asked_for_only_where_something_was_counted_under_them() {
    let scene = Scene::new().await;
    for (revision, since) in [(1, BEGIN), (2, "2026-06-30T10:00:00Z"), (3, "2026-06-30T23:59:59.900Z")] {
        tell_subscription(&scene.house, &subscription(revision, &basic(), revision, since)).await;
    }
    scene.counts(2, Some(&[(1, -1), (3, 3)]));
    assert_eq!(lines(&scene.preview(CONSUMER).await.is(200)).len(), 2);
    // A call that the door took in before it knew of the change.
    scene.counts(4, Some(&[(2, 1), (3, 3)]));
    let bill = scene.preview(CONSUMER).await.is(200);
    assert_eq!(lines(&bill)[0], ["Plan basic, version 3: calls", "1", "0.02", "0.02"]);
    assert_eq!((lines(&bill).len(), &bill["total"]), (3, &json!("9.02")));
}

#[tokio::test]
async fn what_is_owed_in_another_currency_is_shown_too() {
    let scene = Scene::new().await;
    tell_subscription(&scene.house, &subscription(1, &terms("yen", ("JPY", "3100", 0, "1")), 1, BEGIN)).await;
    tell_subscription(&scene.house, &subscription(2, &basic(), 2, "2026-07-02T00:00:00Z")).await;
    scene.counts(5, Some(&[(1, 5)]));
    let bill = scene.preview(CONSUMER).await.is(200);
    assert_eq!((&bill["currency"], &bill["total"]), (&json!("EUR"), &json!("8.71")));
    let other = &bill["other_currencies"][0];
    assert_eq!((&other["currency"], &other["total"]), (&json!("JPY"), &json!("105")));
    assert_eq!(lines(other)[1], ["Plan yen, version 3: calls", "5", "1", "5"]);
}

#[tokio::test]
async fn a_subscription_that_never_ran_owes_nothing() {
    let scene = Scene::new().await;
    let mut requested = subscription(1, &basic(), 1, BEGIN);
    (requested["state"], requested["activated_at"]) = (json!("requested"), json!(null));
    tell_subscription(&scene.house, &requested).await;
    scene.counts(0, Some(&[]));
    let bill = scene.preview(CONSUMER).await.is(200);
    assert_eq!((lines(&bill).len(), &bill["total"]), (1, &json!("0.00")));
}
