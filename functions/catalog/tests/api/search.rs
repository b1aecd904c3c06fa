//! The search: what is found, in which order, by whom, in pages, and what it costs.

use std::fmt::Write as _;

use house::{Who, party};
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use shared::event::CheckMode;
use shared::principal::Role;

use crate::{House, WEATHER, checks, member, new, upload};

const PETS: &str = r"openapi: 3.1.0
info: {title: Menagerie, version: '1'}
paths:
  /pets:
    get:
      operationId: listPets
      summary: All of the shop
      responses: {'200': {description: d, content: {application/json: {schema: {type: object, properties: {petCount: {type: integer}}}}}}}
  /petting-zoo:
    get:
      operationId: zoo
      summary: Where a pet is stroked
components:
  schemas:
    Pet:
      description: An animal.
      type: object
      properties: {name: {type: string}, pet: {$ref: '#/components/schemas/Pet'}}
    Petition: {description: A wish., type: object, properties: {text: {type: string}}}
";

async fn made(house: &House, who: Who<'_>, slug: &str, name: &str, document: &str) {
    house.post(who, "/v1/catalog/apis", &json!({"slug": slug, "name": name})).await.is(201);
    upload(house, who, slug, "1", document.as_bytes()).await.is(201);
}

/// Kind and id of everything that is found, where the id is not one that is new each time.
async fn found(house: &House, who: Who<'_>, query: &str, size: u16) -> Vec<String> {
    let hits = house.all(who, &format!("/v1/catalog/search?q={query}"), size).await;
    let text = |hit: &Value, key: &str| hit[key].as_str().unwrap_or_default().to_owned();
    hits.iter()
        .map(|hit| match &hit["kind"] {
            Value::String(kind) if kind == "service" || kind == "api" => format!("{kind} {}", text(hit, kind)),
            kind => format!("{} {}", kind.as_str().unwrap(), text(hit, "id")),
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_nearer_comes_first_whatever_it_is() {
    let house = new().await;
    let who = member("acme", Role::Owner);
    let service = json!({"slug": "petcare", "name": "Care", "owner": "Pet people", "domain": "Animals"});
    house.post(who, "/v1/catalog/services", &service).await.is(201);
    made(&house, who, "pets", "Pet shop", PETS).await;
    let expected = [
        // The whole name; a word of the name; what begins so; and a name before what is said.
        "type Pet",
        "field Pet.pet",
        "api pets",
        "field listPets.petCount",
        "service petcare",
        "type Petition",
        "operation listPets",
        "operation zoo",
    ];
    let all = found(&house, who, "pet", 50).await;
    assert_eq!(all, expected);
    // By pages of any size, each thing once and in the same order.
    for size in [1, 3] {
        assert_eq!(found(&house, who, "pet", size).await, all);
    }
    for (query, expected) in [
        ("pet&kind=type", vec!["type Pet", "type Petition"]),
        ("pet&kind=field", vec!["field Pet.pet", "field listPets.petCount"]),
        ("people", vec!["service petcare"]),
        ("animals%20care", vec!["service petcare"]),
        ("shop", vec!["api pets", "operation listPets"]),
        ("shop&kind=service", vec![]),
        ("menag", vec!["api pets"]),
        ("wish", vec!["type Petition"]),
        ("listp%20pets", vec!["operation listPets"]),
        ("petco", vec!["field listPets.petCount"]),
    ] {
        assert_eq!(found(&house, who, query, 50).await, expected, "{query}");
    }
    let hits = house.get(who, "/v1/catalog/search?q=petcount").await.is(200);
    let hit = &hits["items"][0];
    assert_eq!(
        (&hit["name"], &hit["in"], &hit["api"], &hit["version"], &hit["line"]),
        (&json!("petCount"), &json!("listPets"), &json!("pets"), &json!("1"), &json!(8))
    );
    let hits = house.get(who, "/v1/catalog/search?q=petcare").await.is(200);
    assert_eq!(
        (&hits["items"][0]["name"], &hits["items"][0]["summary"]),
        (&json!("Care"), &json!("Pet people, Animals"))
    );
    let answer = house.get(who, "/v1/catalog/search?q=pet&kind=pets").await;
    assert_eq!((answer.status, answer.problem().2), (400, "/query/kind"));
    // A token is for its question, and the kind is part of it.
    let page = house.get(who, "/v1/catalog/search?q=pet&page_size=1").await.is(200);
    let token = page["next_page_token"].as_str().unwrap();
    assert_eq!(house.get(who, &format!("/v1/catalog/search?q=pet&kind=type&page_token={token}")).await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_finds_what_is_anothers() {
    let house = new().await;
    let (owner, stranger) = (member("acme", Role::Owner), member("other", Role::Owner));
    let service = json!({"slug": "petcare", "name": "Care", "owner": "Pet people"});
    house.post(owner, "/v1/catalog/services", &service).await.is(201);
    made(&house, owner, "pets", "Pet shop", PETS).await;
    house.post(owner, "/v1/catalog/apis/pets/versions/1/publish", &json!({})).await.is(200);
    for word in ["pet", "pets", "petcare", "shop", "people", "menagerie", "petcount", "wish", "listpets", "animal"] {
        assert_ne!(found(&house, owner, word, 50).await, [""; 0], "{word}");
        assert_eq!(found(&house, stranger, word, 50).await, [""; 0], "{word}");
    }
    made(&house, stranger, "pets", "Their pets", WEATHER).await;
    assert_eq!(found(&house, stranger, "pet", 50).await, ["api pets"]);
    let page = house.get(owner, "/v1/catalog/search?q=pet&page_size=1").await.is(200);
    let token = page["next_page_token"].as_str().unwrap();
    let answer = house.get(stranger, &format!("/v1/catalog/search?q=pet&page_token={token}")).await;
    assert_eq!(answer.status, 400, "a token is its organization's");
    assert_eq!(house.get(Who::Anyone, "/v1/catalog/search?q=pet").await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_found_as_it_is_now_and_a_type_as_the_current_version_has_it() {
    let house = new().await;
    let who = member("acme", Role::Owner);
    let service = json!({"slug": "care", "name": "Feeding", "owner": "Blue team"});
    house.post(who, "/v1/catalog/services", &service).await.is(201);
    made(&house, who, "pets", "Shop", PETS).await;
    let patch = async |target: &str, etag: &str, body: Value| {
        let line = format!("PATCH /v1/catalog/{target}");
        house.call(who, &line, &[("if-match", etag)], body.to_string().as_bytes()).await.is(200);
    };
    patch("services/care", "\"1\"", json!({"name": "Washing", "owner": null})).await;
    patch("apis/pets", "\"1\"", json!({"name": "Ark"})).await;
    for (word, expected) in [
        ("feeding", vec![]),
        ("blue", vec![]),
        ("washing", vec!["service care"]),
        ("care", vec!["service care"]),
        ("ark", vec!["api pets"]),
        ("menagerie", vec!["api pets"]),
    ] {
        assert_eq!(found(&house, who, word, 50).await, expected, "{word}");
    }
    assert_eq!(found(&house, who, "shop", 50).await, ["operation listPets"]);
    // Another document is published, and retires again.
    let newer = PETS.replace("Menagerie", "Bestiary").replace("Petition", "Claim");
    house.post(who, "/v1/catalog/apis/pets/versions/1/publish", &json!({})).await.is(200);
    upload(&house, who, "pets", "2", newer.as_bytes()).await.is(201);
    assert_eq!(found(&house, who, "claim", 50).await, [""; 0], "a draft beside what is published");
    checks::set(&house, "pets", 1, CheckMode::Off).await;
    house.post(who, "/v1/catalog/apis/pets/versions/2/publish", &json!({})).await.is(200);
    let step = async |gone: &str, here: &str| {
        assert_eq!(found(&house, who, gone, 50).await, [""; 0], "{gone}");
        assert_ne!(found(&house, who, here, 50).await, [""; 0], "{here}");
    };
    step("petition", "claim").await;
    step("menagerie", "bestiary").await;
    let sunset = json!({"sunset_at": "2027-06-01T00:00:00Z"});
    house.post(who, "/v1/catalog/apis/pets/versions/2/deprecate", &sunset).await.is(200);
    house.post(who, "/v1/catalog/apis/pets/versions/2/retire", &json!({})).await.is(200);
    step("claim", "petition").await;
    step("bestiary", "menagerie").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_of_a_hundred_thousand_fields_is_taken_with_bounded_rows_and_says_what_is_missing() {
    let house = new().await;
    let who = member("acme", Role::Owner);
    house.post(who, "/v1/catalog/apis", &json!({"slug": "large", "name": "Large"})).await.is(201);
    let mut text = "type Query { first: Int }\n".to_owned();
    for number in 0..200 {
        let _ = write!(text, "type Part{number} {{");
        (0..500).for_each(|field| {
            let _ = write!(text, " field{}: Int", number * 500 + field);
        });
        text.push_str(" }\n");
    }
    let version = upload(&house, who, "large", "1", text.as_bytes()).await.is(201);
    let warnings: Vec<&str> =
        version["warnings"].as_array().unwrap().iter().filter_map(|warning| warning["code"].as_str()).collect();
    assert_eq!(warnings, ["search-partial"], "{version}");
    let message = version["warnings"][0]["message"].as_str().unwrap();
    assert!(message.contains("of its 100201 types and fields the first 20000"), "{message}");
    assert!(message.contains("more than 10000 different words"), "{message}");
    let owner = party("acme").id;
    let mut rows = 0;
    for letter in ["f", "i", "p", "q", "l"] {
        let (partition, mut after) = (format!("FIND#{owner}#{letter}"), None);
        loop {
            let slice = house.table.list::<IgnoredAny>(&partition, "", after.as_deref(), 1_000).await.unwrap();
            rows += slice.rows.len();
            after = slice.position;
            if after.is_none() {
                break;
            }
        }
    }
    assert!((9_000..=10_002).contains(&rows), "{rows}");
    let id = version["id"].as_str().unwrap();
    let entries = house.table.list::<IgnoredAny>(id, "ENTRIES#", None, 1_000).await.unwrap();
    assert_eq!(entries.rows.len(), 200);
    // What is kept is found; what is not is not.
    assert_eq!(found(&house, who, "part199", 50).await, ["type Part199"]);
    assert_eq!(found(&house, who, "field77", 50).await.len(), 1 + 10 + 100);
    assert_eq!(found(&house, who, "field99999", 50).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_of_a_question_do_not_grow_with_the_rest_of_the_catalog() {
    let house = new().await;
    let who = member("acme", Role::Owner);
    made(&house, who, "pets", "Pet shop", PETS).await;
    let owner = party("acme").id;
    let rows = async || {
        let partition = format!("FIND#{owner}#p");
        house.table.list::<IgnoredAny>(&partition, "pet", None, 1_000).await.unwrap().rows.len()
    };
    // What the question `pet` reads: these rows and no others.
    let before = (rows().await, found(&house, who, "pet", 50).await);
    for number in 0..20 {
        let document = WEATHER.replace("forecast", &format!("prognosis{number}"));
        made(&house, who, &format!("weather-{number}"), "Weather", &document).await;
    }
    assert_eq!((rows().await, found(&house, who, "pet", 50).await), before);
    assert_eq!(before.0, 7, "five words of the version, two of the API");
}
