//! What a member is told that would have the channel if it, or this member, were not away.

use axum::http::StatusCode;
use policy::{Act, Notice};

use super::Caller;
use crate::node::Node;
use crate::problem::Fault;

/// Why the caller does not have a channel. To whomever the accord does not give it, there is none.
pub(super) fn why(node: &Node, caller: &Caller, accord: &str, channel: &str) -> Fault {
    let accords = node.accords();
    let own = &node.config().code;
    let Some(signed) = accords.get(accord) else {
        return Fault::not_found();
    };
    let agreed = signed.channel_agreed(channel).is_some_and(|agreed| {
        let members = agreed.members;
        members.contains(own) && members.contains(&caller.code)
    });
    if caller.within(signed).is_none() || !agreed {
        return Fault::not_found();
    }
    let detail = match accords.exclusion(accord, &caller.code) {
        Some(exclusion) => format!(
            "{own} has excluded you from {accord} since {}: {}. Only {own} can end that; what \
             either of you holds stays under the accord.",
            exclusion.since, exclusion.reason
        ),
        None => {
            let ends = |notice: &&Notice| {
                let about = notice.act.channel().is_none_or(|name| name == channel);
                about && notice.act.ends()
            };
            let of = |code: &str| {
                let of_accord = accords.notices().of(accord).map(|signed| signed.notice());
                of_accord.filter(ends).find(|notice| notice.member == *code)
            };
            match (of(&caller.code), of(own)) {
                (Some(notice), _) => format!(
                    "You gave notice: {}; give the contrary notice to take part again.",
                    words(notice)
                ),
                (None, Some(notice)) => format!("{own} gave notice: {}.", words(notice)),
                (None, None) => return Fault::not_found(),
            }
        }
    };
    Fault::new(
        StatusCode::FORBIDDEN,
        "apart",
        "You do not share this channel at present",
        detail,
    )
}

fn words(notice: &Notice) -> String {
    let what = match &notice.act {
        Act::Suspend { channel } | Act::Resume { channel } => {
            format!("{} {channel}", notice.act.word())
        }
        Act::Leave | Act::Return => notice.act.word().to_owned(),
    };
    format!("{what} at {} ({})", notice.at, notice.reason)
}
