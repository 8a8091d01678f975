//! gzip and zstd each way, and tags by which a client learns that it has a page already.

use std::io::{Read, Write};

use super::*;

const OBJECTS: &str = "/taxii2/kurultai/collections/national/objects/";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

fn unpack(answer: &Answer) -> Vec<u8> {
    match answer.header("content-encoding") {
        None => answer.body.to_vec(),
        Some("gzip") => {
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(&answer.body[..])
                .read_to_end(&mut plain)
                .unwrap();
            plain
        }
        Some("zstd") => zstd::stream::decode_all(&answer.body[..]).unwrap(),
        Some(other) => panic!("{other}"),
    }
}

impl World {
    async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = request("GET", path, &self.reader);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        call(&self.router, request.body(Body::empty()).unwrap()).await
    }

    async fn post_packed(&self, coding: &str, body: Vec<u8>) -> Answer {
        let request = request("POST", OBJECTS, &self.writer)
            .header("content-type", TAXII)
            .header("content-encoding", coding);
        call(&self.router, request.body(Body::from(body)).unwrap()).await
    }
}

#[tokio::test]
async fn packed_bodies_are_taken() {
    let world = World::new();
    let one = |number| envelope(&[indicator(number, 0)]).into_bytes();
    for (number, coding) in [(1, "gzip"), (2, "zstd"), (3, "x-gzip"), (4, "identity")] {
        let body = match coding {
            "zstd" => zstd::stream::encode_all(&one(number)[..], 3).unwrap(),
            "identity" => one(number),
            _ => gzip(&one(number)),
        };
        assert_eq!(
            world.post_packed(coding, body).await.expect(202)["success_count"],
            1,
            "{coding}"
        );
    }
    // Several members are one body.
    let body = one(5);
    let members = [gzip(&body[..40]), gzip(&body[40..])].concat();
    world.post_packed("gzip", members).await.expect(202);
    assert_eq!(
        world.get(OBJECTS).await.ids(),
        (1..=5).map(id).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn bodies_packed_otherwise_or_badly_are_refused_and_change_nothing() {
    let world = World::new();
    let body = envelope(&[indicator(1, 0)]).into_bytes();
    for coding in ["br", "deflate", "gzip, gzip", "zstd, gzip"] {
        let answer = world.post_packed(coding, gzip(&body)).await;
        answer.expect(415);
        assert_eq!(
            answer.header("accept-encoding"),
            Some("gzip, zstd, identity"),
            "{coding}"
        );
    }
    let whole = gzip(&body);
    world.post_packed("gzip", body.clone()).await.expect(400);
    world
        .post_packed("gzip", whole[..whole.len() - 3].to_vec())
        .await
        .expect(400);
    world.post_packed("zstd", whole).await.expect(400);
    // A hundred times what is allowed, in less than a tenth of it.
    let bomb = gzip(&vec![b' '; 200 << 20]);
    assert!(bomb.len() < 1 << 20);
    world.post_packed("gzip", bomb).await.expect(413);
    let bomb = zstd::stream::encode_all(std::io::repeat(b' ').take(2 << 30), 1).unwrap();
    assert!(bomb.len() < 1 << 20);
    world.post_packed("zstd", bomb).await.expect(413);
    assert_eq!(world.get(OBJECTS).await.ids(), Vec::<String>::new());
}

#[tokio::test]
async fn pages_are_packed_as_the_client_likes_and_are_the_same_page() {
    let world = World::new();
    world.add(
        &(0..60)
            .map(|number| indicator(number, 0))
            .collect::<Vec<_>>(),
    );
    for query in ["?limit=50", "?limit=60", "?limit=50&match[version]=all"] {
        for view in ["objects", "manifest"] {
            let path = format!("{NATIONAL}/{view}/{query}");
            let plain = world.get(&path).await;
            assert_eq!(plain.header("content-encoding"), None);
            assert_eq!(
                plain.header("vary"),
                Some("accept, accept-encoding, authorization")
            );
            for (accept, coding) in [
                ("gzip", Some("gzip")),
                ("gzip;q=0.5, zstd", Some("zstd")),
                ("br, deflate", None),
                ("gzip;q=0, *;q=0", None),
            ] {
                // The second time it comes from where the first was kept.
                for _ in 0..2 {
                    let packed = world.get_with(&path, &[("accept-encoding", accept)]).await;
                    assert_eq!(packed.header("content-encoding"), coding, "{accept}");
                    assert!(coding.is_none() || packed.body.len() < plain.body.len() / 2);
                    assert!(unpack(&packed) == plain.body, "{path} {accept}");
                    for name in [
                        "content-type",
                        "x-taxii-date-added-first",
                        "x-taxii-date-added-last",
                    ] {
                        assert_eq!(packed.header(name), plain.header(name));
                    }
                }
            }
        }
    }
    let small = world
        .get_with("/taxii2/", &[("accept-encoding", "gzip")])
        .await;
    assert_eq!(small.header("content-encoding"), None);
}

#[tokio::test]
async fn a_page_that_is_held_is_not_sent_again() {
    let world = World::new();
    let seqs = world.add(
        &(0..6)
            .map(|number| indicator(number, 0))
            .collect::<Vec<_>>(),
    );
    world.release(&seqs);
    let path = format!("{CHANNEL}/objects/?limit=4");
    let page = world.get(&path).await;
    let tag = page.header("etag").unwrap().to_owned();
    let again = world.get_with(&path, &[("if-none-match", &tag)]).await;
    assert_eq!(
        (again.status, again.body.len()),
        (StatusCode::NOT_MODIFIED, 0)
    );
    assert_eq!(again.header("etag"), Some(tag.as_str()));
    assert_eq!(again.header("content-type"), None);
    // Immutable: what comes later changes nothing of a page that has a next one.
    let later = world.add(&[indicator(9, 0)]);
    world.release(&later);
    assert_eq!(
        world
            .get_with(&path, &[("if-none-match", &tag)])
            .await
            .status,
        StatusCode::NOT_MODIFIED
    );
    let packed = world.get_with(&path, &[("accept-encoding", "gzip")]).await;
    let packed_tag = packed.header("etag").unwrap().to_owned();
    assert_ne!(packed_tag, tag, "other bytes, another tag");
    let held = [
        ("if-none-match", packed_tag.as_str()),
        ("accept-encoding", "gzip"),
    ];
    assert_eq!(
        world.get_with(&path, &held).await.status,
        StatusCode::NOT_MODIFIED
    );
    // Unless something is taken out of it.
    world.withdraw(&seqs[1..2]);
    let changed = world.get_with(&path, &held).await;
    assert_eq!(changed.status, StatusCode::OK);
    assert!(
        !unpack(&changed)
            .windows(id(1).len())
            .any(|part| part == id(1).as_bytes())
    );
    // Other pages, views and collections have other tags.
    let mut tags = vec![tag];
    for path in [
        path.replace("limit=4", "limit=3"),
        path.replace("objects", "manifest"),
        format!("{NATIONAL}/objects/?limit=4"),
        format!("{CHANNEL}/objects/?limit=4&added_after=2100-01-01T00:00:00Z"),
    ] {
        tags.push(world.get(&path).await.header("etag").unwrap().to_owned());
    }
    let count = tags.len();
    tags.sort_unstable();
    tags.dedup();
    assert_eq!(tags.len(), count);
    // Who may not read the page does not learn by a tag whether it is still the same.
    let request = request("GET", &path, "nobody").header("if-none-match", &tags[0]);
    let answer = call(&world.router, request.body(Body::empty()).unwrap()).await;
    answer.expect(401);
}
