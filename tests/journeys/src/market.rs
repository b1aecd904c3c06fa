//! Two organizations that trade: who sells an API, and who calls it.

use dev::client::{Answer, Call};
use serde_json::{Value, json};
use weather::Weather;

use crate::Platform;

/// The version of every API's document.
pub const VERSION: &str = "1.0.0";

/// An organization with its owner's token.
#[derive(Debug, Clone)]
pub struct Organization {
    /// Its id.
    pub id: String,
    /// Its slug.
    pub slug: String,
    /// A token of its owner.
    pub token: String,
}

/// A key, just issued.
#[derive(Debug, Clone)]
pub struct Key {
    /// Its id.
    pub id: String,
    /// What opens the door.
    pub secret: String,
}

impl Key {
    /// From the answer that shows it.
    pub fn of(issued: &Value) -> Self {
        let text = |name: &str| issued[name].as_str().unwrap_or_else(|| panic!("no {name} in {issued}")).to_owned();
        Self { id: text("id"), secret: text("secret") }
    }
}

/// One more organization that calls what a market sells, or the provider itself.
#[derive(Debug, Clone)]
pub struct Consumer {
    /// Who calls.
    pub organization: Organization,
    /// The app's id.
    pub app: String,
    /// The subscription's id.
    pub subscription: String,
    /// The key.
    pub key: Key,
}

/// Where an API's calls go.
#[derive(Debug, Clone)]
pub enum Upstream {
    /// The market's own weather API, which counts.
    Weather,
    /// Somewhere else.
    At(String),
}

/// What is sold.
#[derive(Debug, Clone)]
pub struct Offer {
    /// The APIs: slug and upstream.
    pub apis: Vec<(&'static str, Upstream)>,
    /// Who may see APIs and product.
    pub visibility: &'static str,
    /// The terms of the plan `standard`.
    pub terms: Value,
}

impl Offer {
    /// The weather on these terms.
    pub fn weather(terms: Value) -> Self {
        Self { apis: vec![("weather", Upstream::Weather)], visibility: "public", terms }
    }
}

/// A market.
#[derive(Debug)]
pub struct Market {
    /// Who sells.
    pub provider: Organization,
    /// Who calls.
    pub consumer: Organization,
    /// Where the calls go.
    pub upstream: Weather,
    /// The first API's id; its slug is `weather` unless the offer says otherwise.
    pub api: String,
    /// The product's id; its slug is `weather`.
    pub product: String,
    /// The plan's id; its slug is `standard`.
    pub plan: String,
    /// The app's id.
    pub app: String,
    /// The subscription's id.
    pub subscription: String,
    /// The key.
    pub key: Key,
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}")).to_owned()
}

impl Platform {
    /// Makes a market that sells the weather on these terms.
    pub async fn market(&self, terms: Value) -> Market {
        self.market_of(Offer::weather(terms)).await
    }

    /// Makes a market.
    pub async fn market_of(&self, offer: Offer) -> Market {
        let upstream = Weather::start(0).await.unwrap();
        let (provider, consumer) = (self.found("nimbus").await, self.found("acme").await);
        let mut first = None;
        for (slug, at) in &offer.apis {
            let url = match at {
                Upstream::Weather => upstream.url(),
                Upstream::At(url) => url.clone(),
            };
            let api = self.describe(&provider, slug, offer.visibility, Some(&url)).await;
            first.get_or_insert(api);
        }
        let slugs: Vec<&str> = offer.apis.iter().map(|(slug, _)| *slug).collect();
        let product = json!({ "slug": "weather", "name": "Weather", "visibility": offer.visibility, "apis": slugs });
        let product = text(&self.post(&provider.token, "/v1/products", &product).await, "id");
        let plan = self.plan(&provider, "standard", &offer.terms).await;
        let app =
            text(&self.post(&consumer.token, "/v1/subscriptions/apps", &json!({ "name": "Trip planner" })).await, "id");
        let wish = json!({ "app": app, "product": format!("{}/weather", provider.slug), "plan": "standard" });
        let made = self.post(&consumer.token, "/v1/subscriptions", &wish).await;
        let subscription = text(&made, "id");
        let key = if made["state"] == "active" {
            self.key(&consumer, &subscription).await
        } else {
            Key { id: String::new(), secret: String::new() }
        };
        Market { provider, consumer, upstream, api: first.unwrap_or_default(), product, plan, app, subscription, key }
    }

    /// Makes an API with the weather's document, published; answers its id.
    pub async fn describe(
        &self,
        provider: &Organization,
        slug: &str,
        visibility: &str,
        upstream_url: Option<&str>,
    ) -> String {
        let mut api = json!({ "slug": slug, "name": "Weather", "visibility": visibility });
        if let Some(url) = upstream_url {
            api["upstream_url"] = json!(url);
        }
        let made = self.post(&provider.token, "/v1/catalog/apis", &api).await;
        let upload = Call::post(format!("/v1/catalog/apis/{slug}/versions?version={VERSION}"))
            .bearer(&provider.token)
            .body("application/yaml", weather::DOCUMENT);
        self.expect(upload, 201).await;
        self.post(&provider.token, format!("/v1/catalog/apis/{slug}/versions/{VERSION}/publish"), &Value::Null).await;
        text(&made, "id")
    }

    /// Makes one more plan of the product `weather`; answers its id.
    pub async fn plan(&self, provider: &Organization, slug: &str, terms: &Value) -> String {
        let mut plan = terms.clone();
        plan["slug"] = json!(slug);
        plan["name"] = json!(format!("Plan {slug}"));
        text(&self.post(&provider.token, "/v1/products/weather/plans", &plan).await, "id")
    }

    /// Subscribes an app to a provider's plan `standard`, with a key; the app is one of the organization's services if one is named.
    pub async fn subscribe(
        &self,
        organization: &Organization,
        provider: &Organization,
        service: Option<&str>,
    ) -> Consumer {
        let mut app = json!({ "name": "Trip planner" });
        if let Some(service) = service {
            app["service"] = json!(service);
        }
        let app = text(&self.post(&organization.token, "/v1/subscriptions/apps", &app).await, "id");
        let wish = json!({ "app": app, "product": format!("{}/weather", provider.slug), "plan": "standard" });
        let subscription = text(&self.post(&organization.token, "/v1/subscriptions", &wish).await, "id");
        let key = self.key(organization, &subscription).await;
        Consumer { organization: organization.clone(), app, subscription, key }
    }

    /// Founds an organization that calls what a market sells.
    pub async fn join(&self, market: &Market, stem: &str) -> Consumer {
        let organization = self.found(stem).await;
        self.subscribe(&organization, &market.provider, None).await
    }

    /// Issues a key.
    pub async fn key(&self, consumer: &Organization, subscription: &str) -> Key {
        Key::of(
            &self.post(&consumer.token, "/v1/keys", &json!({ "subscription": subscription, "name": "a key" })).await,
        )
    }

    /// A token of another role.
    pub async fn token(&self, organization: &Organization, role: &str) -> String {
        text(
            &self
                .post(&organization.token, "/v1/accounts/tokens", &json!({ "name": format!("a {role}"), "role": role }))
                .await,
            "secret",
        )
    }
}

impl Market {
    /// Its own consumer, as one of several.
    pub fn first(&self) -> Consumer {
        Consumer {
            organization: self.consumer.clone(),
            app: self.app.clone(),
            subscription: self.subscription.clone(),
            key: self.key.clone(),
        }
    }

    /// A call of the weather through the door, with the market's key. The path begins behind the API's slug.
    pub fn call(&self, path: &str) -> Call {
        self.call_with(&self.key, path)
    }

    /// The same with another key.
    pub fn call_with(&self, key: &Key, path: &str) -> Call {
        Call::get(self.address("weather", path)).bearer(&key.secret)
    }

    /// Where an API's path is behind the door.
    pub fn address(&self, api: &str, path: &str) -> String {
        format!("/call/{}/{api}{path}", self.provider.slug)
    }

    /// Goes through the door.
    pub async fn pass(&self, platform: &Platform, path: &str) -> Answer {
        platform.send(self.call(path)).await
    }

    /// The usage of the running month, once every event has been taken.
    pub async fn usage(&self, platform: &Platform) -> Value {
        platform.settled().await;
        platform.get(&self.consumer.token, format!("/v1/usage?subscription={}", self.subscription)).await
    }

    /// The bill of the running month, once every event has been taken.
    pub async fn bill(&self, platform: &Platform) -> Value {
        platform.settled().await;
        platform.get(&self.consumer.token, format!("/v1/billing/preview?subscription={}", self.subscription)).await
    }
}
