//! What a change breaks, through the real processes: `contracts` asks the catalog in the caller's name.

use journeys::{Call, Platform, together};
use serde_json::{Value, json};

const PATH: &str = "/v1/contracts/comparisons";

fn question(after: &str) -> Value {
    json!({"before": {"files": {"weather.yaml": weather::DOCUMENT}}, "after": {"files": {"weather.yaml": after}}})
}

async fn compare(platform: &Platform, token: &str, after: &str) -> Value {
    platform.expect(Call::post(PATH).bearer(token).json(&question(after)), 200).await
}

#[test]
fn a_removed_operation_is_found_and_the_same_document_is_identical() {
    together(async |platform| {
        let organization = platform.found("contracts").await;
        let same = compare(platform, &organization.token, &format!("# The same.\n{}", weather::DOCUMENT)).await;
        assert_eq!(same["verdict"], "identical", "{same}");

        let at = weather::DOCUMENT.find("operationId: getForecast").unwrap();
        let path = weather::DOCUMENT[..at].rfind("\n  /").unwrap();
        let gone =
            format!("{}{}", &weather::DOCUMENT[..path], weather::DOCUMENT[path..].replacen("\n  /", "\n  /gone/", 1));
        let first = compare(platform, &organization.token, &gone).await;
        assert_eq!(first["verdict"], "breaking", "{first}");
        let removed: Vec<&Value> =
            first["findings"].as_array().unwrap().iter().filter(|one| one["rule"] == "operation-removed").collect();
        assert_eq!(removed.len(), 1, "{first}");
        assert_eq!(removed[0]["before"]["file"], "weather.yaml");
        assert_eq!(compare(platform, &organization.token, &gone).await, first, "the same again");

        let broken = Call::post(PATH).bearer(&organization.token).json(&question("openapi: 3.1.0\npaths: [\n"));
        let refused = platform.send(broken).await;
        assert_eq!(refused.status, 422, "{}", refused.refused());
        let page = Call::get("/v1/contracts/rules/operation-removed").header("accept", "text/markdown");
        assert!(platform.send(page).await.body.starts_with(b"# operation-removed\n"));
    });
}
