//! Policy sets that would open a way out: unsigned, of another key, out of order, with rules that
//! permit everything.

use std::collections::BTreeMap;

use log::note::SigningKey;
use policy::{Manifest, PolicySet, SignedPolicy};

use crate::nation::{ALERTS, Answer, BASIS, GREEN, Nation, REGION};

type Files = BTreeMap<String, Vec<u8>>;

const ALWAYS: &str =
    "@id(\"always\")\n@explain(\"everything leaves\")\npermit (principal, action, resource);\n";

pub(crate) async fn attempts(nation: &mut Nation) {
    let first = nation.kz.node.policy_files().await.expect("files");
    let (first_note, first_files) = (first.manifest, texts(first.files));
    refused_sets(nation).await;
    faulty_sets(nation).await;

    // An always-true permit, signed as it must be: it lowers nothing that another rule demands.
    let mut files = nation.policy_files();
    files.insert("always.cedar".into(), ALWAYS.into());
    let case = nation
        .begin("a policy that permits everything, beside the shipped cases")
        .await;
    let signed = nation.signed(PolicySet::read(files.clone()).expect("a set"));
    let answer = nation.activate(&signed.note(), signed.set().files()).await;
    judge(nation, &case, answer, "400", "does not pass its own cases").await;
    // Without the cases that would have caught it.
    files.retain(|path, _| !path.starts_with("cases/"));
    let signed = nation.signed(PolicySet::read(files).expect("a set"));
    let answer = nation.activate(&signed.note(), signed.set().files()).await;
    assert_eq!(answer.kind, "200", "{answer:?}");
    always_true(nation).await;

    let case = nation.begin("the set before, put in force again").await;
    let answer = nation.activate(&first_note, &first_files).await;
    judge(nation, &case, answer, "409", "numbers only grow").await;

    // Back to a sane set, as its successor.
    let signed = nation.signed(PolicySet::read(first_files).expect("a set"));
    let answer = nation.activate(&signed.note(), signed.set().files()).await;
    assert_eq!(answer.kind, "200", "{answer:?}");
}

fn texts(files: BTreeMap<String, String>) -> Files {
    files
        .into_iter()
        .map(|(path, text)| (path, text.into_bytes()))
        .collect()
}

/// A set that was refused has changed nothing, and the refusal is accounted for.
async fn judge(
    nation: &mut Nation,
    case: &crate::nation::Case,
    answer: Answer,
    kind: &str,
    says: &str,
) {
    nation
        .judge_keeping(
            case,
            answer,
            (kind, says),
            ("refuse", "activation of a policy set"),
            &[],
        )
        .await;
}

async fn refused_sets(nation: &mut Nation) {
    let before = nation.kz.node.policy().version();
    let mut files = nation.policy_files();
    files.insert("always.cedar".into(), ALWAYS.into());
    let set = PolicySet::read(files.clone()).expect("a set");
    let good = nation.signed(set.clone());
    let text = good.manifest().to_text();

    let case = nation.begin("an unsigned policy set").await;
    let answer = nation.activate(&text, &files).await;
    judge(nation, &case, answer, "409", "").await;

    let case = nation.begin("a policy set without a manifest").await;
    let answer = nation.activate("", &files).await;
    judge(nation, &case, answer, "409", "").await;

    let case = nation
        .begin("a policy set signed by another key of the same name")
        .await;
    let key = SigningKey::from_seed(log::note::KeyKind::Ed25519, "kz.example/policy", [7; 32])
        .expect("a key");
    let policy = nation.kz.node.policy();
    let signed = SignedPolicy::sign(set.clone(), policy.manifest(), &key).expect("signed");
    let answer = nation.activate(&signed.note(), &files).await;
    judge(nation, &case, answer, "409", "not signed as it must be").await;

    let case = nation.begin("a policy set signed by the partner").await;
    let key = nation.kg.node.keys();
    let signed = SignedPolicy::sign(set.clone(), policy.manifest(), key.policy().expect("a key"))
        .expect("signed");
    let answer = nation.activate(&signed.note(), &files).await;
    judge(nation, &case, answer, "409", "not signed as it must be").await;

    let node = std::sync::Arc::clone(&nation.kz.node);
    let key = node.keys().policy().expect("the policy key");
    let case = nation.begin("a policy set that follows another one").await;
    let other = Manifest {
        number: 1,
        previous: None,
        ..good.manifest().clone()
    };
    let signed = SignedPolicy::sign(set.clone(), Some(&other), key).expect("signed");
    let answer = nation.activate(&signed.note(), &files).await;
    judge(nation, &case, answer, "409", "drawn up after another set").await;

    let case = nation.begin("a policy set with a lower number").await;
    let signed = SignedPolicy::sign(set.clone(), None, key).expect("signed");
    let answer = nation.activate(&signed.note(), &files).await;
    judge(nation, &case, answer, "409", "numbers only grow").await;

    let case = nation
        .begin("a file of the set changed after signing")
        .await;
    let mut changed = files.clone();
    changed.insert("always.cedar".into(), format!("{ALWAYS}\n").into_bytes());
    let answer = nation.activate(&good.note(), &changed).await;
    judge(nation, &case, answer, "409", "not those that were signed").await;

    let case = nation.begin("a file more than was signed").await;
    let mut more = files.clone();
    more.insert(
        "more.cedar".into(),
        ALWAYS.replace("always", "more").into_bytes(),
    );
    let answer = nation.activate(&good.note(), &more).await;
    judge(nation, &case, answer, "409", "not in the signed manifest").await;

    let case = nation.begin("a policy set activated by a releaser").await;
    let body = serde_json::json!({"manifest": good.note(), "files": files.iter().map(|(path, bytes)| (path.clone(), String::from_utf8_lossy(bytes).into_owned())).collect::<BTreeMap<_, _>>()});
    let answer = nation
        .post(Some(&nation.aida), "/policy/activate", &body)
        .await;
    judge(nation, &case, answer, "403", "").await;
    assert_eq!(nation.kz.node.policy().version(), before);
}

/// Sets that no key makes good: signed over the files as they are.
async fn faulty_sets(nation: &mut Nation) {
    let before = nation.kz.node.policy().version();
    let failing = "[[channel]]\nname = \"c\"\naccord = \"p\"\nmembers = [\"KG\", \"KZ\"]\nceiling = \"TLP:AMBER\"\n\n[[case]]\nname = \"red leaves\"\nchannel = \"c\"\nlabel = \"TLP:RED//REL *\"\nprincipal = { duties = [\"releaser\"], clearance = \"TLP:RED\" }\nexpect = \"permit\"\nrule = \"by-hand\"\n";
    let rule = |annotations: &str, condition: &str| {
        format!(
            "{annotations}\npermit (principal, action == Action::\"release\", resource)\nwhen {{ {condition} }};\n"
        )
    };
    let named = "@id(\"more\")\n@explain(\"more\")";
    for (name, path, text, says) in [
        (
            "a set that fails its own cases",
            "cases/mine.toml",
            failing.to_owned(),
            "does not pass its own cases",
        ),
        (
            "a set with an annotation that nobody knows",
            "more.cedar",
            rule(&format!("{named}\n@overrides(\"hard-rule\")"), "true"),
            "no annotation",
        ),
        (
            "a set that demands a profile which is missing",
            "more.cedar",
            rule(&format!("{named}\n@redact(\"nowhere\")"), "true"),
            "nowhere",
        ),
        (
            "a duty in look-alike letters",
            "more.cedar",
            rule(
                named,
                "principal is Person && principal.duties.contains(Duty::\"аpprover\")",
            ),
            "аpprover",
        ),
        (
            "a need for nobody",
            "more.cedar",
            rule(&format!("{named}\n@needs(\"0 of approver\")"), "true"),
            "1 to 9",
        ),
        (
            "a need in look-alike letters",
            "more.cedar",
            rule(&format!("{named}\n@needs(\"2 of аpprover\")"), "true"),
            "duty",
        ),
        (
            "a rule under the name of another",
            "more.cedar",
            rule("@id(\"clearance\")\n@explain(\"more\")", "true"),
            "taken",
        ),
        (
            "a rule about what is not in the schema",
            "more.cedar",
            rule(named, "resource.trusted"),
            "trusted",
        ),
        (
            "a file that would silently not count",
            "forbid.cedar.bak",
            ALWAYS.to_owned(),
            "no file of a policy set",
        ),
        (
            "a set whose leak rules do not read",
            "leak.toml",
            "[references]\nunreleased = \"ignore\"\n".to_owned(),
            "leak.toml",
        ),
    ] {
        let case = nation.begin(name).await;
        let mut files = nation.policy_files();
        files.insert(path.into(), text.into_bytes());
        let note = by_hand(nation, &files);
        let answer = nation.activate(&note, &files).await;
        let kind = answer.kind.clone();
        assert!(
            ["400", "409"].contains(&kind.as_str()),
            "{name}: {answer:?}"
        );
        judge(nation, &case, answer, &kind, says).await;
    }
    assert_eq!(nation.kz.node.policy().version(), before);
}

/// A manifest over any files, signed by the nation's own key.
fn by_hand(nation: &Nation, files: &Files) -> String {
    let policy = nation.kz.node.policy();
    let before = policy.manifest().expect("a set is in force");
    let files = files.iter().map(|(path, bytes)| {
        let stated = (bytes.len() as u64, model::Hash::of(bytes).0);
        (path.clone(), stated)
    });
    let manifest = Manifest {
        domain: before.domain.clone(),
        number: before.number + 1,
        previous: Some(before.hash()),
        files: files.collect(),
    };
    let mut note = log::Note::new(manifest.to_text()).expect("a note");
    let keys = nation.kz.node.keys();
    note.sign(keys.policy().expect("the policy key"))
        .expect("signed");
    note.to_string()
}

async fn always_true(nation: &mut Nation) {
    let case = nation
        .begin("a policy that permits everything, against the hard rule")
        .await;
    let id = case.id("indicator");
    let answer = nation
        .try_out(&[case.indicator("")], "TLP:RED//REL KZ", &id)
        .await;
    nation
        .judge(&case, answer, ("refused", "TLP:RED"), ("refuse", &id))
        .await;

    let case = nation
        .begin("a policy that permits everything, against a forbid")
        .await;
    let id = case.id("indicator");
    let bytes = case.indicator("");
    nation
        .partner_publishes(
            std::slice::from_ref(&bytes),
            GREEN,
            std::slice::from_ref(&id),
        )
        .await;
    nation.add(&[bytes], GREEN).await;
    let answer = nation.release(&nation.aida, REGION, &[&id]).await;
    nation
        .judge(
            &case,
            answer,
            ("refused", "a partner's object is never passed on"),
            ("refuse", "partners-objects"),
        )
        .await;

    let case = nation
        .begin("a policy that permits everything, against needed approvals")
        .await;
    let id = case.id("identity");
    nation.add(&[case.person(0)], BASIS).await;
    let answer = nation.release(&nation.aida, ALERTS, &[&id]).await;
    nation
        .judge(&case, answer, ("proposed", ""), ("propose", &id))
        .await;

    let case = nation
        .begin("a policy that permits everything, against the legal basis")
        .await;
    let id = case.id("identity");
    nation.add(&[case.person(0)], GREEN).await;
    let answer = nation.release(&nation.aida, ALERTS, &[&id]).await;
    nation
        .judge(
            &case,
            answer,
            ("refused", "legal basis"),
            ("refuse", "persons-legal-basis"),
        )
        .await;

    let case = nation
        .begin("a policy that permits everything, for automation beyond its bounds")
        .await;
    let id = case.id("tool");
    let tool = case.object("tool", 0, &format!(r#","name":"{}""#, case.secret()));
    nation.add(&[tool], "TLP:AMBER//REL KG,KZ").await;
    nation.kz.node.run_automation().await.expect("it runs");
    let answer = Answer {
        kind: "waits".into(),
        words: String::new(),
    };
    nation
        .judge(&case, answer, ("waits", ""), ("wait", &id))
        .await;

    let case = nation
        .begin("a policy that permits everything, for somebody without a duty")
        .await;
    let id = case.id("indicator");
    nation.add(&[case.indicator("")], GREEN).await;
    let bek = nation.bek.clone();
    let answer = nation.release(&bek, ALERTS, &[&id]).await;
    nation
        .judge(
            &case,
            answer,
            ("403", "takes the duty releaser or analyst"),
            ("denied", "POST release"),
        )
        .await;
}
