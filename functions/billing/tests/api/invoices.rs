//! What an invoice says, and that it says it for ever.

use serde_json::{Value, json};
use shared::chassis::table::Row;

use crate::story::{
    CONSUMER, PROVIDER, SUBSCRIPTION, basic, basic_month, events, lines, list, only, path, seal, subscription,
    tell_hours, tell_seal, tell_subscription, terms, told, under,
};

#[tokio::test]
async fn a_sealed_month_becomes_an_invoice_of_the_same_bytes_for_both_sides_and_for_ever() {
    let house = told().await;
    let summary = list(&house, CONSUMER, "").await.remove(0);
    let id = summary["id"].as_str().unwrap();
    assert_eq!(
        summary,
        json!({
            "id": id, "number": "acme-000001", "subscription": SUBSCRIPTION, "organization": house::party("beta"), "provider": house::party("acme"),
            "period": {"from": "2026-07-01T00:00:00.000Z", "to": "2026-08-01T00:00:00.000Z"}, "currency": "EUR", "total": "9.40",
            "issued_at": "2026-08-01T00:02:00.000Z"
        })
    );
    let (consumer, provider) = (house::party("beta").id, house::party("acme").id);
    let sealed = r#""sealed":{"revision":1,"admitted":{"from":5000,"to":5123},"refunded":{"from":7,"to":10}}"#;
    let expected = [
        &format!(
            r#"{{"id":"{id}","number":"acme-000001","subscription":"{SUBSCRIPTION}","app_name":"Beta's app","product_slug":"weather","#
        ),
        &format!(
            r#""organization":{{"id":"{consumer}","slug":"beta"}},"provider":{{"id":"{provider}","slug":"acme"}},"#
        ),
        r#""period":{"from":"2026-07-01T00:00:00.000Z","to":"2026-08-01T00:00:00.000Z"},"currency":"EUR","lines":["#,
        r#"{"description":"Plan basic, version 3: month","quantity":"1","unit_price":"9.00","amount":"9.00","#,
        sealed,
        r#"},{"description":"Plan basic, version 3: included calls, up to 100","quantity":"100","unit_price":"0.00","amount":"0.00","#,
        sealed,
        r#"},{"description":"Plan basic, version 3: further calls","quantity":"20","unit_price":"0.02","amount":"0.40","#,
        sealed,
        &format!(r#"}}],"total":"9.40","seal":"{SUBSCRIPTION}.2026-07","issued_at":"2026-08-01T00:02:00.000Z"}}"#),
    ];
    let expected: String = expected.concat();
    // Whatever comes later changes nothing in it.
    tell_subscription(&house, &subscription(2, &terms("pro", ("EUR", "99", 0, "1")), 2, "2026-08-10T08:00:00Z")).await;
    tell_seal(&house, &basic_month("2026-07", 1_000_000, 0)).await;
    tell_hours(&house, "2026-07", 1, 120).await;
    for who in [CONSUMER, PROVIDER] {
        let answer = house.get(who, &path(&summary)).await;
        assert_eq!(answer.headers["content-type"], "application/json");
        assert_eq!(String::from_utf8(answer.bytes).unwrap(), expected);
    }
    let told = events(&house).await;
    assert_eq!(told.len(), 1);
    assert_eq!(
        serde_json::to_value(&told[0]).unwrap(),
        json!({
            "id": id, "revision": 1, "number": "acme-000001", "subscription": SUBSCRIPTION, "organization": house::party("beta"),
            "provider": house::party("acme"), "from": "2026-07-01T00:00:00.000Z", "to": "2026-08-01T00:00:00.000Z", "currency": "EUR", "total": "9.4",
            "issued_at": "2026-08-01T00:02:00.000Z"
        })
    );
}

#[tokio::test]
async fn an_invoice_made_once_more_is_identical_and_a_forged_one_is_found() {
    let house = told().await;
    let invoice = list(&house, CONSUMER, "").await.remove(0);
    let bytes = house.get(CONSUMER, &path(&invoice)).await.bytes;
    let recompute = format!("{}/recompute", path(&invoice));
    let again = house.post(PROVIDER, &recompute, &json!({})).await;
    let sha256 = shared::seal::sha256_hex(&bytes);
    assert_eq!(
        again.is(200),
        json!({"identical": true, "stored_sha256": sha256, "recomputed_sha256": sha256, "document": serde_json::from_slice::<Value>(&bytes).unwrap()})
    );
    // Byte for byte, inside of the answer too.
    assert!(String::from_utf8(again.bytes).unwrap().contains(std::str::from_utf8(&bytes).unwrap()));

    let forged = std::str::from_utf8(&bytes).unwrap().replace("9.40", "8.40");
    let id = invoice["id"].as_str().unwrap();
    let mut row: Value = house.table.get(id, "INVOICE").await.unwrap().unwrap();
    row["document"] = json!(forged);
    let mut write = house.table.transaction();
    write.put("forged", Row::new(id, "INVOICE", &row).unwrap()).unwrap();
    write.commit().await.unwrap();
    let again = house.post(CONSUMER, &recompute, &json!({})).await.is(200);
    assert_eq!(
        again,
        json!({"identical": false, "stored_sha256": shared::seal::sha256_hex(forged.as_bytes()), "recomputed_sha256": sha256, "document": again["document"]})
    );
    assert_eq!(again["document"]["total"], "9.40");
}

#[tokio::test]
async fn a_change_of_plan_shares_the_month_and_every_line_names_its_range() {
    let house = house::House::new(billing::App::new).await;
    let pro = terms("pro", ("EUR", "31", 3100, "0.01"));
    // Not in their order, because nothing depends on it.
    let parts = [under(2, "2026-07-11T15:00:00Z", &pro, 3000, 0), under(1, "2026-06-15T08:00:00Z", &basic(), 100, 1)];
    tell_seal(&house, &seal("2026-07", &parts)).await;
    let invoice = only(&house).await;
    assert_eq!(
        lines(&invoice),
        [
            ["Plan basic, version 3: 10 of 31 days", "0.322580645161", "9.00", "2.90"],
            ["Plan basic, version 3: included calls, up to 33", "33", "0.00", "0.00"],
            ["Plan basic, version 3: further calls", "66", "0.02", "1.32"],
            ["Plan pro, version 3: 21 of 31 days", "0.677419354839", "31.00", "21.00"],
            ["Plan pro, version 3: included calls, up to 2100", "2100", "0.00", "0.00"],
            ["Plan pro, version 3: further calls", "900", "0.01", "9.00"],
        ]
    );
    assert_eq!(invoice["total"], "34.22");
    assert_eq!(
        invoice["lines"][2]["sealed"],
        json!({"revision": 1, "admitted": {"from": 5000, "to": 5100}, "refunded": {"from": 7, "to": 8}})
    );
    assert_eq!(
        invoice["lines"][5]["sealed"],
        json!({"revision": 2, "admitted": {"from": 5100, "to": 8100}, "refunded": {"from": 8, "to": 8}})
    );
    let again = house.post(CONSUMER, &format!("{}/recompute", path(&invoice)), &json!({})).await.is(200);
    assert_eq!(again["identical"], true);
}

#[tokio::test]
async fn a_month_is_billed_when_something_is_owed_or_was_counted() {
    let with = |seal: &Value, name: &str, value: Value| {
        let mut seal = seal.clone();
        seal[name] = value;
        seal
    };
    let quiet = basic_month("2026-07", 0, 0);
    let free = |admitted| {
        seal("2026-07", &[under(1, "2026-06-15T08:00:00Z", &terms("free", ("EUR", "0", 9, "1")), admitted, 0)])
    };
    for (what, seal, total) in [
        ("a month without a call", quiet.clone(), Some("9.00")),
        ("a month that it began in", with(&quiet, "activated_at", json!("2026-07-31T23:59:00Z")), Some("9.00")),
        ("a month that it ended in", with(&quiet, "cancelled_at", json!("2026-07-01T00:01:00Z")), Some("9.00")),
        ("a month behind its end", with(&quiet, "cancelled_at", json!("2026-06-30T12:00:00Z")), None),
        ("never active", with(&quiet, "activated_at", json!(null)), None),
        ("active only behind the month", with(&quiet, "activated_at", json!("2026-08-01T00:00:30Z")), None),
        ("free and quiet", free(0), None),
        ("free and called", free(9), Some("0.00")),
    ] {
        let house = house::House::new(billing::App::new).await;
        tell_seal(&house, &seal).await;
        let totals: Vec<_> =
            list(&house, CONSUMER, "").await.into_iter().map(|invoice| invoice["total"].clone()).collect();
        assert_eq!(totals, total.map(Value::from).into_iter().collect::<Vec<_>>(), "{what}");
        assert_eq!(events(&house).await.len(), totals.len(), "{what}");
    }
}

#[tokio::test]
async fn terms_of_two_currencies_are_two_invoices() {
    let house = house::House::new(billing::App::new).await;
    let yen = terms("yen", ("JPY", "3100", 0, "1"));
    let parts = [under(1, "2026-06-15T08:00:00Z", &basic(), 0, 0), under(2, "2026-07-31T00:00:00Z", &yen, 7, 0)];
    for _ in 0..2 {
        tell_seal(&house, &seal("2026-07", &parts)).await;
    }
    let invoices = list(&house, PROVIDER, "&side=provider").await;
    let mut short: Vec<_> = invoices
        .iter()
        .map(|invoice| ["number", "currency", "total"].map(|name| invoice[name].as_str().unwrap()))
        .collect();
    short.sort_unstable();
    assert_eq!(short, [["acme-000001", "EUR", "8.71"], ["acme-000002", "JPY", "107"]]);
    for invoice in &invoices {
        let again = house.post(CONSUMER, &format!("{}/recompute", path(invoice)), &json!({})).await.is(200);
        assert_eq!(again["identical"], true);
    }
    house.tells_all_again().await;
}

#[tokio::test]
async fn the_hours_of_usage_stand_beside_the_invoice() {
    let house = told().await;
    let target = format!("{}/usage", path(&only(&house).await));
    let id = only(&house).await["id"].clone();
    let period = json!({"from": "2026-07-01T00:00:00.000Z", "to": "2026-08-01T00:00:00.000Z"});
    let none = json!({"invoice": id, "period": period, "sealed_units": 120});
    assert_eq!(house.get(CONSUMER, &target).await.is(200), none);
    // Another month's say nothing.
    tell_hours(&house, "2026-08", 1, 120).await;
    assert_eq!(house.get(CONSUMER, &target).await.is(200), none);
    // The newest counts, whatever comes last.
    for (revision, units, equal) in [(1, 119, false), (2, 120, true), (1, 119, true)] {
        tell_hours(&house, "2026-07", revision, units).await;
        let compared = house.get(PROVIDER, &target).await.is(200);
        assert_eq!((&compared["equal"], &compared["sealed_units"]), (&json!(equal), &json!(120)));
    }
    assert_eq!(house.get(PROVIDER, &target).await.is(200)["hours"], json!({"admitted": 90, "failed": 4, "units": 120}));
}
