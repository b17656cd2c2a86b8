//! What a drill tells: a row for each trial, and in the end the whole, as JSON and Markdown.

use std::fmt::{self, Write as _};

use jiff::Timestamp;
use serde::Serialize;

use super::{
    judge::{Bar, Figure, LEGEND, SLATE},
    whole::{self, Whole},
};
use crate::{player::whole_millis, stillness::STANDSTILL};

/// The outcome of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every figure lies where it may.
    Passed,
    /// One does not.
    Missed,
    /// One does not, and the machine stood still: nothing is proven.
    Void,
}

impl Verdict {
    const fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Missed => "missed",
            Self::Void => "void",
        }
    }
}

/// One try of one cell, or of a storm.
#[derive(Debug, Clone, Serialize)]
pub struct Trial {
    /// What was tried.
    pub name: String,
    /// What viewers saw.
    pub figures: Vec<Figure>,
    /// What else went wrong: a part that was not to be found, a system that did not recover.
    pub troubles: Vec<String>,
    /// The longest time for which the machine stood still, in milliseconds.
    pub standstill_ms: u64,
    /// What was done and what viewers told, line by line, in order.
    pub told: Vec<String>,
}

impl Trial {
    /// Its outcome.
    pub fn verdict(&self) -> Verdict {
        let held = self.troubles.is_empty() && self.figures.iter().all(Figure::holds);
        match held {
            true => Verdict::Passed,
            false if self.standstill_ms >= whole_millis(STANDSTILL) => Verdict::Void,
            false => Verdict::Missed,
        }
    }

    /// Whether any viewer was shown slate.
    pub fn showed_slate(&self) -> bool {
        self.figures.iter().any(|figure| SLATE.contains(&figure.what) && figure.is > 0)
    }

    /// What does not hold, one sentence each.
    pub fn faults(&self) -> Vec<String> {
        let missed = self.figures.iter().filter(|figure| !figure.holds());
        missed.map(Figure::to_string).chain(self.troubles.iter().cloned()).collect()
    }
}

/// Columns before the figures.
const NAME_WIDTH: usize = 22;
const VERDICT_WIDTH: usize = 7;

/// The heads of the columns of [`Trial`] as text.
pub fn head() -> String {
    let mut head = format!("{:NAME_WIDTH$}{:VERDICT_WIDTH$}", "", "");
    for (what, _) in LEGEND {
        // Writing into a string can't fail.
        let _ = write!(head, "  {what}");
    }
    head
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:NAME_WIDTH$}{:VERDICT_WIDTH$}", self.name, self.verdict().name())?;
        for Figure { what, is, .. } in &self.figures {
            write!(f, "  {is:>0$}", what.len())?;
        }
        if self.verdict() == Verdict::Void {
            write!(f, "\n  void: the machine stood still for {} ms", self.standstill_ms)?;
        }
        self.faults().iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

/// A whole drill.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The command that makes it again.
    pub command: String,
    /// When it began.
    pub began: Timestamp,
    /// How long it took, in seconds.
    pub seconds: u64,
    /// All trials, in order; the last of a name decides.
    pub trials: Vec<Trial>,
    /// What the system showed over all of them.
    pub whole: Whole,
    /// Why not all was tried, if it was not.
    pub cut_short: Option<String>,
    /// Cells that were left out, and why.
    pub left_out: Vec<(String, &'static str)>,
}

impl Report {
    /// The trials that decide: of each name the last.
    fn decisive(&self) -> impl Iterator<Item = &Trial> {
        let later = |at: usize, name: &str| self.trials[at + 1..].iter().any(|trial| trial.name == name);
        self.trials.iter().enumerate().filter(move |(at, trial)| !later(*at, &trial.name)).map(|(_, t)| t)
    }

    /// Why the drill is not passed, in one sentence; none if it is.
    pub fn verdict(&self) -> Option<String> {
        let named = |verdict, what: &str| {
            let of: Vec<_> =
                self.decisive().filter(|t| t.verdict() == verdict).map(|t| t.name.as_str()).collect();
            (!of.is_empty()).then(|| format!("{what}: {}", of.join(", ")))
        };
        let found = [
            named(Verdict::Missed, "over their bars"),
            named(Verdict::Void, "void, so that nothing is proven"),
        ];
        let whole = self.whole.faults();
        let whole = (!whole.is_empty()).then(|| format!("over all of it: {}", whole.join(", ")));
        let found: Vec<_> = found.into_iter().flatten().chain(whole).collect();
        match (found.is_empty(), self.trials.is_empty()) {
            (false, _) => Some(found.join("; ")),
            (true, true) => Some("no cell was tried".to_owned()),
            (true, false) => None,
        }
    }

    /// What was left out, and why: a sentence for each fault and reason.
    pub fn omissions(&self) -> Vec<String> {
        let mut omissions: Vec<(&str, &str, Vec<&str>)> = Vec::new();
        for (cell, why) in &self.left_out {
            let (fault, component) = cell.split_once('@').unwrap_or((cell, ""));
            match omissions.iter_mut().find(|(known, reason, _)| *known == fault && reason == why) {
                Some((.., components)) => components.push(component),
                None => omissions.push((fault, why, vec![component])),
            }
        }
        let sentence = |(fault, why, components): &(&str, &str, Vec<&str>)| {
            format!("`{fault}` of {}: {why}", components.join(", "))
        };
        omissions.iter().map(sentence).collect()
    }

    /// The report for people.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        // Writing into a string can't fail.
        let _ = self.write_markdown(&mut text);
        text
    }

    fn write_markdown(&self, text: &mut String) -> fmt::Result {
        let passed = self.decisive().filter(|trial| trial.verdict() == Verdict::Passed).count();
        let Self { command, began, seconds, .. } = self;
        writeln!(text, "# Drill\n\n`{command}`, {began:.0}, {seconds} s: ")?;
        writeln!(text, "{passed} of {} passed.", self.decisive().count())?;
        if let Some(why) = &self.cut_short {
            writeln!(text, "\nNot all was tried: {why}.")?;
        }
        writeln!(text, "\nA bar is 0 where none stands in brackets; the figures are explained below.\n")?;
        write!(text, "| |")?;
        LEGEND.iter().try_for_each(|(what, _)| write!(text, " {what} |"))?;
        writeln!(text, "\n|---|{}", "---|".repeat(LEGEND.len()))?;
        self.decisive().try_for_each(|trial| row(text, trial))?;
        writeln!(text, "\n## Over all of it\n")?;
        self.whole.write_markdown(text)?;
        self.write_faults(text)?;
        writeln!(text, "\n## What was left out\n")?;
        self.omissions().iter().try_for_each(|sentence| writeln!(text, "- {sentence}"))?;
        writeln!(text, "\n## The figures\n")?;
        let figures = LEGEND.iter().chain(&whole::LEGEND);
        figures.into_iter().try_for_each(|(what, says)| writeln!(text, "- {what}: {says}"))
    }

    fn write_faults(&self, text: &mut String) -> fmt::Result {
        for trial in self.trials.iter().filter(|trial| trial.verdict() != Verdict::Passed) {
            let (name, verdict) = (&trial.name, trial.verdict().name());
            writeln!(text, "\n## `{name}`: {verdict}\n")?;
            writeln!(text, "The machine stood still for {} ms at the longest.\n", trial.standstill_ms)?;
            trial.faults().iter().try_for_each(|fault| writeln!(text, "- {fault}"))?;
            writeln!(text, "\n```")?;
            trial.told.iter().try_for_each(|line| writeln!(text, "{line}"))?;
            writeln!(text, "```")?;
        }
        Ok(())
    }
}

fn row(text: &mut String, trial: &Trial) -> fmt::Result {
    write!(text, "| `{}` {} |", trial.name, trial.verdict().name())?;
    for figure in &trial.figures {
        let Figure { is, bar, .. } = figure;
        let mark = if figure.holds() { "" } else { "**" };
        match bar {
            Bar::AtMost(0) | Bar::Open => write!(text, " {mark}{is}{mark} |")?,
            bar => write!(text, " {mark}{is}{mark} ({bar}) |")?,
        }
    }
    writeln!(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(name: &str, stall: u64, standstill_ms: u64) -> Trial {
        let figure = |what, is, bar| Figure { what, is, bar };
        let figures = LEGEND.map(|(what, _)| match what {
            "stall ms" => figure(what, stall, Bar::AtMost(0)),
            "slate ms" => figure(what, 4000, Bar::AtMost(6000)),
            "buffer ms" => figure(what, 2000, Bar::AtLeast(1)),
            _ => figure(what, 0, Bar::AtMost(0)),
        });
        let (figures, told) = (figures.to_vec(), vec!["worker-a is killed".to_owned()]);
        Trial { name: name.to_owned(), figures, troubles: Vec::new(), standstill_ms, told }
    }

    fn report(trials: Vec<Trial>) -> Report {
        let left_out = ["stall@origin1", "stall@origin2", "black@origin1"];
        let left_out = left_out.map(|cell| (cell.to_owned(), "it has no encoder")).to_vec();
        let (command, began) = ("airtight drill".to_owned(), Timestamp::UNIX_EPOCH);
        let whole = Whole::default();
        Report { command, began, seconds: 60, trials, whole, cut_short: None, left_out }
    }

    #[test]
    fn a_trial_is_void_only_if_it_missed_and_the_machine_stood_still() {
        assert_eq!(trial("a", 0, 299).verdict(), Verdict::Passed);
        assert_eq!(trial("a", 0, 300).verdict(), Verdict::Passed);
        assert_eq!(trial("a", 1, 299).verdict(), Verdict::Missed);
        assert_eq!(trial("a", 1, 300).verdict(), Verdict::Void);
        let unrecovered = Trial { troubles: vec!["it did not recover".to_owned()], ..trial("a", 0, 0) };
        assert_eq!(unrecovered.verdict(), Verdict::Missed);
    }

    #[test]
    fn slate_is_seen_at_any_server_whether_it_was_struck_or_not() {
        for what in LEGEND.map(|(what, _)| what) {
            let figure = |is| Figure { what, is, bar: Bar::Open };
            let showed = |is| Trial { figures: vec![figure(is)], ..trial("a", 0, 0) }.showed_slate();
            assert!(!showed(0), "{what}");
            assert_eq!(showed(1), ["slate ms", "own slate"].contains(&what), "{what}");
        }
    }

    #[test]
    fn the_last_trial_of_a_cell_decides() {
        assert_eq!(report(vec![trial("a", 1, 300), trial("a", 0, 0)]).verdict(), None);
        let verdict = report(vec![trial("a", 0, 0), trial("b", 1, 0), trial("c", 1, 300)]).verdict();
        assert_eq!(verdict.as_deref(), Some("over their bars: b; void, so that nothing is proven: c"));
        assert_eq!(report(Vec::new()).verdict().as_deref(), Some("no cell was tried"));
    }

    #[test]
    fn a_drill_whose_cells_are_passed_fails_by_what_the_system_showed_over_all_of_it() {
        let slow = Figure { what: "switch p99 ms", is: 2000, bar: Bar::AtMost(999) };
        let whole = Whole { figures: vec![slow], growths: Vec::new() };
        let report = Report { whole, ..report(vec![trial("a", 0, 0)]) };
        assert_eq!(report.verdict().as_deref(), Some("over all of it: switch p99 ms: 2000, at most 999"));
        let text = report.markdown();
        assert!(text.contains("## Over all of it\n"), "{text}");
        assert!(text.contains("| switch p99 ms | **2000** | ≤ 999 |"), "{text}");
    }

    #[test]
    fn a_row_stands_below_its_head_and_names_what_missed() {
        let (head, row) = (head(), trial("kill@worker-a", 7, 0).to_string());
        let lines: Vec<_> = row.lines().collect();
        assert_eq!(lines[0].len(), head.len());
        assert!(lines[0].starts_with("kill@worker-a         missed          7      0  "), "{row}");
        assert_eq!(lines[1..], ["  stall ms: 7, at most 0"]);
    }

    #[test]
    fn the_report_has_every_cell_with_its_bars_and_what_was_left_out() {
        let text = report(vec![trial("a", 0, 0), trial("b", 7, 0)]).markdown();
        for part in [
            "1 of 2 passed.",
            "| `a` passed | 0 | 0 |",
            "| `b` missed | **7** | 0 |",
            "| 4000 (≤ 6000) |",
            "| 2000 (≥ 1) |",
            "## `b`: missed",
            "- stall ms: 7, at most 0",
            "worker-a is killed",
            "- `stall` of origin1, origin2: it has no encoder\n- `black` of origin1: it has no encoder\n",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!text.contains("Not all was tried"));
    }

    #[test]
    fn the_report_of_a_drill_that_ended_early_says_so() {
        let cut_short = Some("it was told to end".to_owned());
        let text = Report { cut_short, ..report(vec![trial("a", 0, 0)]) }.markdown();
        assert!(text.contains("1 of 1 passed.\n\nNot all was tried: it was told to end.\n"), "{text}");
    }
}
