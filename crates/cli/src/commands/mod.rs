//! The commands that look at or change one node, a file for each group.

pub(crate) mod accord;
pub(crate) mod add;
pub(crate) mod approvals;
pub(crate) mod audit;
pub(crate) mod courier;
pub(crate) mod doctor;
pub(crate) mod draft;
pub(crate) mod evidence;
pub(crate) mod feed;
pub(crate) mod index;
pub(crate) mod init;
pub(crate) mod label;
pub(crate) mod objects;
pub(crate) mod openapi;
pub(crate) mod peer;
pub(crate) mod policy;
pub(crate) mod release;
pub(crate) mod request;
pub(crate) mod request_rule;
pub(crate) mod serve;
pub(crate) mod status;
pub(crate) mod user;
pub(crate) mod validate;

/// Who stands behind a command, for the audit log: the flag, else the login name.
pub(crate) fn who(flag: &Option<String>) -> String {
    flag.clone()
        .or_else(|| std::env::var("USER").ok())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "operator".to_owned())
}
