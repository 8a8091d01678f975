//! API tokens: what a tool shows instead of a person's password.
//!
//! A token has scopes, collections and an end. What it may do is cut to its scopes when it is made
//! and again, against the duties that its user has at that time, at every use: it can only lose.
//! Scopes that decide are given by the person alone, signed in without a token; an operator makes
//! tokens that read and add, for the tools that no person stands behind.

use std::collections::BTreeSet;
use std::sync::Arc;

use policy::Duty;
use serde::{Deserialize, Serialize};
use store::{Command, Seq};

use super::limits::{
    COLLECTIONS_MAX, GRACE_HOURS_DEFAULT, GRACE_HOURS_MAX, NOTE_CHARS_MAX, TOKEN_DAYS_DEFAULT,
    TOKEN_DAYS_MAX, TOKENS_MAX, USED_SECS,
};
use super::users::{good_collection, read, scan};
use super::{Auth, AuthError, Caller, Proof, Scope, secret};
use crate::admin::types::{TokenInfo, TokenReply, TokenRequest};

const TOKEN: &str = "token/";
const USED: &str = "token-used/";
/// Starts every token, so that secret scanners and people recognise one.
const TOKEN_PREFIX: &str = "kurultai_";
/// Hex digits of a token's digest by which people name it.
const ID_CHARS: usize = 12;

/// A token as the store keeps it, under its digest.
#[derive(Clone, Serialize, Deserialize)]
struct Token {
    user: String,
    created: String,
    /// When it ends, in microseconds since 1970.
    expires: Option<Seq>,
    #[serde(default)]
    note: String,
    #[serde(default)]
    made_by: String,
    /// Tokens of earlier versions have none written: they could read and add, and still can no more,
    /// whatever duties their user has been given since.
    #[serde(default = "read_and_add")]
    scopes: BTreeSet<Scope>,
    #[serde(default)]
    collections: Vec<String>,
}

fn read_and_add() -> BTreeSet<Scope> {
    [Scope::Read, Scope::Add].into()
}

impl Auth {
    /// Makes a token for a user. It is returned only here.
    ///
    /// # Errors
    /// When there is no such user, the request cannot be used or asks for more than the actor may
    /// give, or the store refuses.
    pub fn issue_token(
        &self,
        actor: &Caller,
        name: &str,
        request: &TokenRequest,
    ) -> Result<TokenReply, AuthError> {
        let _alone = self.alone();
        let user = self
            .load(name)?
            .ok_or_else(|| AuthError::UnknownUser { name: name.into() })?;
        let own = actor.proven() && actor.name == name;
        if own && actor.proof == Proof::Token {
            return Err(AuthError::NotTheirs {
                why: "A token makes no tokens: sign in with your password or passkey.".into(),
            });
        }
        let has = if own {
            actor.duties.clone()
        } else {
            user.duties()
        };
        let scopes = request.scopes.clone().unwrap_or_else(|| {
            let all = [Scope::Read, Scope::Add].into_iter();
            all.filter(|scope| scope.is_open_to(&has)).collect()
        });
        for scope in &scopes {
            if !scope.is_open_to(&has) || (own && !actor.scopes.contains(scope)) {
                return Err(AuthError::NotTheirs {
                    why: format!(
                        "{name} may not {scope} and cannot have a token that does: leave out this scope."
                    ),
                });
            }
            if !own && !matches!(scope, Scope::Read | Scope::Add) {
                return Err(AuthError::NotTheirs {
                    why: format!(
                        "A token with the scope {scope} decides in a person's name: only {name} can make it, once signed in."
                    ),
                });
            }
        }
        if scopes.is_empty() {
            return Err(AuthError::unusable("A token needs at least one scope."));
        }
        let collections = &request.collections;
        if collections.len() > COLLECTIONS_MAX
            || !collections.iter().all(|name| good_collection(name))
        {
            return Err(AuthError::BadCollections);
        }
        if !user.collections.is_empty()
            && let Some(hidden) = collections
                .iter()
                .find(|name| !user.collections.contains(name))
        {
            return Err(AuthError::NotTheirs {
                why: format!(
                    "{name} does not see {hidden}, so no token of theirs does: leave it out."
                ),
            });
        }
        if request.note.chars().count() > NOTE_CHARS_MAX
            || request.note.chars().any(char::is_control)
        {
            return Err(AuthError::unusable(format!(
                "A note has at most {NOTE_CHARS_MAX} characters and no control characters."
            )));
        }
        let now = self.clock.micros();
        let expires = match (request.endless, request.days) {
            (true, None) => None,
            (true, Some(_)) => {
                return Err(AuthError::unusable(
                    "A token either has days or never ends: give one of the two.",
                ));
            }
            (false, days) => {
                let days = days.unwrap_or(TOKEN_DAYS_DEFAULT);
                if !(1..=TOKEN_DAYS_MAX).contains(&days) {
                    return Err(AuthError::unusable(format!(
                        "A token lasts 1 to {TOKEN_DAYS_MAX} days: rotate it before it ends."
                    )));
                }
                Some(now.saturating_add(i64::from(days) * 86_400_000_000))
            }
        };
        self.add_token(
            Token {
                user: name.into(),
                created: self.now(),
                expires,
                note: request.note.clone(),
                made_by: actor.recorded(""),
                scopes,
                collections: collections.clone(),
            },
            actor,
            "made",
        )
    }

    /// Replaces a token by a new one of the same rights and length; the old one stays good for
    /// `grace_hours` (24 unless said), so that a tool can be changed without a gap.
    ///
    /// # Errors
    /// As [`Auth::issue_token`], and when the user has no such token.
    pub fn rotate_token(
        &self,
        actor: &Caller,
        name: &str,
        id: &str,
        grace_hours: Option<u32>,
    ) -> Result<TokenReply, AuthError> {
        let grace = grace_hours.unwrap_or(GRACE_HOURS_DEFAULT);
        if grace > GRACE_HOURS_MAX {
            return Err(AuthError::unusable(format!(
                "The old token stays good for at most {GRACE_HOURS_MAX} hours."
            )));
        }
        let _alone = self.alone();
        let (digest, mut old) = self.token_of(name, id)?;
        let own = actor.proven() && actor.name == name;
        // Whoever rotates is shown the new secret, so it must not open more than they can do now.
        if own && (actor.proof == Proof::Token || !old.scopes.is_subset(&actor.scopes)) {
            return Err(AuthError::NotTheirs {
                why: "A token makes no tokens, and nobody one that may more than they may now: sign in with your own password or passkey.".into(),
            });
        }
        let decides = old
            .scopes
            .iter()
            .any(|scope| !matches!(scope, Scope::Read | Scope::Add));
        // The secret of the new token is shown to whoever rotates, so the rule is that of making.
        if !own && decides {
            return Err(AuthError::NotTheirs {
                why: format!("This token decides in a person's name: only {name} can rotate it."),
            });
        }
        let now = self.clock.micros();
        if old.expires.is_some_and(|expires| expires <= now) {
            return Err(AuthError::UnknownId { id: id.into() });
        }
        let created: Option<model::Timestamp> = old.created.parse().ok();
        let lasted = old
            .expires
            .zip(created)
            .map(|(expires, created)| expires.saturating_sub(created.unix_micros()));
        let day = 86_400_000_000;
        let new = Token {
            created: self.now(),
            expires: lasted
                .map(|span| now.saturating_add(span.clamp(day, i64::from(TOKEN_DAYS_MAX) * day))),
            made_by: actor.recorded(""),
            ..old.clone()
        };
        let reply = self.add_token(new, actor, "rotated")?;
        let end = now.saturating_add(i64::from(grace) * 3_600_000_000);
        old.expires = Some(old.expires.map_or(end, |expires| expires.min(end)));
        self.save(&format!("{TOKEN}{digest}"), Some(&old))?;
        Ok(reply)
    }

    fn add_token(&self, token: Token, actor: &Caller, verb: &str) -> Result<TokenReply, AuthError> {
        let now = self.clock.micros();
        let held = scan::<Token>(&self.store, TOKEN)?;
        let (gone, kept): (Vec<_>, Vec<_>) = held
            .into_iter()
            .filter(|(_, held)| held.user == token.user)
            .partition(|(_, held)| held.expires.is_some_and(|expires| expires <= now));
        if kept.len() >= TOKENS_MAX {
            return Err(AuthError::unusable(format!(
                "{} has {TOKENS_MAX} tokens already: revoke those that are not needed.",
                token.user
            )));
        }
        let text = format!("{TOKEN_PREFIX}{}", secret::encode(&secret::random::<32>()));
        let digest = secret::digest(text.as_bytes());
        let id = digest[..ID_CHARS].to_owned();
        let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.word()).collect();
        let expires = token.expires.map(stamp);
        self.account(
            "token",
            &actor.recorded(""),
            format!(
                "token {id} for user {} {verb}; scopes {}; ends {}",
                token.user,
                scopes.join(", "),
                expires.as_deref().unwrap_or("never"),
            ),
        )?;
        for (digest, _) in gone {
            self.end_token(&digest)?;
        }
        self.save(&format!("{TOKEN}{digest}"), Some(&token))?;
        Ok(TokenReply {
            token: text,
            id,
            expires,
        })
    }

    /// A user's tokens in force, without their secrets.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn tokens(&self, name: &str) -> Result<Vec<TokenInfo>, AuthError> {
        let now = self.clock.micros();
        let mut list = Vec::new();
        for (digest, token) in scan::<Token>(&self.store, TOKEN)? {
            if token.user != name || token.expires.is_some_and(|expires| expires <= now) {
                continue;
            }
            let used: Option<Seq> = read(&self.store, &format!("{USED}{digest}"))?;
            list.push(TokenInfo {
                id: digest[..ID_CHARS.min(digest.len())].to_owned(),
                note: token.note,
                made_by: token.made_by,
                created: token.created,
                expires: token.expires.map(stamp),
                used: used.map(stamp),
                scopes: token.scopes,
                collections: token.collections,
            });
        }
        Ok(list)
    }

    /// Ends one token of a user.
    ///
    /// # Errors
    /// When the user has no such token, the actor is one, or the store refuses.
    pub fn revoke_token(&self, actor: &Caller, name: &str, id: &str) -> Result<(), AuthError> {
        actor.require_person(name)?;
        let _alone = self.alone();
        let (digest, _) = self.token_of(name, id)?;
        self.account(
            "token",
            &actor.recorded(""),
            format!("token {id} of user {name} revoked"),
        )?;
        self.end_token(&digest)
    }

    /// Who shows this token, and when it ends by itself.
    pub(super) fn check_token(
        &self,
        text: &str,
        now: Seq,
    ) -> Result<(Arc<Caller>, Option<Seq>), AuthError> {
        let digest = secret::digest(text.as_bytes());
        let token: Token =
            read(&self.store, &format!("{TOKEN}{digest}"))?.ok_or(AuthError::Wrong)?;
        if token.expires.is_some_and(|expires| expires <= now) {
            return Err(AuthError::Wrong);
        }
        let mut caller = self
            .active(&token.user)?
            .caller(&token.user, Proof::Token, now);
        let allows = |duty: &Duty| {
            let mut scopes = token.scopes.iter();
            scopes.any(|scope| scope.duties().contains(duty))
        };
        caller.duties.retain(allows);
        caller.scopes = token.scopes;
        if !token.collections.is_empty() {
            let seen: Vec<String> = token
                .collections
                .into_iter()
                .filter(|name| caller.sees(name))
                .collect();
            // An empty list means every collection: a token that is left with none opens nothing.
            if seen.is_empty() {
                return Err(AuthError::Wrong);
            }
            caller.collections = seen;
        }
        self.note_use(&format!("{USED}{digest}"), now)?;
        Ok((Arc::new(caller), token.expires))
    }

    /// Notes when something was last used, not at every use and without waiting for the disk.
    pub(super) fn note_use(&self, key: &str, now: Seq) -> Result<(), AuthError> {
        let used: Option<Seq> = read(&self.store, key)?;
        if used.is_none_or(|used| now.saturating_sub(used).abs() >= USED_SECS * 1_000_000) {
            let value = Some(now.to_string().into_bytes());
            self.store.submit(
                Command::Put {
                    key: key.into(),
                    value,
                },
                |_| {},
            );
        }
        Ok(())
    }

    /// The users of all tokens in force, once for each token.
    pub(super) fn tokens_in_force(&self, now: Seq) -> Result<Vec<String>, AuthError> {
        let tokens = scan::<Token>(&self.store, TOKEN)?.into_iter();
        Ok(tokens
            .filter(|(_, token)| token.expires.is_none_or(|expires| expires > now))
            .map(|(_, token)| token.user)
            .collect())
    }

    /// Ends every token of a user.
    pub(super) fn end_tokens(&self, name: &str) -> Result<(), AuthError> {
        for (digest, token) in scan::<Token>(&self.store, TOKEN)? {
            if token.user == name {
                self.end_token(&digest)?;
            }
        }
        Ok(())
    }

    fn end_token(&self, digest: &str) -> Result<(), AuthError> {
        self.save::<Token>(&format!("{TOKEN}{digest}"), None)?;
        self.remove(&format!("{USED}{digest}"))
    }

    fn token_of(&self, name: &str, id: &str) -> Result<(String, Token), AuthError> {
        let unknown = || AuthError::UnknownId { id: id.into() };
        if id.len() != ID_CHARS || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(unknown());
        }
        let mut tokens = scan::<Token>(&self.store, TOKEN)?.into_iter();
        tokens
            .find(|(digest, token)| token.user == name && digest.starts_with(id))
            .ok_or_else(unknown)
    }
}

/// A position as RFC 3339.
pub(super) fn stamp(micros: Seq) -> String {
    model::Timestamp::from_unix_micros(micros).to_string()
}
