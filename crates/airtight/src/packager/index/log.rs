//! The news in order, the newest of them: what a follower resumes from.

use std::collections::VecDeque;

use airtight_media::holding::Revision;

use super::{Change, News};

#[derive(Debug)]
pub(super) struct Log {
    run: u64,
    /// How many news are kept. A follower that is further behind is sent everything anew.
    kept: usize,
    /// How many news there were, the ones that are no longer kept too.
    sequence: u64,
    news: VecDeque<News>,
}

impl Log {
    pub(super) fn new(run: u64, kept: usize) -> Self {
        Self { run, kept, sequence: 0, news: VecDeque::new() }
    }

    pub(super) fn push(&mut self, what: Change) {
        self.sequence += 1;
        if self.news.len() >= self.kept {
            self.news.pop_front();
        }
        self.news.push_back(News { rev: self.revision(), what });
    }

    /// Leaves nothing to resume from.
    pub(super) fn cut(&mut self) {
        self.sequence += 1;
        self.news.clear();
    }

    pub(super) fn revision(&self) -> Revision {
        Revision { run: self.run, sequence: self.sequence }
    }

    /// The news after `revision`; `None` if some of them are no longer kept, or never were of this run.
    pub(super) fn since(&self, revision: Revision) -> Option<Vec<News>> {
        let missed = self.sequence.checked_sub(revision.sequence)?;
        let missed = usize::try_from(missed).ok()?;
        if revision.run != self.run || missed > self.news.len() {
            return None;
        }
        Some(self.news.range(self.news.len() - missed..).cloned().collect())
    }
}
