//! Time: labels that have run out, clocks that are turned, and the hours in which nobody looks.

use crate::nation::{ALERTS, GREEN, Nation};
use node::admin::types::Selection;

pub(crate) async fn attempts(nation: &mut Nation) {
    let case = nation.begin("a label that has run out").await;
    let id = case.id("indicator");
    let label = "TLP:GREEN//REL KG,KZ//EXPIRES 2026-01-01T00:00:00Z";
    let answer = nation.try_out(&[case.indicator("")], label, &id).await;
    nation
        .judge(&case, answer, ("refused", "expired"), ("refuse", &id))
        .await;

    let case = nation
        .begin("a label that ran out, with the clock set back")
        .await;
    let id = case.id("indicator");
    let now = nation.kz.node.now();
    let soon = model::Timestamp::from_unix_nanos(now.unix_nanos() + 60_000_000_000 * 30);
    let label = format!("TLP:GREEN//REL KG,KZ//EXPIRES {soon}");
    nation.add(&[case.indicator("")], &label).await;
    nation.pass(60);
    let answer = nation.release(&nation.aida, ALERTS, &[&id]).await;
    assert_eq!(answer.kind, "refused", "{answer:?}");
    nation.pass(-60);
    let answer = nation.release(&nation.aida, ALERTS, &[&id]).await;
    nation
        .judge(&case, answer, ("refused", "expired"), ("refuse", &id))
        .await;
    nation.pass(60);

    let case = nation
        .begin("a version from the future without its marking")
        .await;
    let id = case.id("indicator");
    nation.add(&[case.indicator("")], "TLP:RED//REL KZ").await;
    nation
        .partner_publishes(
            &[case
                .version(59, "")
                .replace("\"modified\":\"2026", "\"modified\":\"2099")],
            "TLP:CLEAR//REL *",
            std::slice::from_ref(&id),
        )
        .await;
    let answer = nation.release(&nation.aida, ALERTS, &[&id]).await;
    nation
        .judge_keeping(
            &case,
            answer,
            ("refused", "TLP:RED"),
            ("refuse", &id),
            &[case.secret()],
        )
        .await;

    quiet_hours(nation).await;
}

/// Ten hours after the noon at which the nation began.
async fn quiet_hours(nation: &mut Nation) {
    let bulk = nation.begin("a thousand objects at night").await;
    let objects: Vec<String> = (0..1_000)
        .map(|part| {
            bulk.version(0, &format!(r#","description":"{}""#, bulk.secret()))
                .replace(&bulk.id("indicator"), &part_id(&bulk.secret(), part))
        })
        .collect();
    nation.add(&objects, GREEN).await;
    let now = nation.kz.node.now().unix_nanos() / 60_000_000_000;
    let minute = i64::try_from(now.rem_euclid(1_440)).expect("a minute of the day");
    nation.pass((23 * 60 - minute).rem_euclid(1_440));
    let ids: Vec<String> = (0..1_000)
        .map(|part| part_id(&bulk.secret(), part))
        .collect();
    let select = |ids: &[String]| Selection {
        ids: ids.to_vec(),
        ..Selection::default()
    };
    let answer = nation
        .release_selected(&nation.aida, ALERTS, select(&ids))
        .await;
    nation
        .judge_keeping(
            &bulk,
            answer,
            ("refused", "nobody releases in bulk"),
            ("refuse", "quiet-hours"),
            &[part_id(&bulk.secret(), 999)],
        )
        .await;

    let case = nation
        .begin("a thousand objects at night, in small pieces")
        .await;
    let mut last = None;
    for piece in ids.chunks(250) {
        last = Some(
            nation
                .release_selected(&nation.aida, ALERTS, select(piece))
                .await,
        );
    }
    let answer = last.expect("four pieces");
    nation
        .judge_keeping(
            &case,
            answer,
            ("refused", "nobody releases in bulk"),
            ("refuse", "quiet-hours"),
            &[part_id(&bulk.secret(), 999)],
        )
        .await;
    // Back to noon of the next day.
    nation.pass(13 * 60);
}

fn part_id(secret: &str, part: u32) -> String {
    let number: u32 = secret
        .chars()
        .filter(char::is_ascii_digit)
        .collect::<String>()
        .parse()
        .expect("a number");
    format!("indicator--00000000-0000-4000-a000-{number:04}{part:08}")
}
