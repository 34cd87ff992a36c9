//! Medians of interleaved runs, as a Markdown table.

use std::fmt::Write;
use std::time::Duration;

/// What one run of a measurement moves, for the rate beside the time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Amount {
    Bytes(u64),
    Requests(u64),
}

/// All runs of one measurement.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) amount: Amount,
    /// By server, in the order of the columns; empty where the server has nothing to measure.
    pub(crate) runs: Vec<Vec<Duration>>,
    /// The first server's anonymous resident memory, in bytes: the most that was seen after a run.
    pub(crate) memory: u64,
}

/// The table, a column for each server, the first of which is compared with each of the others.
pub(crate) fn markdown(servers: &[&str], rows: &[Row]) -> String {
    let mut table = format!("| median | {} |", servers.join(" | "));
    for peer in &servers[1..] {
        write!(table, " {} / {peer} |", servers[0]).unwrap_or_default();
    }
    let rule = "---|".repeat(servers.len() * 2 + 1);
    writeln!(table, " {} RssAnon |\n|{rule}", servers[0]).unwrap_or_default();
    for row in rows {
        table.push_str(&line(row));
    }
    table
}

fn line(row: &Row) -> String {
    let medians: Vec<_> = row.runs.iter().map(|runs| median(runs)).collect();
    let mut cells = vec![row.name.to_owned()];
    cells.extend(
        medians.iter().map(|median| {
            median.map_or_else(|| "–".to_owned(), |median| shown(median, row.amount))
        }),
    );
    cells.extend(medians[1..].iter().map(|peer| match (medians[0], peer) {
        (Some(own), Some(peer)) => format!("{:.2}", own.as_secs_f64() / peer.as_secs_f64()),
        _ => "–".to_owned(),
    }));
    cells.push(format!("{} MiB", row.memory.div_ceil(1024 * 1024)));
    format!("| {} |\n", cells.join(" | "))
}

/// The middle one, of an even number the later of the two.
fn median(runs: &[Duration]) -> Option<Duration> {
    let mut runs = runs.to_vec();
    runs.sort_unstable();
    runs.get(runs.len() / 2).copied()
}

fn shown(took: Duration, amount: Amount) -> String {
    let seconds = took.as_secs_f64().max(f64::EPSILON);
    let milliseconds = seconds * 1000.0;
    match amount {
        Amount::Bytes(bytes) => format!(
            "{milliseconds:.0} ms, {:.0} MB/s",
            per_second(bytes, seconds) / 1e6
        ),
        Amount::Requests(1) => format!("{milliseconds:.1} ms"),
        Amount::Requests(requests) => format!(
            "{milliseconds:.0} ms, {:.0}/s",
            per_second(requests, seconds)
        ),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a rate for people, whose first digits are shown"
)]
fn per_second(amount: u64, seconds: f64) -> f64 {
    amount as f64 / seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn the_table_shows_medians_and_ratios() {
        let row = Row {
            name: "PUT",
            amount: Amount::Bytes(100_000_000),
            runs: vec![vec![ms(900), ms(500), ms(400)], vec![ms(250)]],
            memory: 10 * 1024 * 1024,
        };
        let listed = Row {
            name: "list",
            amount: Amount::Requests(1),
            runs: vec![vec![ms(3)], vec![]],
            memory: 1,
        };
        assert_eq!(
            markdown(&["larder", "nginx"], &[row, listed]),
            "| median | larder | nginx | larder / nginx | larder RssAnon |\n\
             |---|---|---|---|---|\n\
             | PUT | 500 ms, 200 MB/s | 250 ms, 400 MB/s | 2.00 | 10 MiB |\n\
             | list | 3.0 ms | – | – | 1 MiB |\n"
        );
    }
}
