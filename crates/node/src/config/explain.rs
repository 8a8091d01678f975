//! The effective configuration in words, for `kurultai doctor`.

use crate::intake::Validation;
use policy::{Kinds, ReleaseMode};

use super::{Config, LogFormat, mode_word, tlp_word};

impl Config {
    /// The effective configuration in lines of (key, value, what it means).
    pub fn explain(&self) -> Vec<(String, String, String)> {
        let line =
            |key: &str, value: String, means: &str| (key.to_owned(), value, means.to_owned());
        let mut lines = vec![
            line(
                "data",
                self.data.display().to_string(),
                "everything that this node keeps",
            ),
            line(
                "member.code",
                self.code.clone(),
                "this member's code in accords and labels",
            ),
            line(
                "member.name",
                self.name.clone(),
                "this member's name for people",
            ),
            line(
                "member.domain",
                self.domain.clone(),
                "the first part of its key and log names",
            ),
            line(
                "member.url",
                self.url.clone(),
                "where other members reach this node",
            ),
            line(
                "listen.members",
                self.listen_members.to_string(),
                "mutual TLS, only members of installed accords",
            ),
            line(
                "listen.national",
                self.listen_national.to_string(),
                match (&self.national_tls, self.listen_national.ip().is_loopback()) {
                    (Some(_), _) => "TAXII and metrics over TLS",
                    (None, true) => "TAXII and metrics over plain HTTP on this machine only",
                    (None, false) => {
                        "TAXII and metrics over PLAIN HTTP ON THE NETWORK: set [national_tls]"
                    }
                },
            ),
            line(
                "intake.label",
                self.intake_label.to_string(),
                "label of added objects for what they do not state",
            ),
            line(
                "intake.validation",
                self.intake_validation.as_str().into(),
                match self.intake_validation {
                    Validation::Off => "added objects are not held up to the whole of STIX 2.1",
                    Validation::Lenient => "warnings about added objects are counted",
                    Validation::Strict => "added objects that break STIX 2.1 are refused",
                },
            ),
            line(
                "keys.folder",
                self.keys.display().to_string(),
                "key files, mode 0600",
            ),
            line(
                "log.format",
                match self.log_format {
                    LogFormat::Text => "text".into(),
                    LogFormat::Json => "json".into(),
                },
                "form of the log lines on standard error",
            ),
            line(
                "limits.poll_secs",
                self.limits.poll_secs.to_string(),
                "seconds between pulls without a wake-up",
            ),
            line(
                "limits.add_bytes",
                self.limits.add_bytes.to_string(),
                "bytes of one body of added objects",
            ),
            line(
                "limits.cache_bytes",
                self.limits.cache_bytes.to_string(),
                "memory for decompressed bundles",
            ),
            line(
                "limits.witness_secs",
                self.limits.witness_secs.to_string(),
                "seconds between requests to partners to witness the audit log",
            ),
            line(
                "feeds.local",
                self.feeds.local.to_string(),
                "whether feeds may speak to this machine and its link",
            ),
        ];
        lines.extend(self.people.explain());
        for rule in &self.release {
            lines.push((
                format!("release {}/{}", rule.accord, rule.channel),
                mode_word(&rule.mode).to_owned(),
                match &rule.mode {
                    ReleaseMode::Manual => "a person releases".to_owned(),
                    ReleaseMode::Auto { kinds, ceiling } => format!(
                        "automation releases {} up to {}",
                        match kinds {
                            Kinds::Any => "every kind".to_owned(),
                            Kinds::Only(kinds) =>
                                kinds.iter().cloned().collect::<Vec<_>>().join(", "),
                        },
                        tlp_word(*ceiling)
                    ),
                },
            ));
        }
        lines
    }
}
