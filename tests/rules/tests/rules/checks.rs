//! A check from the document to the notice: `contracts` beside the real catalog, and `usage` as it is told to answer.

use std::sync::{Arc, Mutex};

use axum::extract::{DefaultBodyLimit, OriginalUri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, post};
use house::{Answer, House, Who, door_secret, party};
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use shared::chassis::Function as _;
use shared::event::{
    Admission, ApiName, Approval, Envelope, SubscriptionPhase, SubscriptionState, Terms, VersionPhase, VersionState,
};
use shared::id::{AppId, PlanId, ProductId, SubscriptionId};
use shared::principal::Role;
use shared::time::Time;

/// Two operations, the first of which answers two fields.
const FIRST: &str = "openapi: 3.1.0
info: {title: Weather, version: '1'}
paths:
  /now/{city}:
    get:
      operationId: currentWeather
      parameters: [{name: city, in: path, required: true, schema: {type: string}}]
      responses:
        '200': {description: ok, content: {application/json: {schema: {type: object, properties: {degrees: {type: number}, sky: {type: string}}}}}}
  /stations:
    get: {operationId: listStations, responses: {'200': {description: ok}}}
";

/// The first operation answers one field less.
fn broken() -> String {
    FIRST.replace(", sky: {type: string}", "")
}

/// A new operation.
fn grown() -> String {
    format!("{FIRST}  /radar:\n    get: {{operationId: radar, responses: {{'200': {{description: ok}}}}}}\n")
}

fn owner(slug: &str) -> Who<'_> {
    Who::Member(slug, Role::Owner)
}

/// What the two functions share: the platform's other side.
struct Town {
    contracts: House<contracts::App>,
    catalog: Arc<House<catalog::App>>,
    /// What `usage` answers; nothing: it is away.
    usage: Arc<Mutex<Option<Value>>>,
    /// What it was asked last.
    asked: Arc<Mutex<Value>>,
    /// In whose name questions come.
    caller: Arc<Mutex<String>>,
}

impl Town {
    async fn new() -> Self {
        let catalog = Arc::new(House::new(|environment| catalog::App::new(environment, &door_secret())).await);
        let (usage, asked) = (Arc::new(Mutex::new(Some(nobody()))), Arc::new(Mutex::new(Value::Null)));
        let caller = Arc::new(Mutex::new("acme".to_owned()));
        let (town, whose) = (catalog.clone(), caller.clone());
        let documents =
            move |method: Method, OriginalUri(uri): OriginalUri, headers: HeaderMap, body: axum::body::Bytes| {
                let (catalog, slug) = (town.clone(), whose.lock().unwrap().clone());
                async move {
                    let line = format!("{method} {}", uri.path_and_query().unwrap());
                    let wanted = ["content-type", "accept", "accept-encoding"];
                    let headers: Vec<(&str, &str)> =
                        wanted.iter().filter_map(|name| Some((*name, headers.get(*name)?.to_str().ok()?))).collect();
                    forwarded(catalog.call(owner(&slug), &line, &headers, &body[..]).await)
                }
            };
        let (answer, question) = (usage.clone(), asked.clone());
        let callers = move |axum::Json(body): axum::Json<Value>| {
            *question.lock().unwrap() = body;
            let answer = answer.lock().unwrap().clone();
            async move {
                answer.map_or_else(
                    || StatusCode::SERVICE_UNAVAILABLE.into_response(),
                    |json| axum::Json(json).into_response(),
                )
            }
        };
        let neighbours = axum::Router::new()
            .route("/v1/usage/callers", post(callers))
            .route("/v1/catalog/{*rest}", any(documents))
            .layer(DefaultBodyLimit::max(6_000_000));
        let contracts = House::among(neighbours, contracts::App::new).await;
        Self { contracts, catalog, usage, asked, caller }
    }

    /// With a published version of an API.
    async fn published() -> Self {
        let town = Self::new().await;
        let api = json!({"slug": "weather", "name": "Weather", "upstream_url": "http://127.0.0.1:9000"});
        town.catalog.post(owner("acme"), "/v1/catalog/apis", &api).await.is(201);
        town.upload("1.0.0", FIRST).await;
        town.publish("1.0.0").await.is(200);
        town.hear().await;
        town
    }

    async fn upload(&self, version: &str, document: &str) {
        let line = format!("POST /v1/catalog/apis/weather/versions?version={version}");
        self.catalog.call(owner("acme"), &line, &[("content-type", "application/yaml")], document).await.is(201);
    }

    async fn publish(&self, version: &str) -> Answer {
        let line = format!("/v1/catalog/apis/weather/versions/{version}/publish");
        self.catalog.post(owner("acme"), &line, &json!({})).await
    }

    async fn check(&self, query: &str, document: &str) -> Answer {
        let line = format!("POST /v1/contracts/checks?api=weather&{query}");
        self.contracts.call(owner("acme"), &line, &[("content-type", "application/yaml")], document).await
    }

    /// Every event of each reaches the other, twice and the latest first.
    async fn hear(&self) {
        let now = Time::from_ms(self.contracts.now_ms);
        for _ in 0..2 {
            for event in self.catalog.outbox("").await.into_iter().rev() {
                if matches!(event.kind.as_str(), "catalog.api" | "catalog.version" | "catalog.routes") {
                    self.contracts.app.event(event, now).await.unwrap();
                }
            }
            for event in self.contracts.outbox("").await.into_iter().rev() {
                if matches!(event.kind.as_str(), "contracts.check" | "contracts.policy") {
                    self.catalog.app.event(event, now).await.unwrap();
                }
            }
        }
    }

    fn usage_says(&self, answer: Option<Value>) {
        *self.usage.lock().unwrap() = answer;
    }

    /// The notices of an organization.
    async fn notices(&self, slug: &str) -> Vec<Value> {
        self.contracts.all(owner(slug), "/v1/contracts/notices", 200).await
    }

    /// Has an organization subscribe to the API.
    async fn subscribe(&self, slug: &str, revision: u64, state: SubscriptionPhase) -> SubscriptionId {
        let api = self.catalog.get(owner("acme"), "/v1/catalog/apis/weather").await.is(200);
        let apis = vec![ApiName { id: api["id"].as_str().unwrap().parse().unwrap(), slug: "weather".parse().unwrap() }];
        let state = subscription(slug, revision, state, apis);
        self.contracts.app.event(Envelope::of(&state).unwrap(), Time::from_ms(self.contracts.now_ms)).await.unwrap();
        state.id
    }
}

fn subscription_of(slug: &str) -> SubscriptionId {
    let end = party(slug).id.to_string();
    format!("sub_{}", end.strip_prefix("org_").unwrap()).parse().unwrap()
}

fn subscription(slug: &str, revision: u64, state: SubscriptionPhase, apis: Vec<ApiName>) -> SubscriptionState {
    let at: Time = "2026-12-01T00:00:00Z".parse().unwrap();
    SubscriptionState {
        id: subscription_of(slug),
        revision,
        state,
        organization: party(slug),
        provider: party("acme"),
        app: AppId::new(),
        app_name: "app".into(),
        product: ProductId::new(),
        product_slug: "weather".parse().unwrap(),
        terms: Terms {
            plan: PlanId::new(),
            plan_slug: "basic".parse().unwrap(),
            plan_version: 1,
            apis,
            currency: "EUR".parse().unwrap(),
            monthly_price: "0".parse().unwrap(),
            included_calls: 0,
            price_per_call: "0".parse().unwrap(),
            quota: None,
            rate: None,
            weights: std::collections::BTreeMap::new(),
            approval: Approval::Automatic,
            admission: Admission::Exact,
        },
        terms_revision: 1,
        terms_since: at,
        created_at: at,
        activated_at: Some(at),
        cancelled_at: None,
    }
}

fn forwarded(answer: Answer) -> Response {
    let mut response: Response = answer.bytes.into_response();
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap();
    for name in ["content-type", "content-encoding"] {
        response.headers_mut().remove(name);
        if let Some(value) = answer.headers.get(name) {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
    }
    response
}

/// `usage` says: nobody called.
fn nobody() -> Value {
    json!({"from": "2026-12-16T08:00:00.000Z", "complete_to": "2027-01-15T07:00:00.000Z", "complete": true, "callers": [], "operations": []})
}

/// `usage` says: these organizations called `currentWeather` so often.
fn called(calls: &[(&str, u64)]) -> Value {
    let caller = |slug: &str| json!({"organization": party(slug), "app": AppId::new(), "app_name": format!("{slug}'s app"), "subscription": subscription_of(slug)});
    let mut answer = nobody();
    answer["callers"] = calls.iter().map(|(slug, _)| caller(slug)).collect();
    let calls = calls
        .iter()
        .enumerate()
        .map(|(n, (_, calls))| json!({"caller": n, "calls": calls, "last_seen": "2027-01-14T05:00:00.000Z"}));
    answer["operations"] = json!([{"operation": "currentWeather", "calls": calls.collect::<Vec<_>>(), "days": [{"day": "2027-01-14", "calls": 9}]}]);
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_three_callers_are_named_told_and_see_themselves_alone() {
    let town = Town::published().await;
    town.usage_says(Some(called(&[("beta", 4_102), ("gamma", 7)])));
    let answer = town.check("version=2.0.0", &broken()).await;
    let report = answer.is(409);
    assert_eq!(answer.headers["location"], format!("/v1/contracts/checks/{}", report["id"].as_str().unwrap()));
    assert_eq!(
        town.asked.lock().unwrap()["operations"],
        json!(["currentWeather"]),
        "only what is broken is asked about"
    );
    assert_eq!((&report["verdict"], &report["passed"]), (&json!("breaking-affecting"), &json!(false)));
    assert_eq!((&report["base_version"], &report["precision"]), (&json!("1.0.0"), &json!("operation")));
    let finding = &report["findings"][0];
    assert_eq!((&finding["rule"], &finding["effect"]), (&json!("response-field-removed"), &json!("affecting")));
    let named: Vec<(&str, u64)> = finding["callers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|caller| (caller["organization"].as_str().unwrap(), caller["calls"].as_u64().unwrap()))
        .collect();
    assert_eq!(named, [("beta", 4_102), ("gamma", 7)]);

    // It is not published, until the finding is approved and checked again.
    town.upload("2.0.0", &broken()).await;
    town.hear().await;
    assert_eq!(town.publish("2.0.0").await.kind(), (409, "check-failed"));
    assert_eq!(town.notices("beta").await, Vec::<Value>::new());
    let approve =
        json!({"fingerprint": finding["fingerprint"], "reason": "They agreed.", "until": "2027-02-01T00:00:00Z"});
    let address = "/v1/contracts/apis/weather/approvals";
    town.contracts.post(owner("acme"), address, &approve).await.is(201);
    let report = town.check("version=2.0.0", &broken()).await.is(200);
    assert_eq!((&report["verdict"], &report["approvals"][0]["by"]), (&json!("dangerous"), &json!("token")));
    town.hear().await;
    town.publish("2.0.0").await.is(200);
    town.hear().await;
    town.hear().await;

    let address = format!("/v1/contracts/checks/{}", report["id"].as_str().unwrap());
    for slug in ["beta", "gamma"] {
        let notices = town.notices(slug).await;
        assert_eq!(notices.len(), 1, "{slug} is told once");
        assert_eq!((&notices[0]["kind"], &notices[0]["version"]), (&json!("change"), &json!("2.0.0")));
        assert_eq!(notices[0]["check"], report["id"]);
        let seen = town.contracts.get(owner(slug), &address).await.is(200);
        assert_eq!(seen["findings"][0]["callers"][0]["organization"], slug);
        let other = if slug == "beta" { "gamma" } else { "beta" };
        assert!(!seen.to_string().contains(other), "{slug} sees {other}: {seen}");
        assert_eq!(seen["findings"][0]["callers_total"], 1);
    }
    assert_eq!(town.notices("delta").await, Vec::<Value>::new());
    for slug in ["delta", "epsilon"] {
        assert_eq!(town.contracts.get(owner(slug), &address).await.kind(), (404, "not-found"));
    }
    assert_eq!(town.contracts.get(owner("acme"), &address).await.is(200), report);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_passes_when_nobody_calls_and_never_when_nobody_can_say() {
    let town = Town::published().await;
    let verdict = async |query: &str, document: &str| {
        let answer = town.check(query, document).await;
        let status = answer.status;
        (status, answer.is(status)["verdict"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(verdict("version=2", &broken()).await, (200, "breaking-unused".into()));
    assert_eq!(verdict("version=2&fail_on=breaking", &broken()).await, (409, "breaking-unused".into()));
    assert_eq!(verdict("version=2", FIRST).await, (200, "identical".into()));
    assert_eq!(verdict("version=2", &grown()).await, (200, "compatible".into()));
    let mut behind = nobody();
    behind["complete"] = json!(false);
    for answer in [Some(behind), None, Some(json!({"nonsense": 1}))] {
        town.usage_says(answer);
        assert_eq!(verdict("version=2", &broken()).await, (409, "incomplete".into()));
        // Who calls does not matter where nothing breaks.
        assert_eq!(verdict("version=2", &grown()).await, (200, "compatible".into()));
    }
    assert_eq!(town.check("version=2", "{").await.status, 422);
    assert_eq!(town.check("version=2", "type Query { a: Int }").await.kind(), (409, "state-conflict"));
    assert_eq!(town.check("version=a/b", FIRST).await.kind(), (400, "invalid-parameter"));
    // What was refused is no check, so nobody waits for it.
    for check in town.contracts.all(owner("acme"), "/v1/contracts/checks?api=weather", 50).await {
        assert_ne!(check["state"], "pending", "{check}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incomplete_check_says_why_and_what_to_do() {
    let town = Town::published().await;
    let mut behind = nobody();
    behind["complete"] = json!(false);
    let why = "The counts of `usage` are whole only up to 2027-01-15T07:00:00.000Z: check again when they have caught up, or have what breaks approved.";
    let away = "`usage` could not be asked: check again in a moment, or have what breaks approved.";
    for (answer, why) in [(Some(behind), why), (None, away)] {
        town.usage_says(answer);
        let report = town.check("version=2", &broken()).await.is(409);
        assert_eq!(report["incomplete_because"], why);
        let said = report["reasons"][0]["detail"].as_str().unwrap();
        assert!(said.ends_with(why), "{said}");
        // A report for information has no reasons, and says it all the same.
        let line = "POST /v1/contracts/checks?api=weather&version=2&fail_on=none";
        let answer = town.contracts.call(owner("acme"), line, &[("accept", "text/plain")], &broken()).await;
        let text = String::from_utf8(answer.bytes).unwrap();
        assert!(text.contains(why), "{text}");
    }
    town.usage_says(Some(nobody()));
    assert_eq!(town.check("version=2", &broken()).await.is(200).get("incomplete_because"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_against_a_version_that_was_replaced_publishes_nothing() {
    let town = Town::published().await;
    town.upload("1.1.0", &grown()).await;
    assert_eq!(town.publish("1.1.0").await.kind(), (409, "check-required"));
    town.check("version=1.1.0", &grown()).await.is(200);
    let other = grown().replace("radar", "lidar");
    town.upload("1.2.0", &other).await;
    town.check("version=1.2.0", &other).await.is(200);
    town.hear().await;
    town.publish("1.2.0").await.is(200);
    assert_eq!(town.publish("1.1.0").await.kind(), (409, "check-required"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_set_with_its_revision_shown_in_reports_and_may_let_anything_be_published() {
    let town = Town::published().await;
    let address = "/v1/contracts/apis/weather/policy";
    let set = async |revision: &str, policy: Value| {
        let headers = [("if-match", revision)];
        town.contracts.call(owner("acme"), &format!("PUT {address}"), &headers, Some(policy)).await
    };
    assert_eq!(town.contracts.get(owner("acme"), address).await.is(200)["revision"], 0);
    assert_eq!(
        set("\"0\"", json!({"rules": {"no-rule": "breaking"}})).await.problem(),
        (422, "validation-failed", "/rules/no-rule")
    );
    let policy = json!({"rules": {"response-field-removed": "dangerous"}, "semver": true, "window": "7d"});
    assert_eq!(set("\"0\"", policy.clone()).await.is(200)["revision"], 1);
    assert_eq!(set("\"0\"", policy).await.kind(), (412, "precondition-failed"));
    town.usage_says(Some(called(&[("beta", 1)])));
    let report = town.check("version=1.0.1", &broken()).await.is(200);
    assert_eq!((&report["verdict"], &report["window"]), (&json!("dangerous"), &json!("7d")));
    assert_eq!((&report["policy"]["revision"], &report["policy"]["semver"]), (&json!(1), &json!(true)));
    assert_eq!(town.asked.lock().unwrap()["window"], "7d");
    set("\"1\"", json!({"check": "off"})).await.is(200);
    town.upload("3.0.0", &broken()).await;
    town.hear().await;
    town.publish("3.0.0").await.is(200);
    assert_eq!(town.catalog.get(owner("acme"), "/v1/catalog/apis/weather").await.is(200)["check"], "off");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_has_an_end_is_given_once_and_can_be_withdrawn() {
    let town = Town::published().await;
    let address = "/v1/contracts/apis/weather/approvals";
    let approve = async |print: &str, until: &str| {
        let body = json!({"fingerprint": print, "reason": "Agreed.", "until": until});
        town.contracts.post(owner("acme"), address, &body).await
    };
    let print = "0123456789abcdef0123456789abcdef";
    for (print, until, pointer) in [
        ("0123", "2027-02-01T00:00:00Z", "/fingerprint"),
        (print, "2027-01-15T08:00:00Z", "/until"),
        (print, "2028-01-17T08:00:01Z", "/until"),
    ] {
        assert_eq!(approve(print, until).await.problem(), (422, "validation-failed", pointer));
    }
    approve(print, "2027-02-01T00:00:00Z").await.is(201);
    assert_eq!(approve(print, "2027-03-01T00:00:00Z").await.kind(), (409, "already-exists"));
    let listed = town.contracts.get(owner("acme"), address).await.is(200);
    assert_eq!((listed["items"].as_array().unwrap().len(), &listed["items"][0]["reason"]), (1, &json!("Agreed.")));
    let one = format!("DELETE {address}/{print}");
    town.contracts.call(owner("acme"), &one, &[], None).await.is(200);
    assert_eq!(town.contracts.call(owner("acme"), &one, &[], None).await.kind(), (404, "not-found"));
    // With a key, the same request is answered the same way.
    let body = json!({"fingerprint": print, "reason": "Agreed.", "until": "2027-02-01T00:00:00Z"});
    let again = async || {
        let line = format!("POST {address}");
        town.contracts.call(owner("acme"), &line, &[("idempotency-key", "k")], Some(body.clone())).await.is(201)
    };
    assert_eq!(again().await, again().await);
    assert_eq!(approve(print, "2027-03-01T00:00:00Z").await.kind(), (409, "already-exists"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_passed_because_of_an_approval_counts_no_more_once_it_is_withdrawn() {
    let town = Town::published().await;
    town.usage_says(Some(called(&[("beta", 1)])));
    let print = town.check("version=2.0.0", &broken()).await.is(409)["findings"][0]["fingerprint"].clone();
    let address = "/v1/contracts/apis/weather/approvals";
    let approve = json!({"fingerprint": print, "reason": "They agreed.", "until": "2027-02-01T00:00:00Z"});
    town.contracts.post(owner("acme"), address, &approve).await.is(201);
    town.check("version=2.0.0", &broken()).await.is(200);
    // One that needs no approval is not touched.
    town.check("version=1.1.0", &grown()).await.is(200);
    town.upload("2.0.0", &broken()).await;
    town.upload("1.1.0", &grown()).await;
    let one = format!("DELETE {address}/{}", print.as_str().unwrap());
    town.contracts.call(owner("acme"), &one, &[], None).await.is(200);
    town.hear().await;
    let answer = town.publish("2.0.0").await;
    assert_eq!(answer.kind(), (409, "check-required"));
    assert!(answer.body["detail"].as_str().unwrap().contains("because of an approval that ended"), "{answer:?}");
    assert_eq!(town.check("version=2.0.0", &broken()).await.is(409)["verdict"], "breaking-affecting");
    town.publish("1.1.0").await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_of_the_end_of_a_version_that_another_had_replaced() {
    let town = Town::published().await;
    town.subscribe("beta", 1, SubscriptionPhase::Active).await;
    let line = "/v1/catalog/apis/weather/versions/1.0.0";
    let body = json!({"sunset_at": "2027-06-01T00:00:00Z"});
    town.catalog.post(owner("acme"), &format!("{line}/deprecate"), &body).await.is(200);
    town.upload("1.1.0", &grown()).await;
    town.check("version=1.1.0", &grown()).await.is(200);
    town.hear().await;
    town.publish("1.1.0").await.is(200);
    town.hear().await;
    town.catalog.post(owner("acme"), &format!("{line}/retire"), &json!({})).await.is(200);
    let states = town.catalog.outbox("").await.into_iter().filter(|event| event.kind == "catalog.version");
    let states: Vec<VersionState> = states.map(|event| event.state().unwrap().unwrap()).collect();
    let mut ended = states.into_iter().find(|state| state.state == VersionPhase::Retired).unwrap();
    let now = Time::from_ms(town.contracts.now_ms);
    // The clock stands: the first one was published a second before.
    ended.published_at = Some(now.plus_ms(-1_000));
    town.contracts.app.event(Envelope::of(&ended).unwrap(), now).await.unwrap();
    let kinds: Vec<Value> = town.notices("beta").await.into_iter().map(|notice| notice["kind"].clone()).collect();
    assert_eq!(kinds, ["deprecation"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_subscribes_is_told_once_of_a_deprecation_and_of_the_end() {
    let town = Town::published().await;
    town.subscribe("beta", 1, SubscriptionPhase::Active).await;
    town.subscribe("gamma", 2, SubscriptionPhase::Cancelled).await;
    // An older state that comes late changes nothing.
    town.subscribe("gamma", 1, SubscriptionPhase::Active).await;
    let line = "/v1/catalog/apis/weather/versions/1.0.0";
    let body = json!({"sunset_at": "2027-06-01T00:00:00Z"});
    town.catalog.post(owner("acme"), &format!("{line}/deprecate"), &body).await.is(200);
    town.hear().await;
    town.hear().await;
    let notices = town.notices("beta").await;
    assert_eq!(notices.len(), 1);
    assert_eq!(
        (&notices[0]["kind"], &notices[0]["sunset_at"]),
        (&json!("deprecation"), &json!("2027-06-01T00:00:00.000Z"))
    );
    assert_eq!(notices[0]["provider"]["slug"], "acme");
    assert_eq!(town.notices("gamma").await, Vec::<Value>::new());
    town.usage_says(Some(called(&[("beta", 9)])));
    let sunsets = town.contracts.get(owner("acme"), "/v1/contracts/sunsets/weather").await.is(200);
    assert_eq!(sunsets["operations"][0]["operation"], "currentWeather");
    assert_eq!(sunsets["operations"][0]["days"], json!([{"day": "2027-01-14", "calls": 9}]));
    town.catalog.post(owner("acme"), &format!("{line}/retire"), &json!({})).await.is(200);
    town.hear().await;
    town.hear().await;
    let kinds: Vec<String> =
        town.notices("beta").await.iter().map(|notice| notice["kind"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds.len(), 2, "{kinds:?}");
    assert!(kinds.contains(&"sunset".to_owned()));
    town.contracts.tells_all_again().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_another_organization_is_not_there() {
    let town = Town::published().await;
    let report = town.check("version=1.1.0", &grown()).await.is(200);
    *town.caller.lock().unwrap() = "beta".into();
    for line in [
        format!("GET /v1/contracts/checks/{}", report["id"].as_str().unwrap()),
        "GET /v1/contracts/checks?api=weather".into(),
        "GET /v1/contracts/apis/weather/policy".into(),
        "GET /v1/contracts/apis/weather/approvals".into(),
        "GET /v1/contracts/sunsets/weather".into(),
        "DELETE /v1/contracts/apis/weather/approvals/0123456789abcdef0123456789abcdef".into(),
    ] {
        assert_eq!(town.contracts.call(owner("beta"), &line, &[], None).await.kind(), (404, "not-found"), "{line}");
    }
    let line = "POST /v1/contracts/checks?api=weather&version=2";
    assert_eq!(town.contracts.call(owner("beta"), line, &[], FIRST).await.kind(), (404, "not-found"));
    *town.caller.lock().unwrap() = "acme".into();
    let viewer = Who::Member("acme", Role::Viewer);
    assert_eq!(town.contracts.call(viewer, line, &[], FIRST).await.kind(), (403, "forbidden"));
    let withdraw = "DELETE /v1/contracts/apis/weather/approvals/0123456789abcdef0123456789abcdef";
    assert_eq!(town.contracts.call(viewer, withdraw, &[], None).await.kind(), (403, "forbidden"));
    let listed = town.contracts.get(viewer, "/v1/contracts/checks?api=weather").await.is(200);
    assert_eq!(
        (&listed["items"][0]["state"], &listed["items"][0]["verdict"]),
        (&json!("passed"), &json!("compatible"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_a_report_says_whom_it_concerns() {
    let town = Town::published().await;
    town.usage_says(Some(called(&[("beta", 4_102)])));
    let report = town.check("version=2.0.0", &broken()).await.is(409);
    let address = format!("GET /v1/contracts/checks/{}", report["id"].as_str().unwrap());
    for form in [
        "text/plain",
        "text/markdown",
        "application/sarif+json",
        "application/junit+xml",
        "text/vnd.github.annotations",
    ] {
        let answer = town.contracts.call(owner("acme"), &address, &[("accept", form)], None).await;
        let text = String::from_utf8(answer.bytes.clone()).unwrap();
        assert_eq!(answer.status, 200);
        assert!(text.contains("beta") && text.contains("4102"), "{form}: {text}");
        assert!(text.contains("breaking-affecting"), "{form}: {text}");
    }
    // What was approved is no failure to a program.
    let approve = json!({"fingerprint": report["findings"][0]["fingerprint"], "reason": "Agreed.", "until": "2027-02-01T00:00:00Z"});
    town.contracts.post(owner("acme"), "/v1/contracts/apis/weather/approvals", &approve).await.is(201);
    let line = "POST /v1/contracts/checks?api=weather&version=2.0.0";
    let answer = town.contracts.call(owner("acme"), line, &[("accept", "application/junit+xml")], &broken()).await;
    assert_eq!(answer.status, 200);
    let text = String::from_utf8(answer.bytes).unwrap();
    assert!(text.contains("failures=\"0\"") && text.contains("It is approved."), "{text}");
}
