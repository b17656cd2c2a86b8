//! `airtight drill`: which faults strike which parts, what viewers may notice of it, and whether they did. Pure.
//!
//! [`matrix`] has the cells, [`storm`] draws many at random times, [`judge`] holds what viewers saw against the
//! bars, [`whole`] what the system itself
//! showed over all trials ([`switches`], [`usage`]), [`report`] tells the outcome, [`steady`] says when the next fault
//! may come. Parts are known by the names under which a system records them, and by
//! nothing else. Never here: a process, a socket, a clock.

pub mod judge;
pub mod matrix;
pub mod report;
pub mod steady;
pub mod storm;
pub mod switches;
pub mod usage;
pub mod whole;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{
        judge::LEGEND,
        matrix::{Cell, Component, Fault},
        whole,
    };

    const PAGE: &str = include_str!("../../../docs/drill.md");

    /// The rows of the table below a heading.
    fn rows(heading: &str) -> Vec<&str> {
        let below = PAGE.lines().skip_while(|line| *line != heading).skip(4);
        below.take_while(|line| line.starts_with('|')).collect()
    }

    #[test]
    fn the_page_has_every_figure() {
        let row = |(what, says): &(&str, &str)| format!("| {what} | {says} |");
        let expected: Vec<_> = LEGEND.iter().chain(&whole::LEGEND).map(row).collect();
        assert_eq!(rows("## Figures"), expected);
    }

    #[test]
    fn the_page_has_every_fault_and_says_where_it_makes_no_sense() {
        let row = |fault: &Fault| {
            let mut senseless: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            for component in Component::ALL {
                let cell = Cell { fault: *fault, component };
                if let Some(why) = cell.senseless() {
                    senseless.entry(why).or_default().push(component.name());
                }
            }
            let left_out = senseless.iter().map(|(why, names)| format!("{}: {why}", names.join(", ")));
            let left_out: Vec<_> = left_out.collect();
            format!("| `{}` | {} | {} |", fault.name(), fault.means(), left_out.join("; "))
        };
        assert_eq!(rows("## Faults"), Fault::ALL.iter().map(row).collect::<Vec<_>>());
    }
}
