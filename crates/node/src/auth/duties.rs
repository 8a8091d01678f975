//! Which duties one person may hold together (separation of duties).
//!
//! An operator makes users and gives duties, so one who could also release or approve would decide
//! alone by way of a user of their own making. An auditor judges everybody's acts and therefore
//! has none. Releaser and approver may meet in one person: small services have few people, and
//! nobody can approve what they themselves propose.

use std::collections::BTreeSet;

use policy::Duty;

use super::AuthError;

/// Pairs that one person may not hold.
const APART: [(Duty, Duty); 7] = [
    (Duty::Operator, Duty::Releaser),
    (Duty::Operator, Duty::Approver),
    (Duty::Auditor, Duty::Analyst),
    (Duty::Auditor, Duty::Releaser),
    (Duty::Auditor, Duty::Approver),
    (Duty::Auditor, Duty::DeskOfficer),
    (Duty::Auditor, Duty::Operator),
];

/// Refuses duties that must not meet in one person.
///
/// # Errors
/// The first pair that must stay apart.
pub(super) fn separate(duties: &BTreeSet<Duty>) -> Result<(), AuthError> {
    let mut apart = APART.into_iter();
    match apart.find(|(one, other)| duties.contains(one) && duties.contains(other)) {
        Some((one, other)) => Err(AuthError::Apart { one, other }),
        None => Ok(()),
    }
}

/// Duties in words.
pub(super) fn words<'a>(duties: impl IntoIterator<Item = &'a Duty>, between: &str) -> String {
    let words: Vec<&str> = duties.into_iter().map(|duty| duty.word()).collect();
    words.join(between)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_runs_the_node_or_audits_it_does_not_decide() {
        let may = |duties: &[Duty]| separate(&duties.iter().copied().collect()).is_ok();
        assert!(
            may(&[])
                && may(&[
                    Duty::Analyst,
                    Duty::Releaser,
                    Duty::Approver,
                    Duty::DeskOfficer
                ])
        );
        assert!(may(&[Duty::Operator, Duty::Analyst]) && may(&[Duty::Operator, Duty::DeskOfficer]));
        assert!(!may(&[Duty::Operator, Duty::Releaser]) && !may(&[Duty::Operator, Duty::Approver]));
        for duty in Duty::ALL {
            assert_eq!(may(&[Duty::Auditor, duty]), duty == Duty::Auditor, "{duty}");
        }
    }
}
