//! What the API documents do not say of a route: an example of a request, whose the thing is, and who else may see it.

use std::time::{SystemTime, UNIX_EPOCH};

use http::Method;
use journeys::Call;
use serde_json::{Value, json};
use shared::{principal::Permission, time::Time};

use super::scene::{Ids, WITHDRAWN, unique};

/// Whose the thing is.
#[derive(Clone, Copy)]
pub(super) enum Home {
    Provider,
    Consumer,
}

/// What somebody else sees.
#[derive(Clone, Copy)]
pub(super) enum Sight {
    /// 404, like what does not exist.
    Nothing,
    /// 422 for the field that names it, like for what does not exist.
    Unnamed,
    /// The same answer, about the thing or about what is one's own.
    Same,
    /// 403: one may know of it.
    Refused,
}
use Sight::{Nothing, Refused, Same, Unnamed};

/// One route.
pub(super) struct Entry {
    pub(super) operation: &'static str,
    pub(super) home: Home,
    pub(super) request: fn(&Ids) -> Call,
    /// What whoever may is answered. More than one where it can be done only once.
    pub(super) done: &'static [u16],
    /// What the other side of the subscription sees.
    pub(super) other: Sight,
    /// What the owner of an organization sees that has nothing to do with it.
    pub(super) stranger: Sight,
    /// What this side needs where a route has a permission for each side.
    pub(super) side_needs: Option<Permission>,
}

const fn of(
    home: Home,
    operation: &'static str,
    done: &'static [u16],
    other: Sight,
    stranger: Sight,
    request: fn(&Ids) -> Call,
) -> Entry {
    Entry { operation, home, request, done, other, stranger, side_needs: None }
}

const fn provider(operation: &'static str, done: &'static [u16], sight: Sight, request: fn(&Ids) -> Call) -> Entry {
    of(Home::Provider, operation, done, sight, sight, request)
}

const fn consumer(operation: &'static str, done: &'static [u16], sight: Sight, request: fn(&Ids) -> Call) -> Entry {
    of(Home::Consumer, operation, done, sight, sight, request)
}

fn get(path: String) -> Call {
    Call::get(path)
}

fn post(path: impl Into<String>, body: &Value) -> Call {
    Call::post(path).json(body)
}

fn act(path: String) -> Call {
    Call::post(path)
}

/// By the machine's clock, which the platform that tests share follows.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn patch(path: impl Into<String>, body: &Value) -> Call {
    Call::new(Method::PATCH, path).header("if-match", "\"1\"").json(body)
}

const SUNSET: &str = "2099-01-01T00:00:00Z";

pub(super) const TABLE: &[Entry] = &[
    // accounts
    provider("get_own_organization", &[200], Same, |_| get("/v1/accounts/organization".to_owned())),
    provider("get_organization", &[200], Nothing, |ids| {
        get(format!("/v1/accounts/organizations/{}", ids.organization))
    }),
    // Whoever comes second finds it changed.
    provider("change_organization", &[200, 412], Same, |_| {
        patch("/v1/accounts/organization", &json!({ "name": "Another name" }))
    }),
    provider("found_organization", &[201], Same, |_| {
        post("/v1/accounts/organizations", &json!({ "slug": unique("daughter"), "name": "Daughter" }))
    }),
    provider("list_members", &[200], Same, |_| get("/v1/accounts/members".to_owned())),
    provider("add_member", &[201], Same, |_| {
        post(
            "/v1/accounts/members",
            &json!({ "email": format!("{}@example.com", unique("m")), "name": "M", "role": "viewer" }),
        )
    }),
    provider("get_member", &[200], Nothing, |ids| get(format!("/v1/accounts/members/{}", ids.member))),
    provider("change_member", &[200, 412], Nothing, |ids| {
        patch(format!("/v1/accounts/members/{}", ids.member), &json!({ "name": "N" }))
    }),
    provider("remove_member", &[204], Nothing, |ids| {
        Call::new(Method::DELETE, format!("/v1/accounts/members/{}", ids.leaving_member))
    }),
    provider("list_tokens", &[200], Same, |_| get("/v1/accounts/tokens".to_owned())),
    provider("issue_token", &[201], Same, |_| {
        post("/v1/accounts/tokens", &json!({ "name": "one more", "role": "viewer" }))
    }),
    provider("get_token", &[200], Nothing, |ids| get(format!("/v1/accounts/tokens/{}", ids.token))),
    provider("revoke_token", &[200], Nothing, |ids| act(format!("/v1/accounts/tokens/{}/revoke", ids.token))),
    // catalog
    provider("list_services", &[200], Same, |_| get("/v1/catalog/services".to_owned())),
    provider("create_service", &[201], Same, |_| {
        post(
            "/v1/catalog/services",
            &json!({ "slug": unique("service"), "name": "Service", "owner": "team", "domain": "weather" }),
        )
    }),
    provider("get_service", &[200], Nothing, |ids| get(format!("/v1/catalog/services/{}", ids.service))),
    provider("update_service", &[200, 412], Nothing, |ids| {
        patch(format!("/v1/catalog/services/{}", ids.service), &json!({ "name": "Renamed" }))
    }),
    // Whoever comes second finds it gone.
    provider("delete_service", &[204, 404], Nothing, |ids| {
        Call::new(Method::DELETE, format!("/v1/catalog/services/{}", ids.leaving_service))
    }),
    provider("get_graph", &[200], Same, |_| get("/v1/catalog/graph".to_owned())),
    provider("import_backstage", &[200], Same, |_| {
        let name = unique("moved");
        let file = format!("apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {{name: {name}}}\n");
        Call::post("/v1/catalog/imports/backstage".to_owned()).body("application/yaml", file)
    }),
    provider("list_apis", &[200], Same, |_| get("/v1/catalog/apis".to_owned())),
    provider("create_api", &[201], Same, |_| {
        post("/v1/catalog/apis", &json!({ "slug": unique("api"), "name": "API" }))
    }),
    provider("get_api", &[200], Nothing, |ids| get(format!("/v1/catalog/apis/{}", ids.api))),
    provider("update_api", &[200, 412], Nothing, |ids| {
        patch(format!("/v1/catalog/apis/{}", ids.changing_api), &json!({ "name": "Renamed" }))
    }),
    provider("list_versions", &[200], Nothing, |ids| get(format!("/v1/catalog/apis/{}/versions", ids.api))),
    provider("upload_version", &[201], Nothing, |ids| {
        Call::post(format!("/v1/catalog/apis/{}/versions?version={}", ids.changing_api, unique("v")))
            .body("application/yaml", weather::DOCUMENT)
    }),
    provider("get_version", &[200], Nothing, |ids| get(format!("/v1/catalog/apis/{}/versions/1.0.0", ids.api))),
    provider("get_document", &[200], Nothing, |ids| {
        get(format!("/v1/catalog/apis/{}/versions/1.0.0/document", ids.api))
    }),
    provider("get_surface", &[200], Nothing, |ids| get(format!("/v1/catalog/apis/{}/versions/1.0.0/surface", ids.api))),
    provider("read_surface", &[200], Same, |_| {
        Call::post("/v1/catalog/surfaces".to_owned()).body("application/yaml", weather::DOCUMENT)
    }),
    provider("list_operations", &[200], Nothing, |ids| {
        get(format!("/v1/catalog/apis/{}/versions/1.0.0/operations", ids.api))
    }),
    provider("publish_version", &[200], Nothing, |ids| {
        act(format!("/v1/catalog/apis/{}/versions/1.0.0/publish", ids.api))
    }),
    provider("deprecate_version", &[200], Nothing, |ids| {
        post(format!("/v1/catalog/apis/{}/versions/1.0.0/deprecate", ids.ending_api), &json!({ "sunset_at": SUNSET }))
    }),
    provider("retire_version", &[200, 409], Nothing, |ids| {
        act(format!("/v1/catalog/apis/{}/versions/1.0.0/retire", ids.retired_api))
    }),
    provider("search", &[200], Same, |_| get("/v1/catalog/search?q=forecast".to_owned())),
    provider("list_documents", &[200], Same, |_| get("/v1/openapi.json".to_owned())),
    provider("list_public_apis", &[200], Same, |ids| get(format!("/v1/catalog/public/{}", ids.provider_slug))),
    provider("get_public_api", &[200], Same, |ids| get(format!("/v1/catalog/public/{}/weather", ids.provider_slug))),
    provider("list_public_versions", &[200], Same, |ids| {
        get(format!("/v1/catalog/public/{}/weather/versions", ids.provider_slug))
    }),
    provider("get_public_version", &[200], Same, |ids| {
        get(format!("/v1/catalog/public/{}/weather/versions/1.0.0", ids.provider_slug))
    }),
    provider("get_public_document", &[200], Same, |ids| {
        get(format!("/v1/catalog/public/{}/weather/versions/1.0.0/document", ids.provider_slug))
    }),
    provider("list_public_operations", &[200], Same, |ids| {
        get(format!("/v1/catalog/public/{}/weather/versions/1.0.0/operations", ids.provider_slug))
    }),
    // products
    provider("list_products", &[200], Same, |_| get("/v1/products".to_owned())),
    provider("create_product", &[201], Unnamed, |ids| {
        post("/v1/products", &json!({ "slug": unique("product"), "name": "Product", "apis": [ids.api] }))
    }),
    provider("get_product", &[200], Nothing, |ids| get(format!("/v1/products/{}", ids.product))),
    provider("change_product", &[200, 412], Nothing, |ids| {
        patch(format!("/v1/products/{}", ids.product), &json!({ "name": "Renamed" }))
    }),
    provider("list_plans", &[200], Nothing, |ids| get(format!("/v1/products/{}/plans", ids.product))),
    provider("create_plan", &[201], Nothing, |ids| {
        post(format!("/v1/products/{}/plans", ids.product), &json!({ "slug": unique("plan"), "name": "Plan" }))
    }),
    provider("get_plan", &[200], Nothing, |ids| get(format!("/v1/products/{}/plans/{}", ids.product, ids.plan))),
    provider("list_plan_versions", &[200], Nothing, |ids| {
        get(format!("/v1/products/{}/plans/{}/versions", ids.product, ids.plan))
    }),
    provider("revise_plan", &[201], Nothing, |ids| {
        post(format!("/v1/products/{}/plans/{}/versions", ids.product, ids.plan), &json!({ "included_calls": 5 }))
    }),
    provider("get_plan_version", &[200], Nothing, |ids| {
        get(format!("/v1/products/{}/plans/{}/versions/1", ids.product, ids.plan))
    }),
    provider("retire_plan", &[200], Nothing, |ids| {
        act(format!("/v1/products/{}/plans/{}/retire", ids.product, ids.retired_plan))
    }),
    provider("list_public_products", &[200], Same, |ids| get(format!("/v1/products/public/{}", ids.provider_slug))),
    provider("get_public_product", &[200], Same, |ids| {
        get(format!("/v1/products/public/{}/weather", ids.provider_slug))
    }),
    // subscriptions
    consumer("list_apps", &[200], Same, |_| get("/v1/subscriptions/apps".to_owned())),
    consumer("create_app", &[201], Same, |_| post("/v1/subscriptions/apps", &json!({ "name": "One more" }))),
    consumer("get_app", &[200], Nothing, |ids| get(format!("/v1/subscriptions/apps/{}", ids.app))),
    consumer("change_app", &[200, 412], Nothing, |ids| {
        patch(format!("/v1/subscriptions/apps/{}", ids.app), &json!({ "name": "Renamed" }))
    }),
    // Whoever comes second finds it gone.
    consumer("delete_app", &[204, 404], Nothing, |ids| {
        Call::new(Method::DELETE, format!("/v1/subscriptions/apps/{}", ids.leaving_app))
    }),
    consumer("list_subscriptions", &[200], Same, |_| get("/v1/subscriptions".to_owned())),
    consumer("subscribe", &[201], Nothing, |ids| {
        post(
            "/v1/subscriptions",
            &json!({ "app": ids.app, "product": format!("{}/weather", ids.provider_slug), "plan": "standard" }),
        )
    }),
    of(Home::Consumer, "get_subscription", &[200], Same, Nothing, |ids| {
        get(format!("/v1/subscriptions/{}", ids.subscription))
    }),
    of(Home::Provider, "approve_subscription", &[200, 409], Refused, Nothing, |ids| {
        act(format!("/v1/subscriptions/{}/approve", ids.requested))
    }),
    of(Home::Provider, "decline_subscription", &[200, 409], Refused, Nothing, |ids| {
        act(format!("/v1/subscriptions/{}/decline", ids.declined))
    }),
    of(Home::Provider, "suspend_subscription", &[200, 409], Refused, Nothing, |ids| {
        act(format!("/v1/subscriptions/{}/suspend", ids.paused))
    }),
    of(Home::Provider, "resume_subscription", &[200, 409], Refused, Nothing, |ids| {
        act(format!("/v1/subscriptions/{}/resume", ids.paused))
    }),
    Entry {
        side_needs: Some(Permission::SubscriptionsWrite),
        ..of(Home::Consumer, "cancel_subscription", &[200, 409], Same, Nothing, |ids| {
            act(format!("/v1/subscriptions/{}/cancel", ids.ending))
        })
    },
    of(Home::Consumer, "change_plan", &[200], Refused, Nothing, |ids| {
        post(format!("/v1/subscriptions/{}/change-plan", ids.subscription), &json!({ "plan": "standard" }))
    }),
    // keys: the other side of a subscription sees nothing of them
    consumer("list_keys", &[200], Nothing, |ids| get(format!("/v1/keys?subscription={}", ids.subscription))),
    consumer("issue_key", &[201], Nothing, |ids| {
        post("/v1/keys", &json!({ "subscription": ids.subscription, "name": "One more" }))
    }),
    consumer("get_key", &[200], Nothing, |ids| get(format!("/v1/keys/{}", ids.key))),
    consumer("rename_key", &[200, 412], Nothing, |ids| {
        patch(format!("/v1/keys/{}", ids.key), &json!({ "name": "Renamed" }))
    }),
    // Whoever comes second finds it rotated or revoked.
    consumer("rotate_key", &[201, 409], Nothing, |ids| {
        post(format!("/v1/keys/{}/rotate", ids.rotated_key), &json!({ "overlap_seconds": 60 }))
    }),
    consumer("revoke_key", &[200], Nothing, |ids| act(format!("/v1/keys/{}/revoke", ids.revoked_key))),
    // gateway: a statement without the functions' seal
    provider("tell_the_door", &[403], Same, |_| post("/v1/gateway/events", &json!([]))),
    provider("set_upstream_credentials", &[200], Nothing, |ids| {
        let body = json!({ "type": "header", "name": "x-upstream-key", "value": "s3cret" });
        Call::new(Method::PUT, format!("/v1/gateway/apis/{}/credentials", ids.api_slug)).json(&body)
    }),
    // They may be set already, or not any more.
    provider("get_upstream_credentials", &[200, 404], Nothing, |ids| {
        get(format!("/v1/gateway/apis/{}/credentials", ids.api_slug))
    }),
    provider("remove_upstream_credentials", &[204], Nothing, |ids| {
        Call::new(Method::DELETE, format!("/v1/gateway/apis/{}/credentials", ids.api_slug))
    }),
    // usage and billing: for both sides
    of(Home::Consumer, "get_usage", &[200], Same, Nothing, |ids| {
        get(format!("/v1/usage?subscription={}", ids.subscription))
    }),
    of(Home::Consumer, "list_periods", &[200], Same, Nothing, |ids| {
        get(format!("/v1/usage/periods?subscription={}", ids.subscription))
    }),
    provider("list_callers", &[200], Nothing, |ids| {
        get(format!("/v1/usage/callers?api={}&operation=getForecast", ids.api))
    }),
    provider("list_callers_of_operations", &[200], Nothing, |ids| {
        post(
            "/v1/usage/callers",
            &json!({ "api": ids.api, "operations": ["getForecast", "listStations"], "window": "1d" }),
        )
    }),
    consumer("list_calls", &[200], Same, |_| get("/v1/usage/calls".to_owned())),
    provider("list_operations_usage", &[200], Nothing, |ids| {
        get(format!("/v1/usage/operations?api={}&operation=getForecast", ids.api))
    }),
    of(Home::Consumer, "preview_bill", &[200], Same, Nothing, |ids| {
        get(format!("/v1/billing/preview?subscription={}", ids.subscription))
    }),
    consumer("list_invoices", &[200], Same, |_| get("/v1/billing/invoices".to_owned())),
    of(Home::Consumer, "get_invoice", &[200], Same, Nothing, |ids| {
        get(format!("/v1/billing/invoices/{}", ids.invoice))
    }),
    of(Home::Consumer, "recompute_invoice", &[200], Same, Nothing, |ids| {
        act(format!("/v1/billing/invoices/{}/recompute", ids.invoice))
    }),
    of(Home::Consumer, "compare_invoice", &[200], Same, Nothing, |ids| {
        get(format!("/v1/billing/invoices/{}/usage", ids.invoice))
    }),
    // contracts: anyone who may read documents, about whatever they bring along
    provider("compare_documents", &[200], Same, |_| {
        let side = json!({ "files": { "weather.yaml": weather::DOCUMENT } });
        post("/v1/contracts/comparisons", &json!({ "before": side, "after": side }))
    }),
    // … and checks, policies and approvals are the provider's own until a consumer is told
    provider("check_document", &[200], Nothing, |ids| {
        Call::post(format!("/v1/contracts/checks?api={}&version=1.0.1", ids.api))
            .body("application/yaml", weather::DOCUMENT)
    }),
    provider("list_checks", &[200], Nothing, |ids| get(format!("/v1/contracts/checks?api={}", ids.api))),
    provider("get_check", &[200], Nothing, |ids| get(format!("/v1/contracts/checks/{}", ids.check))),
    provider("get_policy", &[200], Nothing, |ids| get(format!("/v1/contracts/apis/{}/policy", ids.api))),
    // Whoever comes second finds it changed.
    provider("set_policy", &[200, 412], Nothing, |ids| {
        Call::new(Method::PUT, format!("/v1/contracts/apis/{}/policy", ids.api))
            .header("if-match", "\"0\"")
            .json(&json!({ "check": "required" }))
    }),
    // … or approved …
    provider("approve_finding", &[201, 409], Nothing, |ids| {
        let end = Time::from_ms(now_ms()).plus_ms(3_600_000);
        let body = json!({ "fingerprint": "00000000000000000000000000000002", "reason": "For now", "until": end });
        post(format!("/v1/contracts/apis/{}/approvals", ids.api), &body)
    }),
    provider("list_approvals", &[200], Nothing, |ids| get(format!("/v1/contracts/apis/{}/approvals", ids.api))),
    // … or gone.
    provider("withdraw_approval", &[200, 404], Nothing, |ids| {
        Call::new(Method::DELETE, format!("/v1/contracts/apis/{}/approvals/{WITHDRAWN}", ids.api))
    }),
    provider("list_notices", &[200], Same, |_| get("/v1/contracts/notices".to_owned())),
    provider("get_sunsets", &[200], Nothing, |ids| get(format!("/v1/contracts/sunsets/{}", ids.api))),
    provider("list_rules", &[200], Same, |_| get("/v1/contracts/rules".to_owned())),
    provider("get_rule", &[200], Same, |_| get("/v1/contracts/rules/response-field-removed".to_owned())),
];
