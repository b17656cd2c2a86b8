//! Tests that measure time: one has the machine at a time.
//!
//! A system that stands still because another test needs the machine would be judged for it.

#[path = "../programme/mod.rs"]
mod programme;
#[path = "../support/mod.rs"]
mod support;

mod drill_sees_what_viewers_see;
mod four_servers_show_one_programme;
mod no_viewer_notices_a_death;
mod no_viewer_notices_a_freeze;
mod nobody_notices_an_upgrade;
mod overload_refuses_the_new_first;
mod slate_bridges_the_loss_of_all_encoders;
mod viewers_move_when_an_origin_dies;
mod watch_finds_nothing_wrong;
