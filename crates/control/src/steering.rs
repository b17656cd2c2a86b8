//! In which order viewers are to try the origins, by what one origin knows of itself and of the others.

use crate::health::{Health, Hysteresis};

/// What one origin knows of all, itself among them.
#[derive(Clone, Debug)]
pub struct Steering {
    own: usize,
    origins: Vec<Health>,
}

impl Steering {
    /// Origin `own` of `count`, which knows nothing yet.
    pub fn new(own: usize, count: usize) -> Self {
        Self { own, origins: vec![Health::new(Hysteresis::DEFAULT); count] }
    }

    /// Origin `at` says that it is ready to serve, or does not say so.
    pub fn handle(&mut self, at: usize, ready: bool) {
        if let Some(origin) = self.origins.get_mut(at) {
            // The order tells the change.
            let _ = origin.handle(ready);
        }
    }

    /// All origins, the first to be tried first: those that are ready before those that are not, and among equals
    /// this one, so that viewers stay where they came.
    pub fn order(&self) -> Vec<usize> {
        let mut order: Vec<_> = (0..self.origins.len()).collect();
        order.sort_by_key(|at| (!self.origins[*at].is_healthy(), *at != self.own, *at));
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order in the view of origin 1 of three after rounds in which these were ready.
    fn order(rounds: &[[bool; 3]]) -> Vec<usize> {
        let mut steering = Steering::new(1, 3);
        for round in rounds {
            round.iter().enumerate().for_each(|(at, ready)| steering.handle(at, *ready));
        }
        steering.order()
    }

    #[test]
    fn viewers_stay_unless_another_is_better() {
        let (all, none) = ([true; 3], [false; 3]);
        assert_eq!(order(&[]), [1, 0, 2], "nothing is known");
        assert_eq!(order(&[all]), [1, 0, 2]);
        assert_eq!(order(&[none]), [1, 0, 2], "there is none to go to");
        let unready = [true, false, true];
        assert_eq!(order(&[all, unready]), [1, 0, 2], "once is an accident");
        assert_eq!(order(&[all, unready, unready]), [0, 2, 1]);
        assert_eq!(order(&[all, unready, unready, all]), [0, 2, 1], "it may be luck");
        assert_eq!(order(&[all, unready, unready, all, all]), [1, 0, 2]);
        let alone = [false, true, true];
        assert_eq!(order(&[alone, alone]), [1, 2, 0], "the dead one comes last");
    }
}
