//! Deleting: unreleased national objects go, whatever is logged stays, and the reason is told.

use super::*;

impl World {
    async fn delete_as(&self, token: &str, path: &str) -> Answer {
        call(
            &self.router,
            request("DELETE", path, token).body(Body::empty()).unwrap(),
        )
        .await
    }
}

fn object(number: usize) -> String {
    format!("{NATIONAL}/objects/{}/", id(number))
}

#[tokio::test]
async fn what_is_deleted_is_gone_and_stays_gone() {
    let dir = tempfile::tempdir().unwrap();
    let writer = {
        let world = World::open(dir.path(), ticking());
        world.user("writer", &[Duty::Analyst], &[]);
        let writer = world.token("writer");
        world.add(&[indicator(1, 1), indicator(2, 1)]);
        world.add(&[indicator(1, 2)]);
        let answer = world.delete_as(&writer, &object(1)).await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0));
        world.get_as(&writer, &object(1)).await.expect(404);
        world
            .get_as(&writer, &format!("{}versions/", object(1)))
            .await
            .expect(404);
        world.delete_as(&writer, &object(1)).await.expect(404);
        writer
    };
    let world = World::open(dir.path(), ticking());
    let all = format!("{NATIONAL}/objects/?match[version]=all");
    assert_eq!(world.get_as(&writer, &all).await.ids(), [id(2)]);
    let manifest = format!("{NATIONAL}/manifest/?match[version]=all");
    assert_eq!(world.get_as(&writer, &manifest).await.ids(), [id(2)]);
    // A later version brings none of the earlier ones back; the very bytes of one do that one.
    world
        .post_as(&writer, NATIONAL, envelope(&[indicator(1, 3)]))
        .await
        .expect(202);
    assert_eq!(world.get_as(&writer, &all).await.ids(), [id(2), id(1)]);
    world
        .post_as(&writer, NATIONAL, envelope(&[indicator(1, 1)]))
        .await
        .expect(202);
    assert_eq!(
        world.get_as(&writer, &all).await.ids(),
        [id(2), id(1), id(1)]
    );
}

#[tokio::test]
async fn delete_honours_its_filters_and_no_others() {
    let world = World::new();
    for version in 1..=4 {
        world.add(&[indicator(1, version)]);
    }
    let versions = async || {
        let answer = world.get(&format!("{}versions/", object(1))).await;
        let versions = answer.expect(200)["versions"].as_array().unwrap().clone();
        let second = |text: &Value| text.as_str().unwrap()[17..19].parse::<u32>().unwrap();
        versions.iter().map(second).collect::<Vec<_>>()
    };
    let delete = async |query: &str| {
        let path = format!("{}?{query}", object(1));
        world.delete_as(&world.writer, &path).await.status.as_u16()
    };
    assert_eq!(delete("match[spec_version]=2.0").await, 404);
    assert_eq!(delete("match[version]=2026-01-01T00:00:09.000Z").await, 404);
    assert_eq!(delete("match[version]=newest").await, 400);
    assert_eq!(versions().await, [1, 2, 3, 4]);
    assert_eq!(
        delete("match[version]=first,2026-01-01T00:00:03.000Z").await,
        200
    );
    assert_eq!(versions().await, [2, 4]);
    assert_eq!(
        delete("match[version]=last&match[type]=malware&limit=1").await,
        200
    );
    assert_eq!(versions().await, [2]);
    assert_eq!(delete("match[spec_version]=2.1").await, 200);
    world.get(&object(1)).await.expect(404);
}

#[tokio::test]
async fn objects_without_versions_are_deleted_too() {
    let world = World::new();
    world.add(&[address(1), address(2)]);
    let ids = world.get(&format!("{NATIONAL}/objects/")).await.ids();
    let path = format!("{NATIONAL}/objects/{}/", ids[0]);
    assert_eq!(
        world.delete_as(&world.writer, &path).await.status,
        StatusCode::OK
    );
    assert_eq!(
        world.get(&format!("{NATIONAL}/objects/")).await.ids(),
        [ids[1].clone()]
    );
}

#[tokio::test]
async fn what_is_logged_is_not_deleted_and_the_reason_is_told() {
    let world = World::new();
    let seqs = world.add(&[indicator(1, 0), indicator(2, 0)]);
    world.add(&[indicator(1, 5)]);
    world.release(&seqs);
    world.withdraw(&seqs[1..]);
    for number in [1, 2] {
        let refusal = world
            .delete_as(&world.writer, &object(number))
            .await
            .expect(403);
        let reason = refusal["description"].as_str().unwrap();
        assert!(
            reason.contains("steppe/cyber") && reason.contains("withdraw"),
            "{reason}"
        );
        world.get(&object(number)).await.expect(200);
    }
    // All or nothing: its other version, which nobody was given, can go by itself.
    let path = format!("{}?match[version]=last", object(1));
    assert_eq!(
        world.delete_as(&world.writer, &path).await.status,
        StatusCode::OK
    );
    let channel = format!("{CHANNEL}/objects/{}/", id(1));
    let refusal = world.delete_as(&world.writer, &channel).await.expect(403);
    assert!(
        refusal["description"]
            .as_str()
            .unwrap()
            .contains("withdraw")
    );
}

#[tokio::test]
async fn who_may_not_take_back_deletes_nothing() {
    let world = World::new();
    world.add(&[indicator(1, 0)]);
    world.delete_as(&world.reader, &object(1)).await.expect(403);
    // A sensor's token adds and takes nothing back.
    let person = world.auth.caller("writer", Proof::Passkey).unwrap();
    let request = TokenRequest {
        scopes: Some([Scope::Read, Scope::Add].into()),
        ..TokenRequest::default()
    };
    let sensor = world
        .auth
        .issue_token(&person, "writer", &request)
        .unwrap()
        .token;
    world
        .post_as(&sensor, NATIONAL, envelope(&[indicator(2, 0)]))
        .await
        .expect(202);
    world.delete_as(&sensor, &object(1)).await.expect(403);
    world.delete_as("nobody", &object(1)).await.expect(401);
    world.delete_as(&world.writer, &object(7)).await.expect(404);
    world
        .delete_as(&world.writer, &format!("{NATIONAL}/objects/x/"))
        .await
        .expect(404);
    let others = "/taxii2/kurultai/collections/steppe.other/objects/";
    world
        .delete_as(&world.writer, &format!("{others}{}/", id(1)))
        .await
        .expect(404);
    for path in [
        format!("{NATIONAL}/objects/"),
        format!("{NATIONAL}/"),
        format!("{}versions/", object(1)),
    ] {
        world.delete_as(&world.writer, &path).await.expect(405);
    }
    world.get(&object(1)).await.expect(200);
}

#[tokio::test]
async fn nobody_deletes_what_they_may_not_read_or_is_told_that_it_is_gone() {
    let world = World::new();
    let red = model::tlp_marking(model::Tlp::Red);
    let mut secret: Value = serde_json::from_str(&indicator(1, 2)).unwrap();
    secret["object_marking_refs"] = serde_json::json!([red]);
    let secret = Object::parse(secret.to_string().as_bytes()).unwrap();
    world.add(&[indicator(1, 1), indicator(2, 1)]);
    add(&world.store, vec![secret]).unwrap();
    world.user("desk", &[Duty::Analyst], &["national"]);
    let change = UserChange {
        clearance: Some(model::Tlp::Amber),
        ..UserChange::default()
    };
    let socket = Caller::socket();
    world.auth.put_user(&socket, "desk", &change).unwrap();
    let desk = world.token("desk");
    let refusal = world.delete_as(&desk, &object(1)).await.expect(403);
    let reason = refusal["description"].as_str().unwrap();
    assert!(reason.contains("match[version]"), "{reason}");
    let held = world
        .store
        .versions(&Collection::National, &model::Id::parse(&id(1)).unwrap());
    assert_eq!(held.unwrap().len(), 2, "all or nothing");
    let first = format!("{}?match[version]=first", object(1));
    assert_eq!(world.delete_as(&desk, &first).await.status, StatusCode::OK);
    // What is left does not exist for them.
    world.delete_as(&desk, &object(1)).await.expect(404);

    // Nor does a channel that they do not see.
    let seqs = world.add(&[indicator(3, 1)]);
    world.release(&seqs);
    let refusal = world.delete_as(&desk, &object(3)).await.expect(403);
    let reason = refusal["description"].as_str().unwrap();
    assert!(
        reason.contains("withdraw") && !reason.contains("steppe") && !reason.contains("cyber"),
        "{reason}"
    );
}
