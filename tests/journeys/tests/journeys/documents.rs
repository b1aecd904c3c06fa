//! Documents: as they came, counted, listed and found.

use std::{collections::BTreeSet, fmt::Write as _, fs, io::Read as _, path::PathBuf};

use dev::workspace;
use flate2::read::MultiGzDecoder;
use journeys::{Call, Organization, Platform, together};
use serde_json::{Value, json};

const METHODS: [&str; 8] = ["delete", "get", "head", "options", "patch", "post", "put", "trace"];

/// An OpenAPI document of 1,000 operations, in JSON, and the line of each: `GET /things-0/{id}` is the first.
fn generated() -> (String, Vec<(String, usize)>) {
    let mut text = String::from(
        "{\n  \"openapi\": \"3.1.0\",\n  \"info\": { \"title\": \"Things\", \"version\": \"1\" },\n  \"paths\": {\n",
    );
    let mut operations = Vec::new();
    for number in 0..500 {
        writeln!(text, "    \"/things-{number}/{{id}}\": {{").unwrap();
        writeln!(text, "      \"parameters\": [{{ \"name\": \"id\", \"in\": \"path\", \"required\": true, \"schema\": {{ \"type\": \"string\" }} }}],").unwrap();
        for (method, end) in [("get", ","), ("delete", "")] {
            operations.push((format!("{method}Thing{number}"), text.lines().count() + 1));
            writeln!(
                text,
                "      \"{method}\": {{ \"operationId\": \"{method}Thing{number}\", \"summary\": \"One of the things — n° {number}\", \"responses\": {{ \"200\": {{ \"description\": \"\" }} }} }}{end}"
            )
            .unwrap();
        }
        writeln!(text, "    }}{}", if number == 499 { "" } else { "," }).unwrap();
    }
    text.push_str("  }\n}");
    (text, operations)
}

fn gunzip(packed: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    MultiGzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    bytes
}

async fn api(platform: &Platform, organization: &Organization, slug: &str) {
    platform
        .post(&organization.token, "/v1/catalog/apis", &json!({ "slug": slug, "name": slug, "visibility": "public" }))
        .await;
}

/// All pages of a version's operations.
async fn listed(platform: &Platform, organization: &Organization, slug: &str, page_size: usize) -> Vec<Value> {
    let mut items = Vec::new();
    let mut next = String::new();
    loop {
        let page = platform
            .get(
                &organization.token,
                format!("/v1/catalog/apis/{slug}/versions/1.0.0/operations?page_size={page_size}{next}"),
            )
            .await;
        let found = page["items"].as_array().unwrap();
        assert!(found.len() <= page_size);
        items.extend(found.iter().cloned());
        match page["next_page_token"].as_str() {
            Some(token) => next = format!("&page_token={token}"),
            None => return items,
        }
    }
}

/// The document in every way in which it can be fetched.
async fn comes_back(platform: &Platform, organization: &Organization, slug: &str, document: &[u8]) {
    let path = format!("/v1/catalog/apis/{slug}/versions/1.0.0/document");
    let get = || Call::get(&path).bearer(&organization.token);
    let packed = platform.send(get().header("accept-encoding", "gzip")).await;
    assert_eq!((packed.status.as_u16(), packed.header("content-encoding")), (200, "gzip"), "{:?}", packed.headers);
    assert!(gunzip(&packed.body) == document, "{slug}: the packed document is another one");
    let file = platform.send(get().header("accept", "application/gzip")).await;
    assert_eq!(file.status, 200, "{slug}: {}", file.refused());
    // What fits into an answer comes as it is.
    let is_packed = file.header("content-type") == "application/gzip";
    assert!(is_packed == (document.len() > 4_000_000), "{slug}: {:?}", file.headers);
    assert!(
        if is_packed { gunzip(&file.body) == document } else { file.body == document },
        "{slug}: the file is another one"
    );
    let plain = platform.send(get()).await;
    if document.len() > 4_000_000 {
        assert_eq!(plain.status, 406, "{slug}: {}", plain.refused());
    } else {
        assert_eq!(plain.status, 200, "{slug}: {}", plain.refused());
        assert!(plain.body == document, "{slug}: the plain document is another one");
    }
}

#[test]
fn a_document_of_1000_operations_comes_back_and_is_counted_listed_and_found() {
    together(async |platform| {
        let organization = platform.found("things").await;
        let (document, operations) = generated();
        api(platform, &organization, "things").await;
        let upload = Call::post("/v1/catalog/apis/things/versions?version=1.0.0&filename=things.json")
            .bearer(&organization.token)
            .body("application/json", document.clone());
        let version = platform.expect(upload, 201).await;
        assert_eq!(
            (&version["operations"], &version["format"], &version["format_version"], &version["state"]),
            (&json!(1000), &json!("openapi"), &json!("3.1.0"), &json!("draft"))
        );
        platform.post(&organization.token, "/v1/catalog/apis/things/versions/1.0.0/publish", &Value::Null).await;
        comes_back(platform, &organization, "things", document.as_bytes()).await;

        let found: Vec<(String, usize)> = listed(platform, &organization, "things", 150)
            .await
            .iter()
            .map(|row| {
                (row["id"].as_str().unwrap().to_owned(), usize::try_from(row["line"].as_u64().unwrap()).unwrap())
            })
            .collect();
        assert_eq!(found, operations, "all of them in the document's order, each with its line");

        let hits = platform.get(&organization.token, "/v1/catalog/search?q=deleteThing437").await;
        assert_eq!(hits["items"].as_array().unwrap().len(), 1, "{hits}");
        assert_eq!(
            (&hits["items"][0]["path"], &hits["items"][0]["api"]),
            (&json!("/things-437/{id}"), &json!("things"))
        );
        // What is published of a public API, anyone may read.
        let anyone = platform
            .send(Call::get(format!("/v1/catalog/public/{}/things/versions/1.0.0/document", organization.slug)))
            .await;
        assert!(anyone.status == 200 && anyone.body == document.as_bytes(), "{}", anyone.status);
        // And nobody else finds it among their own.
        let other = platform.found("other").await;
        assert_eq!(platform.get(&other.token, "/v1/catalog/search?q=deleteThing437").await["items"], json!([]));
    });
}

/// A document of the corpus beside the repository, unpacked. A clone elsewhere does not have it.
fn corpus(file: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let path: PathBuf = workspace::root().join("../shared/corpus/openapi-3.0").join(file);
    let Ok(packed) = fs::read(&path) else {
        eprintln!("SKIPPED: {file} is not beside this repository; the generated document stands in");
        return None;
    };
    Some((gunzip(&packed), packed))
}

async fn real(file: &str, operations_min: usize, platform: &Platform) {
    let Some((document, packed)) = corpus(file) else { return };
    let organization = platform.found("real").await;
    api(platform, &organization, "real").await;
    let upload = Call::post("/v1/catalog/apis/real/versions?version=1.0.0")
        .bearer(&organization.token)
        .body("application/gzip", packed);
    let version = platform.expect(upload, 201).await;
    platform.post(&organization.token, "/v1/catalog/apis/real/versions/1.0.0/publish", &Value::Null).await;
    comes_back(platform, &organization, "real", &document).await;

    let read: Value = serde_json::from_slice(&document).unwrap();
    let paths = read["paths"].as_object().unwrap();
    let operations: Vec<(String, String, Option<&str>)> = paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(move |(method, operation)| (path, method, operation))
        })
        .filter(|(_, method, _)| METHODS.contains(&method.as_str()))
        .map(|(path, method, operation)| (method.to_uppercase(), path.clone(), operation["operationId"].as_str()))
        .collect();
    assert!(operations.len() >= operations_min, "the corpus has another document: {} operations", operations.len());
    assert_eq!(version["operations"], operations.len(), "{file}");
    let want: BTreeSet<(String, String)> =
        operations.iter().map(|(method, path, _)| (method.clone(), path.clone())).collect();
    let rows = listed(platform, &organization, "real", 200).await;
    let got: BTreeSet<(String, String)> = rows
        .iter()
        .map(|row| (row["method"].as_str().unwrap().to_owned(), row["path"].as_str().unwrap().to_owned()))
        .collect();
    assert!(rows.len() == operations.len() && got == want, "{file}: {} listed of {}", rows.len(), operations.len());

    let (_, path, Some(id)) = &operations[operations.len() / 2] else { panic!("an operation without id") };
    let hits = platform
        .send(
            Call::get(format!("/v1/catalog/search?page_size=200&q={}", id.replace('/', "%2F")))
                .bearer(&organization.token),
        )
        .await;
    let hits = hits.success().unwrap();
    assert!(
        hits["items"].as_array().unwrap().iter().any(|hit| hit["id"] == *id && hit["path"] == path.as_str()),
        "{id} is not found: {hits}"
    );
}

#[test]
fn githubs_document_comes_back_byte_for_byte_and_is_counted_listed_and_found() {
    together(async |platform| real("openapi-generated-api-github-com-36d62a.json.gz", 1000, platform).await);
}

#[test]
fn stripes_document_comes_back_byte_for_byte_and_is_counted_listed_and_found() {
    together(async |platform| real("openapi-openapi-spec3-91edb8.json.gz", 400, platform).await);
}
