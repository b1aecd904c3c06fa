//! Makes the demo, over HTTP as any user would. What is there already is left alone, so it can run again at any time, and go on where it was interrupted.

use std::io;

use cloud::Cloud;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    client::{Call, Client, ClientError},
    demo::{Consumer, Demo},
};

/// The provider's slug.
pub const PROVIDER: &str = "nimbus";
/// The consumer's slug.
pub const CONSUMER: &str = "acme";
/// The slug of the API and of the product.
pub const WEATHER: &str = "weather";
/// The plan's slug.
pub const PLAN: &str = "starter";
/// The version of the API's document.
pub const VERSION: &str = "1.0.0";
/// The slug of the consumer's service.
pub const CALLER: &str = "trip-planner";
/// What the metered call asks for.
pub const PATH: &str = "/forecast/oslo";

/// Why the demo could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// Doorway refused a step, or gave no answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// An organization could not be made.
    #[error("organization {slug} could not be made: {reason}")]
    Organization {
        /// Its slug.
        slug: &'static str,
        /// What `accounts` said.
        reason: String,
    },
    /// An answer lacks what the next step needs.
    #[error("the answer of {step} has no {field}: {answer}")]
    Incomplete {
        /// The step.
        step: &'static str,
        /// The field that is missing.
        field: &'static str,
        /// The whole answer.
        answer: Value,
    },
    /// What was made could not be written down.
    #[error("the demo cannot be written down: {0}")]
    Io(#[from] io::Error),
}

/// Makes what is missing of the demo.
///
/// `known` is what an earlier run left, or the default. `save` is called whenever a secret came that is shown only once.
///
/// # Errors
/// A step was refused; what was made before it stays.
pub async fn demo(
    cloud: &Cloud,
    upstream_url: &str,
    known: Demo,
    mut save: impl FnMut(&Demo) -> io::Result<()>,
) -> Result<Demo, SeedError> {
    let client = Client::new(cloud.url());
    let mut demo = Demo {
        url: cloud.url().to_owned(),
        organization: PROVIDER.to_owned(),
        consumer: Consumer { organization: CONSUMER.to_owned(), token: known.consumer.token.clone() },
        api: WEATHER.to_owned(),
        product: WEATHER.to_owned(),
        plan: PLAN.to_owned(),
        call_url: format!("{}/call/{PROVIDER}/{WEATHER}{PATH}", cloud.url()),
        upstream_url: upstream_url.to_owned(),
        operator_url: cloud.lambda_endpoint().to_owned(),
        ..known
    };
    if !works(&client, &demo.token).await? {
        demo.token = owner(cloud, PROVIDER, "Nimbus Weather", "Ada Larsen", "ada@nimbus.example").await?;
        save(&demo)?;
    }
    if !works(&client, &demo.consumer.token).await? {
        demo.consumer.token = owner(cloud, CONSUMER, "Acme Travel", "Bo Acme", "bo@acme.example").await?;
        save(&demo)?;
    }
    provide(&client, &demo.token, upstream_url).await?;
    consume(&client, &mut demo).await?;
    save(&demo)?;
    Ok(demo)
}

/// Whether a remembered token still opens the control plane.
async fn works(client: &Client, token: &str) -> Result<bool, SeedError> {
    if token.is_empty() {
        return Ok(false);
    }
    let answer = client.send(Call::get("/v1/accounts/organization").bearer(token)).await?;
    if answer.status == StatusCode::UNAUTHORIZED {
        return Ok(false);
    }
    answer.success()?;
    Ok(true)
}

/// An owner's token. An organization is made by an operator, who may invoke `accounts` itself; of one that is there already, whose token was lost,
/// the operator makes another token.
async fn owner(cloud: &Cloud, slug: &'static str, name: &str, owner: &str, email: &str) -> Result<String, SeedError> {
    let failed = |reason: String| SeedError::Organization { slug, reason };
    let found = json!({ "operator": "create_organization", "slug": slug, "name": name, "owner": { "name": owner, "email": email } });
    let mut answer = cloud.invoke("Accounts", found).await.map_err(|error| failed(error.to_string()))?;
    if answer.get("problem").is_some() {
        let again = json!({ "operator": "create_owner_token", "organization": slug });
        let second = cloud.invoke("Accounts", again).await.map_err(|error| failed(error.to_string()))?;
        if second.get("problem").is_some() {
            return Err(failed(answer.to_string()));
        }
        answer = second;
    }
    text("the operator's invocation", answer.get("token").unwrap_or(&Value::Null), "secret")
}

/// The provider's side: a service, its API with a published version, and a product with a plan.
async fn provide(client: &Client, token: &str, upstream_url: &str) -> Result<(), SeedError> {
    let service = json!({
        "slug": "forecasting", "name": "Forecasting", "description": "Knows the weather of the days to come.", "owner": "team-forecast",
        "domain": "weather",
    });
    ensure(client, token, "/v1/catalog/services", "forecasting", &service).await?;
    let api = json!({
        "slug": WEATHER, "name": "Weather", "visibility": "public", "service": "forecasting", "upstream_url": upstream_url,
    });
    ensure(client, token, "/v1/catalog/apis", WEATHER, &api).await?;
    redirect(client, token, upstream_url).await?;

    let versions = format!("/v1/catalog/apis/{WEATHER}/versions");
    let found = client.send(Call::get(format!("{versions}/{VERSION}")).bearer(token)).await?;
    let version = if found.status == StatusCode::NOT_FOUND {
        let upload = Call::post(format!("{versions}?version={VERSION}&filename=openapi.yaml"))
            .bearer(token)
            .header("idempotency-key", "demo-version")
            .body("application/yaml", weather::DOCUMENT);
        client.send(upload).await?.success()?
    } else {
        found.success()?
    };
    if version.get("state").and_then(Value::as_str) == Some("draft") {
        client.send(Call::post(format!("{versions}/{VERSION}/publish")).bearer(token)).await?.success()?;
    }

    let product = json!({ "slug": WEATHER, "name": "Weather data", "visibility": "public", "apis": [WEATHER] });
    ensure(client, token, "/v1/products", WEATHER, &product).await?;
    let plan = json!({
        "slug": PLAN, "name": "Starter", "currency": "EUR", "monthly_price": "9.00", "included_calls": 1000, "price_per_call": "0.005",
        "quota": { "calls": 10_000, "period": "month", "kind": "soft" },
        "rate": { "calls": 50, "per_seconds": 1, "burst": 100 },
        "approval": "automatic",
    });
    ensure(client, token, &format!("/v1/products/{WEATHER}/plans"), PLAN, &plan).await?;
    Ok(())
}

/// The consumer's side: a service, an app that is this service, its subscription, a key.
async fn consume(client: &Client, demo: &mut Demo) -> Result<(), SeedError> {
    let token = demo.consumer.token.clone();
    let service = json!({ "slug": CALLER, "name": "Trip planner", "owner": "team-trips", "domain": "travel" });
    ensure(client, &token, "/v1/catalog/services", CALLER, &service).await?;
    if !there(client, &token, "/v1/subscriptions/apps", &demo.app).await? {
        let wish = json!({ "name": "Trip planner", "service": CALLER });
        let app = create(client, &token, "/v1/subscriptions/apps", "demo-app", &wish).await?;
        demo.app = text("the app", &app, "id")?;
    }
    if !there(client, &token, "/v1/subscriptions", &demo.subscription).await? {
        let wish = json!({ "app": demo.app, "product": format!("{PROVIDER}/{WEATHER}"), "plan": PLAN });
        let subscription = create(client, &token, "/v1/subscriptions", "demo-subscription", &wish).await?;
        demo.subscription = text("the subscription", &subscription, "id")?;
    }
    if demo.key.is_empty() || !there(client, &token, "/v1/keys", &demo.key_id).await? {
        let wish = json!({ "subscription": demo.subscription, "name": "demo" });
        // Without an idempotency key: the secret is shown in the first answer only, and this is the run that needs it.
        let key = client.send(Call::post("/v1/keys").bearer(&token).json(&wish)).await?.success()?;
        demo.key = text("the key", &key, "secret")?;
        demo.key_id = text("the key", &key, "id")?;
    }
    Ok(())
}

/// Makes a thing of a known slug unless it is there.
async fn ensure(client: &Client, token: &str, path: &str, slug: &str, body: &Value) -> Result<(), SeedError> {
    let found = client.send(Call::get(format!("{path}/{slug}")).bearer(token)).await?;
    if found.status == StatusCode::NOT_FOUND {
        create(client, token, path, &format!("demo-{slug}"), body).await?;
    } else {
        found.success()?;
    }
    Ok(())
}

async fn create(
    client: &Client,
    token: &str,
    path: &str,
    idempotency_key: &str,
    body: &Value,
) -> Result<Value, SeedError> {
    let call = Call::post(path).bearer(token).header("idempotency-key", idempotency_key).json(body);
    Ok(client.send(call).await?.success()?)
}

/// Whether a remembered id still names something.
async fn there(client: &Client, token: &str, path: &str, id: &str) -> Result<bool, SeedError> {
    if id.is_empty() {
        return Ok(false);
    }
    let found = client.send(Call::get(format!("{path}/{id}")).bearer(token)).await?;
    if found.status == StatusCode::NOT_FOUND {
        return Ok(false);
    }
    found.success()?;
    Ok(true)
}

/// The upstream may listen on another port than when the API was made.
async fn redirect(client: &Client, token: &str, upstream_url: &str) -> Result<(), SeedError> {
    let path = format!("/v1/catalog/apis/{WEATHER}");
    let found = client.send(Call::get(path.as_str()).bearer(token)).await?;
    let api = found.success()?;
    let address = |text: &str| text.trim_end_matches('/').to_owned();
    if api.get("upstream_url").and_then(Value::as_str).map(address) == Some(address(upstream_url)) {
        return Ok(());
    }
    let change = Call::new(Method::PATCH, path)
        .bearer(token)
        .header("if-match", found.header("etag"))
        .json(&json!({ "upstream_url": upstream_url }));
    client.send(change).await?.success()?;
    Ok(())
}

fn text(step: &'static str, answer: &Value, field: &'static str) -> Result<String, SeedError> {
    match answer.get(field).and_then(Value::as_str) {
        Some(text) => Ok(text.to_owned()),
        None => Err(SeedError::Incomplete { step, field, answer: answer.clone() }),
    }
}
