//! Keeping users. All calls here read or write the store and block until it answers.
//!
//! INVARIANT: a user is changed by one at a time, from what is held at that moment, after the
//! change is in the audit log; each change counts the user's epoch up, which ends the sessions
//! that were begun before.

use std::collections::BTreeSet;

use model::Tlp;
use policy::Duty;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use store::{Command, Seq, Store, StoreError};

use super::limits::{COLLECTIONS_MAX, NAME_CHARS_MAX, PASSWORD_DAYS_MAX};
use super::{Auth, AuthError, Caller, Proof, Scope, duties, password};
use crate::admin::types::UserInfo;

pub(super) const USER: &str = "user/";

/// Settings that belong to one user and go with it: `<prefix><name>`, or deeper below it.
const OF_USER: [&str; 5] = ["totp/", "totp-new/", "enrol/", "seen/", "passkey/"];

const GIVEN: &str =
    "change your password first (`kurultai user password`), because whoever set it knows it";
const STALE: &str =
    "change your password first (`kurultai user password`), because it is over a year old";

/// What a user shall be from now on; what is `None` stays, and for a new user is: no duty, every
/// level, every collection, a generated password.
#[derive(Clone, Default)]
pub struct UserChange {
    /// The new password.
    pub password: Option<String>,
    /// What the user is charged with; empty: only to read.
    pub duties: Option<BTreeSet<Duty>>,
    /// The highest level that the user may read.
    pub clearance: Option<Tlp>,
    /// The collections that the user sees (`national`, `<accord>/<channel>`); empty: all.
    pub collections: Option<Vec<String>>,
    /// Go on although no operator is left afterwards.
    pub force: bool,
}

/// A user as the store keeps it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct User {
    /// Absent in records of the versions that knew roles.
    #[serde(default)]
    duties: Option<BTreeSet<Duty>>,
    #[serde(default, skip_serializing)]
    role: Option<Role>,
    #[serde(default = "unbounded", with = "level")]
    clearance: Tlp,
    pub(super) password: Option<String>,
    /// Somebody else than the user has set the password, and knows it.
    #[serde(default)]
    pub(super) given: bool,
    /// When the password was set; absent in records of earlier versions.
    #[serde(default)]
    pub(super) password_at: Option<Seq>,
    /// Signing in with the password takes a one-time code.
    #[serde(default)]
    pub(super) second_factor: bool,
    #[serde(default)]
    pub(super) collections: Vec<String>,
    created: String,
    /// Since when an operator keeps the user out.
    #[serde(default)]
    pub(super) locked: Option<String>,
    /// Counts the changes. A new user begins at the time, so that a name that is used again never
    /// meets the sessions of the one before.
    #[serde(default)]
    pub(super) epoch: i64,
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

impl User {
    pub(super) fn duties(&self) -> BTreeSet<Duty> {
        match (&self.duties, self.role) {
            (Some(duties), _) => duties.clone(),
            (None, Some(Role::Writer)) => [Duty::Analyst].into(),
            (None, Some(Role::Operator)) => [Duty::Operator].into(),
            (None, Some(Role::Reader) | None) => BTreeSet::new(),
        }
    }

    /// Why the password takes no decision at this time, if so.
    fn held_back(&self, now: Seq) -> Option<&'static str> {
        if self.given {
            return Some(GIVEN);
        }
        let end = self
            .password_at?
            .saturating_add(PASSWORD_DAYS_MAX * 86_400_000_000);
        (now >= end).then_some(STALE)
    }

    /// The user as a caller, by this proof.
    pub(super) fn caller(&self, name: &str, proof: Proof, now: Seq) -> Caller {
        let held_back = match proof {
            Proof::Password | Proof::PasswordAndTotp => self.held_back(now),
            _ => None,
        };
        let mut duties = self.duties();
        let mut scopes = BTreeSet::from(Scope::ALL);
        if held_back.is_some() {
            duties.retain(|duty| *duty == Duty::Analyst);
            scopes = [Scope::Read, Scope::Add].into();
        }
        Caller {
            name: name.to_owned(),
            duties,
            clearance: self.clearance,
            collections: self.collections.clone(),
            scopes,
            proof,
            held_back,
        }
    }

    /// Whether this is an operator who can act.
    fn operates(&self) -> bool {
        self.locked.is_none() && self.duties().contains(&Duty::Operator)
    }
}

impl Auth {
    /// Makes or changes a user. A new user without a password in `change` gets a generated one,
    /// which is returned and not kept.
    ///
    /// # Errors
    /// When the name, password, duties or collections cannot be used, the change is not the actor's
    /// to make, or the store refuses.
    pub fn put_user(
        &self,
        actor: &Caller,
        name: &str,
        change: &UserChange,
    ) -> Result<Option<String>, AuthError> {
        let _alone = self.alone();
        let held = self.load(name)?;
        let generated = (held.is_none() && change.password.is_none()).then(password::generate);
        let hash = match change.password.as_deref().or(generated.as_deref()) {
            Some(text) => Some(password::hash(name, text)?),
            None => None,
        };
        self.put(actor, name, change, hash)?;
        Ok(generated)
    }

    /// The same with the lock held and the password hashed.
    pub(super) fn put(
        &self,
        actor: &Caller,
        name: &str,
        change: &UserChange,
        hash: Option<String>,
    ) -> Result<(), AuthError> {
        if !good_name(name) {
            return Err(AuthError::BadName);
        }
        if actor.proven() && actor.name == name {
            return Err(AuthError::OwnRights);
        }
        let collections = change.collections.clone().unwrap_or_default();
        if collections.len() > COLLECTIONS_MAX
            || !collections.iter().all(|name| good_collection(name))
        {
            return Err(AuthError::BadCollections);
        }
        if let Some(duties) = &change.duties {
            duties::separate(duties)?;
        }
        let held = self.load(name)?;
        let mut user = held.clone().unwrap_or_else(|| User {
            duties: Some(BTreeSet::new()),
            role: None,
            clearance: unbounded(),
            password: None,
            given: false,
            password_at: None,
            second_factor: false,
            collections: Vec::new(),
            created: self.now(),
            locked: None,
            epoch: self.clock.micros(),
        });
        let mut what = vec![match held {
            Some(_) => format!("user {name} changed"),
            None => format!("user {name} made"),
        }];
        user.duties = Some(change.duties.clone().unwrap_or_else(|| user.duties()));
        user.role = None;
        if change.duties.is_some() || held.is_none() {
            what.push(match duties::words(&user.duties(), ", ") {
                words if words.is_empty() => "no duty".to_owned(),
                words => format!("duties {words}"),
            });
        }
        if let Some(clearance) = change.clearance {
            user.clearance = clearance;
            what.push(format!("reads up to {clearance}"));
        }
        if change.collections.is_some() {
            user.collections = collections;
            what.push(match user.collections.len() {
                0 => "sees every collection".to_owned(),
                _ => format!("sees {}", user.collections.join(", ")),
            });
        }
        if let Some(hash) = hash {
            user.password = Some(hash);
            user.given = true;
            user.password_at = Some(self.clock.micros());
            what.push("password set for the user".to_owned());
        }
        if held.as_ref().is_some_and(User::operates) && !user.operates() {
            self.another_operator(name, change.force)?;
        }
        self.account("user", &actor.recorded(""), what.join("; "))?;
        if held.is_none() {
            // What an earlier user of this name left, if a removal ended before it came to it.
            self.clear(name)?;
        }
        self.save_user(name, user)
    }

    /// Keeps a user out, or lets them in again and forgets their failures.
    ///
    /// # Errors
    /// When there is no such user, it is the actor's own or the last operator's, or the store
    /// refuses.
    pub fn lock_user(
        &self,
        actor: &Caller,
        name: &str,
        locked: bool,
        force: bool,
    ) -> Result<(), AuthError> {
        if actor.proven() && actor.name == name {
            return Err(AuthError::OwnRights);
        }
        let now = self.now();
        let word = if locked { "locked" } else { "unlocked" };
        self.edit(&actor.recorded(""), name, |user| {
            if locked && user.operates() {
                self.another_operator(name, force)?;
            }
            user.locked = locked.then_some(now);
            Ok(((), format!("user {name} {word}")))
        })?;
        self.guards().unlock(name);
        Ok(())
    }

    /// Removes a user with everything that belongs to it; false when there is none.
    ///
    /// # Errors
    /// When it is the actor's own or the last operator's, or the store refuses.
    pub fn remove_user(&self, actor: &Caller, name: &str, force: bool) -> Result<bool, AuthError> {
        if actor.proven() && actor.name == name {
            return Err(AuthError::OwnRights);
        }
        let _alone = self.alone();
        let Some(user) = self.load(name)? else {
            return Ok(false);
        };
        if user.operates() {
            self.another_operator(name, force)?;
        }
        self.account("user", &actor.recorded(""), format!("user {name} removed"))?;
        // The user first: a token without its user opens nothing, should we stop in between.
        self.save::<User>(&format!("{USER}{name}"), None)?;
        self.clear(name)?;
        Ok(true)
    }

    /// Changes a user by what is held now; `work` answers with a value and what the audit log says.
    pub(super) fn edit<T>(
        &self,
        who: &str,
        name: &str,
        work: impl FnOnce(&mut User) -> Result<(T, String), AuthError>,
    ) -> Result<T, AuthError> {
        let _alone = self.alone();
        let mut user = self
            .load(name)?
            .ok_or_else(|| AuthError::UnknownUser { name: name.into() })?;
        let (value, what) = work(&mut user)?;
        self.account("user", who, what)?;
        self.save_user(name, user)?;
        Ok(value)
    }

    /// Writes a changed user, with the lock held.
    pub(super) fn save_user(&self, name: &str, mut user: User) -> Result<(), AuthError> {
        user.duties = Some(user.duties());
        user.epoch += 1;
        self.save(&format!("{USER}{name}"), Some(&user))
    }

    /// Notes that one of a user's own credentials changed: ends the user's sessions.
    ///
    /// # Errors
    /// When there is no such user or the store refuses.
    pub fn credential_changed(&self, name: &str, what: &str) -> Result<(), AuthError> {
        self.edit(name, name, |_| Ok(((), format!("user {name}: {what}"))))
    }

    /// Every user, by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn users(&self) -> Result<Vec<UserInfo>, AuthError> {
        let now = self.clock.micros();
        let tokens = self.tokens_in_force(now)?;
        let users: Vec<(String, User)> = scan(&self.store, USER)?;
        let info = |(name, user): (String, User)| -> Result<UserInfo, AuthError> {
            Ok(UserInfo {
                tokens: tokens.iter().filter(|of| **of == name).count(),
                duties: user.duties(),
                clearance: user.clearance.to_string(),
                password: user.password.is_some(),
                must_change: user.password.is_some()
                    && user.held_back(now).is_some()
                    && user.duties().iter().any(|duty| *duty != Duty::Analyst),
                second_factor: user.second_factor,
                invited: self.invited(&name, now)?,
                locked: user.locked,
                collections: user.collections,
                created: user.created,
                generated_password: None,
                name,
            })
        };
        users.into_iter().map(info).collect()
    }

    /// The user of this name, as a caller by a proof that was checked elsewhere.
    ///
    /// # Errors
    /// [`AuthError::Wrong`] when there is no such user, or an operator keeps it out.
    pub fn caller(&self, name: &str, proof: Proof) -> Result<Caller, AuthError> {
        let user = self.active(name)?;
        Ok(user.caller(name, proof, self.clock.micros()))
    }

    /// The user, unless there is none or it is kept out.
    pub(super) fn active(&self, name: &str) -> Result<User, AuthError> {
        self.load(name)?
            .filter(|user| user.locked.is_none())
            .ok_or(AuthError::Wrong)
    }

    pub(super) fn load(&self, name: &str) -> Result<Option<User>, AuthError> {
        read(&self.store, &format!("{USER}{name}"))
    }

    /// Goes on when another operator than `name` can act.
    fn another_operator(&self, name: &str, force: bool) -> Result<(), AuthError> {
        let users: Vec<(String, User)> = scan(&self.store, USER)?;
        if force || users.iter().any(|(of, user)| of != name && user.operates()) {
            return Ok(());
        }
        Err(AuthError::LastOperator { name: name.into() })
    }

    /// Removes everything that belongs to a user but the user.
    fn clear(&self, name: &str) -> Result<(), AuthError> {
        self.end_tokens(name)?;
        self.end_all_sessions(name)?;
        self.clear_credentials(name)?;
        self.remove(&format!("seen/{name}"))
    }

    /// Removes a user's second factor, passkeys and enrolment code.
    pub(super) fn clear_credentials(&self, name: &str) -> Result<(), AuthError> {
        for prefix in OF_USER.iter().filter(|prefix| **prefix != "seen/") {
            self.remove(&format!("{prefix}{name}"))?;
            for (key, _) in self.store.scan(&format!("{prefix}{name}/"))? {
                self.remove(&key)?;
            }
        }
        Ok(())
    }

    /// Writes a setting durably, then forgets what was proved under the old one.
    pub(super) fn save<T: Serialize>(&self, key: &str, value: Option<&T>) -> Result<(), AuthError> {
        let done = write(&self.store, key, value);
        // Also after a failure: whether the change took effect is then unknown.
        self.forget();
        done
    }

    /// Removes a setting, if there is one.
    pub(super) fn remove(&self, key: &str) -> Result<(), AuthError> {
        if self.store.get(key)?.is_some() {
            self.save::<()>(key, None)?;
        }
        Ok(())
    }

    pub(super) fn now(&self) -> String {
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

pub(super) fn good_collection(name: &str) -> bool {
    name == "national"
        || name
            .split_once('/')
            .is_some_and(|(accord, channel)| !accord.is_empty() && !channel.is_empty())
}

/// Writes a setting durably.
pub(super) fn write<T: Serialize>(
    store: &Store,
    key: &str,
    value: Option<&T>,
) -> Result<(), AuthError> {
    let value = value.map(serde_json::to_vec).transpose();
    let value = value.map_err(|cause| StoreError::Corrupt {
        place: key.to_owned(),
        problem: cause.to_string(),
    })?;
    let key = key.to_owned();
    store.execute(Command::Put { key, value })?;
    Ok(())
}

pub(super) fn read<T: DeserializeOwned>(store: &Store, key: &str) -> Result<Option<T>, AuthError> {
    store.get(key)?.map(|value| parse(key, &value)).transpose()
}

pub(super) fn scan<T: DeserializeOwned>(
    store: &Store,
    prefix: &str,
) -> Result<Vec<(String, T)>, AuthError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_of_earlier_versions_keep_what_they_could_do() {
        let duties = |role: &str| {
            let text =
                format!(r#"{{"role":"{role}","password":null,"created":"2026-01-01T00:00:00Z"}}"#);
            let user: User = serde_json::from_str(&text).unwrap();
            let again: User = serde_json::from_str(&serde_json::to_string(&user).unwrap()).unwrap();
            assert!(again.role.is_none(), "roles are not written any more");
            (user.duties(), user.clearance, user.held_back(i64::MAX))
        };
        assert_eq!(duties("reader"), (BTreeSet::new(), Tlp::Red, None));
        assert_eq!(duties("writer").0, [Duty::Analyst].into());
        assert_eq!(duties("operator").0, [Duty::Operator].into());
    }
}
