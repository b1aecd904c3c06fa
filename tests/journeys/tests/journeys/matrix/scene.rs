//! Everything that the routes are tried on, made once.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use journeys::{Market, Organization, Platform};
use serde_json::{Value, json};
use shared::principal::Role;

/// A name that was not used before.
pub(super) fn unique(stem: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{stem}-m{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// What the requests name.
pub(super) struct Ids {
    pub(super) organization: String,
    pub(super) provider_slug: String,
    pub(super) member: String,
    pub(super) leaving_member: String,
    pub(super) token: String,
    pub(super) service: String,
    pub(super) leaving_service: String,
    pub(super) api: String,
    pub(super) api_slug: String,
    pub(super) changing_api: String,
    pub(super) ending_api: String,
    pub(super) retired_api: String,
    pub(super) product: String,
    pub(super) plan: String,
    pub(super) retired_plan: String,
    pub(super) app: String,
    pub(super) leaving_app: String,
    pub(super) subscription: String,
    pub(super) requested: String,
    pub(super) declined: String,
    pub(super) paused: String,
    pub(super) ending: String,
    pub(super) key: String,
    pub(super) rotated_key: String,
    pub(super) revoked_key: String,
    pub(super) invoice: String,
    pub(super) check: String,
}

/// The tokens of one side.
pub(super) struct Tokens {
    pub(super) owner: String,
    pub(super) roles: Vec<(Role, String)>,
    pub(super) expired: String,
    pub(super) revoked: String,
}

/// The scene.
pub(super) struct Scene {
    pub(super) ids: Ids,
    /// Ids of the same kinds that name nothing.
    pub(super) ghosts: Ids,
    pub(super) provider: Tokens,
    pub(super) consumer: Tokens,
    pub(super) stranger: String,
    _upstream: weather::Weather,
}

fn id(made: &Value) -> String {
    made["id"].as_str().unwrap_or_else(|| panic!("no id in {made}")).to_owned()
}

/// Enough to make both sides' short-lived tokens before it has passed.
const LIFE: Duration = Duration::from_secs(3);

async fn tokens(platform: &Platform, organization: &Organization, end: SystemTime) -> Tokens {
    let expires_at =
        shared::time::Time::from_ms(i64::try_from(end.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap())
            .to_string();
    let expired = platform
        .post(
            &organization.token,
            "/v1/accounts/tokens",
            &json!({ "name": "expired", "role": "owner", "expires_at": expires_at }),
        )
        .await;
    let revoked =
        platform.post(&organization.token, "/v1/accounts/tokens", &json!({ "name": "revoked", "role": "owner" })).await;
    platform.post(&organization.token, format!("/v1/accounts/tokens/{}/revoke", id(&revoked)), &Value::Null).await;
    let mut roles = Vec::new();
    for role in Role::ALL {
        let name = serde_json::to_value(role).unwrap();
        roles.push((*role, platform.token(organization, name.as_str().unwrap()).await));
    }
    let secret = |made: &Value| made["secret"].as_str().unwrap().to_owned();
    Tokens { owner: organization.token.clone(), roles, expired: secret(&expired), revoked: secret(&revoked) }
}

/// Ids of the right kinds that nobody has: real ones with other digits.
fn ghosts(ids: &Ids) -> Ids {
    let ghost = |id: &String| {
        let (kind, digits) = id.split_once('_').unwrap_or_else(|| panic!("{id} is no id"));
        // The last ten digits are chance alone.
        format!("{kind}_{}0000000000", &digits[..digits.len() - 10])
    };
    Ids {
        organization: ghost(&ids.organization),
        provider_slug: unique("nobody"),
        member: ghost(&ids.member),
        leaving_member: ghost(&ids.leaving_member),
        token: ghost(&ids.token),
        service: ghost(&ids.service),
        leaving_service: ghost(&ids.leaving_service),
        api: ghost(&ids.api),
        api_slug: unique("nothing"),
        changing_api: ghost(&ids.changing_api),
        ending_api: ghost(&ids.ending_api),
        retired_api: ghost(&ids.retired_api),
        product: ghost(&ids.product),
        plan: ghost(&ids.plan),
        retired_plan: ghost(&ids.retired_plan),
        app: ghost(&ids.app),
        leaving_app: ghost(&ids.leaving_app),
        subscription: ghost(&ids.subscription),
        requested: ghost(&ids.requested),
        declined: ghost(&ids.declined),
        paused: ghost(&ids.paused),
        ending: ghost(&ids.ending),
        key: ghost(&ids.key),
        rotated_key: ghost(&ids.rotated_key),
        revoked_key: ghost(&ids.revoked_key),
        invoice: ghost(&ids.invoice),
        check: ghost(&ids.check),
    }
}

/// An invoice of the market's subscription, for a month that nobody waits for: its seal is told as the queue would.
async fn invoice(platform: &Platform, market: &Market) -> String {
    let path = format!("/v1/subscriptions/{}", market.subscription);
    let subscription = platform.get(&market.consumer.token, path).await;
    let seal = json!({
        "id": format!("{}.2026-01", market.subscription), "revision": 1, "subscription": market.subscription,
        "organization": subscription["organization"], "provider": subscription["provider"], "app_name": "App", "product_slug": "weather",
        "from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z", "activated_at": "2026-01-01T00:00:00Z", "cancelled_at": null,
        "admitted_before": 0, "refunded_before": 0, "sealed_at": "2026-02-01T00:05:00Z",
        "terms": [{ "revision": 1, "since": "2026-01-01T00:00:00Z", "terms": subscription["terms"], "admitted": 3, "refunded": 1 }]
    });
    let detail = json!({ "type": "gateway.seal", "id": seal["id"], "revision": 1, "data": seal.to_string() });
    let record =
        json!({ "messageId": "seal", "eventSource": "aws:sqs", "body": json!({ "detail": detail }).to_string() });
    let taken = platform.cloud().invoke("Billing", json!({ "Records": [record] })).await.unwrap();
    assert_eq!(taken["batchItemFailures"], json!([]), "{taken}");
    id(&platform.get(&market.consumer.token, "/v1/billing/invoices").await["items"][0])
}

/// A finding whose approval is withdrawn.
pub(super) const WITHDRAWN: &str = "00000000000000000000000000000001";

/// A check of the market's API, and an approval.
async fn check(platform: &Platform, provider: &Organization) -> String {
    let approval = json!({ "fingerprint": WITHDRAWN, "reason": "For now", "until": crate::checks::ahead(platform, 1) });
    platform.post(&provider.token, "/v1/contracts/apis/weather/approvals", &approval).await;
    let checked = crate::checks::check(platform, provider, "1.0.1", "", weather::DOCUMENT).await;
    id(&checked.success().unwrap())
}

impl Scene {
    pub(super) async fn set(platform: &Platform) -> Self {
        let market = platform.market(json!({})).await;
        let (provider, consumer) = (&market.provider, &market.consumer);
        assert_eq!(market.upstream.calls(), 0);
        // One call, so that there are callers to list.
        assert_eq!(market.pass(platform, "/forecast/oslo").await.status, 200);
        let members = "/v1/accounts/members";
        let member = |email: &str| json!({ "email": email, "name": "Bo", "role": "viewer" });
        let plan = platform.plan(provider, "other", &json!({})).await;
        let retired_plan = platform.plan(provider, "retired", &json!({})).await;
        platform.plan(provider, "manual", &json!({ "approval": "manual" })).await;
        let subscribe = async |plan: &str| {
            let wish = json!({ "app": market.app, "product": format!("{}/weather", provider.slug), "plan": plan });
            id(&platform.post(&consumer.token, "/v1/subscriptions", &wish).await)
        };
        let (ending_api, retired_api) = (
            platform.describe(provider, "ending", "private", None).await,
            platform.describe(provider, "retired", "private", None).await,
        );
        let sunset = json!({ "sunset_at": "2099-01-01T00:00:00Z" });
        platform.post(&provider.token, "/v1/catalog/apis/retired/versions/1.0.0/deprecate", &sunset).await;
        let ids = Ids {
            organization: provider.id.clone(),
            provider_slug: provider.slug.clone(),
            member: id(&platform.post(&provider.token, members, &member("bo@example.com")).await),
            leaving_member: id(&platform.post(&provider.token, members, &member("cy@example.com")).await),
            token: id(&platform
                .post(&provider.token, "/v1/accounts/tokens", &json!({ "name": "a target", "role": "viewer" }))
                .await),
            service: id(&platform
                .post(
                    &provider.token,
                    "/v1/catalog/services",
                    &json!({ "slug": "forecasting", "name": "F", "owner": "team", "domain": "weather" }),
                )
                .await),
            leaving_service: id(&platform
                .post(&provider.token, "/v1/catalog/services", &json!({ "slug": "leaving", "name": "Leaving" }))
                .await),
            api: market.api.clone(),
            api_slug: "weather".to_owned(),
            changing_api: id(&platform
                .post(&provider.token, "/v1/catalog/apis", &json!({ "slug": "changing", "name": "Changing" }))
                .await),
            ending_api,
            retired_api,
            product: market.product.clone(),
            plan,
            retired_plan,
            app: market.app.clone(),
            leaving_app: id(&platform
                .post(&consumer.token, "/v1/subscriptions/apps", &json!({ "name": "Leaving" }))
                .await),
            subscription: market.subscription.clone(),
            requested: subscribe("manual").await,
            declined: subscribe("manual").await,
            paused: subscribe("standard").await,
            ending: subscribe("standard").await,
            key: market.key.id.clone(),
            rotated_key: platform.key(consumer, &market.subscription).await.id,
            revoked_key: platform.key(consumer, &market.subscription).await.id,
            invoice: invoice(platform, &market).await,
            check: check(platform, provider).await,
        };
        let end = SystemTime::now() + LIFE;
        let (provider_tokens, consumer_tokens) =
            (tokens(platform, provider, end).await, tokens(platform, consumer, end).await);
        let stranger = platform.found("stranger").await.token;
        platform.settled().await;
        // It is the clock that ends the expired tokens.
        tokio::time::sleep(end.duration_since(SystemTime::now()).unwrap_or_default()).await;
        Self {
            ghosts: ghosts(&ids),
            ids,
            provider: provider_tokens,
            consumer: consumer_tokens,
            stranger,
            _upstream: market.upstream,
        }
    }
}
