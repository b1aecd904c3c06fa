use serde_json::json;

use super::*;

/// A file of ours with everything that matters.
pub(crate) const HARBOUR: &str = include_str!("../../tests/api/harbour.yaml");

fn entity(text: &str) -> Entity {
    let text = format!("apiVersion: backstage.io/v1alpha1\n{text}");
    read(text.as_bytes()).unwrap().remove(0)
}

fn component(rest: &str) -> (ServiceWish, Vec<String>) {
    let entity = entity(&format!("kind: Component\n{rest}"));
    match entity.meaning {
        Meaning::Service(wish) => (*wish, entity.notes),
        other => panic!("{other:?}"),
    }
}

fn skipped(text: &str) -> String {
    match read(text.as_bytes()).unwrap().remove(0).meaning {
        Meaning::Skipped(reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_component_is_a_service_with_what_its_system_and_annotations_say() {
    let entities = read(HARBOUR.as_bytes()).unwrap();
    let Meaning::Service(wish) = &entities[2].meaning else { panic!("{entities:?}") };
    assert_eq!((entities[2].name.as_str(), entities[2].line), ("component:default/berth_planner", 15));
    assert_eq!((wish.slug.as_str(), wish.name.as_ref().unwrap().as_str()), ("berth-planner", "Berth planner"));
    assert_eq!(wish.description.as_ref().unwrap().to_string(), "Says which ship lies where.\nAnd until when.");
    assert_eq!(wish.owner.as_ref().unwrap().as_str(), "pilots");
    assert_eq!(wish.domain.as_ref().unwrap().as_str(), "navigation");
    assert_eq!(wish.repository.as_ref().unwrap().to_string(), "https://git.example/harbour/berths");
    assert_eq!(
        serde_json::to_value(&wish.links).unwrap(),
        json!([{"title": "Dashboard", "url": "https://grafana.example/d/1?ship=a"}, {"title": "runbooks.example", "url": "https://runbooks.example"}])
    );
    assert_eq!(wish.lifecycle, Some(Lifecycle::Experimental));
    assert_eq!(wish.elsewhere, ["tides".parse().unwrap()]);
    let Meaning::Api(api) = &entities[3].meaning else { panic!("{entities:?}") };
    assert_eq!((api.slug.as_str(), api.service.as_ref().unwrap().as_str()), ("berths", "berth-planner"));
    let definition = api.definition.as_ref().unwrap();
    assert_eq!((definition.format.as_str(), definition.text.starts_with("openapi: 3.1.0\n")), ("openapi", true));
}

#[test]
fn references_are_read_as_backstage_reads_them() {
    let read = |text: &str| EntityRef::parse(text, "group", "ns").map(|reference| reference.to_string());
    assert_eq!(read("Team-A").as_deref(), Ok("group:ns/team-a"));
    assert_eq!(read("user:Jane.Doe").as_deref(), Ok("user:ns/jane.doe"));
    assert_eq!(read("other/team").as_deref(), Ok("group:other/team"));
    assert_eq!(read("API:Default/Berths").as_deref(), Ok("api:default/berths"));
    for bad in ["", ":", "a:", ":a", "/a", "a/", "a:b:c", "a/b/c", "a b", "ü", "a:/b", &"x".repeat(64)] {
        assert_eq!(read(bad), Err(NotAReference), "{bad}");
    }
    let short = |text: &str| EntityRef::parse(text, "group", "default").unwrap().short("group");
    assert_eq!(
        ["team", "ns/team", "user:jane", "user:ns/jane"].map(short),
        ["team", "ns/team", "user:jane", "user:ns/jane"]
    );
}

#[test]
fn the_name_of_an_owner_says_what_differs_from_a_group_of_the_default_namespace() {
    let owner = |text: &str| {
        component(&format!("metadata: {{name: a}}\nspec: {{owner: '{text}'}}")).0.owner.map(|owner| owner.to_string())
    };
    assert_eq!(owner("group:default/pilots").as_deref(), Some("pilots"));
    assert_eq!(owner("user:jane").as_deref(), Some("user:jane"));
    assert_eq!(owner("sea/pilots").as_deref(), Some("sea/pilots"));
    assert_eq!(owner("not a reference"), None);
}

#[test]
fn a_relation_is_in_the_namespace_of_who_names_it() {
    let text = "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: a, namespace: sea}\nspec: {providesApis: [x, default/y]}\n---\n\
        apiVersion: backstage.io/v1alpha1\nkind: API\nmetadata: {name: X, namespace: Sea}\n---\n\
        apiVersion: backstage.io/v1alpha1\nkind: API\nmetadata: {name: z, namespace: sea}\nspec: {owner: pilots}\n";
    let entities = read(text.as_bytes()).unwrap();
    let services: Vec<_> = entities[1..]
        .iter()
        .map(|entity| match &entity.meaning {
            Meaning::Api(wish) => wish.service.as_ref().map(Slug::as_str),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(services, [Some("a"), None]);
    assert!(entities[2].notes[0].starts_with("No component of the file provides it"), "{entities:?}");
}

#[test]
fn where_the_code_is_comes_from_the_annotations_of_the_integrations() {
    let repository = |annotations: &str| {
        component(&format!("metadata: {{name: a, annotations: {annotations}}}")).0.repository.map(|url| url.to_string())
    };
    assert_eq!(
        repository("{github.com/project-slug: harbour/berths}").as_deref(),
        Some("https://github.com/harbour/berths")
    );
    assert_eq!(
        repository("{backstage.io/source-location: 'url:https://gitlab.example/a/b/-/tree/main/x', github.com/project-slug: c/d}").as_deref(),
        Some("https://gitlab.example/a/b")
    );
    assert_eq!(
        repository("{backstage.io/source-location: 'dir:../here', gitlab.com/project-slug: c/d}").as_deref(),
        Some("https://gitlab.com/c/d")
    );
    assert_eq!(repository("{backstage.io/source-location: 'url:https://user:secret@git.example/x'}"), None);
}

#[test]
fn what_is_no_entity_is_skipped_with_the_reason() {
    for (text, reason) in [
        ("- a\n", "It is a list"),
        ("kind: Component\nmetadata: {name: a}\n", "Its `apiVersion` is none"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n", "Its `apiVersion` is none"),
        ("apiVersion: backstage.io/v1beta1\nmetadata: {name: a}\n", "It has no `kind`"),
        ("apiVersion: backstage.io/v1beta1\nkind: Component\n", "It has no `metadata.name`"),
        ("apiVersion: backstage.io/v1beta1\nkind: Component\nmetadata: {name: a b}\n", "Its kind, namespace and name"),
        ("apiVersion: backstage.io/v1beta1\nkind: Component\nmetadata: {name: 1a}\n", "No slug can be made"),
        ("apiVersion: backstage.io/v1beta1\nkind: Location\nmetadata: {name: a}\n", "Entities of the kind `location`"),
    ] {
        assert!(skipped(text).starts_with(reason), "{text}: {}", skipped(text));
    }
}

#[test]
fn two_of_one_name_and_two_of_one_slug_are_told_apart_by_their_lines() {
    let one =
        |name: &str| format!("apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {{name: {name}}}\n---\n");
    let entities = read([one("a-b"), one("A-B"), one("a.b")].concat().as_bytes()).unwrap();
    assert_eq!(entities[1].meaning, Meaning::Skipped("It is in the file twice: the first time in line 1.".into()));
    assert_eq!(
        entities[2].meaning,
        Meaning::Skipped("It would become `a-b`, as component:default/a-b in line 1 does already.".into())
    );
}

#[test]
fn one_file_is_bounded() {
    let group = "apiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata: {name: a}\n";
    let groups = |count: usize| vec![group; count].join("---\n");
    assert_eq!(read(groups(500).as_bytes()).unwrap().len(), 500);
    let refused = read(groups(501).as_bytes()).unwrap_err();
    assert_eq!((refused.code, refused.line), ("more-documents", Some(2_000)));
    let deep = format!("a: {}{}", "[".repeat(300), "]".repeat(300));
    // The parser itself gives up in lists as deep as these.
    assert!(matches!(read(deep.as_bytes()).unwrap_err().code, "too-deep" | "syntax"));
    let mut laughs = "l0: &l0 [a, a, a, a, a, a, a, a, a, a]\n".to_owned();
    for n in 1..9 {
        let inner = vec![format!("*l{}", n - 1); 10].join(", ");
        laughs = format!("{laughs}l{n}: &l{n} [{inner}]\n");
    }
    assert_eq!(read(laughs.as_bytes()).unwrap_err().code, "aliases-multiply");
    assert_eq!(read(b"a: &a 1\n---\nb: *a\n").unwrap_err().line, Some(3), "anchors end with their document");
    assert_eq!(read(b"a: \xff\n").unwrap_err().code, "encoding");
    assert_eq!(read(b"---\n---\n# nothing\n").unwrap(), []);
    let links = (0..30).map(|n| format!("{{url: 'https://a.example/{n}'}}")).collect::<Vec<_>>().join(", ");
    let (wish, notes) = component(&format!("metadata: {{name: a, links: [{links}]}}"));
    assert_eq!((wish.links.unwrap().len(), notes), (20, vec!["Only the first 20 links are kept.".to_owned()]));
    let (wish, _) = component(&format!("metadata: {{name: a, description: {}}}", "x".repeat(2_000)));
    let description = wish.description.unwrap().to_string();
    assert_eq!((description.chars().count(), description.ends_with("x…")), (1_000, true));
    let many = (0..100).map(|n| format!("'a b{n}'")).collect::<Vec<_>>().join(", ");
    assert_eq!(component(&format!("metadata: {{name: a}}\nspec: {{providesApis: [{many}]}}")).1.len(), NOTES_MAX);
}

#[test]
fn what_the_file_leaves_out_stays_as_it_is() {
    let (wish, _) = component("metadata: {name: a, title: A}\nspec: {owner: pilots}");
    let party = Party { id: shared::id::OrganizationId::new(), slug: "acme".parse().unwrap() };
    let at = |text: &str| text.parse::<Time>().unwrap();
    let made = wish.applied(None, &party, at("2026-01-01T00:00:00Z")).unwrap();
    assert_eq!((made.revision, made.lifecycle, made.name.as_str()), (1, Lifecycle::Production, "A"));
    assert_eq!(wish.applied(Some(&made), &party, at("2026-01-02T00:00:00Z")), None);
    let by_hand = Service { owner: None, domain: Some("sea".parse().unwrap()), revision: 7, ..made.clone() };
    let again = wish.applied(Some(&by_hand), &party, at("2026-01-02T00:00:00Z")).unwrap();
    assert_eq!((again.revision, again.id, again.owner, again.domain), (8, made.id, made.owner, by_hand.domain));
}

proptest::proptest! {
    #[test]
    fn no_file_makes_the_reader_panic(bytes: Vec<u8>, at in 0..HARBOUR.len(), len in 0..40_usize, text in "\\PC{0,20}") {
        let _ = read(&bytes);
        let mut damaged = HARBOUR.as_bytes().to_vec();
        let end = (at + len).min(damaged.len());
        damaged.splice(at..end, text.bytes());
        let _ = read(&damaged);
    }
}
