//! Months: sealed, compared with the hours, billed; over the whole chain, by a clock that jumps.

use std::time::Duration;

use journeys::{Call, Market, Platform, Settings, alone};
use serde_json::{Value, json};
use shared::time::Time;

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("no number: {value}"))
}

fn now(platform: &Platform) -> Time {
    Time::from_ms(platform.cloud().clock().now_ms())
}

/// Jumps to the noon of a day in the next month, so that no test depends on the day that it runs on.
fn noon_of_the_tenth(platform: &Platform) {
    let now = now(platform);
    let ms = now.month().1.ms() + (9 * 24 + 12) * 3_600_000 - now.ms();
    platform.cloud().clock().advance(Duration::from_millis(u64::try_from(ms).unwrap()));
}

/// Jumps two hours into the next month, where its first sweep seals the last.
async fn next_month(platform: &Platform) -> (Time, Time) {
    platform.settled().await;
    let now = now(platform);
    let (from, to) = now.month();
    let ms = to.ms() - now.ms() + 2 * 3_600_000;
    platform.cloud().clock().advance(Duration::from_millis(u64::try_from(ms).unwrap()));
    platform.cloud().events().fire("Gateway").await.unwrap();
    platform.settled().await;
    (from, to)
}

async fn invoices(platform: &Platform, market: &Market) -> Vec<Value> {
    let path = format!("/v1/billing/invoices?subscription={}", market.subscription);
    let page = platform.get(&market.consumer.token, path).await;
    page["items"].as_array().unwrap_or_else(|| panic!("{page}")).clone()
}

/// What the bus carried of one type about this market's subscription.
fn told(platform: &Platform, market: &Market, kind: &str) -> usize {
    let events = platform.cloud().events().archived("BusArchive").unwrap();
    let about = |event: &&Value| {
        event["detail"]["type"] == kind && event["detail"]["data"].to_string().contains(&market.subscription)
    };
    events.iter().filter(about).count()
}

#[test]
fn a_month_is_sealed_compared_with_its_hours_and_billed() {
    alone(Settings::default(), async |platform| {
        noon_of_the_tenth(platform);
        let terms = json!({ "currency": "EUR", "monthly_price": "30", "included_calls": 2, "price_per_call": "0.50", "quota": { "calls": 100, "period": "month", "kind": "hard" } });
        let market = platform.market(terms).await;
        let dear = json!({ "currency": "EUR", "monthly_price": "60", "included_calls": 0, "price_per_call": "2", "weights": { "echo": 3 } });
        platform.plan(&market.provider, "dear", &dear).await;
        for path in ["/forecast/oslo", "/forecast/oslo", "/failures/503", "/forecast/oslo", "/forecast/oslo"] {
            market.pass(platform, path).await;
        }
        let change = format!("/v1/subscriptions/{}/change-plan", market.subscription);
        platform.post(&market.consumer.token, change, &json!({ "plan": "dear" })).await;
        for path in ["/echo", "/forecast/oslo"] {
            assert_eq!(market.pass(platform, path).await.status, 200, "{path}");
        }
        let preview = market.bill(platform).await;

        let (from, to) = next_month(platform).await;
        // A call of the new month counts for the new month, and opens no sealed one.
        assert_eq!(market.pass(platform, "/forecast/oslo").await.status, 200);
        platform.settled().await;
        let listed = invoices(platform, &market).await;
        assert_eq!(listed.len(), 1, "{listed:?}");
        let invoice = format!("/v1/billing/invoices/{}", listed[0]["id"].as_str().unwrap());
        let document = platform.get(&market.provider.token, &invoice).await;
        assert_eq!(document["period"], json!({ "from": from, "to": to }), "{document}");
        // Both plans held on the day of the change, which is the second one's: it is charged the whole month. Two of the four calls
        // under the first would have been included, had it had a day.
        let amounts: Vec<_> =
            document["lines"].as_array().unwrap().iter().map(|line| (&line["quantity"], &line["amount"])).collect();
        assert_eq!(
            amounts,
            [(&json!("4"), &json!("2.00")), (&json!("1"), &json!("60.00")), (&json!("4"), &json!("8.00"))],
            "{document}"
        );
        assert_eq!(document["total"], "70.00", "{document}");
        assert_eq!(preview["total"], document["total"], "the preview said what the invoice says: {preview}");
        let again = platform.post(&market.consumer.token, format!("{invoice}/recompute"), &Value::Null).await;
        assert_eq!((&again["identical"], &again["document"]), (&json!(true), &document), "{again}");

        // The hours of usage add up to what was sealed.
        let path = format!("/v1/usage?subscription={}&from={from}&to={to}", market.subscription);
        let usage = platform.get(&market.consumer.token, path).await;
        let hours: i64 = usage["by_hour"].as_array().unwrap().iter().map(|hour| number(&hour["units"])).sum();
        assert_eq!((number(&usage["units"]), hours), (8, 8), "{usage}");
        let compared = platform.get(&market.consumer.token, format!("{invoice}/usage")).await;
        assert_eq!(
            (&compared["sealed_units"], &compared["equal"], &compared["hours"]["failed"]),
            (&json!(8), &json!(true), &json!(1)),
            "{compared}"
        );
        for kind in ["gateway.seal", "usage.period", "billing.invoice"] {
            assert_eq!(told(platform, &market, kind), 1, "{kind}");
        }
    });
}

#[test]
fn a_month_without_a_call_owes_its_price_and_one_after_the_end_owes_nothing() {
    alone(Settings::default(), async |platform| {
        noon_of_the_tenth(platform);
        let market = platform.market(json!({ "currency": "EUR", "monthly_price": "30", "included_calls": 2 })).await;
        for month in 1..=2 {
            next_month(platform).await;
            let listed = invoices(platform, &market).await;
            assert_eq!((listed.len(), &listed[0]["total"]), (month, &json!("30.00")), "{listed:?}");
        }
        // Ended in the middle of the third month, which is owed as a whole.
        let cancel = format!("/v1/subscriptions/{}/cancel", market.subscription);
        platform.post(&market.consumer.token, cancel, &Value::Null).await;
        for _ in 0..2 {
            next_month(platform).await;
            let listed = invoices(platform, &market).await;
            assert_eq!(listed.len(), 3, "{listed:?}");
        }
        let numbers: Vec<String> = invoices(platform, &market)
            .await
            .iter()
            .map(|invoice| invoice["number"].as_str().unwrap().to_owned())
            .collect();
        let slug = &market.provider.slug;
        assert_eq!(numbers, [3, 2, 1].map(|number| format!("{slug}-{number:06}")));
        assert_eq!(told(platform, &market, "gateway.seal"), 3);
    });
}

#[test]
fn every_event_twice_late_and_in_any_order_makes_one_invoice() {
    alone(Settings::default(), async |platform| {
        noon_of_the_tenth(platform);
        let market = platform.market(json!({ "currency": "EUR", "monthly_price": "30" })).await;
        let faults = platform.faults();
        faults.duplicate_events(true);
        faults.shuffle_events(Some(7));
        faults.delay_events(Duration::from_millis(300));
        faults.redelivery(Some(Duration::from_millis(100)));
        let calls: Vec<Call> = (0..20).map(|_| market.call("/forecast/oslo")).collect();
        platform.send_all(calls).await;
        next_month(platform).await;
        platform.cloud().events().fire("Gateway").await.unwrap();
        platform.settled().await;
        faults.clear();
        let listed = invoices(platform, &market).await;
        assert_eq!((listed.len(), &listed[0]["total"]), (1, &json!("30.00")), "{listed:?}");
        let path = format!("/v1/billing/invoices/{}/usage", listed[0]["id"].as_str().unwrap());
        let compared = platform.get(&market.consumer.token, path).await;
        assert_eq!((&compared["sealed_units"], &compared["equal"]), (&json!(20), &json!(true)), "{compared}");
    });
}
