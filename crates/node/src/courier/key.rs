//! Courier keys: for whom a file is sealed.
//!
//! A member makes an age key (`keys/courier.key`) and certifies its public half with its **root
//! key**, in a signed note. The note needs no secrecy and may come by any way, also with the
//! courier: partners know the root key from the accord, so nobody on the way can put another key in
//! its place, which is what sealing is against. A key that was only handed over would have to be
//! believed for the sake of whoever brought it. Of two notes the later one counts, and an earlier
//! one is refused, so that an old key cannot be brought back.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use log::Note;
use model::Timestamp;
use policy::{Member, Role};
use store::Command;
use sync::courier::seal::{Identity, Recipient};

use super::absolute;
use crate::admin::types::{AuditRecord, CourierKey, CourierKeyInfo};
use crate::auth::Caller;
use crate::config::Config;
use crate::error::NodeError;
use crate::keys;
use crate::node::Node;

const KEY_FILE: &str = "courier.key";
const NOTE_FILE: &str = "courier.note";
/// The first line of a key note.
const TITLE: &str = "kurultai courier key";
/// Where partners' notes are, by the root key's name.
const SETTING: &str = "courier-key/";
/// LIMIT: bytes of a key note: three lines and a signature.
const NOTE_BYTES_MAX: usize = 4096;

pub(super) async fn run(
    node: &Arc<Node>,
    caller: &Caller,
    request: CourierKey,
) -> Result<CourierKeyInfo, NodeError> {
    match &request.note {
        Some(note) => believe(node, caller, &request, note).await,
        None => own(node, request.root.as_deref()),
    }
}

/// The key of this node, if it has one.
pub(super) fn identity(config: &Config) -> Result<Option<Identity>, NodeError> {
    let path = config.keys.join(KEY_FILE);
    let wrong = |why: &str| NodeError::Key {
        path: path.clone(),
        why: why.to_owned(),
    };
    let meta = match fs::metadata(&path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(&format!("cannot be read ({error})"))),
    };
    if meta.permissions().mode() & 0o077 != 0 {
        return Err(wrong(
            "can be read by others than its owner; run `chmod 600` on it and consider the key exposed",
        ));
    }
    let text = fs::read_to_string(&path).map_err(|_| wrong("cannot be read"))?;
    let identity = Identity::parse(&text);
    identity
        .map(Some)
        .ok_or_else(|| wrong("is damaged; restore it from a backup"))
}

/// The key of a member, as its root key certified it.
pub(super) async fn of(node: &Node, member: &Member) -> Result<Recipient, NodeError> {
    let key = format!("{SETTING}{}", member.domain);
    let note = node.read(move |store| store.get(&key)).await?;
    let certified = note.and_then(|note| Certified::read(&note, member));
    let certified = certified.ok_or_else(|| {
        NodeError::request(format!(
            "{} has no courier key here: ask it for the note that `kurultai courier key` writes, \
             and give it to `kurultai courier key --of FILE`",
            member.code
        ))
    })?;
    Ok(certified.key)
}

/// What a note says.
struct Certified {
    domain: String,
    key: Recipient,
    at: Timestamp,
}

impl Certified {
    fn parse(note: &[u8]) -> Option<(Certified, Note)> {
        if note.len() > NOTE_BYTES_MAX {
            return None;
        }
        let note = Note::parse(note).ok()?;
        let mut lines = note.text().lines();
        let title = lines.next()? == TITLE;
        let domain = lines.next()?.to_owned();
        let key = Recipient::parse(lines.next()?)?;
        let at = Timestamp::parse(lines.next()?).ok()?;
        let whole = title && lines.next().is_none();
        whole.then_some((Certified { domain, key, at }, note))
    }

    /// The note, if this member's root key signed it.
    fn read(note: &[u8], member: &Member) -> Option<Certified> {
        let (certified, note) = Certified::parse(note)?;
        let signed = certified.domain == member.domain && note.verified_by(&member.root).is_ok();
        signed.then_some(certified)
    }

    fn info(&self, note: String) -> CourierKeyInfo {
        CourierKeyInfo {
            domain: self.domain.clone(),
            key: self.key.to_string(),
            at: self.at.to_string(),
            note,
        }
    }
}

/// Makes and certifies the own key where that has not been done, and shows it.
fn own(node: &Node, root: Option<&str>) -> Result<CourierKeyInfo, NodeError> {
    let config = node.config();
    let key = match identity(config)? {
        Some(key) => key,
        None => {
            let key = Identity::generate();
            let secret = format!("{}\n", key.to_secret_text());
            keys::write_new(&config.keys.join(KEY_FILE), secret.as_bytes(), 0o600)?;
            key
        }
    };
    let path = config.keys.join(NOTE_FILE);
    if let Ok(note) = fs::read(&path)
        && let Some(held) = Certified::read(&note, node.me())
        && held.key.to_string() == key.recipient().to_string()
    {
        return Ok(held.info(String::from_utf8_lossy(&note).into_owned()));
    }
    let elsewhere = match root {
        Some(path) => {
            let name = Role::Root.key_name(&config.domain);
            Some(keys::read_root_key(absolute(path)?, &name)?)
        }
        None => None,
    };
    let root = elsewhere.as_ref().or_else(|| node.keys().root());
    let root = root.ok_or_else(|| {
        NodeError::request(
            "the root key certifies the courier key and is not on this machine: name its file with --root",
        )
    })?;
    let text = format!(
        "{TITLE}\n{}\n{}\n{}\n",
        config.domain,
        key.recipient(),
        node.now()
    );
    let signed = Note::new(&text).and_then(|mut note| {
        note.sign(root)?;
        Ok(note.to_string())
    });
    let signed = signed.map_err(|error| NodeError::request(error.to_string()))?;
    let certified = Certified::read(signed.as_bytes(), node.me());
    let certified = certified
        .ok_or_else(|| NodeError::request("the key in that file is not this member's root key"))?;
    drop(fs::remove_file(&path));
    keys::write_new(&path, signed.as_bytes(), 0o644)?;
    Ok(certified.info(signed))
}

/// Believes another member's key from now on.
async fn believe(
    node: &Arc<Node>,
    caller: &Caller,
    request: &CourierKey,
    note: &str,
) -> Result<CourierKeyInfo, NodeError> {
    let accords = node.accords();
    let members = accords.all().flat_map(|signed| &signed.accord().members);
    let mut signers = members.filter_map(|member| {
        Certified::read(note.as_bytes(), member).map(|certified| (member.code.clone(), certified))
    });
    let (code, certified) = signers.next().ok_or_else(|| {
        NodeError::request(
            "this is no courier key that the root key of a member of an accord here has signed",
        )
    })?;
    let key = format!("{SETTING}{}", certified.domain);
    let held = {
        let key = key.clone();
        node.read(move |store| store.get(&key)).await?
    };
    let held = held.and_then(|held| Certified::parse(&held));
    if held.is_some_and(|(held, _)| held.at > certified.at) {
        return Err(NodeError::request(format!(
            "a newer courier key of {code} is known here; ask it for its present one"
        )));
    }
    let put = Command::Put {
        key,
        value: Some(note.as_bytes().to_vec()),
    };
    let record = AuditRecord {
        what: "courier".into(),
        who: caller.recorded(&request.who),
        why: format!("files for {code} are sealed for {}", certified.key),
        ..node.record()
    };
    node.account_for(vec![record], Some(put)).await?;
    Ok(certified.info(note.to_owned()))
}
