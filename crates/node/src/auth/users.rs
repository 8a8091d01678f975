//! Keeping users and tokens. All calls here read or write the store and block until it answers.

use std::collections::BTreeSet;

use model::Tlp;
use policy::Duty;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use store::{Command, Seq, Store, StoreError};

use super::limits::{COLLECTIONS_MAX, NAME_CHARS_MAX};
use super::{Auth, AuthError, Caller, Proof, duties, password, secret};

const USER: &str = "user/";
const TOKEN: &str = "token/";
/// Starts every token, so that secret scanners and people recognise one.
const TOKEN_PREFIX: &str = "kurultai_";

/// What a user shall be from now on.
#[derive(Clone)]
pub struct UserChange {
    /// The new password; `None` keeps the one there is.
    pub password: Option<String>,
    /// What the user is charged with; empty: only to read.
    pub duties: BTreeSet<Duty>,
    /// The highest level that the user may read.
    pub clearance: Tlp,
    /// The collections that the user sees (`national`, `<accord>/<channel>`); empty: all.
    pub collections: Vec<String>,
}

/// A user, without anything secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserInfo {
    /// The user's name.
    pub name: String,
    /// What the user is charged with.
    pub duties: BTreeSet<Duty>,
    /// The highest level that the user may read.
    pub clearance: Tlp,
    /// The collections that the user sees; empty: all.
    pub collections: Vec<String>,
    /// Whether a password is set.
    pub password: bool,
    /// How many tokens are in force.
    pub tokens: usize,
    /// When the user was made (RFC 3339).
    pub created: String,
}

/// A user as the store keeps it.
#[derive(Serialize, Deserialize)]
pub(super) struct User {
    /// Absent in records of the versions that knew roles.
    #[serde(default)]
    duties: Option<BTreeSet<Duty>>,
    #[serde(default, skip_serializing)]
    role: Option<Role>,
    #[serde(default = "unbounded", with = "level")]
    clearance: Tlp,
    pub(super) password: Option<String>,
    #[serde(default)]
    collections: Vec<String>,
    created: String,
}

/// What a user might do before duties were told apart.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    Reader,
    Writer,
    Operator,
}

fn unbounded() -> Tlp {
    Tlp::Red
}

/// A TLP level as its text.
mod level {
    use model::Tlp;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(level: &Tlp, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(level)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Tlp, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// A token as the store keeps it, under its digest.
#[derive(Serialize, Deserialize)]
pub(super) struct Token {
    pub(super) user: String,
    created: String,
    /// When it ends, in microseconds since 1970.
    pub(super) expires: Option<Seq>,
}

impl Default for UserChange {
    /// A user who reads.
    fn default() -> UserChange {
        UserChange {
            password: None,
            duties: BTreeSet::new(),
            clearance: Tlp::Red,
            collections: Vec::new(),
        }
    }
}

impl User {
    fn duties(&self) -> BTreeSet<Duty> {
        match (&self.duties, self.role) {
            (Some(duties), _) => duties.clone(),
            (None, Some(Role::Writer)) => [Duty::Analyst].into(),
            (None, Some(Role::Operator)) => [Duty::Operator].into(),
            (None, Some(Role::Reader) | None) => BTreeSet::new(),
        }
    }

    pub(super) fn caller(self, name: String, proof: Proof) -> Caller {
        Caller {
            name,
            duties: self.duties(),
            clearance: self.clearance,
            collections: self.collections,
            reads: true,
            proof,
            held_back: None,
        }
    }
}

impl Auth {
    /// Makes or changes a user. A new user without a password in `change` gets a generated one,
    /// which is returned and not kept.
    ///
    /// # Errors
    /// When the name, password or collections cannot be used, or the store refuses.
    pub fn put_user(&self, name: &str, change: &UserChange) -> Result<Option<String>, AuthError> {
        if !good_name(name) {
            return Err(AuthError::BadName);
        }
        let good = |name: &String| {
            name == "national"
                || name
                    .split_once('/')
                    .is_some_and(|(a, c)| !a.is_empty() && !c.is_empty())
        };
        if change.collections.len() > COLLECTIONS_MAX || !change.collections.iter().all(good) {
            return Err(AuthError::BadCollections);
        }
        duties::separate(&change.duties)?;
        let held = load(&self.store, name)?;
        let generated = (held.is_none() && change.password.is_none()).then(password::generate);
        let hash = match change.password.as_deref().or(generated.as_deref()) {
            Some(password) => Some(password::hash(password)?),
            None => held.as_ref().and_then(|user| user.password.clone()),
        };
        if held.is_none() {
            // Tokens of an earlier user of this name, if a removal ended before it came to them.
            self.revoke_tokens(name)?;
        }
        let created = held.map_or_else(|| self.now(), |user| user.created);
        let user = User {
            duties: Some(change.duties.clone()),
            role: None,
            clearance: change.clearance,
            password: hash,
            collections: change.collections.clone(),
            created,
        };
        self.save(format!("{USER}{name}"), Some(&user))?;
        Ok(generated)
    }

    /// Sets a user's password, or a generated one, which is returned.
    ///
    /// # Errors
    /// When there is no such user, the password cannot be used, or the store refuses.
    pub fn set_password(
        &self,
        name: &str,
        password: Option<&str>,
    ) -> Result<Option<String>, AuthError> {
        let mut user =
            load(&self.store, name)?.ok_or_else(|| AuthError::UnknownUser { name: name.into() })?;
        let generated = password.is_none().then(password::generate);
        user.password = Some(password::hash(
            password.or(generated.as_deref()).unwrap_or_default(),
        )?);
        self.save(format!("{USER}{name}"), Some(&user))?;
        Ok(generated)
    }

    /// Removes a user and its tokens; false when there is none.
    ///
    /// # Errors
    /// When the store refuses.
    pub fn remove_user(&self, name: &str) -> Result<bool, AuthError> {
        if load(&self.store, name)?.is_none() {
            return Ok(false);
        }
        // The user first: a token without its user opens nothing, should we stop in between.
        self.save::<User>(format!("{USER}{name}"), None)?;
        self.revoke_tokens(name)?;
        Ok(true)
    }

    /// Every user, by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn users(&self) -> Result<Vec<UserInfo>, AuthError> {
        let now = self.clock.micros();
        let tokens: Vec<(String, Token)> = scan(&self.store, TOKEN)?;
        let users: Vec<(String, User)> = scan(&self.store, USER)?;
        let info = |(name, user): (String, User)| UserInfo {
            tokens: tokens
                .iter()
                .filter(|(_, token)| {
                    token.user == name && token.expires.is_none_or(|expires| expires > now)
                })
                .count(),
            name,
            duties: user.duties(),
            clearance: user.clearance,
            collections: user.collections,
            password: user.password.is_some(),
            created: user.created,
        };
        Ok(users.into_iter().map(info).collect())
    }

    /// Makes a token for a user, good for `days` or until it is revoked. It is returned only here.
    ///
    /// # Errors
    /// When there is no such user or the store refuses.
    pub fn issue_token(&self, name: &str, days: Option<u32>) -> Result<String, AuthError> {
        if load(&self.store, name)?.is_none() {
            return Err(AuthError::UnknownUser { name: name.into() });
        }
        let text = format!("{TOKEN_PREFIX}{}", secret::encode(&secret::random::<32>()));
        let expires = days.map(|days| {
            self.clock
                .micros()
                .saturating_add(i64::from(days) * 86_400_000_000)
        });
        let token = Token {
            user: name.into(),
            created: self.now(),
            expires,
        };
        self.save(token_key(&text), Some(&token))?;
        Ok(text)
    }

    /// Ends one token; false when it was not in force.
    ///
    /// # Errors
    /// When the store refuses.
    pub fn revoke_token(&self, token: &str) -> Result<bool, AuthError> {
        let key = token_key(token);
        let held = self.store.get(&key)?.is_some();
        if held {
            self.save::<Token>(key, None)?;
        }
        Ok(held)
    }

    /// Ends every token of a user and says how many there were.
    ///
    /// # Errors
    /// When the store refuses.
    pub fn revoke_tokens(&self, name: &str) -> Result<usize, AuthError> {
        let tokens: Vec<(String, Token)> = scan(&self.store, TOKEN)?;
        let mut ended = 0;
        for (digest, token) in tokens {
            if token.user == name {
                self.save::<Token>(format!("{TOKEN}{digest}"), None)?;
                ended += 1;
            }
        }
        Ok(ended)
    }

    /// Writes a setting durably, then forgets what was proved under the old one.
    fn save<T: Serialize>(&self, key: String, value: Option<&T>) -> Result<(), AuthError> {
        let place = key.clone();
        let value = value.map(serde_json::to_vec).transpose();
        let value = value.map_err(|cause| StoreError::Corrupt {
            place,
            problem: cause.to_string(),
        })?;
        let done = self.store.execute(Command::Put { key, value });
        // Also after a failure: whether the change took effect is then unknown.
        self.forget();
        done?;
        Ok(())
    }

    fn now(&self) -> String {
        self.clock.now().to_string()
    }
}

/// Whether `name` can be a user's.
pub(super) fn good_name(name: &str) -> bool {
    (1..=NAME_CHARS_MAX).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._@-".contains(&byte))
}

pub(super) fn load(store: &Store, name: &str) -> Result<Option<User>, AuthError> {
    read(store, &format!("{USER}{name}"))
}

pub(super) fn load_token(store: &Store, digest: &str) -> Result<Option<Token>, AuthError> {
    read(store, &format!("{TOKEN}{digest}"))
}

fn token_key(token: &str) -> String {
    format!("{TOKEN}{}", secret::digest(token.as_bytes()))
}

fn read<T: DeserializeOwned>(store: &Store, key: &str) -> Result<Option<T>, AuthError> {
    store.get(key)?.map(|value| parse(key, &value)).transpose()
}

fn scan<T: DeserializeOwned>(store: &Store, prefix: &str) -> Result<Vec<(String, T)>, AuthError> {
    let rows = store.scan(prefix)?.into_iter();
    rows.map(|(key, value)| {
        Ok((
            key.strip_prefix(prefix).unwrap_or(&key).to_owned(),
            parse(&key, &value)?,
        ))
    })
    .collect()
}

fn parse<T: DeserializeOwned>(key: &str, value: &[u8]) -> Result<T, AuthError> {
    serde_json::from_slice(value).map_err(|cause| {
        StoreError::Corrupt {
            place: format!("The setting {key}"),
            problem: cause.to_string(),
        }
        .into()
    })
}
