use crate::domain::Operation;
use proptest::prelude::*;
use shared::id::OrganizationId;
use shared::principal::Role;

use super::*;

fn party(slug: &str) -> Party {
    Party { id: OrganizationId::new(), slug: slug.parse().unwrap() }
}

pub(super) fn api(visibility: Visibility) -> Api {
    let now = Time::from_ms(1_800_000_000_000);
    Api {
        id: ApiId::new(),
        revision: 1,
        organization: party("acme"),
        slug: "weather".parse().unwrap(),
        number: 1,
        name: "Weather".parse().unwrap(),
        visibility,
        partners: vec!["friend".parse().unwrap()],
        service: None,
        upstream_url: None,
        cors: None,
        current: None,
        created_at: now,
        updated_at: now,
    }
}

pub(super) fn version(api: &Api) -> Version {
    let document = Document {
        format: "openapi".into(),
        format_version: "3.1.0".into(),
        syntax: Syntax::Yaml,
        root: String::new(),
        title: String::new(),
        api_version: String::new(),
        operations: vec![],
        warnings: vec![],
        surface: shared::surface::Surface::default(),
    };
    Version::draft(api, "1.0.0".parse().unwrap(), 1, &document, api.created_at)
}

fn principal(organization: &Party) -> Principal {
    Principal { organization: organization.clone(), actor: "token".into(), role: Role::Viewer, scopes: None }
}

fn operation(id: &str, method: &str, path: &str, summary: &str) -> Operation {
    Operation {
        id: id.into(),
        method: method.into(),
        path: path.into(),
        bindings: vec![],
        summary: summary.into(),
        deprecated: false,
        line: 1,
    }
}

#[test]
fn only_what_is_published_is_shown_and_only_to_those_who_may_see_it() {
    let (friend, stranger) = (principal(&party("friend")), principal(&party("stranger")));
    for visibility in [Visibility::Private, Visibility::Partner, Visibility::Public] {
        let mut api = api(visibility);
        let owner = principal(&api.organization);
        for reader in [None, Some(&owner), Some(&friend), Some(&stranger)] {
            assert!(!api.is_visible_to(reader), "nothing is published");
        }
        assert!(!api.is_shown());
        api.current = Some(version(&api).as_current());
        let seen: Vec<bool> = [None, Some(&stranger), Some(&friend), Some(&owner)]
            .into_iter()
            .map(|reader| api.is_visible_to(reader))
            .collect();
        let expected = match visibility {
            Visibility::Private => [false, false, false, true],
            Visibility::Partner => [false, false, true, true],
            Visibility::Public => [true, true, true, true],
        };
        assert_eq!(seen, expected, "{visibility:?}");
        assert_eq!(api.is_shown(), visibility != Visibility::Private);
    }
}

#[test]
fn a_version_goes_forward_and_never_back_from_its_end() {
    let api = api(Visibility::Private);
    let mut version = version(&api);
    let (now, later) = (api.created_at.plus_ms(1_000), api.created_at.plus_ms(2_000));
    assert_eq!(version.deprecate(later, now), Err(Step::NotPublished));
    version.publish(false, now).unwrap();
    assert_eq!((version.state, version.published_at, version.revision), (VersionPhase::Published, Some(now), 2));
    assert_eq!(version.retire(true, now), Err(Step::NotDeprecated));
    version.deprecate(later, now).unwrap();
    assert_eq!(
        (version.state, version.deprecated_at, version.sunset_at),
        (VersionPhase::Deprecated, Some(now), Some(later))
    );
    version.publish(true, later).unwrap();
    assert_eq!((version.state, version.deprecated_at, version.sunset_at), (VersionPhase::Published, None, None));
    assert_eq!(version.published_at, Some(now), "it was current all the time");
    version.deprecate(later, now).unwrap();
    version.retire(true, later).unwrap();
    assert_eq!((version.state, version.retired_at, version.revision), (VersionPhase::Retired, Some(later), 6));
    assert_eq!(version.publish(false, later), Err(Step::Ended));
    assert_eq!(version.deprecate(later, now), Err(Step::Ended));
    assert_eq!(version.retire(false, later), Err(Step::Ended));
    assert_eq!(version.revision, 6);
}

#[test]
fn addresses_are_http_with_a_host_and_nothing_secret() {
    for good in [
        "http://127.0.0.1:8080",
        "https://api.example.com/v1",
        "http://localhost",
        "http://a-b.c1:65535/x/y-z/",
        "http://10.0.0.1/",
        "https://3com.example",
        "https://xn--mnchen-3ya.example/a;b=c@d",
    ] {
        assert!(good.parse::<HttpUrl>().is_ok(), "{good}");
    }
    for bad in [
        "",
        "ftp://a.example",
        "https://",
        "https:///x",
        "https://user:pw@a.example",
        "https://a.example?x",
        "https://a.example/#x",
        "https://a.example:0",
        "https://a.example:65536",
        "https://a.example:",
        "https://A.example",
        "https://a..example",
        "https://-a.example",
        "https://a.example/%2e",
        "https://a.example/ä",
        "https://256.0.0.1",
        "http://127.1",
        "http://0x7f.0.0.1",
        "https://a.123",
        "https://[::1]/",
        "file:///etc/passwd",
        "https://a b.example",
        "https://a.example\\x",
        "HTTPS://a.example",
    ] {
        assert!(bad.parse::<HttpUrl>().is_err(), "{bad}");
    }
}

#[test]
fn a_version_is_named_by_its_label_or_its_id() {
    assert!(matches!("1.2.0".parse(), Ok(VersionName::Label(_))));
    assert!(matches!(VersionId::new().to_string().parse(), Ok(VersionName::Id(_))));
    for bad in ["", ".1", "-1", "a b", "a/b", "a_b", "1+2", "ä", &"1".repeat(65), "api_01h455vb4pex5vsknk084sn02q"] {
        assert!(bad.parse::<VersionName>().is_err(), "{bad}");
    }
}

#[test]
fn words_are_the_pieces_of_ids_paths_methods_and_summaries() {
    let operations = [
        operation("listPetsByURL", "GET", "/pets/{petId}", "List all the pets, naïvely"),
        operation("repos/create-fork", "POST", "/repos/{owner}/forks", ""),
        operation("list_2", "GET", "/2", ""),
    ];
    let index = words::Index::of(&operations, &[]);
    assert!(!index.cut);
    let all: Vec<(&str, String)> = index.words.iter().map(|(word, lists)| (word.as_str(), shown(lists))).collect();
    let expected = [
        ("2", "on 2"),
        ("all", "os 0"),
        ("by", "on 0"),
        ("create", "on 1"),
        ("fork", "on 1"),
        ("forks", "on 1"),
        ("get", "on 0,2"),
        ("id", "on 0"),
        ("list", "on 0,2"),
        ("listpetsbyurl", "ow 0"),
        ("naïvely", "os 0"),
        ("owner", "on 1"),
        ("pet", "on 0"),
        ("petid", "on 0"),
        ("pets", "on 0"),
        ("post", "on 1"),
        ("repos", "on 1"),
        ("the", "os 0"),
        ("url", "on 0"),
    ];
    assert_eq!(all, expected.map(|(word, numbers)| (word, numbers.to_owned())));
    assert_eq!(words::question("GET /Repos/{owner}, GET!"), ["owner", "repos", "get"]);
    assert_eq!(words::question(" -- "), Vec::<String>::new());
}

/// The numbers of a word by class.
fn shown(lists: &std::collections::BTreeMap<words::Class, Vec<u32>>) -> String {
    let list =
        |(class, numbers): (&words::Class, &Vec<u32>)| format!("{} {}", words::key(*class), words::pack(numbers));
    lists.iter().map(list).collect::<Vec<_>>().join(" ")
}

fn entry(name: &str, within: Option<&str>, summary: &str) -> Entry {
    Entry { name: name.into(), within: within.map(Into::into), summary: summary.into(), deprecated: false, line: 1 }
}

#[test]
fn types_and_fields_have_words_of_their_own_after_those_of_operations() {
    let operations = [operation("addPet", "POST", "/pets", "")];
    let entries = [entry("shop.v1.Pet", None, "A pet of the shop"), entry("pet_id", Some("shop.v1.Pet"), "")];
    let index = words::Index::of(&operations, &entries);
    let numbers = |word: &str| index.words.get(word).map(shown).unwrap_or_default();
    assert_eq!(numbers("pet"), "on 0 tw 0 fn 1");
    assert_eq!((numbers("shop"), numbers("a"), numbers("id")), ("tn 0".into(), "ts 0".into(), "fn 1".into()));
    for class in index.words.values().flat_map(|lists| lists.keys()) {
        assert_eq!(words::class(&words::key(*class)), Some(*class));
    }
    assert_eq!(words::class("xw"), None);
}

#[test]
fn a_version_of_too_many_words_says_so_and_keeps_those_of_its_operations() {
    let operations: Vec<Operation> =
        (0..words::WORDS_MAX - 3).map(|n| operation(&format!("op{n}"), "GET", "/x", "")).collect();
    let index = words::Index::of(&operations, &[entry("y", None, "")]);
    assert!(!index.cut);
    assert_eq!(index.words.len(), words::WORDS_MAX);
    let index = words::Index::of(&operations, &[entry("y", None, ""), entry("z", None, ""), entry("get", None, "")]);
    assert!(index.cut && !index.words.contains_key("z"));
    assert_eq!(index.words.len(), words::WORDS_MAX);
    assert!(shown(&index.words["get"]).ends_with("tw 2"), "a word that is there already costs no row");
}

#[test]
fn what_is_searched_of_a_surface_is_bounded_and_says_how_much_there_is() {
    let fields = (0..100_000).map(|n| format!("f{n}: Int")).collect::<Vec<_>>().join(" ");
    let read = |text: &str| crate::upload::read(text.as_bytes(), crate::upload::Hint::default()).unwrap();
    let large = Entries::of(&read(&format!("type Query {{ a: Int }} type Large {{ {fields} }}")).surface);
    assert_eq!((large.kept.len(), large.count), (20_000, 100_002));
    let small = read(
        "openapi: 3.1.0\ninfo: {title: t, version: '1'}\npaths:\n  /a:\n    get:\n      operationId: a\n      responses:\n        '200':\n          description: d\n          content:\n            application/json:\n              schema: {type: object, properties: {items: {type: array, items: {$ref: '#/components/schemas/A'}}}}\ncomponents:\n  schemas:\n    A:\n      description: An a.\n      type: object\n      properties:\n        inner: {type: object, properties: {deep: {type: integer, deprecated: true}}}\n        next: {$ref: '#/components/schemas/A'}\n",
    );
    let found: Vec<String> = Entries::of(&small.surface)
        .kept
        .iter()
        .map(|entry| format!("{:?} {} {} {}", entry.within.as_deref(), entry.name, entry.line, entry.deprecated))
        .collect();
    assert_eq!(
        found,
        [
            "None A 16 false",
            "Some(\"A\") inner 19 false",
            "Some(\"A\") next 20 false",
            "Some(\"A\") deep 19 true",
            "Some(\"a\") items 12 false",
        ]
    );
}

#[test]
fn routes_come_in_parts_that_fit_an_event_twice_quoted() {
    assert_eq!(routes::parts(&[]), [vec![]]);
    for long in ["\"\\é".repeat(60), "\u{1}\n".repeat(120)] {
        let operations: Vec<Operation> =
            (0..3_000).map(|n| operation(&format!("{long}{n}"), "GET", &format!("/{long}/{n}"), "")).collect();
        let parts = routes::parts(&operations);
        let numbers: Vec<u32> = parts.iter().flatten().map(|route| route.n).collect();
        assert_eq!(numbers, (0..3_000).collect::<Vec<u32>>());
        assert!(parts.len() > 1);
        for part in &parts {
            let data = serde_json::to_string(part).unwrap();
            let event =
                serde_json::to_string(&serde_json::json!({ "detail": serde_json::json!({ "data": data }) })).unwrap();
            assert!(event.len() < 100_000, "{}", event.len());
        }
    }
}

#[test]
fn a_bomb_is_not_unpacked_beyond_the_limit() {
    let bomb = document::pack(&vec![b' '; crate::upload::UPLOAD_BYTES_MAX + 1]).unwrap();
    assert!(bomb.len() < 100_000);
    assert_eq!(document::unpack(&bomb), Err(document::Unpacking::TooLarge));
    let fit = document::pack(b"openapi: 3.0.0").unwrap();
    assert_eq!(document::unpack(&fit).unwrap(), (b"openapi: 3.0.0".to_vec(), true));
    assert_eq!(
        document::unpack(&[&fit[..], &fit[..]].concat()).unwrap(),
        (b"openapi: 3.0.0openapi: 3.0.0".to_vec(), false)
    );
    assert_eq!(document::unpack(&[&bomb[..], &fit[..]].concat()), Err(document::Unpacking::TooLarge));
    assert_eq!(document::unpack(&fit[..fit.len() - 4]), Err(document::Unpacking::Damaged));
    assert_eq!(document::unpack(b"{}"), Err(document::Unpacking::Damaged));
}

proptest! {
    #[test]
    fn numbers_survive_packing(numbers in proptest::collection::btree_set(0_u32..20_000, 0..200)) {
        let numbers: Vec<u32> = numbers.into_iter().collect();
        let back: Vec<u32> = words::unpack(&words::pack(&numbers)).collect();
        prop_assert_eq!(back, numbers);
    }

    #[test]
    fn what_stands_in_an_operation_finds_it(id in "[a-zA-Z0-9_./ -]{0,60}", path in "/[a-zA-Z0-9/{}]{0,60}", summary in "\\PC{0,60}", at in any::<proptest::sample::Index>()) {
        let operation = operation(&id, "GET", &path, &summary);
        let index = words::Index::of(std::slice::from_ref(&operation), &[]);
        let question = words::question(&id);
        if !question.is_empty() {
            let word = &question[at.index(question.len())];
            prop_assert!(index.words.keys().any(|key| key.starts_with(word)), "{word} in {index:?}");
        }
    }

    #[test]
    fn no_text_makes_the_names_panic(text in any::<String>()) {
        let _ = text.parse::<HttpUrl>();
        let _ = text.parse::<VersionName>();
        let _ = words::question(&text);
        let _ = words::unpack(&text).take(10).count();
        let _ = words::Index::of(&[operation(&text, &text, &text, &text)], &[entry(&text, None, &text)]);
        let _ = words::named(&text, &text, &[&text]);
        let _ = words::class(&text);
    }
}
