//! How far the pictures of lineages agree, as a figure, and as a line of the log where that changes.
//!
//! As of contents, there is a figure for each lineage that delivers and none for others. What was said of two lineages is
//! remembered as long as both deliver, so that each loss and each return is said once.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, atomic::AtomicU64},
};

use airtight_media::{
    id::{Lineage, SignalName},
    parity::{Parity, Verdict},
};
use arc_swap::ArcSwap;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _},
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};
use tracing::{info, warn};

/// A lineage of a signal, and the one that it is compared with.
pub(super) type Pair = (SignalName, Lineage, Lineage);

/// The parities of all lineages. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Parities(Arc<ArcSwap<Vec<(Pair, Parity)>>>);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Label {
    signal: String,
    lineage: String,
    with: String,
}

impl Parities {
    /// These are all, from now on.
    pub(super) fn are(&self, parities: Vec<(Pair, Parity)>) {
        self.0.store(Arc::new(parities));
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(self.clone()));
    }
}

impl Collector for Parities {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let parities = Family::<Label, Gauge<f64, AtomicU64>>::default();
        for ((signal, lineage, with), parity) in self.0.load().iter() {
            let [signal, lineage, with] = [signal.to_string(), lineage.to_string(), with.to_string()];
            parities.get_or_create(&Label { signal, lineage, with }).set(parity.similarity);
        }
        let help = "How far the pictures of two lineages agree at the same time: 1 if they are the same";
        let kind = parities.metric_type();
        parities.encode(encoder.encode_descriptor("lineage_parity", help, None, kind)?)
    }
}

/// What was said of each two lineages.
#[derive(Debug, Default)]
pub(super) struct Verdicts(BTreeMap<Pair, Verdict>);

impl Verdicts {
    /// Says what has changed with these, which are all.
    pub(super) fn judge(&mut self, parities: &[(Pair, Parity)]) {
        let mut before = std::mem::take(&mut self.0);
        for (pair, parity) in parities {
            let mut verdict = before.remove(pair).unwrap_or_default();
            let ((signal, lineage, with), number) = (pair, parity.newest);
            match verdict.turn(parity) {
                None => {}
                Some(Verdict::Lost) => warn!(
                    "{signal}: lineages {with} and {lineage} show different pictures at the same time, number {number} \
                     (parity {:.2}): compare the inputs and clocks of their workers",
                    parity.similarity
                ),
                Some(Verdict::Same) => {
                    info!(
                        "{signal}: lineages {with} and {lineage} show the same picture again, number {number}"
                    );
                }
            }
            self.0.insert(pair.clone(), verdict);
        }
    }
}

#[cfg(test)]
mod tests {
    use airtight_media::{
        grid::Number,
        parity::{CELLS, Luma, Pictures},
    };

    use super::*;
    use crate::log::tests::lines;

    /// The parity of two lineages, one of which is black and the other as bright as each of these, in 256ths of a level, number by number.
    fn parity(levels: &[u16]) -> (Pair, Parity) {
        let (mut one, mut other) = (Pictures::default(), Pictures::default());
        for (number, level) in (10..).zip(levels) {
            one.show(Number(number), Luma([0; CELLS]));
            other.show(Number(number), Luma([*level; CELLS]));
        }
        let pair = ("live01".parse().unwrap(), "b-8".parse().unwrap(), "a-7".parse().unwrap());
        (pair, one.parity(&other).unwrap())
    }

    #[test]
    fn the_figure_is_what_was_found_last() {
        let (parities, mut registry) = (Parities::default(), Registry::with_prefix("airtight"));
        parities.register(&mut registry);
        let lines = || {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
            let lines = text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned);
            lines.collect::<Vec<_>>()
        };
        for (level, value) in [(0, "1.0"), (64, "0.5")] {
            parities.are(vec![parity(&[level])]);
            let label = r#"{signal="live01",lineage="b-8",with="a-7"}"#;
            assert_eq!(lines(), [format!("airtight_lineage_parity{label} {value}")]);
        }
        parities.are(Vec::new());
        assert!(lines().is_empty(), "they are heard no more");
    }

    #[test]
    fn each_change_is_said_once_and_nothing_is_kept_of_who_left() {
        let mut verdicts = Verdicts::default();
        let mut said = |levels: &[u16]| lines(|| (0..9).for_each(|_| verdicts.judge(&[parity(levels)])));
        assert_eq!(said(&[0; 20]), [""; 0]);
        let lost = said(&[9 * 256; 20]);
        assert!(
            lost.len() == 1 && lost[0].contains("WRN live01: lineages a-7 and b-8 show different"),
            "{lost:?}"
        );
        assert!(lost[0].contains("number 29 (parity 0.00): compare the inputs"), "{lost:?}");
        let back = said(&[0; 20]);
        assert!(back.len() == 1 && back[0].ends_with("show the same picture again, number 29"), "{back:?}");
        verdicts.judge(&[]);
        assert!(verdicts.0.is_empty());
    }
}
