//! Proof: a nation's own policy decides, and its people.
//!
//! KZ puts a policy set of its own in force: what is about a person leaves only with a legal basis,
//! after two approvals, and redacted. Then one such object is tried, refused, proposed, approved by
//! others than its author, and looked at where it arrives.

use node::admin::types::{
    ApprovalRequest, AuditCheck, AuditPage, EnrolRequest, InviteReply, InviteRequest, PolicyFiles,
    PolicyInfo, ProposalInfo, ProposalView, ReleaseReport, ReleaseRequest, Selection,
};
use policy::{Duty, PolicySet, SignedPolicy};

use super::Proof;
use super::cluster::{Cluster, Party, until};
use super::proofs::{Seen, claim, proof};
use super::scenario::{ACCORD, COURIER, COURIER_SECRETS, SIX, courier};
use crate::admin::{Admin, escape};
use crate::exit::Failure;
use crate::taxii::basic;

/// Where it happens.
const CHANNEL: &str = "alerts";

/// The member that decides.
const MEMBER: &str = "KZ";

/// What the set of KZ adds to the shipped one: the profile that its rule on persons names.
const PROFILES: &str = include_str!("scenario/redact.toml");

/// One person of the member, who has proved who they are.
struct Person {
    name: &'static str,
    header: String,
}

/// A nation's own policy decides.
pub(crate) async fn decided(cluster: &Cluster) -> Proof {
    let mut seen = Vec::new();
    let outcome = decided_seen(cluster, &mut seen).await;
    proof(
        "a nation's own policy decides, and its people",
        seen,
        outcome,
    )
}

async fn decided_seen(cluster: &Cluster, seen: &mut Vec<String>) -> Seen {
    let party = cluster.party(MEMBER)?;
    let olzhas = person(party, "olzhas", &[Duty::Operator]).await?;
    let aida = person(party, "aida", &[Duty::Releaser, Duty::Approver]).await?;
    let boris = person(party, "boris", &[Duty::Approver]).await?;
    let dina = person(party, "dina", &[Duty::Approver]).await?;
    let info = activate(party, &olzhas).await?;
    seen.push(format!(
        "{} puts {MEMBER}'s own policy set {} in force, signed with its policy key: what is about a person leaves only with a legal basis, after two approvals, redacted",
        olzhas.name, info.number
    ));

    party.add(&courier(1), &format!("TLP:AMBER//{SIX}")).await?;
    let report = release(party, &aida).await?;
    let why = words(&report);
    claim(
        report.refused >= 1 && report.released == 0 && why.contains("legal basis"),
        || {
            format!(
                "a person without a legal basis was not refused: {:?}",
                report.results
            )
        },
    )?;
    seen.push(format!(
        "without a legal basis {} is refused: {why}",
        aida.name
    ));

    let label = format!("TLP:AMBER//{SIX}//LEGAL mutual-legal-assistance");
    party.add(&courier(2), &label).await?;
    let report = release(party, &aida).await?;
    let proposal = report.proposals.first().cloned().unwrap_or_default();
    claim(
        report.proposed >= 1 && report.released == 0 && report.refused == 0,
        || {
            format!(
                "with a legal basis it was not proposed: {:?}",
                report.results
            )
        },
    )?;
    let view: ProposalView = boris
        .admin(party)
        .await?
        .get(&format!("/approvals/{proposal}"))
        .await?;
    seen.push(format!("with one it waits for {}", view.info.needs));
    let outgoing = view
        .items
        .iter()
        .flat_map(|item| &item.outgoing)
        .find(|outgoing| outgoing.bytes.contains("\"individual\""))
        .ok_or_else(|| Failure::refused("the proposal does not show what would leave"))?;
    let secret = |text: &str| COURIER_SECRETS.iter().any(|word| text.contains(word));
    claim(
        !secret(&outgoing.bytes) && outgoing.id != COURIER && !outgoing.diff.is_empty(),
        || format!("what would leave is not redacted: {}", outgoing.bytes),
    )?;

    match approve(party, &aida, &view).await {
        Ok(_) => {
            return Err(Failure::refused(format!(
                "{} approved what {0} had proposed",
                aida.name
            )));
        }
        Err(refusal) => seen.push(format!("its author may not approve it: {refusal}")),
    }
    let first = approve(party, &boris, &view).await?;
    claim(first.state == "open" && !first.missing.is_empty(), || {
        format!("one approval was enough: {first:?}")
    })?;
    let second = approve(party, &dina, &view).await?;
    claim(second.state == "released", || {
        format!("two approvals were not enough: {second:?}")
    })?;

    let collection = format!("{ACCORD}.{CHANNEL}");
    for partner in &cluster.parties {
        let mut taxii = partner.taxii().await?;
        until(
            &format!("{} shows the redacted form", partner.code),
            async || Ok(taxii.object(&collection, &outgoing.id).await?.is_some()),
        )
        .await?;
        let arrived = taxii.object(&collection, &outgoing.id).await?;
        claim(
            arrived.is_some_and(|object| object.hash == outgoing.hash),
            || format!("{} has other bytes than were approved", partner.code),
        )?;
        claim(taxii.object(&collection, COURIER).await?.is_none(), || {
            format!("{} shows the original", partner.code)
        })?;
    }
    let changed: Vec<&str> = outgoing
        .diff
        .iter()
        .map(|line| line.pointer.as_str())
        .collect();
    seen.push(format!(
        "{} and {} approve the exact bytes; all six show just those, {} differing from the original in {}",
        boris.name,
        dina.name,
        outgoing.id,
        changed.join(", ")
    ));
    account(party, seen).await
}

/// What the member's audit log says of it, and whether the log is whole.
async fn account(party: &Party, seen: &mut Vec<String>) -> Seen {
    let mut admin = party.admin().await?;
    let channel = escape(&format!("{ACCORD}/{CHANNEL}"));
    let path = format!("/audit?object={COURIER}&channel={channel}");
    let page: AuditPage = admin.get(&path).await?;
    let acts: Vec<String> = page
        .records
        .iter()
        .map(|line| format!("{} {}", line.record.what, line.record.who))
        .collect();
    for act in [
        "refuse aida",
        "propose aida",
        "approve boris",
        "approve dina",
        "release aida",
    ] {
        claim(acts.iter().any(|held| held == act), || {
            format!("the audit log lacks {act:?}: {acts:?}")
        })?;
    }
    let check: AuditCheck = admin.post("/audit/verify", &serde_json::json!({})).await?;
    claim(check.holds, || {
        format!("the audit log does not verify: {:?}", check.findings)
    })?;
    seen.push(format!(
        "the audit log has it all ({}), and `kurultai audit verify` holds for its {} records",
        acts.join(", "),
        check.size
    ));
    Ok(())
}

/// Makes a person of the member, who enrols with a password of their own.
async fn person(party: &Party, name: &'static str, duties: &[Duty]) -> Result<Person, Failure> {
    let mut admin = party.admin().await?;
    let request = InviteRequest {
        duties: Some(duties.iter().copied().collect()),
        clearance: Some("TLP:RED".to_owned()),
        ..InviteRequest::default()
    };
    let invited: InviteReply = admin
        .post(&format!("/users/{name}/invite"), &request)
        .await?;
    let secret = node::keys::random::<12>().map_err(Failure::unavailable)?;
    let password: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let enrol = EnrolRequest {
        name: name.to_owned(),
        code: invited.code,
        password: password.clone(),
    };
    admin.tell("/auth/enrol", &enrol).await?;
    Ok(Person {
        name,
        header: basic(name, &password),
    })
}

impl Person {
    /// The member's admin API in this person's name.
    async fn admin(&self, party: &Party) -> Result<Admin, Failure> {
        Ok(party.admin().await?.with_proof(self.header.clone()))
    }
}

/// Signs the member's own set as the successor of the shipped one, and puts it in force.
async fn activate(party: &Party, operator: &Person) -> Result<PolicyInfo, Failure> {
    let shipped = PolicySet::shipped().map_err(Failure::usage)?;
    let mut files = shipped.files().clone();
    let rule = "@needs(\"2 of approver\")\n";
    let redacting = format!("{rule}@redact(\"persons\")\n");
    let changed = shipped
        .text("persons.cedar")
        .map(|text| text.replace(rule, &redacting))
        .ok_or_else(|| Failure::usage("the shipped policy has no rules on persons"))?;
    files.insert("persons.cedar".to_owned(), changed.into_bytes());
    files.insert("redact.toml".to_owned(), PROFILES.as_bytes().to_vec());
    let set = PolicySet::read(files.clone()).map_err(Failure::usage)?;
    let config = node::Config::load(&party.folder).map_err(Failure::usage)?;
    let key = node::keys::read_policy_key(&config.keys.join("policy.key"), &config.domain)
        .map_err(Failure::unavailable)?;
    let signed = SignedPolicy::sign(set, None, &key).map_err(Failure::usage)?;
    let text =
        |(path, bytes): (String, Vec<u8>)| (path, String::from_utf8_lossy(&bytes).into_owned());
    let given = PolicyFiles {
        manifest: signed.note().to_owned(),
        files: files.into_iter().map(text).collect(),
        who: String::new(),
    };
    operator
        .admin(party)
        .await?
        .post("/policy/activate", &given)
        .await
}

async fn release(party: &Party, person: &Person) -> Result<ReleaseReport, Failure> {
    let request = ReleaseRequest {
        channel: format!("{ACCORD}/{CHANNEL}"),
        selection: Selection {
            ids: vec![COURIER.to_owned()],
            ..Selection::default()
        },
        who: String::new(),
        explain: false,
    };
    person.admin(party).await?.post("/release", &request).await
}

async fn approve(
    party: &Party,
    person: &Person,
    seen: &ProposalView,
) -> Result<ProposalInfo, Failure> {
    let request = ApprovalRequest {
        digest: seen.info.digest.clone(),
        ..ApprovalRequest::default()
    };
    let path = format!("/approvals/{}/approve", seen.info.id);
    person.admin(party).await?.post(&path, &request).await
}

/// Why what was asked for did not go.
fn words(report: &ReleaseReport) -> String {
    let about = report
        .results
        .iter()
        .filter(|result| result.id == COURIER)
        .flat_map(|result| result.why.iter().map(String::as_str));
    about.collect::<Vec<_>>().join("; ")
}
