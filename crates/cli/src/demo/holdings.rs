//! Who holds what: a table made from what each node's TAXII server answers, and the check that all
//! members of a channel serve the very same bytes.

use std::collections::{BTreeMap, BTreeSet};

use super::cluster::Cluster;
use super::scenario::{ACCORD, channels};
use crate::exit::Failure;
use crate::show;
use crate::taxii::Served;

/// Prints the table; fails when two members of a channel serve different bytes.
pub(crate) async fn print(cluster: &Cluster) -> Result<(), Failure> {
    let mut heads = vec!["channel"];
    heads.extend(cluster.parties.iter().map(|party| party.code));
    heads.push("same bytes");
    let mut table = show::Table::new(&heads);
    let mut national = vec!["(national)".to_owned()];
    let mut held: BTreeMap<(String, &str), BTreeSet<Served>> = BTreeMap::new();
    for party in &cluster.parties {
        let mut taxii = party.taxii().await?;
        national.push(show::thousands(
            taxii.everything("national").await?.len() as u64
        ));
        for channel in channels()
            .iter()
            .filter(|channel| channel.members.contains(party.code))
        {
            let all = taxii
                .everything(&format!("{ACCORD}.{}", channel.name))
                .await?;
            held.insert(
                (channel.name.clone(), party.code),
                all.into_iter().collect(),
            );
        }
    }
    national.push(String::new());
    table.row(national);
    let mut differ = Vec::new();
    for channel in channels() {
        let sets: Vec<&BTreeSet<Served>> = cluster
            .parties
            .iter()
            .filter_map(|party| held.get(&(channel.name.clone(), party.code)))
            .collect();
        let same = sets.windows(2).all(|pair| pair[0] == pair[1]);
        if !same {
            differ.push(channel.name.clone());
        }
        let mut row = vec![channel.name.clone()];
        row.extend(cluster.parties.iter().map(|party| {
            match held.get(&(channel.name.clone(), party.code)) {
                Some(all) => show::thousands(all.len() as u64),
                None => "-".to_owned(),
            }
        }));
        row.push(if same { "yes" } else { "NO" }.to_owned());
        table.row(row);
    }
    show::line("");
    show::line("Who holds what: versions of objects, as each node's TAXII server answers");
    table.print();
    show::line("");
    if differ.is_empty() {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "members of {} serve different bytes; compare the nodes' logs",
        differ.join(", ")
    )))
}
