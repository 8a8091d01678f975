//! Who is answered at all, where, and in which language.

use axum::body::Body;
use axum::http::Request;
use base64::Engine;
use policy::Duty;
use serde_json::json;

use super::*;

#[tokio::test]
async fn discovery_and_api_root() {
    let world = World::new();
    for path in ["/taxii2/", "/taxii2"] {
        let discovery = world.get(path).await.expect(200);
        assert_eq!(
            discovery,
            json!({"title": "Kurultai of Kazakhstan", "default": "/taxii2/kurultai/", "api_roots": ["/taxii2/kurultai/"]})
        );
    }
    for path in ["/taxii2/kurultai/", "/taxii2/kurultai"] {
        let root = world.get(path).await.expect(200);
        assert_eq!(root["versions"], json!([TAXII]));
        assert!(root["max_content_length"].as_u64().unwrap() > 0 && root["title"].is_string());
    }
}

#[tokio::test]
async fn strangers_learn_nothing_but_how_to_say_who_they_are() {
    let world = World::new();
    for (method, path) in [
        ("GET", "/taxii2/"),
        ("GET", "/taxii2/kurultai/"),
        ("GET", "/taxii2/kurultai/collections/national/objects/"),
        ("GET", "/taxii2/kurultai/collections/unknown/objects/"),
        ("GET", "/taxii2/no/such/path"),
        ("POST", "/taxii2/kurultai/collections/national/objects/"),
        ("DELETE", "/taxii2/kurultai/"),
    ] {
        for authorization in [
            None,
            Some("Bearer kurultai_unknown"),
            Some("Negotiate x"),
            Some(""),
        ] {
            let mut request = Request::builder()
                .method(method)
                .uri(path)
                .header("accept", "text/html");
            if let Some(value) = authorization {
                request = request.header("authorization", value);
            }
            let answer = call(&world.router, request.body(Body::empty()).unwrap()).await;
            answer.expect(401);
            let challenges: Vec<_> = answer.headers.get_all("www-authenticate").iter().collect();
            assert_eq!(
                challenges,
                [
                    r#"Basic realm="kurultai", charset="UTF-8""#,
                    r#"Bearer realm="kurultai""#
                ]
            );
        }
    }
}

#[tokio::test]
async fn basic_and_bearer_both_let_in() {
    let world = World::new();
    let pair = base64::engine::general_purpose::STANDARD.encode("reader:correct horse");
    for value in [format!("Basic {pair}"), format!("bearer {}", world.reader)] {
        let request = Request::builder()
            .uri("/taxii2/")
            .header("authorization", value)
            .body(Body::empty())
            .unwrap();
        call(&world.router, request).await.expect(200);
    }
}

#[tokio::test]
async fn collections_and_what_may_be_done_with_them() {
    let world = World::new();
    let collections = world.get("/taxii2/kurultai/collections/").await.expect(200);
    let collections = collections["collections"].as_array().unwrap();
    assert_eq!(collections.len(), 2);
    assert_eq!(collections[0]["alias"], "national");
    assert_eq!(collections[1]["alias"], "steppe.cyber");
    assert_eq!(collections[1]["title"], "Cyber");
    assert_eq!(collections[1]["description"], "Shared by all.");
    assert_eq!(
        collections[0]["media_types"],
        json!(["application/stix+json;version=2.1"])
    );
    for (token, national) in [
        (&world.reader, false),
        (&world.writer, true),
        (&world.operator, true),
    ] {
        for (listed, can_write) in collections.iter().zip([national, false]) {
            let by_id = format!(
                "/taxii2/kurultai/collections/{}/",
                listed["id"].as_str().unwrap()
            );
            let by_alias = format!(
                "/taxii2/kurultai/collections/{}",
                listed["alias"].as_str().unwrap()
            );
            let collection = world.get_as(token, &by_id).await.expect(200);
            assert_eq!(collection, world.get_as(token, &by_alias).await.expect(200));
            assert_eq!(
                (&collection["can_read"], &collection["can_write"]),
                (&json!(true), &json!(can_write))
            );
        }
    }
}

#[tokio::test]
async fn collections_of_others_do_not_exist() {
    let world = World::new();
    let seqs = world.add(&[indicator(1, 0)]);
    world.release(&seqs);
    world.user("desk", &[Duty::Analyst], &["steppe/cyber"]);
    world.user("gone", &[Duty::Analyst], &["steppe/abolished"]);
    let (desk, gone) = (world.token("desk"), world.token("gone"));

    let listed = world
        .get_as(&desk, "/taxii2/kurultai/collections/")
        .await
        .expect(200);
    assert_eq!(listed["collections"].as_array().unwrap().len(), 1);
    assert_eq!(listed["collections"][0]["alias"], "steppe.cyber");
    assert_eq!(
        world
            .get_as(&desk, &format!("{CHANNEL}/objects/"))
            .await
            .ids(),
        [id(1)]
    );
    let listed = world.get_as(&gone, "/taxii2/kurultai/collections/").await;
    assert_eq!(
        listed.expect(200),
        json!({}),
        "the list is left out when it is empty"
    );

    let national = Listing::national("", "").id();
    let object = id(1);
    for rest in [
        "",
        "manifest/",
        "objects/",
        &format!("objects/{object}/"),
        &format!("objects/{object}/versions/"),
    ] {
        let mut told = Vec::new();
        for collection in [
            "national",
            &national.to_string(),
            "unknown",
            "steppe%2Fcyber",
            "00000000-0000-0000-0000-000000000000",
        ] {
            let mut error = world
                .get_as(
                    &desk,
                    &format!("/taxii2/kurultai/collections/{collection}/{rest}"),
                )
                .await
                .expect(404);
            error["error_id"] = json!("");
            told.push(error);
        }
        assert!(
            told.windows(2).all(|pair| pair[0] == pair[1]),
            "hidden and absent look the same: {told:?}"
        );
    }
    world
        .post_as(&desk, NATIONAL, envelope(&[indicator(2, 0)]))
        .await
        .expect(404);
    world
        .post_as(&desk, "/taxii2/kurultai/collections/unknown", envelope(&[]))
        .await
        .expect(404);
}

#[tokio::test]
async fn paths_are_read_leniently_but_exactly() {
    let world = World::new();
    world.add(&[indicator(1, 0)]);
    for good in [
        "/taxii2/kurultai/collections/national/objects",
        "/taxii2/kurultai/collections/national/objects/",
        "/taxii2/kurultai/collections/n%61tional/objects/",
        "/taxii2/kurultai/collections/national/objects/?",
        "/taxii2/kurultai/collections/national/objects/?&",
        &format!(
            "/taxii2/kurultai/collections/{}/objects/",
            Listing::national("", "").id().to_string().to_uppercase()
        ),
    ] {
        assert_eq!(world.get(good).await.ids(), [id(1)], "{good}");
    }
    for bad in [
        "/taxii2//",
        "/taxii2/kurultai//",
        "/taxii2/Kurultai/",
        "/taxii2/other/",
        "/taxii2/kurultai/collections//",
        "/taxii2/kurultai/collections/national//objects/",
        "/taxii2/kurultai/collections/national/objects//",
        "/taxii2/kurultai/collections/National/objects/",
        "/taxii2/kurultai/collections/national/objects/x/y/",
        "/taxii2/kurultai/collections/national/object/",
        "/taxii2/kurultai/collections/national%00/",
        "/taxii2/kurultai/collections/%ff/",
        "/taxii2/kurultai/collections/%/",
        "/taxii2/kurultai/collections/../national/",
        "/taxii2/kurultai/status/",
        "/taxii2/kurultai/status/1/",
        "/taxii2/kurultai/channels/",
    ] {
        world.get(bad).await.expect(404);
    }
}

#[tokio::test]
async fn methods() {
    let world = World::new();
    world.add(&[indicator(1, 0)]);
    let objects = format!("{NATIONAL}/objects/");
    let object = format!("{objects}{}/", id(1));
    for (method, path, allow) in [
        ("POST", "/taxii2/", "GET, HEAD"),
        ("PUT", objects.as_str(), "GET, HEAD, POST"),
        ("DELETE", objects.as_str(), "GET, HEAD, POST"),
        ("PATCH", object.as_str(), "GET, HEAD, DELETE"),
        ("PATCH", "/taxii2/kurultai/collections/", "GET, HEAD"),
        ("OPTIONS", "/taxii2/kurultai/", "GET, HEAD"),
        ("TRACE", "/taxii2/kurultai/", "GET, HEAD"),
    ] {
        let answer = call(
            &world.router,
            request(method, path, &world.operator)
                .body(Body::empty())
                .unwrap(),
        )
        .await;
        answer.expect(405);
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
    }
    let get = world.get(&objects).await;
    let head = call(
        &world.router,
        request("HEAD", &objects, &world.reader)
            .body(Body::empty())
            .unwrap(),
    )
    .await;
    assert_eq!(head.status, 200);
    assert!(head.body.is_empty());
    assert_eq!(
        head.header("content-length"),
        Some(get.body.len().to_string().as_str())
    );
    for name in [
        "content-type",
        "x-taxii-date-added-first",
        "x-taxii-date-added-last",
    ] {
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
}

#[tokio::test]
async fn media_types_are_negotiated() {
    let world = World::new();
    for (accept, status) in [
        (TAXII, 200),
        ("application/taxii+json", 200),
        ("application/taxii+json; version=2.1; charset=utf-8", 200),
        ("*/*;q=0.1", 200),
        ("application/taxii+json;version=2.0", 406),
        ("application/json", 406),
        ("text/html", 406),
        ("application/taxii+json;q=0", 406),
    ] {
        let request = Request::builder().uri("/taxii2/").header("accept", accept);
        let request = request
            .header("authorization", format!("Bearer {}", world.reader))
            .body(Body::empty())
            .unwrap();
        let answer = call(&world.router, request).await;
        answer.expect(status);
    }
    let without = Request::builder()
        .uri("/taxii2/")
        .header("authorization", format!("Bearer {}", world.reader));
    call(&world.router, without.body(Body::empty()).unwrap())
        .await
        .expect(200);
}

#[tokio::test]
async fn ranges_change_nothing() {
    let world = World::new();
    world.add(&[indicator(1, 0), indicator(2, 0)]);
    let path = format!("{NATIONAL}/objects/");
    let whole = world.get(&path).await;
    // TAXII 2.0 paged by `items`; there is no 416 in 2.1.
    for range in [
        "items 0-0",
        "items=5-9",
        "bytes=0-10",
        "bytes=99999-",
        "nonsense",
    ] {
        let request = request("GET", &path, &world.reader).header("range", range);
        let answer = call(&world.router, request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::OK, "{range}");
        assert_eq!(answer.body, whole.body);
        assert_eq!(answer.header("content-range"), None);
    }
}

#[tokio::test]
async fn answers_are_not_kept_by_caches() {
    let world = World::new();
    for (path, status) in [
        ("/taxii2/", 200),
        ("/taxii2/kurultai/collections/national/objects/", 200),
        ("/taxii2/x/", 404),
    ] {
        let answer = world.get(path).await;
        answer.expect(status);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
}
