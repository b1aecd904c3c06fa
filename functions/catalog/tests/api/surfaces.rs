//! Surfaces: read without being kept, shown in several forms, and made of several files, none of which comes from outside.

use std::io::Write as _;
use std::net::TcpListener;

use house::Who;
use serde_json::json;
use shared::principal::Role;
use shared::seal::sha256_hex;
use shared::surface::{OperationKind, Surface};

use crate::{House, WEATHER, member, new, upload};

const ROOT: &str = "openapi: 3.1.0
info: {title: Pets, version: '1'}
paths:
  /pets/{id}:
    get:
      operationId: pet
      responses:
        '200': {description: d, content: {application/json: {schema: {$ref: '../types/pet.yaml'}}}}
components:
  schemas: {Shop: {type: object, required: [pets], properties: {pets: {type: array, items: {$ref: ../types/pet.yaml}}}}}
";
const PET: &str = "type: object\nproperties:\n  name: {type: string}\n";

fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (path, bytes) in files {
        archive.start_file(*path, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn tar(files: &[(&str, &[u8])], link: Option<(&str, &str)>) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_ustar();
        // By hand: the library does not write a path that leads out.
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        archive.append(&header, *bytes).unwrap();
    }
    if let Some((path, target)) = link {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        archive.append_link(&mut header, path, target).unwrap();
    }
    archive.into_inner().unwrap()
}

async fn read(house: &House, who: Who<'_>, query: &str, accept: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let headers = [("content-type", "application/octet-stream"), ("accept", accept)];
    let answer = house.call(who, &format!("POST /v1/catalog/surfaces{query}"), &headers, body).await;
    (answer.status, answer.bytes.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_surface_comes_of_one_file_and_of_many() {
    let house = new().await;
    let who = member("acme", Role::Owner);
    let files: [(&str, &[u8]); 2] = [("api/openapi.yaml", ROOT.as_bytes()), ("types/pet.yaml", PET.as_bytes())];
    let (status, zipped) = read(&house, who, "", "application/json", &zip(&files)).await;
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&zipped));
    let surface = Surface::unpack(&zipped).unwrap();
    let digest = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap()["document_sha256"].clone();
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&zipped).unwrap()["warnings"], json!([]));
    assert_eq!(digest(&zipped), sha256_hex(&zip(&files)));
    assert!(matches!(&surface.operations[0].kind, OperationKind::Http { path, .. } if &**path == "/pets/{id}"));
    assert_eq!(surface.position(surface.operations[0].element).unwrap().line, 5);
    let (_, tarred) = read(&house, who, "?root=api/openapi.yaml", "application/json", &tar(&files, None)).await;
    assert_eq!(Surface::unpack(&tarred).unwrap(), surface, "a tar is a zip");
    let whole = ROOT
        .replace("'../types/pet.yaml'", "{type: object, properties: {name: {type: string}}}")
        .replace("{$ref: {type", "{type");
    let whole = whole
        .replace("}}}}}}}", "}}}}}}")
        .replace("../types/pet.yaml", "'#/components/schemas/Pet'")
        .replace("schemas: {Shop", "schemas: {Pet: {type: object, properties: {name: {type: string}}}, Shop");
    let (status, alone) = read(&house, who, "", "application/json", whole.as_bytes()).await;
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&alone));
    assert_eq!(Surface::unpack(&alone).unwrap().digest, surface.digest, "{whole}");

    // As a version: stored whole, given back, and read again the same way.
    house.post(who, "/v1/catalog/apis", &json!({"slug": "pets", "name": "Pets"})).await.is(201);
    let version = upload(&house, who, "pets", "1", &zip(&files)).await.is(201);
    assert_eq!(
        (&version["syntax"], &version["operations"], &version["warnings"]),
        (&json!("zip"), &json!(1), &json!([]))
    );
    let shown = house.get(who, "/v1/catalog/apis/pets/versions/1/surface").await;
    assert_eq!(shown.status, 200);
    assert_eq!(Surface::unpack(&shown.bytes).unwrap(), surface);
    assert_eq!((&digest(&shown.bytes), &digest(&zipped)), (&version["document_sha256"], &version["document_sha256"]));
    let document = house.get(who, "/v1/catalog/apis/pets/versions/1/document").await;
    assert_eq!((document.bytes, document.headers["content-type"].as_str()), (zip(&files), "application/zip"));
    let stranger = member("globex", Role::Owner);
    assert_eq!(house.get(stranger, "/v1/catalog/apis/pets/versions/1/surface").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_surface_names_the_digest_that_a_version_of_the_same_bytes_has_however_they_are_packed() {
    let house = new().await;
    let who = member("acme", Role::Owner);
    house.post(who, "/v1/catalog/apis", &json!({"slug": "weather", "name": "Weather"})).await.is(201);
    let tarred = tar(&[("openapi.yaml", WEATHER.as_bytes())], None);
    for (number, (document, digest)) in [
        // The first from `sha256sum`.
        (WEATHER.as_bytes(), "bbc400053d46a4a6f8de1dd431276f0fc8b6479561bf2384ddc1665acede5ec4".to_owned()),
        (&tarred, sha256_hex(&tarred)),
    ]
    .into_iter()
    .enumerate()
    {
        let packed = catalog::domain::document::pack(document).unwrap();
        for (name, content_type, body) in [
            ("plain", "application/octet-stream", document),
            ("packed", "application/gzip", &packed[..]),
            ("unnamed", "application/octet-stream", &packed[..]),
        ] {
            let headers = [("content-type", content_type), ("accept", "application/json")];
            let surface = house.call(who, "POST /v1/catalog/surfaces", &headers, body).await;
            assert_eq!(surface.is(200)["document_sha256"], digest, "{name}");
            let line = format!("POST /v1/catalog/apis/weather/versions?version={number}-{name}");
            let version = house.call(who, &line, &headers, body).await.is(201);
            assert_eq!(version["document_sha256"], digest, "{name}");
            let shown = house.get(who, &format!("/v1/catalog/apis/weather/versions/{number}-{name}/surface")).await;
            assert_eq!(shown.is(200)["document_sha256"], digest, "{name}");
            assert_eq!(Surface::unpack(&shown.bytes).unwrap(), Surface::unpack(&surface.bytes).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_surface_is_shown_to_people_and_drawn() {
    let house = new().await;
    let who = member("acme", Role::Viewer);
    let files: [(&str, &[u8]); 2] = [("api/openapi.yaml", ROOT.as_bytes()), ("types/pet.yaml", PET.as_bytes())];
    let (status, text) = read(&house, who, "", "text/plain", &zip(&files)).await;
    let text = String::from_utf8(text).unwrap();
    assert_eq!(status, 200, "{text}");
    assert!(
        text.contains("GET /pets/{id}") && text.contains("out 200: {name}") && text.contains("pets: [{name}]"),
        "{text}"
    );
    let (_, diagram) = read(&house, who, "", "text/vnd.mermaid", &zip(&files)).await;
    let diagram = String::from_utf8(diagram).unwrap();
    assert_eq!(diagram, "classDiagram\n  class t0[\"Shop\"] {\n    pets [ name ]\n  }\n");
    let (status, _) = read(&house, who, "", "application/json", WEATHER.as_bytes()).await;
    assert_eq!(status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn archives_that_lead_out_or_swell_are_refused() {
    let house = new().await;
    let who = member("acme", Role::Owner);
    let root = ("openapi.yaml", WEATHER.as_bytes());
    let mut many: Vec<(String, &[u8])> = (0..2_001).map(|n| (format!("f{n}.txt"), &b"x"[..])).collect();
    many[0].0 = root.0.to_owned();
    let many: Vec<(&str, &[u8])> = many.iter().map(|(path, bytes)| (path.as_str(), *bytes)).collect();
    let zeros = vec![b' '; 20_000_000];
    for (what, archive, status, word) in [
        ("a path out of a zip", zip(&[root, ("../evil.yaml", b"a: b")]), 422, "leads out"),
        ("an absolute path", zip(&[root, ("/etc/passwd", b"a: b")]), 422, "absolute"),
        ("a path out of a tar", tar(&[root, ("a/../../evil.yaml", b"a: b")], None), 422, "leads out"),
        ("a symbolic link", tar(&[root], Some(("link.yaml", "/etc/passwd"))), 422, "is a link"),
        ("a path of Windows", zip(&[root, ("C:\\a.yaml", b"a: b")]), 422, "another system"),
        ("a bomb", zip(&[root, ("zeros", &zeros)]), 413, "times as large"),
        ("two large files", zip(&[("a", &zeros), ("b", &zeros)]), 413, "a"),
        ("too many files", zip(&many), 413, "entries"),
        ("no API", zip(&[("a.txt", b"a"), ("b.txt", b"b")]), 422, "None of the files"),
        ("two APIs", zip(&[root, ("b.yaml", WEATHER.as_bytes())]), 422, "root"),
        ("a cut archive", zip(&[root])[..60].to_vec(), 422, "cannot be read"),
    ] {
        let (answered, body) = read(&house, who, "", "application/json", &archive).await;
        let body = String::from_utf8_lossy(&body).into_owned();
        assert_eq!(answered, status, "{what}: {body}");
        assert!(body.contains(word), "{what}: {body}");
    }
    assert_eq!(read(&house, who, "?root=b.yaml", "*/*", &zip(&[root, ("b.yaml", WEATHER.as_bytes())])).await.0, 200);
    assert_eq!(read(&house, who, "?root=gone.yaml", "*/*", &zip(&[root])).await.0, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_document_refers_to_is_fetched() {
    let house = new().await;
    let who = member("acme", Role::Owner);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&secret, "type: object\nproperties: {secret: {type: string}}\n").unwrap();
    for target in [
        format!("http://127.0.0.1:{port}/x.json"),
        format!("http://127.0.0.1:{port}/x.json#/a"),
        format!("//127.0.0.1:{port}/x.json"),
        format!("file://{}", secret.path().display()),
        secret.path().display().to_string(),
        format!("../../../../../../../..{}", secret.path().display()),
    ] {
        let document = format!(
            "openapi: 3.1.0\ninfo: {{title: t, version: '1'}}\npaths:\n  /b: {{$ref: '{target}'}}\n  /a:\n    get:\n      parameters: [{{$ref: '{target}'}}]\n      responses:\n        '200': {{description: d, content: {{application/json: {{schema: {{$ref: '{target}'}}}}}}}}\n"
        );
        for body in [document.as_bytes().to_vec(), zip(&[("openapi.yaml", document.as_bytes()), ("b.txt", b"b")])] {
            let (status, answer) = read(&house, who, "", "application/json", &body).await;
            let text = String::from_utf8_lossy(&answer).into_owned();
            assert_eq!(status, 200, "{target}: {text}");
            let warnings = serde_json::from_slice::<serde_json::Value>(&answer).unwrap()["warnings"].clone();
            let lines: Vec<_> = warnings
                .as_array()
                .unwrap()
                .iter()
                .map(|warning| (warning["code"].clone(), warning["line"].clone()))
                .collect();
            assert_eq!(lines, [4, 7, 9].map(|line| (json!("remote-ref"), json!(line))), "{target}");
            assert!(!text.contains("\"secret\""), "{target}");
        }
    }
    assert!(listener.accept().is_err(), "somebody came");
}
