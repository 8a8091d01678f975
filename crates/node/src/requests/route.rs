//! Who in the nation answers a request: by hand for one request, by rules for the others.
//!
//! Both are settings of this node (`request-route/<channel>/<id>`, `request-rule/<name>`): durable,
//! never sent to anybody, and without any effect on what is released. A request is routed to those
//! whom a person named for it; otherwise to those of every rule that applies.

use model::request::Thread;
use store::Command;

use crate::admin::types::{AuditRecord, RequestInfo, RouteRequest, RouteRule, Routed};
use crate::auth::Caller;
use crate::error::NodeError;
use crate::limits::{REQUEST_ROUTE_BYTES_MAX, REQUEST_RULE_ITEMS_MAX, REQUEST_RULES_MAX};
use crate::node::Node;

const RULE: &str = "request-rule/";
const ROUTE: &str = "request-route/";

/// The rules and what was routed by hand.
pub(super) struct Routes {
    rules: Vec<RouteRule>,
    by_hand: Vec<(String, Vec<u8>)>,
}

impl Routes {
    /// Who is to answer this request.
    pub(super) fn of(&self, channel: &str, thread: &Thread) -> Vec<Routed> {
        let key = key(channel, thread);
        if let Some((_, routed)) = self.by_hand.iter().find(|(held, _)| *held == key)
            && let Ok(routed) = serde_json::from_slice(routed)
        {
            return vec![routed];
        }
        self.rules
            .iter()
            .filter(|rule| applies(rule, channel, thread))
            .map(|rule| Routed {
                to: rule.to.clone(),
                why: format!("rule {}", rule.name),
            })
            .collect()
    }
}

fn key(channel: &str, thread: &Thread) -> String {
    // With the asking member: another's request under the same id is another request.
    format!("{ROUTE}{channel}/{}/{}", thread.posted.by, thread.posted.id)
}

fn applies(rule: &RouteRule, channel: &str, thread: &Thread) -> bool {
    let request = &thread.request;
    let about = request.about.iter().map(model::Id::type_name);
    let mut kinds = request.kinds.iter().map(String::as_str).chain(about);
    let topic = |topic: &String| {
        let wanted = topic.to_lowercase();
        request
            .topics
            .iter()
            .any(|word| word.to_lowercase() == wanted)
    };
    (rule.channels.is_empty() || rule.channels.iter().any(|name| name == channel))
        && (rule.from.is_empty() || rule.from.contains(&thread.posted.by))
        && (rule.kinds.is_empty() || kinds.any(|kind| rule.kinds.iter().any(|one| one == kind)))
        && (rule.topics.is_empty() || rule.topics.iter().any(topic))
}

impl Node {
    pub(super) async fn routes(&self) -> Result<Routes, NodeError> {
        Ok(Routes {
            rules: self.request_rules().await?,
            by_hand: self.read(|store| store.scan(ROUTE)).await?,
        })
    }

    /// The rules by which requests are routed, in order of their names.
    ///
    /// # Errors
    /// What the store said.
    pub async fn request_rules(&self) -> Result<Vec<RouteRule>, NodeError> {
        let kept = self.read(|store| store.scan(RULE)).await?;
        Ok(kept
            .iter()
            .filter_map(|(_, rule)| serde_json::from_slice(rule).ok())
            .collect())
    }

    /// Makes or changes a rule.
    ///
    /// # Errors
    /// When the rule has a malformed name or would apply to everything, there are too many, or the
    /// store fails.
    pub async fn put_request_rule(
        &self,
        rule: &RouteRule,
        caller: &Caller,
    ) -> Result<RouteRule, NodeError> {
        let name = |text: &str| {
            !text.is_empty()
                && text.len() <= REQUEST_ROUTE_BYTES_MAX
                && text
                    .chars()
                    .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' '))
        };
        for (text, pointer) in [(&rule.name, "/name"), (&rule.to, "/to")] {
            if !name(text) {
                return Err(NodeError::Request {
                    why: format!(
                        "{text:?} is not a name: use 1 to {REQUEST_ROUTE_BYTES_MAX} letters, digits, spaces, - _ ."
                    ),
                    pointer: Some(pointer.into()),
                });
            }
        }
        let lists = [&rule.channels, &rule.from, &rule.kinds, &rule.topics];
        if lists.iter().all(|list| list.is_empty()) {
            return Err(NodeError::request(
                "the rule would take every request; say for which channels, members, kinds or topics it is",
            ));
        }
        let long = |text: &String| text.len() > 2 * REQUEST_ROUTE_BYTES_MAX;
        if lists
            .iter()
            .any(|list| list.len() > REQUEST_RULE_ITEMS_MAX || list.iter().any(long))
        {
            return Err(NodeError::request(format!(
                "a rule lists at most {REQUEST_RULE_ITEMS_MAX} short words of each sort; make several rules"
            )));
        }
        let held = self.request_rules().await?;
        if held.len() >= REQUEST_RULES_MAX && held.iter().all(|other| other.name != rule.name) {
            return Err(NodeError::request(format!(
                "there are {REQUEST_RULES_MAX} rules, and no more can be; remove one"
            )));
        }
        let kept = RouteRule {
            who: String::new(),
            ..rule.clone()
        };
        self.audit(vec![AuditRecord {
            what: "request-rule".into(),
            who: caller.recorded(&rule.who),
            why: format!("rule {}: to {}", rule.name, rule.to),
            ..self.record()
        }])
        .await?;
        self.keep(format!("{RULE}{}", rule.name), Some(&kept))
            .await?;
        Ok(kept)
    }

    /// Removes a rule.
    ///
    /// # Errors
    /// When there is none of this name, or the store fails.
    pub async fn remove_request_rule(&self, name: &str, caller: &Caller) -> Result<(), NodeError> {
        if self
            .request_rules()
            .await?
            .iter()
            .all(|rule| rule.name != name)
        {
            return Err(NodeError::Unknown {
                what: format!("rule {name:?}"),
            });
        }
        self.audit(vec![AuditRecord {
            what: "request-rule".into(),
            who: caller.recorded(""),
            why: format!("rule {name} removed"),
            ..self.record()
        }])
        .await?;
        self.keep(format!("{RULE}{name}"), None::<&RouteRule>).await
    }

    /// Routes one request by hand.
    ///
    /// # Errors
    /// When it is not shown or not asked of this member, or the store fails.
    pub async fn route_request(
        &self,
        id: &str,
        route: &RouteRequest,
        caller: &Caller,
    ) -> Result<RequestInfo, NodeError> {
        let (found, at) = self.request(id, route.channel.as_deref(), caller).await?;
        let thread = &found.board.threads[at];
        let own = &self.config().code;
        if !thread.asked.contains_key(own) {
            return Err(NodeError::request(format!(
                "{} does not ask this member, so nobody here has to answer",
                thread.posted.by
            )));
        }
        let to = route.to.trim();
        if to.is_empty() || to.len() > REQUEST_ROUTE_BYTES_MAX || to.chars().any(char::is_control) {
            return Err(NodeError::Request {
                why: format!(
                    "name a desk, a duty or a person in 1 to {REQUEST_ROUTE_BYTES_MAX} bytes"
                ),
                pointer: Some("/to".into()),
            });
        }
        if route.note.len() > 4 * REQUEST_ROUTE_BYTES_MAX {
            return Err(NodeError::Request {
                why: "the word to them is too long; answer them in a note of your own".into(),
                pointer: Some("/note".into()),
            });
        }
        let who = caller.recorded(&route.who);
        let note = route.note.trim();
        let routed = Routed {
            to: to.to_owned(),
            why: if note.is_empty() {
                format!("by {who}, {}", self.now())
            } else {
                format!("by {who}, {}: {note}", self.now())
            },
        };
        self.audit(vec![AuditRecord {
            what: "request-route".into(),
            who,
            channel: found.channel.clone(),
            objects: vec![thread.posted.id.to_string()],
            count: 1,
            why: format!("to {to}{}{note}", if note.is_empty() { "" } else { ": " }),
            ..self.record()
        }])
        .await?;
        self.keep(key(&found.channel, thread), Some(&routed))
            .await?;
        Ok(self.request_info(&found, thread, &self.routes().await?))
    }

    async fn keep(
        &self,
        key: String,
        value: Option<&impl serde::Serialize>,
    ) -> Result<(), NodeError> {
        let value = value
            .map(serde_json::to_vec)
            .transpose()
            .map_err(|error| NodeError::request(error.to_string()))?;
        self.execute(Command::Put { key, value }).await?;
        Ok(())
    }
}
