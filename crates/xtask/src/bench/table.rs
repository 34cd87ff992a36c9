//! Medians of interleaved runs, as a Markdown report.

use super::machine::Machine;
use super::servers::Server;
use super::workload::Sample;
use std::fmt::Write;
use std::time::Duration;

/// What one run of a workload moves, for the rate beside the time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Amount {
    /// Bytes, shown as a rate.
    Bytes(u64),
    /// Requests, shown as a rate.
    Requests(u64),
    /// Requests so few and slow that the time of one is shown.
    Each(u32),
}

/// All runs of one workload.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) amount: Amount,
    /// By server, in the order of the columns; empty where the server has nothing to measure.
    pub(crate) samples: Vec<Vec<Sample>>,
}

impl Row {
    pub(crate) fn new(name: String, amount: Amount, servers: usize) -> Self {
        Self {
            name,
            amount,
            samples: vec![Vec::new(); servers],
        }
    }
}

/// The report, with what its reader has to know.
pub(crate) fn report(servers: &[Server], rows: &[Row], runs: u32, machine: &Machine) -> String {
    let versions: Vec<_> = servers.iter().map(|server| &*server.version).collect();
    let names: Vec<_> = servers.iter().map(|server| server.name).collect();
    format!(
        "{machine}; {}.\n{runs} runs, interleaved; client and servers share the processors.\n\n{}",
        versions.join(", "),
        markdown(&names, rows)
    )
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
        table.push_str(&line(&row.name, row, Sample::answered));
        if row
            .samples
            .iter()
            .flatten()
            .any(|sample| sample.durable.is_some())
        {
            let name = format!("{}, until it is on the disk", row.name);
            table.push_str(&line(&name, row, Sample::on_disk));
        }
    }
    table
}

impl Sample {
    fn answered(&self) -> Duration {
        self.took
    }

    fn on_disk(&self) -> Duration {
        self.durable.unwrap_or(self.took)
    }
}

fn line(name: &str, row: &Row, time: fn(&Sample) -> Duration) -> String {
    let times: Vec<Vec<_>> = row
        .samples
        .iter()
        .map(|samples| samples.iter().map(time).collect())
        .collect();
    let mut cells = vec![name.to_owned()];
    cells.extend(times.iter().zip(&row.samples).map(|(times, samples)| {
        let processor = median(samples.iter().map(|sample| sample.processor).collect());
        match median(times.clone()).zip(processor) {
            Some((time, processor)) => shown(time, processor, row.amount),
            None => "–".to_owned(),
        }
    }));
    cells.extend(times[1..].iter().map(|peer| ratio(&times[0], peer)));
    let memory = row.samples[0].iter().map(|sample| sample.memory).max();
    let memory = memory.unwrap_or_default().div_ceil(1024 * 1024);
    cells.push(format!("{memory} MiB"));
    format!("| {} |\n", cells.join(" | "))
}

/// The rate of the first against that of the peer in the same run: the median, the least and the most of all runs.
/// Above 1 the first is faster.
fn ratio(own: &[Duration], peer: &[Duration]) -> String {
    let mut ratios: Vec<_> = own
        .iter()
        .zip(peer)
        .map(|(own, peer)| peer.as_secs_f64() / own.as_secs_f64().max(f64::EPSILON))
        .collect();
    ratios.sort_unstable_by(f64::total_cmp);
    match (ratios.first(), ratios.get(ratios.len() / 2), ratios.last()) {
        (Some(least), Some(middle), Some(most)) => {
            format!("**{middle:.2}** ({least:.2} – {most:.2})")
        }
        _ => "–".to_owned(),
    }
}

/// The middle one, of an even number the later of the two.
fn median(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

fn shown(took: Duration, processor: Duration, amount: Amount) -> String {
    let seconds = took.as_secs_f64().max(f64::EPSILON);
    let processor = processor.as_secs_f64();
    match amount {
        Amount::Each(requests) => {
            let each = 1000.0 / f64::from(requests);
            format!("{:.1} ms, {:.0} ms CPU", seconds * each, processor * each)
        }
        Amount::Bytes(bytes) => format!(
            "{:.0} MB/s, {processor:.2} s CPU",
            per_second(bytes, seconds) / 1e6
        ),
        Amount::Requests(requests) => format!(
            "{:.0}/s, {processor:.2} s CPU",
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

    fn sample(milliseconds: u64, durable: Option<u64>) -> Sample {
        Sample {
            took: Duration::from_millis(milliseconds),
            durable: durable.map(Duration::from_millis),
            processor: Duration::from_millis(50),
            memory: 10 * 1024 * 1024,
        }
    }

    #[test]
    fn the_table_shows_medians_and_ratios_of_rates() {
        let put = Row {
            name: "PUT".to_owned(),
            amount: Amount::Bytes(100_000_000),
            samples: vec![
                [900, 500, 400]
                    .map(|time| sample(time, Some(time)))
                    .to_vec(),
                [450, 250, 240]
                    .map(|time| sample(time, Some(1000)))
                    .to_vec(),
            ],
        };
        let list = Row {
            name: "list".to_owned(),
            amount: Amount::Each(10),
            samples: vec![vec![sample(30, None)], vec![]],
        };
        assert_eq!(
            markdown(&["larder", "nginx"], &[put, list]),
            "| median | larder | nginx | larder / nginx | larder RssAnon |\n\
             |---|---|---|---|---|\n\
             | PUT | 200 MB/s, 0.05 s CPU | 400 MB/s, 0.05 s CPU | **0.50** (0.50 – 0.60) | 10 MiB |\n\
             | PUT, until it is on the disk | 200 MB/s, 0.05 s CPU | 100 MB/s, 0.05 s CPU | **2.00** (1.11 – 2.50) | 10 MiB |\n\
             | list | 3.0 ms, 5 ms CPU | – | – | 10 MiB |\n"
        );
    }
}
