//! What is said about users: their duties, tokens, sessions and ways to sign in.

use std::collections::BTreeSet;

use policy::Duty;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::auth::{Proof, Scope};

/// `POST /users`: make a national user, or change one. What is absent stays as it is; a new user
/// without a password gets a generated one.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserRequest {
    /// The user's name.
    pub name: String,
    /// The new password. Who sets it for somebody else knows it, so that it takes no decision until
    /// its owner changes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// The user's duties; empty: only to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<BTreeSet<String>>")]
    pub duties: Option<BTreeSet<Duty>>,
    /// The highest level that the user may read, such as `TLP:AMBER`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clearance: Option<String>,
    /// The collections that the user sees (`national`, `<accord>/<channel>`); empty: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collections: Option<Vec<String>>,
    /// Go on although no operator is left afterwards.
    #[serde(default)]
    pub force: bool,
}

/// `POST /users/{name}/invite`: make a user if there is none, and a code with which the person sets
/// their own secrets.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InviteRequest {
    /// The user's duties, where they are to be set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<BTreeSet<String>>")]
    pub duties: Option<BTreeSet<Duty>>,
    /// The highest level that the user may read, where it is to be set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clearance: Option<String>,
    /// The collections that the user sees, where they are to be set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collections: Option<Vec<String>>,
    /// Hours until the code ends (default 72, at most 168).
    #[serde(default)]
    pub hours: Option<u32>,
}

/// A new enrolment code; shown once and kept only as a hash.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InviteReply {
    /// The user.
    pub name: String,
    /// The code, good for one enrolment.
    pub code: String,
    /// When it ends.
    pub expires: String,
}

/// A national user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserInfo {
    /// The user's name.
    pub name: String,
    /// The user's duties; empty: only to read.
    #[schemars(with = "BTreeSet<String>")]
    pub duties: BTreeSet<Duty>,
    /// The highest level that the user may read.
    pub clearance: String,
    /// The collections that the user sees; empty: all.
    pub collections: Vec<String>,
    /// Whether a password is set.
    pub password: bool,
    /// Whether it must be changed before it takes decisions.
    #[serde(default)]
    pub must_change: bool,
    /// Whether signing in with it takes a one-time code.
    #[serde(default)]
    pub second_factor: bool,
    /// Whether an enrolment code is out.
    #[serde(default)]
    pub invited: bool,
    /// Since when the user is locked, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked: Option<String>,
    /// Tokens in force.
    pub tokens: usize,
    /// When the user was made.
    #[serde(default)]
    pub created: String,
    /// The password that was made for a new user without one; shown once and kept only as a hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated_password: Option<String>,
}

/// `POST /users/{name}/token`, and `POST /auth/tokens` for oneself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// What it is for, in words.
    #[serde(default)]
    pub note: String,
    /// Days until it ends (default 90, at most 366).
    #[serde(default)]
    pub days: Option<u32>,
    /// It never ends. Not together with `days`.
    #[serde(default)]
    pub endless: bool,
    /// What it may be used for; absent: `read`, and `add` where the user may add.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<BTreeSet<Scope>>,
    /// The collections that it sees, among those of the user; empty: all of them.
    #[serde(default)]
    pub collections: Vec<String>,
}

/// A new bearer token; shown once and kept only as a hash.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenReply {
    /// The token.
    pub token: String,
    /// Its short name, for listing, rotating and revoking.
    pub id: String,
    /// When it ends.
    pub expires: Option<String>,
}

/// `POST /users/{name}/tokens/{id}/rotate`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateRequest {
    /// Hours that the old token stays good (default 24, at most 720).
    #[serde(default)]
    pub grace_hours: Option<u32>,
}

/// A token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenInfo {
    /// Its short name.
    pub id: String,
    /// What it is for.
    pub note: String,
    /// Who made it.
    pub made_by: String,
    /// When it was made.
    pub created: String,
    /// When it ends.
    pub expires: Option<String>,
    /// When it was last used, to the minute.
    pub used: Option<String>,
    /// What it may be used for.
    pub scopes: BTreeSet<Scope>,
    /// The collections that it sees; empty: all of its user's.
    pub collections: Vec<String>,
}

/// A session, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionInfo {
    /// Its short name.
    pub id: String,
    /// How the person signed in.
    pub proof: Proof,
    /// When it began.
    pub started: String,
    /// When it was last used, to the minute.
    pub used: String,
}

/// `POST /auth/session`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignInRequest {
    /// The user's name.
    pub name: String,
    /// The password.
    pub password: String,
}

/// `POST /auth/totp`: the second step of signing in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CodeRequest {
    /// What the first step answered.
    pub ticket: String,
    /// The one-time code, or a recovery code.
    pub code: String,
}

/// The answer to a step of signing in: a session, or a ticket for the next step.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SignInReply {
    /// The session's value, to be sent as `Authorization: Bearer …`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// When it ends at the latest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// A one-time code is needed; send it with this ticket to `/auth/totp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_needed: Option<String>,
}

/// `POST /auth/password`: set one's own password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordRequest {
    /// The user's name.
    pub name: String,
    /// The password until now.
    pub password: String,
    /// A one-time code, where one is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The new password.
    pub new: String,
}

/// `POST /auth/enrol`: set one's first password with an enrolment code.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnrolRequest {
    /// The user's name.
    pub name: String,
    /// The enrolment code.
    pub code: String,
    /// The new password.
    pub password: String,
}

/// The answer to `POST /auth/totp/new`: shown once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TotpReply {
    /// The secret in base32, for typing.
    pub secret: String,
    /// The same as an `otpauth:` URI, for a QR code.
    pub uri: String,
}

/// `POST /auth/totp/confirm`, and `POST /auth/totp/remove`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmRequest {
    /// A code of the authenticator.
    pub code: String,
}

/// The answer to `POST /auth/totp/confirm`: shown once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecoveryReply {
    /// Codes for when the authenticator is lost, each good once.
    pub recovery_codes: Vec<String>,
}

/// `GET /auth/me`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Me {
    /// The caller's name.
    pub name: String,
    /// What the caller may do by this proof.
    #[schemars(with = "BTreeSet<String>")]
    pub duties: BTreeSet<Duty>,
    /// The highest level that the caller may read.
    pub clearance: String,
    /// The collections that the caller sees; empty: all.
    pub collections: Vec<String>,
    /// How the caller proved who they are.
    pub proof: Proof,
    /// What the caller should do to have all their duties.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_back: Option<String>,
}
