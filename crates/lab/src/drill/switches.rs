//! How long origins took to decide to use another copy, over all trials that tell of them: what their own histograms
//! counted, without what they counted while the machine stood still.

use std::collections::BTreeMap;

/// The histogram of an origin, as `GET /metrics` has it.
const BUCKETS: &str = "airtight_copy_switch_seconds_bucket{";

/// How many decisions took no longer than each bound, in milliseconds; the last has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<u64, u64>);

impl Counts {
    /// Those in the figures of an origin; none of them if it has no such histogram.
    pub fn read(metrics: &str) -> Self {
        let bucket = |line: &str| {
            let (bound, count) = line.strip_prefix(BUCKETS)?.split_once("} ")?;
            let bound = bound.split(',').find_map(|label| label.strip_prefix("le=\""))?.strip_suffix('"')?;
            Some((millis(bound)?, count.parse().ok()?))
        };
        Self(metrics.lines().filter_map(bucket).collect())
    }

    /// All decisions.
    fn all(&self) -> u64 {
        self.0.values().copied().max().unwrap_or(0)
    }

    /// What was counted since there were so many.
    fn since(&self, before: &Self) -> Self {
        let earlier = |bound| before.0.get(bound).copied().unwrap_or(0);
        Self(self.0.iter().map(|(bound, count)| (*bound, count.saturating_sub(earlier(bound)))).collect())
    }

    fn add(&mut self, other: &Self) {
        for (bound, count) in &other.0 {
            *self.0.entry(*bound).or_default() += count;
        }
    }
}

/// A bound in seconds, in milliseconds rounded up; the greatest number stands for none.
fn millis(seconds: &str) -> Option<u64> {
    if seconds == "+Inf" {
        return Some(u64::MAX);
    }
    let seconds: f64 = seconds.parse().ok()?;
    let time = std::time::Duration::try_from_secs_f64(seconds).ok()?;
    u64::try_from(time.as_micros().div_ceil(1000)).ok()
}

/// What all processes of all origins counted. A process that begins anew counts beside those before it.
#[derive(Debug, Clone)]
pub struct Switches<K> {
    counted: BTreeMap<K, Counts>,
    /// What of it tells of the machine alone.
    void: Counts,
}

impl<K> Default for Switches<K> {
    fn default() -> Self {
        Self { counted: BTreeMap::new(), void: Counts::default() }
    }
}

impl<K: Ord> Switches<K> {
    /// What a process has counted so far. Nothing that it counted before is lost by what another one answers in its place.
    pub fn saw(&mut self, process: K, counts: &Counts) {
        let known = &mut self.counted.entry(process).or_default().0;
        for (bound, count) in &counts.0 {
            let so_far = known.entry(*bound).or_default();
            *so_far = (*so_far).max(*count);
        }
    }

    /// The trial that began with what was counted `before` is void, and so are its decisions.
    pub fn void_since(&mut self, before: &Self) {
        let nothing = Counts::default();
        for (process, counts) in &self.counted {
            self.void.add(&counts.since(before.counted.get(process).unwrap_or(&nothing)));
        }
    }

    /// How many decisions there were in void trials.
    pub fn void(&self) -> u64 {
        self.void.all()
    }

    /// How many decisions there were, but for those in void trials.
    pub fn count(&self) -> u64 {
        self.valid().all()
    }

    /// The bound, in milliseconds, that 99 of 100 decisions kept; none if there was no decision. It is the upper end of a
    /// bucket, so that the decisions themselves took no longer.
    pub fn p99(&self) -> Option<u64> {
        let valid = self.valid();
        let all = valid.all();
        let kept = |kept: u64| kept.saturating_mul(100) >= all.saturating_mul(99);
        valid.0.into_iter().find(|(_, count)| all > 0 && kept(*count)).map(|(bound, _)| bound)
    }

    fn valid(&self) -> Counts {
        let mut sum = Counts::default();
        self.counted.values().for_each(|counts| sum.add(counts));
        sum.since(&self.void)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The figures of an origin that counted `within` decisions within half a second and `above` within a whole one, and
    /// `endless` that took longer.
    fn counts(within: u64, above: u64, endless: u64) -> Counts {
        let (second, all) = (within + above, within + above + endless);
        Counts::read(&format!(
            "# TYPE airtight_copy_switch_seconds histogram\n\
             airtight_copy_switch_seconds_sum 1.5\nairtight_copy_switch_seconds_count {all}\n\
             airtight_copy_switch_seconds_bucket{{le=\"0.5\"}} {within}\n\
             airtight_copy_switch_seconds_bucket{{le=\"1.0\"}} {second}\n\
             airtight_copy_switch_seconds_bucket{{le=\"+Inf\"}} {all}\n\
             airtight_segments_filled_total 9\n"
        ))
    }

    fn seen(counts: &[Counts]) -> (u64, Option<u64>) {
        let mut switches = Switches::default();
        counts.iter().enumerate().for_each(|(process, counts)| switches.saw(process, counts));
        (switches.count(), switches.p99())
    }

    #[test]
    fn ninety_nine_of_a_hundred_over_all_processes_kept_the_bound() {
        assert_eq!(seen(&[]), (0, None));
        assert_eq!(seen(&[counts(0, 0, 0), Counts::read("nothing")]), (0, None));
        assert_eq!(seen(&[counts(98, 0, 0), counts(1, 1, 0)]), (100, Some(500)));
        assert_eq!(seen(&[counts(98, 0, 0), counts(0, 2, 0)]), (100, Some(1000)));
        assert_eq!(seen(&[counts(10, 0, 0), counts(10, 0, 1)]), (21, Some(u64::MAX)));
    }

    #[test]
    fn what_a_process_counted_is_counted_once_and_never_lost() {
        let mut switches = Switches::default();
        for counted in [counts(1, 0, 0), counts(1, 1, 0), counts(0, 0, 0)] {
            switches.saw("origin1, process 7", &counted);
        }
        assert_eq!((switches.count(), switches.p99()), (2, Some(1000)));
    }

    #[test]
    fn what_was_decided_while_the_machine_stood_still_tells_nothing() {
        let mut switches = Switches::default();
        switches.saw(1, &counts(2, 0, 0));
        let before = switches.clone();
        // One that goes on, and one that was started in the void trial.
        switches.saw(1, &counts(2, 0, 3));
        switches.saw(2, &counts(1, 1, 0));
        assert_eq!((switches.count(), switches.void(), switches.p99()), (7, 0, Some(u64::MAX)));
        switches.void_since(&before);
        assert_eq!((switches.count(), switches.void(), switches.p99()), (2, 5, Some(500)));
        // What comes later counts, and a second void trial takes nothing twice.
        let before = switches.clone();
        switches.saw(2, &counts(1, 2, 0));
        assert_eq!((switches.count(), switches.void(), switches.p99()), (3, 5, Some(1000)));
        switches.void_since(&before);
        assert_eq!((switches.count(), switches.void(), switches.p99()), (2, 6, Some(500)));
    }
}
