//! What the content of each lineage that delivers is now, as a figure.
//!
//! A lineage that is no longer heard of has none: the figure is made anew for each reader, from what the composers
//! said last. There are as many as signals are composed and lineages delivered for each, which both have bounds.

use std::{fmt, sync::Arc};

use airtight_media::{
    health::Health,
    id::{Lineage, SignalName},
};
use arc_swap::ArcSwap;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _},
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};

/// A lineage of a signal and what its content is.
pub(super) type Content = (SignalName, Lineage, Health);

/// The contents of all lineages. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Contents(Arc<ArcSwap<Vec<Content>>>);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Label {
    signal: String,
    lineage: String,
    health: &'static str,
}

impl Contents {
    /// These are all, from now on.
    pub(super) fn are(&self, contents: Vec<Content>) {
        self.0.store(Arc::new(contents));
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(self.clone()));
    }
}

impl Collector for Contents {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let contents = Family::<Label, Gauge>::default();
        for (signal, lineage, health) in self.0.load().iter() {
            let (signal, lineage) = (signal.to_string(), lineage.to_string());
            contents.get_or_create(&Label { signal, lineage, health: health.as_str() }).set(1);
        }
        let help = "What the content of a lineage that delivers is now";
        let kind = contents.metric_type();
        contents.encode(encoder.encode_descriptor("lineage_content", help, None, kind)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figure_is_what_was_said_last() {
        let (contents, mut registry) = (Contents::default(), Registry::with_prefix("airtight"));
        contents.register(&mut registry);
        let lines = || {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
            let lines = text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned);
            lines.collect::<Vec<_>>()
        };
        let say = |health| {
            contents.are(vec![("live01".parse().unwrap(), "a-7".parse().unwrap(), health)]);
            lines()
        };
        for (health, word) in [(Health::Healthy, "healthy"), (Health::Black, "black")] {
            let line =
                format!("airtight_lineage_content{{signal=\"live01\",lineage=\"a-7\",health=\"{word}\"}} 1");
            assert_eq!(say(health), [line]);
        }
        contents.are(Vec::new());
        assert!(lines().is_empty(), "it is heard no more");
    }
}
