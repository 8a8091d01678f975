//! The node's keys: files of mode 0600 in the keys folder, and the only draw of randomness.
//!
//! One key for each role, because a key that speaks in two roles can be tricked into either:
//! `root` ratifies accords (it may be kept offline: a node runs without it and then cannot ratify),
//! `log` and `log-pq` sign checkpoints, `witness` cosigns, the TLS key proves the node to its
//! partners, and `seal.key` seals what must be read again of users' secrets. A secret file is one line `PRIVATE+KEY+<name>+<id>+<base64 of kind and seed>`; beside
//! it lies the public `<role>.vkey`.
//!
//! INVARIANT: a key file that anybody but its owner can read is refused, and no secret is ever
//! printed, logged or sent.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use log::Checkpoint;
use log::note::{KeyKind, SigningKey, VerifierKey};
use policy::{Member, Role};
use store::Signer;
use sync::tls::Identity;

use crate::config::Config;
use crate::error::NodeError;
use crate::limits::KEY_FILE_BYTES_MAX;

const TLS_KEY_FILE: &str = "tls.key";
/// The key under which secrets of users lie in the store; 32 bytes in base64.
const SEAL_FILE: &str = "seal.key";
const TLS_CERTIFICATE_FILE: &str = "tls.crt";

/// The keys of one node.
pub struct Keys {
    root: Option<SigningKey>,
    root_public: VerifierKey,
    witness_public: VerifierKey,
    policy: Option<SigningKey>,
    policy_public: Option<VerifierKey>,
    log: SigningKey,
    log_pq: SigningKey,
    witness: Arc<[SigningKey]>,
    tls: Identity,
    seal: [u8; 32],
    /// One for each own log, so at most as many as the accords have channels.
    signers: Mutex<HashMap<String, Signer>>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("root", &self.root_public.name())
            .finish_non_exhaustive()
    }
}

impl Keys {
    /// Makes all keys of a new node in `config.keys`.
    ///
    /// # Errors
    /// When a key file exists already (nothing is ever overwritten) or cannot be written.
    pub fn generate(config: &Config) -> Result<Keys, NodeError> {
        fs::create_dir_all(&config.keys)
            .and_then(|()| fs::set_permissions(&config.keys, fs::Permissions::from_mode(0o700)))
            .map_err(|error| {
                NodeError::io(
                    format!("the folder {} cannot be made", config.keys.display()),
                    error,
                )
            })?;
        let roles =
            ROLES.map(|(role, kind)| (file_stem(role), role.key_name(&config.domain), kind));
        let policy = (
            POLICY_STEM,
            policy_key_name(&config.domain),
            KeyKind::Ed25519,
        );
        for (stem, name, kind) in roles.into_iter().chain([policy]) {
            let path = config.keys.join(format!("{stem}.key"));
            let seed: [u8; 32] = random()?;
            let key =
                SigningKey::from_seed(kind, &name, seed).map_err(|error| bad(&path, &error))?;
            let public = key.verifier();
            let mut raw = vec![kind_byte(public, &path)?];
            raw.extend_from_slice(&seed);
            let id = hex(&public.id());
            write_new(
                &path,
                format!("PRIVATE+KEY+{name}+{id}+{}\n", STANDARD.encode(raw)).as_bytes(),
                0o600,
            )?;
            write_new(
                &config.keys.join(format!("{stem}.vkey")),
                format!("{public}\n").as_bytes(),
                0o644,
            )?;
        }
        let key_path = config.keys.join(TLS_KEY_FILE);
        let tls_key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)
            .map_err(|error| bad(&key_path, &error))?;
        let certificate = rcgen::CertificateParams::new(vec![config.domain.clone()])
            .and_then(|params| params.self_signed(&tls_key))
            .map_err(|error| bad(&key_path, &error))?;
        write_new(&key_path, tls_key.serialize_pem().as_bytes(), 0o600)?;
        write_new(
            &config.keys.join(TLS_CERTIFICATE_FILE),
            certificate.pem().as_bytes(),
            0o644,
        )?;
        Keys::load(config)
    }

    /// Reads all keys from `config.keys`; the root key's secret may be absent.
    ///
    /// # Errors
    /// When a file is missing, damaged, of another domain, or readable by others.
    pub fn load(config: &Config) -> Result<Keys, NodeError> {
        let root_path = public_path(config, Role::Root);
        let root_text = read(&root_path, false)?;
        let root_public = VerifierKey::parse(String::from_utf8_lossy(&root_text).trim())
            .map_err(|error| bad(&root_path, &error))?;
        let root_secret = secret_path(config, Role::Root);
        let root = if root_secret.exists() {
            Some(read_secret(config, Role::Root, KeyKind::Ed25519)?)
        } else {
            None
        };
        let differs = root
            .as_ref()
            .is_some_and(|root| *root.verifier() != root_public);
        if differs || root_public.name() != Role::Root.key_name(&config.domain) {
            return Err(NodeError::Key {
                path: root_path,
                why: "is not the public half of this member's root key; restore both files from the same backup".into(),
            });
        }
        let (policy, policy_public) = load_policy(config)?;
        let certificate = read(&config.keys.join(TLS_CERTIFICATE_FILE), false)?;
        let tls_path = config.keys.join(TLS_KEY_FILE);
        let tls_key = read(&tls_path, true)?;
        let witness = read_secret(config, Role::Witness, KeyKind::CosignatureV1)?;
        Ok(Keys {
            witness_public: witness.verifier().clone(),
            root,
            root_public,
            policy,
            policy_public,
            log: read_secret(config, Role::Log, KeyKind::Ed25519)?,
            log_pq: read_secret(config, Role::LogPq, KeyKind::MlDsa44)?,
            witness: [witness].into(),
            tls: Identity::from_pem(&certificate, &tls_key)
                .map_err(|error| bad(&tls_path, &error))?,
            seal: seal(config)?,
            signers: Mutex::default(),
        })
    }

    /// What an accord says about this member.
    pub fn member_entry(&self, config: &Config) -> Member {
        Member {
            code: config.code.clone(),
            name: config.name.clone(),
            domain: config.domain.clone(),
            url: config.url.clone(),
            root: self.root_public.clone(),
            log: self.log.verifier().clone(),
            log_pq: Some(self.log_pq.verifier().clone()),
            witness: self.witness_public.clone(),
            tls: self.tls.pin(),
        }
    }

    /// The root key, where its secret is on this machine.
    pub fn root(&self) -> Option<&SigningKey> {
        self.root.as_ref()
    }

    /// The key that signs policy sets, where its secret is on this machine.
    pub fn policy(&self) -> Option<&SigningKey> {
        self.policy.as_ref()
    }

    /// The public half of the key that must have signed a policy set. Nodes that were made before
    /// there was one have none until the operator puts `policy.vkey` into the keys folder.
    pub fn policy_public(&self) -> Option<&VerifierKey> {
        self.policy_public.as_ref()
    }

    /// The keys that cosign partners' checkpoints.
    pub fn cosigners(&self) -> Arc<[SigningKey]> {
        Arc::clone(&self.witness)
    }

    /// The TLS identity.
    pub fn tls(&self) -> &Identity {
        &self.tls
    }

    /// The key that seals users' secrets at rest.
    pub fn seal(&self) -> &[u8; 32] {
        &self.seal
    }

    /// Signs checkpoints of the own log named `origin` with both log keys.
    ///
    /// # Errors
    /// When `origin` cannot be a key name.
    pub fn signer(&self, origin: &str) -> Result<Signer, NodeError> {
        let mut signers = self.signers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(signer) = signers.get(origin) {
            return Ok(Arc::clone(signer));
        }
        let signer = self.make_signer(origin)?;
        signers.insert(origin.to_owned(), Arc::clone(&signer));
        Ok(signer)
    }

    fn make_signer(&self, origin: &str) -> Result<Signer, NodeError> {
        let named = |key: &SigningKey| {
            key.renamed(origin).map_err(|error| NodeError::Config {
                place: format!("log {origin}"),
                why: error.to_string(),
            })
        };
        let (classic, quantum) = (named(&self.log)?, named(&self.log_pq)?);
        let origin = origin.to_owned();
        let note = move |size, root| {
            let checkpoint =
                Checkpoint::new(&origin, size, root).map_err(|error| error.to_string())?;
            checkpoint
                .sign(&[&classic, &quantum])
                .map_err(|error| error.to_string())
        };
        // Signed once on trial, so that the store's writer never meets a name that cannot sign.
        note(0, log::merkle::empty_root()).map_err(|why| NodeError::Config {
            place: "the log's name".to_owned(),
            why,
        })?;
        Ok(Arc::new(move |size, root| {
            note(size, root).expect("the origin and both keys have signed a checkpoint before")
        }))
    }
}

/// Reads the sealing key, or makes it where there is none: nodes of earlier versions have none, and
/// without it only the second factors have to be set up again.
fn seal(config: &Config) -> Result<[u8; 32], NodeError> {
    let path = config.keys.join(SEAL_FILE);
    if !path.exists() {
        let key: [u8; 32] = random()?;
        write_new(
            &path,
            format!("{}\n", STANDARD.encode(key)).as_bytes(),
            0o600,
        )?;
    }
    let text = read(&path, true)?;
    let key = STANDARD.decode(text.trim_ascii()).ok();
    key.and_then(|key| key.try_into().ok())
        .ok_or_else(|| bad(&path, &"is damaged; restore it from a backup"))
}

/// Bytes in lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Draws random bytes from the operating system.
///
/// # Errors
/// When the operating system has none, which ends whatever needed them.
pub fn random<const N: usize>() -> Result<[u8; N], NodeError> {
    let mut bytes = [0; N];
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the one place that draws randomness"
    )]
    getrandom::fill(&mut bytes).map_err(|error| NodeError::Stopped {
        what: format!("the system's random generator ({error})"),
    })?;
    Ok(bytes)
}

/// The policy key's files: `policy.key` and `policy.vkey`.
const POLICY_STEM: &str = "policy";

/// The name of a member's policy key.
fn policy_key_name(domain: &str) -> String {
    format!("{domain}/policy")
}

/// The policy key's two halves, each of which may be absent.
fn load_policy(config: &Config) -> Result<(Option<SigningKey>, Option<VerifierKey>), NodeError> {
    let public_file = config.keys.join(format!("{POLICY_STEM}.vkey"));
    if !public_file.exists() {
        return Ok((None, None));
    }
    let text = read(&public_file, false)?;
    let public = VerifierKey::parse(String::from_utf8_lossy(&text).trim())
        .map_err(|error| bad(&public_file, &error))?;
    let name = policy_key_name(&config.domain);
    let secret_file = config.keys.join(format!("{POLICY_STEM}.key"));
    let secret = match secret_file.exists() {
        true => Some(read_secret_file(&secret_file, &name, KeyKind::Ed25519)?),
        false => None,
    };
    let differs = secret
        .as_ref()
        .is_some_and(|secret| *secret.verifier() != public);
    if differs || public.name() != name {
        return Err(NodeError::Key {
            path: public_file,
            why: "is not the public half of this member's policy key; restore both files from the same backup".into(),
        });
    }
    Ok((secret, Some(public)))
}

/// Reads a policy key that is kept elsewhere, from its secret file.
///
/// # Errors
/// When the file is missing, damaged, readable by others, or not a policy key.
pub fn read_policy_key(path: &Path, domain: &str) -> Result<SigningKey, NodeError> {
    read_secret_file(path, &policy_key_name(domain), KeyKind::Ed25519)
}

/// Reads a root key that is kept elsewhere, from its secret file.
///
/// # Errors
/// When the file is missing, damaged, readable by others, or not this member's root key.
pub(crate) fn read_root_key(path: &Path, name: &str) -> Result<SigningKey, NodeError> {
    read_secret_file(path, name, KeyKind::Ed25519)
}

const ROLES: [(Role, KeyKind); 4] = [
    (Role::Root, KeyKind::Ed25519),
    (Role::Log, KeyKind::Ed25519),
    (Role::LogPq, KeyKind::MlDsa44),
    (Role::Witness, KeyKind::CosignatureV1),
];

fn file_stem(role: Role) -> &'static str {
    match role {
        Role::Root => "root",
        Role::Log => "log",
        Role::LogPq => "log-pq",
        Role::Witness => "witness",
    }
}

fn secret_path(config: &Config, role: Role) -> PathBuf {
    config.keys.join(format!("{}.key", file_stem(role)))
}

fn public_path(config: &Config, role: Role) -> PathBuf {
    config.keys.join(format!("{}.vkey", file_stem(role)))
}

/// The first byte of a verifier key's key data, which says its kind; the secret form repeats it.
fn kind_byte(public: &VerifierKey, path: &Path) -> Result<u8, NodeError> {
    public
        .to_string()
        // From the left: base64 may contain '+', a name cannot.
        .splitn(3, '+')
        .nth(2)
        .and_then(|data| STANDARD.decode(data).ok())
        .and_then(|data| data.first().copied())
        .ok_or_else(|| NodeError::Key {
            path: path.to_owned(),
            why: "has no readable public half".into(),
        })
}

fn bad(path: &Path, error: &dyn fmt::Display) -> NodeError {
    NodeError::Key {
        path: path.to_owned(),
        why: error.to_string(),
    }
}

/// Writes a new key file durably; one that exists is never overwritten.
pub(crate) fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), NodeError> {
    let write = || {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|error| NodeError::Key {
        path: path.to_owned(),
        why: match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                "exists already; keys are never overwritten".into()
            }
            _ => format!("cannot be written ({error})"),
        },
    })
}

fn read(path: &Path, secret: bool) -> Result<Vec<u8>, NodeError> {
    let wrong = |why: String| NodeError::Key {
        path: path.to_owned(),
        why,
    };
    let file = fs::File::open(path).map_err(|error| {
        wrong(match error.kind() {
            std::io::ErrorKind::NotFound => {
                "is missing; restore it from the backup of this member's keys".into()
            }
            _ => format!("cannot be read ({error}); check its owner and its rights"),
        })
    })?;
    let meta = file.metadata().map_err(|error| wrong(error.to_string()))?;
    if secret && meta.permissions().mode() & 0o077 != 0 {
        return Err(wrong("can be read by others than its owner; run `chmod 600` on it and consider the key exposed".into()));
    }
    let mut bytes = Vec::new();
    file.take(KEY_FILE_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(|error| wrong(error.to_string()))?;
    Ok(bytes)
}

fn read_secret(config: &Config, role: Role, kind: KeyKind) -> Result<SigningKey, NodeError> {
    let expected = role.key_name(&config.domain);
    read_secret_file(&secret_path(config, role), &expected, kind)
}

fn read_secret_file(path: &Path, expected: &str, kind: KeyKind) -> Result<SigningKey, NodeError> {
    let path = path.to_owned();
    let damaged = || NodeError::Key {
        path: path.clone(),
        why: "is damaged; restore it from a backup".into(),
    };
    let text = String::from_utf8(read(&path, true)?).map_err(|_| damaged())?;
    let rest = text
        .trim()
        .strip_prefix("PRIVATE+KEY+")
        .ok_or_else(damaged)?;
    // From the left, as above.
    let mut parts = rest.splitn(3, '+');
    let (name, id, data) = match (parts.next(), parts.next(), parts.next()) {
        (Some(name), Some(id), Some(data)) => (name, id, data),
        _ => return Err(damaged()),
    };
    if name != expected {
        return Err(NodeError::Key {
            path: path.clone(),
            why: format!("belongs to {name}, not to {expected}"),
        });
    }
    let raw = STANDARD.decode(data).map_err(|_| damaged())?;
    let seed: [u8; 32] = raw
        .get(1..)
        .and_then(|seed| seed.try_into().ok())
        .ok_or_else(damaged)?;
    let key = SigningKey::from_seed(kind, name, seed).map_err(|error| bad(&path, &error))?;
    if hex(&key.verifier().id()) != id {
        return Err(damaged());
    }
    Ok(key)
}

#[cfg(test)]
mod tests;
