//! What is public, for partners, or one's own; and what a token may be narrowed to.

use journeys::{Call, Platform, together};
use serde_json::{Value, json};

use crate::problem;

/// Whether somebody sees a page; what is not seen must be 404 like everything that is not there.
async fn sees(platform: &Platform, token: Option<&str>, path: &str) -> bool {
    let call = Call::get(path);
    let answer = platform.send(match token {
        Some(token) => call.bearer(token),
        None => call,
    });
    let answer = answer.await;
    if answer.status == 200 {
        return true;
    }
    let nothing = platform.send(Call::get("/v1/products/public/nobody-at-all/nothing")).await;
    assert_eq!((answer.status, &answer.body), (nothing.status, &nothing.body), "{path}: {}", answer.refused());
    false
}

#[test]
fn what_is_public_anyone_sees_what_is_for_partners_the_invited_and_what_is_private_nobody_else() {
    together(async |platform| {
        let (owner, partner, stranger) =
            (platform.found("owner").await, platform.found("partner").await, platform.found("stranger").await);
        let app = platform.post(&stranger.token, "/v1/subscriptions/apps", &json!({ "name": "Curious" })).await;
        for (visibility, seen) in [
            ("public", [true, true, true, true]),
            ("partner", [false, false, true, true]),
            ("private", [false, false, false, true]),
        ] {
            let slug = format!("for-{visibility}");
            let api = json!({ "slug": slug, "name": "A", "visibility": visibility, "partners": [partner.slug] });
            platform.post(&owner.token, "/v1/catalog/apis", &api).await;
            let versions = format!("/v1/catalog/apis/{slug}/versions");
            let upload = Call::post(format!("{versions}?version=1.0.0")).bearer(&owner.token);
            platform.expect(upload.body("application/yaml", weather::DOCUMENT), 201).await;
            // A draft is nobody else's business, whatever the API is.
            let page = format!("/v1/catalog/public/{}/{slug}", owner.slug);
            assert!(!sees(platform, Some(&partner.token), &format!("{page}/versions/1.0.0")).await);
            platform.post(&owner.token, format!("{versions}/1.0.0/publish"), &Value::Null).await;
            let product = json!({ "slug": slug, "name": "P", "visibility": visibility, "partners": [partner.slug], "apis": [slug] });
            platform.post(&owner.token, "/v1/products", &product).await;
            let plans = format!("/v1/products/{slug}/plans");
            platform.post(&owner.token, plans, &json!({ "slug": "standard", "name": "S" })).await;

            let offer = format!("/v1/products/public/{}/{slug}", owner.slug);
            let whom = [None, Some(&stranger), Some(&partner), Some(&owner)];
            for (who, wanted) in whom.into_iter().zip(seen) {
                let token = who.map(|organization| organization.token.as_str());
                let name = who.map_or("nobody", |organization| organization.slug.as_str());
                for path in [&page, &format!("{page}/versions/1.0.0/document"), &offer] {
                    assert_eq!(sees(platform, token, path).await, wanted, "{name} and {path}");
                }
            }
            let wish = json!({ "app": app["id"], "product": format!("{}/{slug}", owner.slug), "plan": "standard" });
            let answer = platform.send(Call::post("/v1/subscriptions").bearer(&stranger.token).json(&wish)).await;
            assert_eq!(answer.status, if seen[1] { 201 } else { 404 }, "{visibility}: {}", answer.refused());
        }
        let list = platform.expect(Call::get(format!("/v1/products/public/{}", owner.slug)), 200).await;
        assert_eq!(list["items"].as_array().unwrap().len(), 1, "{list}");
    });
}

#[test]
fn a_token_does_what_its_scopes_say_until_it_is_revoked() {
    together(async |platform| {
        let organization = platform.found("scopes").await;
        let wish = json!({ "name": "narrow", "role": "publisher", "scopes": ["catalog:read", "products:read"] });
        let token = platform.post(&organization.token, "/v1/accounts/tokens", &wish).await;
        let secret = token["secret"].as_str().unwrap();
        platform.get(secret, "/v1/catalog/apis").await;
        platform.get(secret, "/v1/products").await;
        for (path, body) in [("/v1/catalog/apis", json!({ "slug": "a", "name": "A" })), ("/v1/accounts/tokens", wish)] {
            let answer = platform.send(Call::post(path).bearer(secret).json(&body)).await;
            assert_eq!((answer.status.as_u16(), problem(&answer).as_str()), (403, "forbidden"), "{path}");
        }
        let revoke = format!("/v1/accounts/tokens/{}/revoke", token["id"].as_str().unwrap());
        platform.post(&organization.token, revoke, &Value::Null).await;
        let answers = platform.send_all((0..8).map(|_| Call::get("/v1/catalog/apis").bearer(secret))).await;
        assert!(answers.iter().all(|answer| problem(answer) == "token-invalid"), "{answers:?}");
        // Nobody gives away more than they have.
        let owner = json!({ "name": "up", "role": "owner" });
        let publisher = platform.token(&organization, "publisher").await;
        let answer = platform.send(Call::post("/v1/accounts/tokens").bearer(&publisher).json(&owner)).await;
        assert_eq!(answer.status, 403, "{}", answer.refused());
    });
}

#[test]
fn a_keys_secret_is_shown_once_and_its_last_use_is_known() {
    together(async |platform| {
        let market = platform.market(json!({})).await;
        assert_eq!(market.pass(platform, "/forecast/oslo").await.status, 200);
        platform.settled().await;
        let key = platform.get(&market.consumer.token, format!("/v1/keys/{}", market.key.id)).await;
        let list = platform.get(&market.consumer.token, "/v1/keys").await;
        for shown in [&key, &list] {
            assert!(!shown.to_string().contains(&market.key.secret), "{shown}");
        }
        assert!(market.key.secret.starts_with(key["prefix"].as_str().unwrap()), "{key}");
        assert!(key["last_used_at"].is_string(), "{key}");
    });
}
