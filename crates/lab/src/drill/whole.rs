//! What is judged over all trials together.

use std::{
    fmt::{self, Write as _},
    time::Duration,
};

use serde::Serialize;

use super::{
    judge::{Bar, Figure},
    switches::Switches,
    usage::{DESCRIPTORS, Growth, MEMORY_KIB, Usage},
};
use crate::player::whole_millis;

/// The figures, and what they count.
pub const LEGEND: [(&str, &str); 3] = [
    ("switches", "times that an origin decided to use another copy, because one failed or was late"),
    (
        "void switches",
        "such decisions in void trials, which tell of the machine alone: they count nowhere else",
    ),
    (
        "switch p99 ms",
        "the time from a copy's failure, or its usual time, until another was decided for, not counted while nobody had another, of 99 in 100 over both origins, rounded up to the next bound that they count by",
    ),
];

/// The system over all trials.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Whole {
    /// What the origins decided.
    pub figures: Vec<Figure>,
    /// What the parts took.
    pub growths: Vec<Growth>,
}

impl Whole {
    /// What was counted in a system with this target duration. `loses_copies`: whether it was to be seen that another copy
    /// is decided for.
    pub fn of<K: Ord>(
        switches: &Switches<K>,
        usage: &Usage<K>,
        target: Duration,
        loses_copies: bool,
    ) -> Self {
        let count = if loses_copies { Bar::AtLeast(1) } else { Bar::Open };
        let below = whole_millis(target / 2).saturating_sub(1);
        let [(counted, _), (void, _), (p99, _)] = LEGEND;
        let figures = vec![
            Figure { what: counted, is: switches.count(), bar: count },
            Figure { what: void, is: switches.void(), bar: Bar::Open },
            Figure { what: p99, is: switches.p99().unwrap_or(0), bar: Bar::AtMost(below) },
        ];
        Self { figures, growths: usage.growths() }
    }

    /// What does not hold, one sentence each.
    pub fn faults(&self) -> Vec<String> {
        let missed = self.figures.iter().filter(|figure| !figure.holds()).map(Figure::to_string);
        missed.chain(self.growths.iter().flat_map(Growth::faults)).collect()
    }

    /// All of it, a line for each figure and each part.
    pub fn lines(&self) -> Vec<String> {
        let figures = self.figures.iter().map(|figure| format!("over all of it: {figure}"));
        let part = |Growth { part, seconds, first, last }: &Growth| {
            let memory = format!("{} and then {} KiB of memory", first.memory_kib, last.memory_kib);
            let descriptors = format!("{} and then {} descriptors", first.descriptors, last.descriptors);
            format!("over {seconds} s: {part} has {memory}, {descriptors}")
        };
        figures.chain(self.growths.iter().map(part)).collect()
    }

    /// The tables of it.
    pub(super) fn write_markdown(&self, text: &mut String) -> fmt::Result {
        writeln!(text, "| of both origins | is | bar |\n|---|---|---|")?;
        for figure in &self.figures {
            let (is, bar) = (emphasis(figure.is, figure.holds()), figure.bar);
            writeln!(text, "| {} | {is} | {bar} |", figure.what)?;
        }
        let (memory, descriptors) = (MEMORY_KIB, DESCRIPTORS);
        write!(text, "\n| | lived s | memory KiB, warm | at the end (+ ≤ {memory}) |")?;
        writeln!(text, " descriptors, warm | at the end (+ ≤ {descriptors}) |\n|---|---|---|---|---|---|")?;
        for growth in &self.growths {
            let Growth { part, seconds, first, last } = growth;
            let memory = emphasis(last.memory_kib, last.memory_kib <= first.memory_kib + memory);
            let descriptors = emphasis(last.descriptors, last.descriptors <= first.descriptors + descriptors);
            write!(text, "| {part} | {seconds} | {} | {memory} |", first.memory_kib)?;
            writeln!(text, " {} | {descriptors} |", first.descriptors)?;
        }
        self.faults().iter().try_for_each(|fault| write!(text, "\n- {fault}\n"))
    }
}

fn emphasis(is: u64, holds: bool) -> String {
    if holds { is.to_string() } else { format!("**{is}**") }
}

#[cfg(test)]
mod tests {
    use super::super::{switches::Counts, usage::Taken};
    use super::*;

    const TARGET: Duration = Duration::from_secs(2);

    fn of(metrics: &str, loses_copies: bool, memory_kib: u64) -> Whole {
        let (mut switches, mut usage) = (Switches::default(), Usage::default());
        switches.saw(1, &Counts::read(metrics));
        for second in 0..200 {
            let memory_kib = if second < 100 { 1000 } else { memory_kib };
            usage.saw("server1", 1, Duration::from_secs(second), Taken { memory_kib, descriptors: 9 });
        }
        Whole::of(&switches, &usage, TARGET, loses_copies)
    }

    fn bucket(bound: &str) -> String {
        format!("airtight_copy_switch_seconds_bucket{{le=\"{bound}\"}} 3\n")
    }

    #[test]
    fn a_decision_takes_less_than_half_a_target_duration() {
        assert_eq!(of(&bucket("0.9"), true, 1000).faults(), [""; 0]);
        assert_eq!(of(&bucket("0.999"), true, 1000).faults(), [""; 0]);
        assert_eq!(of(&bucket("1.0"), true, 1000).faults(), ["switch p99 ms: 1000, at most 999"]);
        assert_eq!(of("", true, 1000).faults(), ["switches: 0, at least 1"]);
        assert_eq!(of("", false, 1000).faults(), [""; 0], "there was nothing to decide");
    }

    #[test]
    fn all_of_it_is_told_and_what_does_not_hold_is_marked() {
        let whole = of(&bucket("2.0"), true, 10_000);
        let expected =
            ["switch p99 ms: 2000, at most 999", "server1 grew by 9000 KiB of memory in 199 s, at most 8192"];
        assert_eq!(whole.faults(), expected);
        let mut text = String::new();
        whole.write_markdown(&mut text).unwrap();
        for row in [
            "| switches | 3 | ≥ 1 |",
            "| switch p99 ms | **2000** | ≤ 999 |",
            "| server1 | 199 | 1000 | **10000** | 9 | 9 |",
            "- switch p99 ms: 2000, at most 999",
        ] {
            assert!(text.contains(row), "{row}\n{text}");
        }
        let said = whole.lines();
        assert_eq!(said[0], "over all of it: switches: 3, at least 1");
        assert_eq!(
            said[3],
            "over 199 s: server1 has 1000 and then 10000 KiB of memory, 9 and then 9 descriptors"
        );
    }
}
