//! Events twice, shuffled and late, functions killed between any two steps: the same state in the end.

use std::time::Duration;

use cloud::Point;
use journeys::{Call, Key, Organization, Platform, Settings, VERSION, alone};
use serde_json::{Value, json};
use weather::Weather;

/// The functions of the chain.
const FUNCTIONS: [&str; 8] =
    ["Accounts", "Catalog", "Products", "Subscriptions", "Keys", "Gateway", "Usage", "Billing"];
/// More than any step needs: each fault happens once.
const ATTEMPTS_MAX: usize = 40;

/// A small seeded generator (splitmix64): a failing run can be run again as it was.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) >> 33).unwrap() % bound
    }
}

/// Who does the chain: with a seed, something is killed at every step.
struct Trader<'a> {
    platform: &'a Platform,
    random: Option<Random>,
    step: usize,
    /// Requests that had to be sent again.
    again: usize,
}

impl Trader<'_> {
    /// Plans up to two kills for the step to come.
    fn trouble(&mut self, concerned: &[&str]) {
        let Some(random) = &mut self.random else { return };
        for _ in 0..=random.below(2) {
            let function = if random.below(4) == 0 {
                FUNCTIONS[random.below(FUNCTIONS.len())]
            } else {
                concerned[random.below(concerned.len())]
            };
            let point = match random.below(5) {
                0 => Point::BeforeResponse,
                1 => Point::AfterResponse,
                applied => Point::DynamoDb { call: 1 + u64::try_from(random.below(6)).unwrap(), applied: applied == 2 },
            };
            self.platform.faults().kill(function, point);
        }
    }

    /// Sends a creation or an action until it is answered, always with the same idempotency key.
    async fn insist(&mut self, concerned: &[&str], call: Call) -> Value {
        self.step += 1;
        self.trouble(concerned);
        let call = call.header("idempotency-key", &format!("step-{}", self.step));
        for _ in 0..ATTEMPTS_MAX {
            let answer = self.platform.send(call.clone()).await;
            match answer.status.as_u16() {
                200 | 201 => return answer.json().unwrap(),
                500..600 => {
                    self.again += 1;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                _ => panic!("step {}: {}", self.step, answer.refused()),
            }
        }
        panic!("step {} was never answered: {call:?}", self.step);
    }

    async fn make(&mut self, concerned: &[&str], token: &str, path: &str, body: &Value) -> Value {
        let call = Call::post(path).bearer(token);
        self.insist(concerned, if body.is_null() { call } else { call.json(body) }).await
    }
}

/// What one run of the chain leaves behind, as its users see it.
async fn chain(platform: &Platform, seed: Option<u64>) -> Value {
    let upstream = Weather::start(0).await.unwrap();
    let (provider, consumer) = (platform.found("seller").await, platform.found("buyer").await);
    let mut trader = Trader { platform, random: seed.map(Random), step: 0, again: 0 };

    let api = json!({ "slug": "weather", "name": "Weather", "visibility": "public", "upstream_url": upstream.url() });
    trader.make(&["Accounts", "Catalog"], &provider.token, "/v1/catalog/apis", &api).await;
    let upload = Call::post(format!("/v1/catalog/apis/weather/versions?version={VERSION}"))
        .bearer(&provider.token)
        .body("application/yaml", weather::DOCUMENT);
    trader.insist(&["Accounts", "Catalog"], upload).await;
    trader
        .make(
            &["Catalog", "Gateway"],
            &provider.token,
            &format!("/v1/catalog/apis/weather/versions/{VERSION}/publish"),
            &Value::Null,
        )
        .await;
    let product = json!({ "slug": "weather", "name": "Weather", "visibility": "public", "apis": ["weather"] });
    trader.make(&["Catalog", "Products"], &provider.token, "/v1/products", &product).await;
    let plan = json!({ "slug": "standard", "name": "Standard", "currency": "EUR", "monthly_price": "5", "quota": { "calls": 20, "period": "month", "kind": "hard" }, "approval": "manual" });
    trader.make(&["Products"], &provider.token, "/v1/products/weather/plans", &plan).await;
    let app = trader
        .make(&["Subscriptions"], &consumer.token, "/v1/subscriptions/apps", &json!({ "name": "Trip planner" }))
        .await;
    let wish = json!({ "app": app["id"], "product": format!("{}/weather", provider.slug), "plan": "standard" });
    let subscription =
        trader.make(&["Products", "Subscriptions", "Gateway"], &consumer.token, "/v1/subscriptions", &wish).await;
    let subscription = subscription["id"].as_str().unwrap().to_owned();
    let actions = format!("/v1/subscriptions/{subscription}");
    trader.make(&["Subscriptions", "Gateway"], &provider.token, &format!("{actions}/approve"), &Value::Null).await;
    trader.make(&["Subscriptions", "Gateway"], &provider.token, &format!("{actions}/suspend"), &json!({})).await;
    trader.make(&["Subscriptions", "Gateway"], &provider.token, &format!("{actions}/resume"), &Value::Null).await;

    let old = key(&mut trader, &consumer, &subscription, "first").await;
    trader.make(&["Keys", "Gateway"], &consumer.token, &format!("/v1/keys/{}/revoke", old.id), &Value::Null).await;
    let key = key(&mut trader, &consumer, &subscription, "second").await;

    platform.faults().clear();
    platform.settled().await;
    assert_eq!(trader.again > 0, seed.is_some(), "{} requests were sent again", trader.again);
    outcome(platform, &provider, &consumer, &subscription, [&old, &key], &upstream).await
}

/// A key whose secret arrived: where its answer was lost, it is revoked and another one takes its place.
async fn key(trader: &mut Trader<'_>, consumer: &Organization, subscription: &str, name: &str) -> Key {
    loop {
        let issued = trader
            .make(
                &["Keys", "Subscriptions", "Gateway"],
                &consumer.token,
                "/v1/keys",
                &json!({ "subscription": subscription, "name": name }),
            )
            .await;
        if issued["secret"].is_string() {
            return Key::of(&issued);
        }
        assert_eq!(issued["secret_shown"], true, "{issued}");
        let id = issued["id"].as_str().unwrap();
        trader.make(&["Keys", "Gateway"], &consumer.token, &format!("/v1/keys/{id}/revoke"), &Value::Null).await;
    }
}

async fn outcome(
    platform: &Platform,
    provider: &Organization,
    consumer: &Organization,
    subscription: &str,
    keys: [&Key; 2],
    upstream: &Weather,
) -> Value {
    let mut door = Vec::new();
    let address = format!("/call/{}/weather/forecast/oslo", provider.slug);
    for key in keys {
        for _ in 0..2 {
            door.push(platform.send(Call::get(&address).bearer(&key.secret)).await.status.as_u16());
        }
    }
    platform.settled().await;
    let versions = format!("/v1/catalog/apis/weather/versions/{VERSION}");
    let document = platform.send(Call::get(format!("{versions}/document")).bearer(&provider.token)).await;
    let operations = platform.get(&provider.token, format!("{versions}/operations?page_size=200")).await;
    let listed = platform.get(&consumer.token, format!("/v1/keys?subscription={subscription}&page_size=200")).await;
    let live: Vec<&Value> =
        listed["items"].as_array().unwrap().iter().filter(|key| key["revoked_at"].is_null()).collect();
    let usage = platform.get(&consumer.token, format!("/v1/usage?subscription={subscription}")).await;
    let facts = |value: &Value, names: &[&str]| {
        Value::Object(names.iter().map(|name| ((*name).to_owned(), value[*name].clone())).collect())
    };
    json!({
        "api": facts(&platform.get(&provider.token, "/v1/catalog/apis/weather").await, &["slug", "name", "visibility", "revision"]),
        "apis": platform.get(&provider.token, "/v1/catalog/apis").await["items"].as_array().unwrap().len(),
        "version": facts(&platform.get(&provider.token, &versions).await, &["version", "state", "operations", "format", "warnings", "document_sha256"]),
        "document": document.body == weather::DOCUMENT,
        "operations": operations["items"].as_array().unwrap().iter().map(|row| row["id"].clone()).collect::<Vec<_>>(),
        "product": facts(&platform.get(&provider.token, "/v1/products/weather").await, &["slug", "name", "visibility"]),
        "plans": platform.get(&provider.token, "/v1/products/weather/plans").await["items"].as_array().unwrap().iter().map(|plan| facts(plan, &["slug", "version"])).collect::<Vec<_>>(),
        "apps": platform.get(&consumer.token, "/v1/subscriptions/apps").await["items"].as_array().unwrap().len(),
        "subscriptions": platform.get(&consumer.token, "/v1/subscriptions").await["items"].as_array().unwrap().iter().map(|row| facts(row, &["state", "revision"])).collect::<Vec<_>>(),
        "subscribers": platform.get(&provider.token, "/v1/subscriptions?side=provider").await["items"].as_array().unwrap().len(),
        "keys": live.iter().map(|key| key["name"].clone()).collect::<Vec<_>>(),
        "door": door,
        "upstream": upstream.calls(),
        "usage": facts(&usage, &["admitted", "failed", "units"]),
        "operations_used": usage["by_operation"].as_array().unwrap().iter().map(|row| facts(row, &["operation", "api", "admitted"])).collect::<Vec<_>>(),
        "keys_used": usage["by_key"].as_array().unwrap().iter().map(|row| facts(row, &["name", "admitted"])).collect::<Vec<_>>(),
        "bill": platform.get(&consumer.token, format!("/v1/billing/preview?subscription={subscription}")).await["total"],
    })
}

fn misbehave(platform: &Platform, seed: u64) {
    let faults = platform.faults();
    faults.duplicate_events(true);
    faults.shuffle_events(Some(seed));
    faults.delay_events(Duration::from_millis(400));
    faults.redelivery(Some(Duration::from_millis(100)));
}

#[test]
fn the_chain_ends_in_the_same_state_whatever_is_killed_and_however_events_come() {
    alone(Settings { instances_max: 4, ..Settings::default() }, async |platform| {
        let undisturbed = chain(platform, None).await;
        assert_eq!(undisturbed["door"], json!([401, 401, 200, 200]), "{undisturbed:#}");
        assert_eq!(undisturbed["usage"], json!({ "admitted": 2, "failed": 0, "units": 2 }), "{undisturbed:#}");
        let seeds = std::env::var("DOORWAY_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(4);
        for seed in 1..=seeds {
            misbehave(platform, seed);
            let disturbed = chain(platform, Some(seed)).await;
            assert!(disturbed == undisturbed, "seed {seed}: {disturbed:#}\nand undisturbed {undisturbed:#}");
        }
    });
}

#[test]
fn calls_are_counted_once_although_the_meters_records_come_twice_and_the_meter_is_killed() {
    alone(Settings { instances_max: 4, ..Settings::default() }, async |platform| {
        let market = platform.market(json!({ "quota": { "calls": 60, "period": "month", "kind": "hard" } })).await;
        misbehave(platform, 7);
        for call in 1..12 {
            platform.faults().kill("Usage", Point::DynamoDb { call, applied: call % 2 == 0 });
        }
        for _ in 0..8 {
            let answers = platform.send_all((0..5).map(|_| market.call("/forecast/oslo"))).await;
            assert!(answers.iter().all(|answer| answer.status == 200), "{:?}", crate::tally(&answers));
        }
        let usage = market.usage(platform).await;
        assert_eq!((&usage["admitted"], &usage["units"]), (&json!(40), &json!(40)), "{usage}");
        assert_eq!(market.upstream.calls(), 40);
    });
}

#[test]
fn a_lost_answer_of_the_table_admits_a_call_once() {
    alone(Settings { instances_max: 4, ..Settings::default() }, async |platform| {
        let market = platform.market(json!({ "quota": { "calls": 60, "period": "month", "kind": "hard" } })).await;
        assert_eq!(market.pass(platform, "/forecast/oslo").await.status, 200);
        platform.faults().lose_answers("Gateway", 0.3, 11);
        let answers = platform.send_all((0..100).map(|_| market.call("/forecast/oslo"))).await;
        platform.faults().clear();
        let counts = crate::tally(&answers);
        let admitted = u64::try_from(*counts.get("200").unwrap()).unwrap() + 1;
        // What cannot be known would be refused with 503, and may have been counted.
        let unknown = u64::try_from(
            counts.iter().filter(|(name, _)| name.starts_with("503")).map(|(_, count)| count).sum::<usize>(),
        )
        .unwrap();
        assert_eq!(market.upstream.calls(), admitted, "{counts:?}");
        let usage = market.usage(platform).await;
        let counted = usage["admitted"].as_u64().unwrap();
        assert!((admitted..=admitted + unknown).contains(&counted) && counted <= 60, "{counts:?} and {usage}");
        assert_eq!(unknown, 0, "a write that was applied is recognised: {counts:?}");
    });
}

#[test]
fn a_killed_process_of_the_door_admits_at_most_what_it_counted() {
    alone(Settings { instances_max: 4, ..Settings::default() }, async |platform| {
        let market = platform.market(json!({ "quota": { "calls": 30, "period": "month", "kind": "hard" } })).await;
        let kills = 6;
        for kill in 0..kills {
            platform.faults().kill("Gateway", Point::DynamoDb { call: 4 + 7 * kill, applied: kill % 2 == 0 });
        }
        let answers = platform.send_all((0..60).map(|_| market.call("/forecast/oslo"))).await;
        platform.faults().clear();
        let usage = market.usage(platform).await;
        let (upstream, admitted) = (market.upstream.calls(), usage["admitted"].as_u64().unwrap());
        assert!(
            upstream <= admitted && admitted <= 30,
            "{upstream} reached the upstream, {admitted} were admitted: {:?}",
            crate::tally(&answers)
        );
        assert!(
            admitted - upstream <= kills,
            "{upstream} reached the upstream, {admitted} were admitted, {kills} kills"
        );
        assert_eq!(usage["units"], admitted, "{usage}");
    });
}

#[test]
fn what_a_projection_lost_is_there_again_when_the_archive_is_replayed() {
    alone(Settings::default(), async |platform| {
        let market = platform.market(json!({ "currency": "EUR", "monthly_price": "30" })).await;
        assert_eq!(market.pass(platform, "/forecast/oslo").await.status, 200);
        let bill = market.bill(platform).await;
        let names = market.usage(platform).await["by_operation"].clone();
        // Keys, APIs and routes of the door; all that billing has.
        let lost = ["K#", "A#", "V#"].map(|prefix| platform.cloud().lose("GatewayTable", prefix));
        assert!(lost.iter().all(|rows| *rows > 0) && platform.cloud().lose("BillingTable", "") > 0, "{lost:?}");
        platform.cloud().recycle("Gateway").await;
        let path = format!("/v1/billing/preview?subscription={}", market.subscription);
        assert_eq!(market.pass(platform, "/forecast/oslo").await.status, 401, "the door forgot the key");
        assert_eq!(platform.send(Call::get(&path).bearer(&market.consumer.token)).await.status, 404);

        assert!(platform.cloud().events().replay("BusArchive").unwrap() > 0);
        assert_eq!(market.bill(platform).await["lines"], bill["lines"]);
        assert_eq!(market.pass(platform, "/forecast/oslo").await.status, 200);
        let usage = market.usage(platform).await;
        assert_eq!((&usage["admitted"], &usage["by_operation"][0]["operation"]), (&json!(2), &names[0]["operation"]));
    });
}

#[test]
fn what_a_projection_lost_is_there_again_when_every_function_tells_it_again() {
    alone(Settings::default(), async |platform| {
        let market = platform.market(json!({ "currency": "EUR", "monthly_price": "30" })).await;
        assert_eq!(market.pass(platform, "/forecast/oslo").await.status, 200);
        let bill = market.bill(platform).await;
        let names = market.usage(platform).await["by_operation"].clone();
        // Keys, APIs and routes of the door; the names of usage; all that billing has.
        for (table, prefixes) in
            [("GatewayTable", &["K#", "A#", "V#"][..]), ("UsageTable", &["ORG#", "ROUTES#"]), ("BillingTable", &[""])]
        {
            for prefix in prefixes {
                assert!(platform.cloud().lose(table, prefix) > 0, "{table} {prefix}");
            }
        }
        platform.cloud().recycle("Gateway").await;
        assert_eq!(market.pass(platform, "/forecast/oslo").await.status, 401, "the door forgot the key");
        let usage = format!("/v1/usage?subscription={}", market.subscription);
        assert_ne!(platform.get(&market.consumer.token, usage).await["by_operation"], names);

        for function in ["Accounts", "Catalog", "Products", "Subscriptions", "Keys", "Usage", "Billing", "Contracts"] {
            for shard in 0..16 {
                let mut after = Value::Null;
                loop {
                    let command = json!({ "schedule": "republish", "shard": shard, "after": after });
                    let answer = platform.cloud().invoke(function, command).await.unwrap();
                    assert!(answer["events"].is_u64(), "{function}: {answer}");
                    after = answer["after"].clone();
                    if after.is_null() {
                        break;
                    }
                }
            }
        }
        platform.settled().await;
        assert_eq!(market.usage(platform).await["by_operation"], names);
        assert_eq!(market.bill(platform).await["lines"], bill["lines"]);
        assert_eq!(market.pass(platform, "/forecast/oslo").await.status, 200);
        assert_eq!(market.usage(platform).await["admitted"], json!(2));
    });
}
